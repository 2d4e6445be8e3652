package podman

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/containers/podman/v5/libpod/define"

	"keeper/internal/quadlet"
)

// pod makes the model of a pod: most of it is what its infra container has.
func (f *facts) pod(p *define.InspectPodData, byID map[string]*define.InspectContainerData) Pod {
	out := Pod{
		Pod: quadlet.Pod{Unit: unitName(p.Name), Name: p.Name, Source: quadlet.Source{Kind: quadlet.FromContainer, Name: p.Name}},
		ID:  p.ID, State: p.State, InfraID: p.InfraContainerID,
	}
	for _, c := range p.Containers {
		if c.ID != p.InfraContainerID {
			out.Containers = append(out.Containers, c.Name)
		}
	}
	slices.Sort(out.Containers)
	// The policy of a pod is that of its containers, whose units have their own.
	// The pod must come back in any case: its containers are bound to it
	// (BindsTo=), and its unit ends successfully whatever ended it.
	out.Restart = "always"
	set := func(flag, value string) {
		if value != "" {
			out.Settings = append(out.Settings, quadlet.Setting{Flag: flag, Value: value})
		}
	}
	for _, key := range slices.Sorted(maps.Keys(p.Labels)) {
		if !toolsOwn(key) {
			set("label", key+"="+p.Labels[key])
		}
	}
	if !p.CreateInfra {
		out.Notes = append(out.Notes, quadlet.Note{
			Unit: out.Unit, Level: quadlet.Stop, Field: "infra",
			Text: "the pod has no infra container, and a unit follows that one's process: Podman's generator cannot start such a pod",
			Try:  "make the pod anew, without --infra=false",
		})
	}
	// Podman's default is to continue, and Quadlet's to stop: there, a crash of the
	// only container ends the pod, and the pod takes the container's restart along.
	if p.ExitPolicy != "stop" {
		set("exit-policy", "continue")
	}
	set("hostname", p.Hostname)
	set("share", shares(p.SharedNamespaces))
	if p.CPUQuota > 0 && p.CPUPeriod > 0 {
		set("cpus", strconv.FormatFloat(float64(p.CPUQuota)/float64(p.CPUPeriod), 'f', -1, 64))
	}
	number := func(flag string, n uint64) {
		if n > 0 {
			set(flag, strconv.FormatUint(n, 10))
		}
	}
	number("cpu-shares", p.CPUShares)
	set("cpuset-cpus", p.CPUSetCPUs)
	set("cpuset-mems", p.CPUSetMems)
	number("memory", p.MemoryLimit)
	if p.MemorySwap != 2*p.MemoryLimit {
		number("memory-swap", p.MemorySwap)
	}
	number("blkio-weight", p.BlkioWeight)
	if infra := byID[p.InfraContainerID]; infra != nil {
		f.infra(infra, byID, p, &out, set)
	}
	sortSettings(out.Settings)
	return out
}

// infra adds what the infra container tells.
func (f *facts) infra(d *define.InspectContainerData, byID map[string]*define.InspectContainerData, p *define.InspectPodData, out *Pod, set func(flag, value string)) {
	c := Container{Container: quadlet.Container{Unit: out.Unit}}
	m := &maker{f: f, d: d, image: f.image(d.Image), cmd: parseCommand(p.CreateCommand), byID: byID, out: &c}
	m.mounts()
	m.network()
	m.namespaces()
	m.limits()
	m.security()
	out.Networks, out.Volumes, out.Notes = c.Networks, c.Volumes, append(out.Notes, c.Notes...)
	for _, s := range c.Settings {
		switch s.Flag {
		case "hostname", "expose", "cap-add", "cap-drop", "ulimit", "cpus", "cpu-period", "cpu-quota", "cpu-shares", "cpuset-cpus", "cpuset-mems", "memory", "memory-swap", "blkio-weight":
			// Told by the pod itself, or not for a pod.
		default:
			set(s.Flag, s.Value)
		}
	}
	if d.Name != short(p.ID)+"-infra" {
		// The old pod is there until the new one has proved itself, and so is the name.
		out.Notes = append(out.Notes, quadlet.Note{
			Unit: out.Unit, Level: quadlet.Lost, Field: "infra-name",
			Text: "its infra container is called " + d.Name + ", and the unit's gets the name that Podman makes up",
		})
	}
}

// shares is --share, if it is not what Podman chooses: ipc, net and uts, and
// the user namespace where there is one.
func shares(namespaces []string) string {
	list := slices.DeleteFunc(slices.Clone(namespaces), func(n string) bool { return n == "user" })
	slices.Sort(list)
	if len(namespaces) == 0 || slices.Equal(list, []string{"ipc", "net", "uts"}) {
		return ""
	}
	return strings.Join(list, ",")
}

// volume makes the model of a volume.
func (f *facts) volume(v *define.InspectVolumeData) Volume {
	out := Volume{
		Volume:    quadlet.Volume{Unit: unitName(v.Name), Name: v.Name, Source: quadlet.Source{Kind: quadlet.FromContainer, Name: v.Name}},
		Anonymous: v.Anonymous, Driver: v.Driver, Mountpoint: v.Mountpoint,
		NeedsCopyUp: v.NeedsCopyUp, NeedsChown: v.NeedsChown,
	}
	for _, c := range f.Containers {
		if slices.ContainsFunc(c.Mounts, func(m define.InspectMount) bool { return m.Type == "volume" && m.Name == v.Name }) {
			out.UsedBy = append(out.UsedBy, c.Name)
		}
	}
	slices.Sort(out.UsedBy)
	set := func(flag, value string) {
		out.Settings = append(out.Settings, quadlet.Setting{Flag: flag, Value: value})
	}
	if v.Driver != "local" && v.Driver != "" {
		set("driver", v.Driver)
	}
	for _, key := range slices.Sorted(maps.Keys(v.Labels)) {
		if !toolsOwn(key) {
			set("label", key+"="+v.Labels[key])
		}
	}
	for _, key := range slices.Sorted(maps.Keys(v.Options)) {
		// Of o=uid=5,size=1m the local driver makes UID and SIZE besides.
		if out.Driver == "local" && key == strings.ToUpper(key) {
			continue
		}
		set("opt", key+"="+v.Options[key])
	}
	return out
}

// untold says what nothing tells of a container that has no command line.
func (m *maker) untold() {
	if m.cmd.known || m.d.IsInfra {
		return
	}
	m.lost("", "it was made through Podman's API, which keeps no record of some things: devices, sysctls, mounts with :O, masked paths, "+
		"fixed addresses and options of pasta. If it has any, add them to the unit")
}
