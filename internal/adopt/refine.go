package adopt

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"keeper/internal/core"
	"keeper/internal/podman"
	"keeper/internal/quadlet"
)

// model returns the model of an item, to be changed in place; nil for what is
// kept.
func (b *builder) model(i *Item) *quadlet.Container {
	for j := range b.stack.Containers {
		if b.stack.Containers[j].Unit == i.Unit && b.stack.Containers[j].Name == i.model.Name {
			return &b.stack.Containers[j]
		}
	}
	return nil
}

// anonymous gives the anonymous volumes of the containers that are replaced to
// named ones.
func (b *builder) anonymous() {
	for i := range b.plan.Items {
		item := &b.plan.Items[i]
		c := b.model(item)
		if c == nil || item.old == nil || item.untouched() || item.Do == Update {
			continue
		}
		for _, v := range item.old.Anonymous {
			b.anonymousVolume(item, c, v)
			b.alone(item, v)
		}
	}
}

// alone makes sure that nobody who stays has the anonymous volume as well
// (--volumes-from): its data would leave under that container.
func (b *builder) alone(item *Item, v podman.Anonymous) {
	volume, _ := b.existing(v.Volume)
	for _, name := range volume.UsedBy {
		taken := slices.ContainsFunc(b.plan.Items, func(i Item) bool { return i.old != nil && i.old.Name == name && !i.untouched() })
		if taken {
			continue
		}
		item.Notes = append(item.Notes, quadlet.Note{
			Unit: item.Unit, Field: "Volume", Level: quadlet.Stop,
			Text: fmt.Sprintf("its anonymous volume at %s is that of %s as well, which is not adopted along with it", v.Target, name),
			Try:  fmt.Sprintf("keeper adopt %s %s", item.Container, name),
		})
	}
}

func (b *builder) anonymousVolume(item *Item, c *quadlet.Container, v podman.Anonymous) {
	switch {
	case b.req.Untouched:
		item.Notes = append(item.Notes, quadlet.Note{
			Unit: item.Unit, Field: "Volume", Level: quadlet.Stop,
			Text: fmt.Sprintf("the data at %s is in an anonymous volume, which has to become a named one while the container is stopped", v.Target),
			Try:  "keeper adopt --apply " + item.Container,
		})
		return
	case v.Driver != "local":
		item.Notes = append(item.Notes, quadlet.Note{
			Unit: item.Unit, Field: "Volume", Level: quadlet.Stop,
			Text: fmt.Sprintf("the anonymous volume at %s is of the driver %s: its data cannot be given to a named one", v.Target, v.Driver),
			Try:  "copy it into a named volume by hand, and run the container with that",
		})
		return
	}
	at := slices.IndexFunc(c.Volumes, func(u quadlet.VolumeUse) bool { return path.Clean(u.Target) == path.Clean(v.Target) })
	if i := slices.IndexFunc(b.plan.Moves, func(m Move) bool { return m.From == v.Volume }); i >= 0 {
		b.moved(item, c, at, v, b.plan.Moves[i])
		return
	}
	if at >= 0 && c.Volumes[at].Unit != "" {
		// The Compose file has a named one for it. It must not be one with data.
		name := b.volumeName(c.Volumes[at].Unit)
		if _, there := b.existing(name); there {
			item.Notes = append(item.Notes, quadlet.Note{
				Unit: item.Unit, Field: "Volume", Level: quadlet.Stop, Accept: "volume",
				Text: fmt.Sprintf("the container has its data at %s in an anonymous volume, and the unit would mount the volume %s, which exists already: the data would not be in it", v.Target, name),
				Try:  "copy the data over by hand, or go on without it: --accept volume",
			})
			return
		}
		b.plan.Moves = append(b.plan.Moves, Move{item.old.Name, v.Volume, name, v.Target, v.Mountpoint})
		return
	}
	if at >= 0 && c.Volumes[at].Source != "" && c.Volumes[at].Source != v.Volume {
		return // mounted over by a path or a volume of others
	}
	name := b.freeVolume(c.Name + "-" + lastName(v.Target))
	unit := b.freeUnit("volume", name)
	b.stack.Volumes = append(b.stack.Volumes, quadlet.Volume{Unit: unit, Name: name, Source: item.Source})
	b.volumes[name] = unit
	mountAt(c, at, quadlet.VolumeUse{Unit: unit, Target: v.Target})
	b.plan.Moves = append(b.plan.Moves, Move{item.old.Name, v.Volume, name, v.Target, v.Mountpoint})
	item.Notes = append(item.Notes, quadlet.Note{
		Unit: item.Unit, Field: "Volume", Level: quadlet.Hint,
		Text: fmt.Sprintf("the data at %s is in an anonymous volume, which a unit's stop would remove: it becomes the volume %s", v.Target, name),
	})
}

// moved has a container use the volume that its anonymous one becomes for another
// container already (--volumes-from): the data can move but once.
func (b *builder) moved(item *Item, c *quadlet.Container, at int, v podman.Anonymous, m Move) {
	switch {
	case at >= 0 && c.Volumes[at].Unit != "":
		if name := b.volumeName(c.Volumes[at].Unit); name != m.To {
			item.Notes = append(item.Notes, quadlet.Note{
				Unit: item.Unit, Field: "Volume", Level: quadlet.Stop,
				Text: fmt.Sprintf("the data at %s is that of %s as well, for which it becomes the volume %s, and the unit would mount %s", v.Target, m.Container, m.To, name),
				Try:  "have both mount the same volume",
			})
		}
		return
	case at >= 0 && c.Volumes[at].Source != "" && c.Volumes[at].Source != v.Volume:
		return // mounted over by a path or a volume of others
	}
	mountAt(c, at, quadlet.VolumeUse{Unit: b.volumes[m.To], Target: v.Target})
	item.Notes = append(item.Notes, quadlet.Note{
		Unit: item.Unit, Field: "Volume", Level: quadlet.Hint,
		Text: fmt.Sprintf("the data at %s is that of %s as well: both mount the volume %s", v.Target, m.Container, m.To),
	})
}

// mountAt mounts a volume, in place of what is mounted there.
func mountAt(c *quadlet.Container, at int, use quadlet.VolumeUse) {
	c.Volumes = slices.Clone(c.Volumes)
	if at < 0 {
		c.Volumes = append(c.Volumes, use)
		return
	}
	use.Options = c.Volumes[at].Options
	c.Volumes[at] = use
}

// lastName is the last part of a path, of what a volume's name may have.
func lastName(target string) string {
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_.-", r) {
			return r
		}
		return '-'
	}, path.Base(target))
	if name == "" || name == "." || name == "-" {
		return "data"
	}
	return name
}

// volumeName is the name of the volume that a unit makes.
func (b *builder) volumeName(unit string) string {
	for _, v := range b.stack.Volumes {
		if v.Unit == unit {
			return v.Name
		}
	}
	if f, ok := b.disk.file(unit + ".volume"); ok {
		return makes(f)
	}
	return unit
}

func (b *builder) freeVolume(name string) string {
	return free(name, func(n string) bool {
		_, there := b.existing(n)
		return there || b.volumes[n] != ""
	})
}

func (b *builder) freeUnit(kind, name string) string {
	return free(name, func(n string) bool {
		_, there := b.disk.file(n + "." + kind)
		return there || slices.ContainsFunc(b.stack.Volumes, func(v quadlet.Volume) bool { return v.Unit == n })
	})
}

func free(name string, taken func(string) bool) string {
	n := name
	for i := 2; taken(n); i++ {
		n = fmt.Sprintf("%s-%d", name, i)
	}
	return n
}

// order makes what a container needs into needs of its unit: what it was told to
// depend on, and the data stores on its networks.
func (b *builder) order() {
	for i := range b.stack.Containers {
		c := &b.stack.Containers[i]
		c.Needs = b.known(*c)
		if c.Store || c.Source.Kind == quadlet.FromCompose {
			continue
		}
		for _, s := range b.stores() {
			if s.unit == c.Unit || !shares(c.Networks, s.networks) || slices.ContainsFunc(c.Needs, func(n quadlet.Need) bool { return n.Unit == s.unit }) || b.needs(s.unit, c.Unit) {
				continue
			}
			c.Needs = append(c.Needs, quadlet.Need{Unit: s.unit, Weak: true, Why: s.name + " keeps data and is on the same network: it starts before this, and stops after it"})
		}
	}
}

// known translates the names of containers that a container needs into units,
// and drops what nothing is known of.
func (b *builder) known(c quadlet.Container) []quadlet.Need {
	var out []quadlet.Need
	for _, n := range c.Needs {
		for _, o := range b.stack.Containers {
			if o.Unit == n.Unit || o.Name == n.Unit {
				n.Unit = o.Unit
			}
		}
		if _, kept := b.kept[n.Unit+".service"]; !kept && !slices.ContainsFunc(b.stack.Containers, func(o quadlet.Container) bool { return o.Unit == n.Unit }) {
			if unit, ok := b.disk.unitOf("container", n.Unit); ok {
				n.Unit = unit
			} else {
				b.plan.Notes = append(b.plan.Notes, quadlet.Note{
					Unit: c.Unit, Field: "Requires", Level: quadlet.Lost,
					Text: fmt.Sprintf("%s needs %s, which has no unit", c.Name, n.Unit), Try: fmt.Sprintf("keeper adopt %s %s", c.Name, n.Unit),
				})
				continue
			}
		}
		if n.Unit != c.Unit && !slices.ContainsFunc(out, func(o quadlet.Need) bool { return o.Unit == n.Unit }) {
			out = append(out, n)
		}
	}
	return out
}

// needs says whether a unit of the stack needs another, itself or by way of
// others.
func (b *builder) needs(unit, other string) bool {
	seen := map[string]bool{}
	var walk func(string) bool
	walk = func(u string) bool {
		if seen[u] {
			return false
		}
		seen[u] = true
		for _, c := range b.stack.Containers {
			if c.Unit != u {
				continue
			}
			for _, n := range c.Needs {
				if n.Unit == other || walk(n.Unit) {
					return true
				}
			}
		}
		return false
	}
	return walk(unit)
}

type store struct {
	unit, name string
	networks   []quadlet.NetworkUse
}

// stores are the data stores of the stack, and those that are kept already.
func (b *builder) stores() []store {
	var list []store
	for _, c := range b.stack.Containers {
		if c.Store {
			list = append(list, store{c.Unit, c.Name, c.Networks})
		}
	}
	for _, c := range b.survey.Containers {
		if unit, ok := b.keptBy(c); ok && core.IsStore(c.Image) {
			list = append(list, store{strings.TrimSuffix(unit, ".service"), c.Name, b.networkUses(c.Networks, nil)})
		}
	}
	return list
}

// shares says whether two containers have a network of their own in common: on
// the host's, everybody is.
func shares(a, b []quadlet.NetworkUse) bool {
	for _, x := range a {
		for _, y := range b {
			if x.Unit != "" && x.Unit == y.Unit || x.Name != "" && x.Name == y.Name && !slices.Contains([]string{"host", "none", "pasta", "slirp4netns", "private"}, x.Name) {
				return true
			}
		}
	}
	return false
}

// secrets makes podman secrets of the passwords in the environments.
func (b *builder) secrets() {
	for i := range b.plan.Items {
		item := &b.plan.Items[i]
		c := b.model(item)
		if c == nil {
			continue
		}
		var notes []quadlet.Note
		for _, n := range item.Notes {
			key, ok := strings.CutPrefix(n.Field, "env.")
			at := slices.IndexFunc(c.Settings, func(s quadlet.Setting) bool { return s.Flag == "env" && strings.HasPrefix(s.Value, key+"=") })
			if !ok || n.Level != quadlet.Hint || at < 0 {
				notes = append(notes, n)
				continue
			}
			name := free(c.Name+"-"+strings.ToLower(strings.ReplaceAll(key, "_", "-")), func(n string) bool { return slices.Contains(b.survey.Secrets, n) })
			_, value, _ := strings.Cut(c.Settings[at].Value, "=")
			s := quadlet.Secret{Name: name, Container: item.Container, Key: key}
			if item.old != nil {
				s.Container = item.old.ID
			}
			b.secretValues(name, value)
			b.stack.Secrets = append(b.stack.Secrets, s)
			c.Settings = slices.Clone(c.Settings)
			c.Settings[at] = quadlet.Setting{Flag: "secret", Value: fmt.Sprintf("%s,type=env,target=%s", name, key)}
		}
		item.Notes = notes
	}
}

// secretValues keeps what a secret is to hold, in memory alone.
func (b *builder) secretValues(name, value string) {
	if b.plan.values == nil {
		b.plan.values = map[string]string{}
	}
	b.plan.values[name] = value
}

// images notes what is not on the host: a unit would have to pull it, and a
// first start is no time to find out that it cannot.
func (b *builder) images() {
	for i := range b.plan.Items {
		item := &b.plan.Items[i]
		c := b.model(item)
		if c == nil || c.Build != "" || c.Image == "" {
			continue
		}
		if _, ok := b.survey.Images[c.Image]; ok {
			continue
		}
		if item.old != nil && (c.Image == item.old.ImageID || c.Image == item.old.Image) {
			continue
		}
		item.Notes = append(item.Notes, quadlet.Note{
			Unit: item.Unit, Field: "Image", Level: quadlet.Stop,
			Text: fmt.Sprintf("the image %s is not on this host", c.Image), Try: "podman pull " + c.Image,
		})
	}
}
