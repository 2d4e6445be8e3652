package quadlet

import (
	"fmt"
	"strings"
)

func (r *renderer) pod(p Pod) {
	r.unit = p.Unit
	if r.host.Podman.Before(podsSince) {
		r.note(Stop, "Pod", fmt.Sprintf("pods need Podman %s for a unit; this host has %s", podsSince, r.host.Podman), "")
		return
	}
	unit, body, service, install := &section{name: "Unit"}, &section{name: "Pod"}, &section{name: "Service"}, &section{name: "Install"}
	title(unit, oneLine("Pod "+p.Name))
	needs(unit, p.Needs, ".service")
	r.put(body, "PodName", p.Name)
	rest := r.networks(body, p.Networks)
	rest = append(rest, r.volumes(body, p.Volumes)...)
	rest = append(rest, r.settings(body, podKeys, p.Settings)...)
	r.podmanArgs(body, rest)
	if p.Restart != "" && p.Restart != "no" {
		restarts(unit, service, p.Restart, limitBurst)
	}
	if !p.Manual {
		install.set("WantedBy", "default.target")
	}
	r.add("pod", p.Source, []*section{unit, body, service, install}, p)
}

func (r *renderer) network(n Network) {
	r.unit = n.Unit
	unit, body := &section{name: "Unit"}, &section{name: "Network"}
	title(unit, oneLine("Network "+n.Name))
	r.put(body, "NetworkName", n.Name)
	r.podmanArgs(body, r.settings(body, networkKeys, n.Settings))
	r.add("network", n.Source, []*section{unit, body}, n)
}

func (r *renderer) volume(v Volume) {
	r.unit = v.Unit
	unit, body := &section{name: "Unit"}, &section{name: "Volume"}
	title(unit, oneLine("Volume "+v.Name))
	r.put(body, "VolumeName", v.Name)
	r.podmanArgs(body, volumeArgs(r.settings(body, volumeKeys, volumeSettings(v.Settings))))
	r.add("volume", v.Source, []*section{unit, body}, v)
}

// volumeSettings takes --opt apart for Device=, Type= and Options=, which the
// generator takes together only with a device.
func volumeSettings(list []Setting) []Setting {
	device := false
	for _, s := range list {
		device = device || s.Flag == "opt" && strings.HasPrefix(s.Value, "device=")
	}
	var out []Setting
	for _, s := range list {
		name, value, _ := strings.Cut(s.Value, "=")
		if s.Flag == "opt" && device && value != "" && (name == "device" || name == "type" || name == "o") {
			s = Setting{"opt-" + name, value}
		}
		out = append(out, s)
	}
	return out
}

// volumeArgs puts together again what no key could say.
func volumeArgs(list []Setting) []Setting {
	for i, s := range list {
		if name, ok := strings.CutPrefix(s.Flag, "opt-"); ok {
			list[i] = Setting{"opt", name + "=" + s.Value}
		}
	}
	return list
}

func (r *renderer) build(b Build) {
	if r.host.Podman.Before(buildsSince) {
		return // said of the container
	}
	r.unit = b.Unit
	unit, body, service := &section{name: "Unit"}, &section{name: "Build"}, &section{name: "Service"}
	title(unit, oneLine("Image "+b.Image))
	r.put(body, "ImageTag", b.Image)
	r.put(body, "SetWorkingDirectory", b.Context)
	r.podmanArgs(body, r.settings(body, buildKeys, b.Settings))
	// A build takes what it takes; without this it is ended after 90 s.
	service.set("TimeoutStartSec", "1800")
	r.add("build", b.Source, []*section{unit, body, service}, b)
}
