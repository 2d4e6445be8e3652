package adopt

import (
	"cmp"
	"slices"
	"strings"

	"keeper/internal/podman"
	"keeper/internal/quadlet"
)

// resources makes units of the volumes and networks that the containers use, or
// finds those that others wrote.
func (b *builder) resources() {
	moved := map[string]string{}
	b.stack.Volumes = slices.DeleteFunc(b.stack.Volumes, func(v quadlet.Volume) bool { return b.theirs("volume", v.Name, v.Unit, moved) })
	b.stack.Networks = slices.DeleteFunc(b.stack.Networks, func(n quadlet.Network) bool { return b.theirs("network", n.Name, n.Unit, moved) })
	for _, v := range b.stack.Volumes {
		b.volumes[v.Name] = v.Unit
	}
	for _, n := range b.stack.Networks {
		b.networks[n.Name] = n.Unit
	}
	for i := range b.stack.Containers {
		c := &b.stack.Containers[i]
		c.Volumes, c.Networks = b.volumeUses(c.Volumes, moved), b.networkUses(c.Networks, moved)
	}
	for i := range b.stack.Pods {
		p := &b.stack.Pods[i]
		p.Volumes, p.Networks = b.volumeUses(p.Volumes, moved), b.networkUses(p.Networks, moved)
	}
}

// theirs says whether another file makes the volume or network already; then
// that one is used.
func (b *builder) theirs(kind, name, unit string, moved map[string]string) bool {
	other, ok := b.disk.unitOf(kind, name)
	if !ok || other == unit {
		return false
	}
	moved[unit+"."+kind] = other
	return true
}

// volumeUses refers to volumes by their units.
func (b *builder) volumeUses(list []quadlet.VolumeUse, moved map[string]string) []quadlet.VolumeUse {
	list = slices.Clone(list)
	for i, u := range list {
		if u.Unit != "" {
			list[i].Unit = cmp.Or(moved[u.Unit+".volume"], u.Unit)
			continue
		}
		v, ok := b.existing(u.Source)
		if u.Source == "" || strings.HasPrefix(u.Source, "/") || !ok || v.Anonymous || len(b.req.Compose.Files) > 0 {
			continue // a path; or a volume that a Compose file calls external
		}
		list[i].Unit, list[i].Source = b.volumeUnit(v), ""
	}
	return list
}

func (b *builder) existing(name string) (podman.Volume, bool) {
	for _, v := range b.survey.Volumes {
		if v.Name == name {
			return v, true
		}
	}
	return podman.Volume{}, false
}

// volumeUnit returns the unit of a volume, and makes one if there is none.
func (b *builder) volumeUnit(v podman.Volume) string {
	if unit, ok := b.volumes[v.Name]; ok {
		return unit
	}
	unit, ok := b.disk.unitOf("volume", v.Name)
	if f, _ := b.disk.file(unit + ".volume"); !ok || f.Origin.Ours {
		unit = v.Unit
		b.stack.Volumes = append(b.stack.Volumes, ofVolume(v.Volume))
	}
	b.volumes[v.Name] = unit
	return unit
}

func (b *builder) networkUses(list []quadlet.NetworkUse, moved map[string]string) []quadlet.NetworkUse {
	list = slices.Clone(list)
	for i, u := range list {
		if u.Unit != "" {
			list[i].Unit = cmp.Or(moved[u.Unit+".network"], u.Unit)
			continue
		}
		for _, n := range b.survey.Networks {
			if n.Name == u.Name && len(b.req.Compose.Files) == 0 {
				list[i].Unit, list[i].Name = b.networkUnit(n), ""
			}
		}
	}
	return list
}

// networkUnit returns the unit of a network, and makes one if there is none.
func (b *builder) networkUnit(n quadlet.Network) string {
	if unit, ok := b.networks[n.Name]; ok {
		return unit
	}
	unit, ok := b.disk.unitOf("network", n.Name)
	if f, _ := b.disk.file(unit + ".network"); !ok || f.Origin.Ours {
		unit = n.Unit
		n.Source.Kind = quadlet.FromNetwork
		b.stack.Networks = append(b.stack.Networks, n)
	}
	b.networks[n.Name] = unit
	return unit
}

func ofVolume(v quadlet.Volume) quadlet.Volume {
	v.Source.Kind = quadlet.FromVolume
	return v
}
