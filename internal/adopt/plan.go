package adopt

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

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
	b.images()
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
	kept map[string]keptUnit
	// owners are the services in which containers run, by the container's id.
	owners map[string]string
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
	processes, err := a.Processes.Processes()
	if err != nil {
		return nil, err
	}
	b.owners = map[string]string{}
	for _, c := range a.Processes.Running(processes) {
		b.owners[c.ID] = c.Unit
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
		switch {
		case c.Infra:
		case wanted(*c):
			b.take(c)
		case len(b.req.Names) == 0:
			b.plan.Items = append(b.plan.Items, Item{Container: c.Name, Unit: c.Unit, Source: c.Source, State: c.State, Do: Leave, old: c})
		}
	}
	b.pods()
	b.byName()
	return nil
}

// take makes a container part of the plan, or says that it is kept already.
func (b *builder) take(c *podman.Container) {
	item := Item{Container: c.Name, Unit: c.Unit, Source: c.Source, State: c.State, Do: Adopt, old: c, Notes: slices.Clone(c.Notes)}
	if unit, ok := b.keptBy(*c); ok {
		item.Do, item.Unit = Keep, strings.TrimSuffix(unit, ".service")
		item.Notes = nil
		b.plan.Items = append(b.plan.Items, item)
		return
	}
	if path := b.legacyOf(*c); path != "" {
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
		b.untouched(&item, &model)
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

// untouched has a unit that is written beside a running container put that aside
// at its first start, where `podman run --replace` would remove it with all that it
// has written outside its volumes. It is told by its id: of later containers the
// commands do nothing.
func (b *builder) untouched(item *Item, model *quadlet.Container) {
	c := item.old
	stop := func(text, try string) {
		item.Notes = append(item.Notes, quadlet.Note{Unit: c.Unit, Level: quadlet.Stop, Text: text, Try: try})
	}
	for _, s := range c.Settings {
		if s.Flag == "label" && (strings.HasPrefix(s.Value, "com.github.containers.toolbox=") || s.Value == "manager=distrobox") {
			stop("it is a toolbox, which its own program starts", "")
		}
	}
	if c.ComposeProject != "" {
		stop("it is of the Compose project "+c.ComposeProject+", which would start it as well", "keeper adopt --compose FILE")
	}
	const podman = "/usr/bin/podman"
	if c.RestartPolicy != "" && c.RestartPolicy != "no" {
		if b.host.Podman.Before(restartChanges) {
			stop("podman-restart.service may start it at boot, beside its unit", "keeper adopt --apply "+c.Name)
		}
		model.Before = append(model.Before, []string{"-" + podman, "update", "--restart=no", c.ID})
	}
	patience := cmp.Or(int(c.StopTimeout.Seconds()), 10)
	if model.Store {
		patience = max(patience, int(storeStop.Seconds()))
	}
	model.Before = append(model.Before,
		[]string{"-" + podman, "stop", "--ignore", fmt.Sprintf("--time=%d", min(patience, 80)), c.ID},
		// Podman may be unable to stop what a crash left in its books. What counts is
		// that it does not run: two must not have one volume.
		[]string{"/bin/sh", "-c", `test -z "$(` + podman + ` ps -q --filter id=` + c.ID + `)"`},
		[]string{"-" + podman, "rename", c.ID, c.Name + "-before-keeper"})
}

// restartChanges is the first Podman whose update changes restart policies.
var restartChanges = quadlet.Version{Major: 5, Minor: 1}

// legacyOf returns the unit of podman generate systemd that starts a container,
// or nothing.
func (b *builder) legacyOf(c podman.Container) string {
	if path, ok := b.legacy[c.Name]; ok {
		return path
	}
	if c.SystemdUnit == "" {
		return ""
	}
	return b.legacy[c.SystemdUnit]
}

// meant says whether a container that nobody named is to run for good. What does
// not run is somebody's leftover, unless its restart policy says otherwise; what
// goes when it ends (--rm) is a job, unless a unit starts it.
func (b *builder) meant(c podman.Container) bool {
	if c.AutoRemove {
		_, kept := b.keptBy(c)
		return kept || b.legacyOf(c) != ""
	}
	return c.Running || c.RestartPolicy == "always" || c.RestartPolicy == "unless-stopped"
}

// selected returns which containers are wanted. A pod is adopted whole.
func (b *builder) selected() (func(podman.Container) bool, error) {
	names, pods := map[string]bool{}, map[string]bool{}
	take := func(c podman.Container) {
		names[c.Name] = true
		if c.PodID != "" {
			pods[c.PodID] = true
		}
	}
	for _, c := range b.survey.Containers {
		if len(b.req.Names) == 0 && !c.Infra && b.meant(c) {
			take(c)
		}
	}
	for _, n := range b.req.Names {
		found := false
		for _, c := range b.survey.Containers {
			if c.Name == n || len(n) >= 12 && strings.HasPrefix(c.ID, n) {
				found = true
				take(c)
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
		return unknownError(fmt.Sprintf("there is no container %q: this account has none at all", name))
	}
	slices.Sort(names)
	return unknownError(fmt.Sprintf("there is no container or pod %q; there are: %s", name, strings.Join(names[:min(len(names), 20)], ", ")))
}

// unknownError says that there is no such container.
type unknownError string

func (e unknownError) Error() string { return string(e) }

// pods adds the pods of the containers that were taken.
func (b *builder) pods() {
	for _, p := range b.survey.Pods {
		taken := false
		for _, i := range b.plan.Items {
			taken = taken || i.old != nil && i.old.PodID == p.ID && !i.untouched()
		}
		if !taken {
			continue
		}
		b.stack.Pods = append(b.stack.Pods, besides(p.Pod))
		b.plan.pods = append(b.plan.pods, p.ID)
		b.plan.Notes = append(b.plan.Notes, p.Notes...)
	}
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
