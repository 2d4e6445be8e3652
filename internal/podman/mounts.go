package podman

import (
	"encoding/csv"
	"maps"
	"slices"
	"strings"

	"github.com/containers/podman/v5/libpod/define"

	"keeper/internal/quadlet"
)

// mounts are named volumes, anonymous ones, directories of the host, images and
// tmpfs. Inspecting tells of all but overlays (:O), and of :z and :Z only until
// the container is started for the first time.
func (m *maker) mounts() {
	labels := m.relabels()
	targets := map[string]bool{}
	// Podman tells them in any order.
	mounts := slices.Clone(m.d.Mounts)
	slices.SortFunc(mounts, func(a, b define.InspectMount) int { return strings.Compare(a.Destination, b.Destination) })
	for _, mount := range mounts {
		targets[mount.Destination] = true
		if m.ofPod(mount) {
			continue
		}
		options := mountOptions(mount)
		if mode := mount.Mode; mode == "" && labels[mount.Destination] != "" {
			options = append([]string{labels[mount.Destination]}, options...)
		} else if mode == "" && mount.Type == "bind" && !m.cmd.known && m.f.SELinux {
			m.lost("volume", "whether %s was mounted with z or Z is not recorded: without it, SELinux may deny access to it", mount.Source)
		}
		switch mount.Type {
		case "volume":
			m.volume(mount, options)
		case "image":
			m.set("mount", fields("type", "image", "source", mount.Source, "destination", mount.Destination, "rw", yes(mount.RW), "subpath", mount.SubPath))
		default:
			if strings.ContainsAny(mount.Source+mount.Destination, ":") {
				// --volume cuts at colons, and has no way to write one.
				m.set("mount", bindMount(mount, options))
				continue
			}
			m.out.Volumes = append(m.out.Volumes, quadlet.VolumeUse{Source: mount.Source, Target: mount.Destination, Options: options})
		}
	}
	for _, target := range slices.Sorted(maps.Keys(m.d.HostConfig.Tmpfs)) {
		targets[target] = true
		m.set("tmpfs", strings.TrimSuffix(target+":"+tmpfsOptions(m.d.HostConfig.Tmpfs[target]), ":"))
	}
	m.overlays(targets)
	m.imageVolumes(targets)
	slices.SortStableFunc(m.out.Volumes, func(a, b quadlet.VolumeUse) int { return strings.Compare(a.Target, b.Target) })
}

func (m *maker) volume(mount define.InspectMount, options []string) {
	use := quadlet.VolumeUse{Unit: unitName(mount.Name), Target: mount.Destination, Options: options}
	if m.f.anonymous(mount.Name) {
		use.Unit = ""
		m.out.Anonymous = append(m.out.Anonymous, Anonymous{
			Volume: mount.Name, Target: mount.Destination, Driver: mount.Driver, Mountpoint: mount.Source, Options: options,
		})
	} else if mount.SubPath != "" || strings.ContainsAny(mount.Destination, ":") {
		// --volume has no word for a part of a volume.
		m.set("mount", fields("type", "volume", "source", mount.Name, "destination", mount.Destination, "subpath", mount.SubPath, "ro", yes(!mount.RW)))
		return
	}
	m.out.Volumes = append(m.out.Volumes, use)
}

func (f *facts) anonymous(volume string) bool {
	for _, v := range f.Volumes {
		if v.Name == volume {
			return v.Anonymous
		}
	}
	return false
}

// ofPod says that a mount is the pod's: its containers get them all.
func (m *maker) ofPod(mount define.InspectMount) bool {
	return m.infra != nil && m.infra != m.d && slices.ContainsFunc(m.infra.Mounts, func(i define.InspectMount) bool {
		return i.Destination == mount.Destination && i.Source == mount.Source
	})
}

// relabels are the z and Z of the command line, by target: of a container that
// was started, inspecting gives the mounts of the runtime, where they are spent.
func (m *maker) relabels() map[string]string {
	found := map[string]string{}
	for _, v := range m.cmd.all("volume") {
		parts := strings.Split(v, ":")
		if len(parts) != 3 {
			continue
		}
		for _, o := range strings.Split(parts[2], ",") {
			if o == "z" || o == "Z" {
				found[parts[1]] = o
			}
		}
	}
	for _, v := range m.cmd.all("mount") {
		switch f := parseFields(v); f["relabel"] {
		case "shared":
			found[f["destination"]] = "z"
		case "private":
			found[f["destination"]] = "Z"
		}
	}
	return found
}

// overlays are mounts with :O, which inspecting leaves out.
func (m *maker) overlays(targets map[string]bool) {
	for _, v := range m.cmd.all("volume") {
		parts := strings.Split(v, ":")
		if len(parts) != 3 || targets[parts[1]] {
			continue
		}
		options := strings.Split(parts[2], ",")
		if slices.Contains(options, "O") {
			targets[parts[1]] = true
			m.out.Volumes = append(m.out.Volumes, quadlet.VolumeUse{Source: parts[0], Target: parts[1], Options: options})
		}
	}
}

// imageVolumes looks for volumes of the image that are not there.
func (m *maker) imageVolumes(targets map[string]bool) {
	if mode, ok := m.cmd.last("image-volume"); ok {
		m.set("image-volume", mode)
		return
	}
	if m.image.Config == nil {
		return
	}
	for _, target := range slices.Sorted(maps.Keys(m.image.Config.Volumes)) {
		if !targets[strings.TrimSuffix(target, "/")] && !targets[target] && !m.cmd.known {
			m.lost("image-volume", "the image asks for a volume at %s, and the container has none: the unit will have one", target)
		}
	}
}

// mountOptions are those that Podman would not choose by itself.
func mountOptions(mount define.InspectMount) []string {
	var list []string
	if mount.Mode != "" {
		list = append(list, mount.Mode)
	}
	if !mount.RW {
		list = append(list, "ro")
	}
	for _, o := range mount.Options {
		switch {
		case o == "rbind" || o == "rw" || o == "exec":
		case mount.Type == "volume" && (o == "nosuid" || o == "nodev"):
		default:
			list = append(list, o)
		}
	}
	if p := mount.Propagation; p != "" && p != "rprivate" {
		list = append(list, p)
	}
	return list
}

func tmpfsOptions(options string) string {
	var list []string
	for _, o := range strings.Split(options, ",") {
		if !slices.Contains([]string{"", "rw", "rprivate", "nosuid", "nodev", "tmpcopyup"}, o) {
			list = append(list, o)
		}
	}
	return strings.Join(list, ",")
}

func bindMount(mount define.InspectMount, options []string) string {
	relabel, chown := "", ""
	for _, o := range options {
		switch o {
		case "z":
			relabel = "shared"
		case "Z":
			relabel = "private"
		case "U":
			chown = "true"
		}
	}
	propagation := mount.Propagation
	if propagation == "rprivate" {
		propagation = ""
	}
	return fields("type", "bind", "source", mount.Source, "destination", mount.Destination,
		"ro", yes(!mount.RW), "relabel", relabel, "chown", chown, "bind-propagation", propagation)
}

func yes(is bool) string {
	if is {
		return "true"
	}
	return ""
}

// fields writes the value of --mount, which podman-run(1) reads as one record of
// comma separated values. Empty ones are left out.
func fields(pairs ...string) string {
	var record []string
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			record = append(record, pairs[i]+"="+pairs[i+1])
		}
	}
	var b strings.Builder
	w := csv.NewWriter(&b)
	_ = w.Write(record) // into memory
	w.Flush()
	return strings.TrimSuffix(b.String(), "\n")
}

func parseFields(value string) map[string]string {
	found := map[string]string{}
	record, err := csv.NewReader(strings.NewReader(value)).Read()
	if err != nil {
		return found
	}
	for _, field := range record {
		key, v, _ := strings.Cut(field, "=")
		switch key {
		case "target", "dst":
			key = "destination"
		case "src":
			key = "source"
		}
		found[key] = v
	}
	return found
}
