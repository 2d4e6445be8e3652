package adopt

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"keeper/internal/podman/compile"
	"keeper/internal/quadlet"
)

// inspect looks for what could go wrong, before anything is done: what would be
// lost, what is in the way, and what no generator would take.
func (a *Adopter) inspect(ctx context.Context, b *builder) error {
	for i := range b.plan.Items {
		item := &b.plan.Items[i]
		if item.untouched() {
			continue
		}
		if err := a.layer(ctx, item); err != nil {
			return err
		}
		b.wayBack(item)
		b.owned(item)
		b.sources(item)
		b.taken(item)
		a.shadowed(item)
		b.ports(ctx, item)
	}
	if err := a.writable(b); err != nil {
		b.plan.Notes = append(b.plan.Notes, quadlet.Note{Level: quadlet.Stop, Field: "directory", Text: err.Error(), Try: "see: df -h " + a.Places.Quadlets + "; ls -ld " + a.Places.Quadlets})
	}
	return a.checked(ctx, b)
}

// layer finds what a container wrote outside its volumes: it is gone with the
// container.
func (a *Adopter) layer(ctx context.Context, item *Item) error {
	if item.old == nil || item.Do == Update {
		return nil
	}
	changes, err := a.Podman.Changes(ctx, item.old.ID)
	if err != nil {
		return err
	}
	if n := changes.Added + changes.Changed + changes.Deleted; n > 0 {
		item.Notes = append(item.Notes, quadlet.Note{
			Unit: item.Unit, Field: "layer", Level: quadlet.Stop, Accept: "layer",
			Text: fmt.Sprintf("it has written outside its volumes, and that goes with the container: %s (%s in its layer), such as %s",
				count(n, "file"), size(changes.Bytes), strings.Join(changes.Paths[:min(3, len(changes.Paths))], ", ")),
			Try: fmt.Sprintf("podman diff %s to see them, podman cp to keep them; then go on: --accept layer", item.Container),
		})
	}
	return nil
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func size(bytes int64) string {
	switch {
	case bytes < 10<<10:
		return fmt.Sprintf("%d B", bytes)
	case bytes < 10<<20:
		return fmt.Sprintf("%d KiB", bytes>>10)
	}
	return fmt.Sprintf("%d MiB", bytes>>20)
}

// wayBack says where the old container cannot be kept until the new one has
// proved itself.
func (b *builder) wayBack(item *Item) {
	if item.old == nil || !item.old.AutoRemove || item.Do != Adopt {
		return
	}
	if item.legacy != "" {
		if len(item.old.Anonymous) > 0 {
			item.Notes = append(item.Notes, quadlet.Note{
				Unit: item.Unit, Field: "rm", Level: quadlet.Stop, Accept: "rm",
				Text: fmt.Sprintf("%s throws away what is in its anonymous volume at each stop: should the new unit fail, the old one comes back without it (the data stays, in the volume that is named above)", filepath.Base(item.legacy)),
				Try:  "go on all the same: --accept rm",
			})
		}
		return
	}
	if len(item.old.CreateCommand) > 1 {
		item.Notes = append(item.Notes, quadlet.Note{
			Unit: item.Unit, Field: "rm", Level: quadlet.Hint,
			Text: "it was started with --rm and is gone when it stops; should the unit fail, it is made anew by its own command line",
		})
		return
	}
	item.Notes = append(item.Notes, quadlet.Note{
		Unit: item.Unit, Field: "rm", Level: quadlet.Stop, Accept: "rm",
		Text: "it is removed when it stops, and Podman does not know by which command it was made: should the unit fail, it cannot be put back (its volumes stay)",
		Try:  "go on all the same: --accept rm",
	})
}

// owned finds a service of somebody's that runs the container and would start it
// again, beside its unit.
func (b *builder) owned(item *Item) {
	if item.old == nil || item.Do == Update || item.legacy != "" {
		return
	}
	service := b.owners[item.old.ID]
	if _, quadlets := b.kept[service]; service == "" || quadlets {
		return
	}
	item.Notes = append(item.Notes, quadlet.Note{
		Unit: item.Unit, Field: "service", Level: quadlet.Stop,
		Text: fmt.Sprintf("%s runs it, and would start it again beside the unit", service),
		Try:  fmt.Sprintf("if the unit is to take its place: systemctl --user disable --now %s, podman start %s, and adopt it then", service, item.Container),
	})
}

// sources looks whether the paths that are mounted are still there: a container
// runs on without, and nothing starts again.
func (b *builder) sources(item *Item) {
	for _, v := range item.model.Volumes {
		if v.Unit != "" || !strings.HasPrefix(v.Source, "/") {
			continue
		}
		if _, err := os.Lstat(v.Source); errors.Is(err, os.ErrNotExist) {
			item.Notes = append(item.Notes, quadlet.Note{
				Unit: item.Unit, Field: "Volume", Level: quadlet.Stop,
				Text: fmt.Sprintf("%s, which it mounts at %s, is not there: nothing would start", v.Source, v.Target), Try: "mkdir -p " + v.Source + ", or restore it",
			})
		}
	}
}

// taken finds names that others have.
func (b *builder) taken(item *Item) {
	for _, c := range b.survey.Containers {
		if c.Name == item.model.Name && (item.old == nil || c.ID != item.old.ID) {
			item.Notes = append(item.Notes, quadlet.Note{
				Unit: item.Unit, Field: "ContainerName", Level: quadlet.Stop, Text: fmt.Sprintf("the name %s is taken by another container", c.Name),
				Try: "podman rename " + c.Name + " NEW-NAME",
			})
		}
	}
	service := item.Unit + ".service"
	if u, ok := b.kept[service]; ok && item.Do != Update && !item.untouched() {
		if f := filepath.Base(u.file); f != item.Unit+".container" {
			item.Notes = append(item.Notes, quadlet.Note{
				Unit: item.Unit, Field: "unit", Level: quadlet.Stop, Text: fmt.Sprintf("the unit %s is taken: %s makes it", service, u.file), Try: "rename that file",
			})
		}
	}
}

// shadowed finds a unit of the person's own that has the name: it goes before what
// is generated (systemd.unit(5), "Unit File Load Path").
func (a *Adopter) shadowed(item *Item) {
	path := filepath.Join(a.Places.UserUnits, item.Unit+".service")
	if _, err := os.Lstat(path); err == nil {
		item.Notes = append(item.Notes, quadlet.Note{
			Unit: item.Unit, Field: "unit", Level: quadlet.Stop, Text: fmt.Sprintf("%s.service is there already, as %s, which goes before what is generated", item.Unit, path), Try: "mv " + path + " to another name",
		})
	}
}

// ports looks whether somebody else has the ports that a new container is going
// to publish.
func (b *builder) ports(ctx context.Context, item *Item) {
	if item.old != nil && item.old.Running || item.Do == Update {
		return // they are its own
	}
	for _, s := range item.model.Settings {
		address, ok := hostPort(s)
		if !ok || b.replaced(address) {
			continue
		}
		if bound(ctx, address) {
			item.Notes = append(item.Notes, quadlet.Note{
				Unit: item.Unit, Field: "PublishPort", Level: quadlet.Stop, Text: fmt.Sprintf("the port %s is already bound by another program", s.Value), Try: "ss -ltnp 'sport = :" + address[strings.LastIndexByte(address, ':')+1:] + "'",
			})
		}
	}
}

// hostPort returns the address of a published TCP port.
func hostPort(s quadlet.Setting) (string, bool) {
	value, protocol, ok := strings.Cut(s.Value, "/")
	if s.Flag != "publish" || ok && protocol != "tcp" {
		return "", false
	}
	i := strings.LastIndexByte(value, ':')
	if i < 0 {
		return "", false
	}
	host, port := "", value[:i]
	if j := strings.LastIndexByte(port, ':'); j >= 0 {
		host, port = strings.Trim(port[:j], "[]"), port[j+1:]
	}
	if port == "" || strings.Contains(port, "-") {
		return "", false
	}
	return net.JoinHostPort(host, port), true
}

// replaced says whether a container that the plan replaces has the port.
func (b *builder) replaced(address string) bool {
	_, port, _ := net.SplitHostPort(address)
	for _, i := range b.plan.Items {
		if i.old == nil || !i.old.Running {
			continue
		}
		if slices.ContainsFunc(i.old.HostPorts, func(p string) bool { return strings.HasSuffix(p, ":"+port) }) {
			return true
		}
	}
	return false
}

// writable says why nothing can be written where the units go, or nil.
func (a *Adopter) writable(b *builder) error {
	if !slices.ContainsFunc(b.plan.Files, func(f FilePlan) bool { return f.State == New || f.State == Change }) {
		return nil
	}
	dir := a.Places.Quadlets
	for {
		fi, err := os.Stat(dir)
		if err == nil && !fi.IsDir() {
			return fmt.Errorf("units cannot be written to %s: %s is no directory", a.Places.Quadlets, dir)
		}
		if err == nil {
			break
		}
		if !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("units cannot be written: %w", err)
		}
		dir = filepath.Dir(dir)
	}
	if err := unix.Access(dir, unix.W_OK|unix.X_OK); err != nil {
		return fmt.Errorf("units cannot be written to %s: %w", dir, err)
	}
	var st unix.Statfs_t
	var need int64 = 1 << 16
	for _, f := range b.plan.Files {
		need += int64(len(f.Content)) + 4096
	}
	if err := unix.Statfs(dir, &st); err == nil && int64(st.Bavail)*st.Bsize < need {
		return fmt.Errorf("units cannot be written to %s: its disk is full", dir)
	}
	return nil
}

// checked has the library and the host's own generator read the files.
func (a *Adopter) checked(ctx context.Context, b *builder) error {
	var files []quadlet.File
	for _, f := range b.plan.Files {
		name, _ := quadletName(f.Path)
		files = append(files, quadlet.File{Name: name, Content: f.Content})
	}
	if len(files) == 0 {
		return nil
	}
	all := b.disk.with(files)
	units, problems := compile.Compile(all)
	for _, p := range problems {
		if slices.ContainsFunc(files, func(f quadlet.File) bool { return f.Name == p.File }) {
			level := quadlet.Stop
			if p.Warning {
				level = quadlet.Hint
			}
			b.plan.Notes = append(b.plan.Notes, quadlet.Note{Unit: p.File, Field: "check", Level: level, Text: "Podman's generator would not take it: " + p.Text, Try: "keeper adopt --diff, and report it: this is a mistake of keeper's"})
		}
	}
	for i, u := range units {
		for _, v := range units[:i] {
			if u.Service == v.Service {
				b.plan.Notes = append(b.plan.Notes, quadlet.Note{Unit: u.File, Field: "check", Level: quadlet.Stop, Text: fmt.Sprintf("%s and %s both make %s", v.File, u.File, u.Service), Try: "give one of them another name"})
			}
		}
	}
	if a.Places.Generator == "" {
		b.plan.Notes = append(b.plan.Notes, quadlet.Note{Level: quadlet.Hint, Field: "check", Text: "this host's own Quadlet generator was not found, so only keeper's copy of it has read the units"})
		return nil
	}
	said, err := a.generator(ctx, all)
	if err != nil {
		return err
	}
	for _, f := range files {
		if strings.Contains(f.Name, "/") {
			continue
		}
		if why := said.about(f.Name); why != "" || !said.made[quadlet.Service(f.Name)] {
			b.plan.Notes = append(b.plan.Notes, quadlet.Note{
				Unit: f.Name, Field: "check", Level: quadlet.Stop, Text: "this host's generator does not take it: " + or(why, "it makes no unit of it, and does not say why"),
				Try: "keeper adopt --diff, and report it: this is a mistake of keeper's",
			})
		}
	}
	return nil
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
