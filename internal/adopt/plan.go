package adopt

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"keeper/internal/compose"
	"keeper/internal/podman"
	"keeper/internal/quadlet"
)

// Plan works out what adopting would do. It changes nothing.
func (a *Adopter) Plan(ctx context.Context, req Request) (Plan, error) {
	survey, err := a.Podman.Survey(ctx)
	if err != nil {
		return Plan{}, err
	}
	if survey.Version.Before(quadlet.Oldest) {
		return Plan{}, fmt.Errorf("this host has Podman %s; keeper writes units for %s and later", survey.Release, quadlet.Oldest)
	}
	if survey.CGroups == "v1" {
		return Plan{}, fmt.Errorf("this host runs cgroup v1, on which Quadlet cannot work; as root: grubby --update-kernel=ALL --args=systemd.unified_cgroup_hierarchy=1, then reboot")
	}
	b, err := a.builder(ctx, req, survey)
	if err != nil {
		return Plan{}, err
	}
	if len(req.Compose.Files) > 0 {
		err = b.fromCompose(ctx)
	} else {
		err = b.fromContainers()
	}
	if err != nil {
		return Plan{}, err
	}
	b.resources()
	b.anonymous()
	b.order()
	if req.Secrets {
		b.secrets()
	}
	if err := b.images(ctx); err != nil {
		return Plan{}, err
	}
	b.render()
	if err := a.inspect(ctx, b); err != nil {
		return Plan{}, err
	}
	b.plan.stack = b.stack
	return b.plan, nil
}

// builder puts a plan together.
type builder struct {
	req    Request
	survey podman.Survey
	disk   disk
	// kept are the Quadlet-made units by name, and what each runs.
	kept   map[string]keptUnit
	legacy map[string]string
	host   quadlet.Host

	plan  Plan
	stack quadlet.Stack
	// volumes and networks are those that a unit was made for, by name.
	volumes, networks map[string]string
	quadlets          string
}

// keptUnit is a unit that Quadlet made.
type keptUnit struct{ file, active string }

func (a *Adopter) builder(ctx context.Context, req Request, survey podman.Survey) (*builder, error) {
	list, err := a.Units.List(ctx)
	if err != nil {
		return nil, err
	}
	d, problems := readDisk(append([]string{a.Places.Quadlets}, a.Places.Others...))
	b := &builder{
		req: req, survey: survey, disk: d, host: quadlet.Host{Podman: survey.Version},
		kept: map[string]keptUnit{}, volumes: map[string]string{}, networks: map[string]string{}, quadlets: a.Places.Quadlets,
	}
	b.plan.Podman, b.plan.request = survey.Release, req
	for _, c := range survey.Containers {
		b.plan.names = append(b.plan.names, c.Name)
	}
	for _, u := range list {
		b.kept[u.Name] = keptUnit{u.Source, u.Active}
	}
	for _, p := range problems {
		b.note(quadlet.Hint, p.File, "cannot be read: "+p.Text, "")
	}
	b.legacy, err = legacyUnits(a.Places.UserUnits)
	return b, err
}

func (b *builder) note(level quadlet.Level, unit, text, try string) {
	b.plan.Notes = append(b.plan.Notes, quadlet.Note{Unit: unit, Level: level, Text: text, Try: try})
}

// keptBy returns the Quadlet-made unit that runs a container.
func (b *builder) keptBy(c podman.Container) (string, bool) {
	if c.SystemdUnit == "" {
		return "", false
	}
	_, ok := b.kept[c.SystemdUnit]
	return c.SystemdUnit, ok
}

// fromContainers takes the containers that were asked for, or all.
func (b *builder) fromContainers() error {
	wanted, err := b.selected()
	if err != nil {
		return err
	}
	for i := range b.survey.Containers {
		c := &b.survey.Containers[i]
		if c.Infra || !wanted(*c) {
			continue
		}
		item := Item{Container: c.Name, Unit: c.Unit, Source: c.Source, State: c.State, Do: Adopt, old: c, Notes: slices.Clone(c.Notes)}
		if unit, ok := b.keptBy(*c); ok {
			item.Do, item.Unit = Keep, strings.TrimSuffix(unit, ".service")
			item.Notes = nil
			b.plan.Items = append(b.plan.Items, item)
			continue
		}
		if path, ok := b.legacy[c.Name]; ok {
			item.legacy = path
			item.Source = quadlet.Source{Kind: quadlet.FromSystemd, Path: path, Name: c.Name}
		} else if path, ok := b.legacy[c.SystemdUnit]; ok && c.SystemdUnit != "" {
			item.legacy = path
			item.Source = quadlet.Source{Kind: quadlet.FromSystemd, Path: path, Name: c.Name}
		}
		model := c.Container
		model.Source = item.Source
		if c.Restart == "" || c.Restart == "no" {
			model.Restart = "always" // what is adopted is to survive
		}
		if b.req.Untouched {
			item.Do = Write
		} else if !c.Running {
			item.Do, model.Manual = Write, true
			item.Notes = append(item.Notes, quadlet.Note{
				Unit: c.Unit, Level: quadlet.Hint, Text: "it does not run: its unit starts it neither now nor at boot",
				Try: fmt.Sprintf("podman start %s, and adopt it then", c.Name),
			})
		}
		item.model = model
		b.stack.Containers = append(b.stack.Containers, model)
		b.plan.Items = append(b.plan.Items, item)
	}
	b.pods()
	b.byName()
	return nil
}

// byName has containers and pods refer to volumes and networks by name: whether
// they have units, and which, is decided here and not by who looked at them.
func (b *builder) byName() {
	volumes := func(list []quadlet.VolumeUse) []quadlet.VolumeUse {
		list = slices.Clone(list)
		for i, u := range list {
			for _, v := range b.survey.Volumes {
				if u.Unit != "" && v.Unit == u.Unit {
					list[i].Unit, list[i].Source = "", v.Name
				}
			}
		}
		return list
	}
	networks := func(list []quadlet.NetworkUse) []quadlet.NetworkUse {
		list = slices.Clone(list)
		for i, u := range list {
			for _, n := range b.survey.Networks {
				if u.Unit != "" && n.Unit == u.Unit {
					list[i].Unit, list[i].Name = "", n.Name
				}
			}
		}
		return list
	}
	for i := range b.stack.Containers {
		c := &b.stack.Containers[i]
		c.Volumes, c.Networks = volumes(c.Volumes), networks(c.Networks)
	}
	for i := range b.stack.Pods {
		p := &b.stack.Pods[i]
		p.Volumes, p.Networks = volumes(p.Volumes), networks(p.Networks)
	}
}

// selected returns which containers are meant.
func (b *builder) selected() (func(podman.Container) bool, error) {
	if b.req.All || len(b.req.Names) == 0 {
		return func(c podman.Container) bool {
			// What does not run and is not meant to is somebody's leftover, until it is
			// named.
			return c.Running || len(b.req.Names) == 0 && !b.req.All || c.RestartPolicy == "always" || c.RestartPolicy == "unless-stopped"
		}, nil
	}
	names, pods := map[string]bool{}, map[string]bool{}
	for _, n := range b.req.Names {
		found := false
		for _, c := range b.survey.Containers {
			if c.Name == n || len(n) >= 12 && strings.HasPrefix(c.ID, n) {
				found, names[c.Name] = true, true
				if c.PodID != "" {
					pods[c.PodID] = true // a pod is adopted whole
				}
			}
		}
		for _, p := range b.survey.Pods {
			if p.Name == n {
				found, pods[p.ID] = true, true
			}
		}
		if !found {
			return nil, b.unknown(n)
		}
	}
	return func(c podman.Container) bool { return names[c.Name] || c.PodID != "" && pods[c.PodID] }, nil
}

// unknown says that there is no such container, and which there are.
func (b *builder) unknown(name string) error {
	var names []string
	for _, c := range b.survey.Containers {
		if !c.Infra {
			names = append(names, c.Name)
		}
	}
	if len(names) == 0 {
		return fmt.Errorf("there is no container %q: this account has none at all", name)
	}
	slices.Sort(names)
	return fmt.Errorf("there is no container or pod %q; there are: %s", name, strings.Join(names[:min(len(names), 20)], ", "))
}

// pods adds the pods of the containers that were taken.
func (b *builder) pods() {
	for _, p := range b.survey.Pods {
		taken := false
		for _, i := range b.plan.Items {
			taken = taken || i.old != nil && i.old.PodID == p.ID && i.Do != Keep
		}
		if !taken {
			continue
		}
		b.stack.Pods = append(b.stack.Pods, besides(p.Pod))
		b.plan.pods = append(b.plan.pods, p.ID)
		b.plan.Notes = append(b.plan.Notes, p.Notes...)
	}
}

// besides makes a model of a pod that can be there beside the old one: Podman
// cannot rename a pod, and the old one is to stay until the new has proved
// itself. What others know it by stays.
func besides(p quadlet.Pod) quadlet.Pod {
	was := p.Name
	p.Name = "systemd-" + was
	p.Settings = slices.Clone(p.Settings)
	if !slices.ContainsFunc(p.Settings, func(s quadlet.Setting) bool { return s.Flag == "hostname" }) {
		p.Settings = append(p.Settings, quadlet.Setting{Flag: "hostname", Value: was})
	}
	if slices.ContainsFunc(p.Networks, func(n quadlet.NetworkUse) bool {
		return n.Unit != "" || n.Name != "" && n.Name != "host" && n.Name != "none"
	}) {
		p.Settings = append(p.Settings, quadlet.Setting{Flag: "network-alias", Value: was})
	}
	return p
}

// fromCompose takes the services of a Compose file. Containers of the same name,
// or made of the same file by others, are those that it replaces.
func (b *builder) fromCompose(ctx context.Context) error {
	project, err := compose.Load(ctx, b.req.Compose)
	if err != nil {
		return err
	}
	for _, n := range b.req.Names {
		if !slices.ContainsFunc(project.Stack.Containers, func(c quadlet.Container) bool { return c.Source.Name == n || c.Name == n }) {
			return fmt.Errorf("the Compose file has no service %q that is on; it has: %s", n, serviceNames(project))
		}
	}
	b.plan.Off = project.Off
	for _, s := range project.Stack.Secrets {
		if v, ok := project.Variable(s.Variable); ok && s.Variable != "" {
			b.secretValues(s.Name, v)
		}
	}
	b.stack = project.Stack
	b.stack.Containers = nil
	b.stack.Secrets = slices.DeleteFunc(slices.Clone(b.stack.Secrets), func(s quadlet.Secret) bool {
		return slices.Contains(b.survey.Secrets, s.Name) // made by an earlier adoption, or by a person
	})
	for _, model := range project.Stack.Containers {
		if len(b.req.Names) > 0 && !slices.Contains(b.req.Names, model.Source.Name) && !slices.Contains(b.req.Names, model.Name) {
			continue
		}
		b.stack.Containers = append(b.stack.Containers, model)
		b.plan.Items = append(b.plan.Items, b.ofService(project, model))
	}
	// Notes are the items', where they are about one.
	for _, n := range project.Stack.Notes {
		i := slices.IndexFunc(b.plan.Items, func(i Item) bool { return i.Unit == n.Unit })
		if i >= 0 {
			b.plan.Items[i].Notes = append(b.plan.Items[i].Notes, n)
		} else {
			b.plan.Notes = append(b.plan.Notes, n)
		}
	}
	b.stack.Notes = nil
	return nil
}

func serviceNames(p compose.Project) string {
	var names []string
	for _, c := range p.Stack.Containers {
		names = append(names, c.Source.Name)
	}
	return cmp.Or(strings.Join(names, ", "), "none")
}

// ofService finds what there is for a service already.
func (b *builder) ofService(project compose.Project, model quadlet.Container) Item {
	item := Item{Container: model.Name, Unit: model.Unit, Source: model.Source, State: "absent", Do: Create, model: model}
	for i := range b.survey.Containers {
		c := &b.survey.Containers[i]
		same := c.Name == model.Name
		theirs := c.ComposeProject == project.Name && c.ComposeService == model.Source.Name
		if c.Infra || !same && !theirs || item.old != nil && !same {
			continue
		}
		item.old, item.State = c, c.State
	}
	if item.old == nil {
		if _, ok := b.kept[model.Unit+".service"]; ok {
			item.Do = Update
		}
		return item
	}
	switch unit, kept := b.keptBy(*item.old); {
	case kept && unit == model.Unit+".service":
		item.Do = Update
	case kept:
		item.Notes = append(item.Notes, quadlet.Note{
			Unit: model.Unit, Field: "ContainerName", Level: quadlet.Stop,
			Text: fmt.Sprintf("the name %s is taken: %s keeps a container of that name already", item.old.Name, unit),
			Try:  fmt.Sprintf("give the service a container_name of its own, or remove %s", b.kept[unit].file),
		})
	case item.old.Running:
		item.Do = Adopt
	default:
		item.Do = Adopt // it is to run, as the file says
	}
	if path, ok := b.legacy[item.old.Name]; ok && item.Do == Adopt {
		item.legacy = path
	}
	return item
}

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
