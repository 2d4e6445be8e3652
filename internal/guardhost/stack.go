package guardhost

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"keeper/internal/config"
	"keeper/internal/core"
	"keeper/internal/guard"
)

// Bounds of what is read of Quadlet files, far above what a host has.
const (
	mostQuadlets = 2000
	mostBytes    = 8 << 20
	mostOfEach   = 200 // of ports, volumes, networks of one file
	mostPorts    = 4000
	mostMistakes = 20
)

// stack is what Quadlet files make.
type stack struct {
	units, containers, volumes, networks, pods []string

	ports  []int
	mounts map[string][]guard.Mount
	// files are the Quadlet files, dirs where they were looked for, binds what
	// containers have of this host's directories.
	files []quadlet
	links []string // those of the files that are symbolic links
	dirs  []string
	binds []bind

	partial  bool
	mistakes []string

	ctx  names
	left int
	// named has what the .volume and .network files make, by the name of the file.
	named map[string]string
}

// quadlet is one file, and the unit that comes of it.
type quadlet struct{ path, unit string }

// bind is a path of this host that a kept container may write to.
type bind struct {
	path, unit string
	// data says that it is what a service keeps, and not a program's own source.
	data bool
}

// wrong notes what could not be read: then anything may be kept.
func (s *stack) wrong(format string, args ...any) {
	s.partial = true
	if what := printable(fmt.Sprintf(format, args...)); len(s.mistakes) < mostMistakes && !slices.Contains(s.mistakes, what) {
		s.mistakes = append(s.mistakes, what)
	}
}

// stack reads the Quadlet files of the account, and the daemon's copies of those that
// running services were made of.
func (a Account) stack() *stack {
	s := &stack{mounts: map[string][]guard.Mount{}, named: map[string]string{}, left: mostBytes,
		ctx: names{uid: a.UID, user: a.User, home: a.Home, runtime: a.Paths.Runtime}}
	q := config.FindQuadlets(append(a.Paths.Quadlets[:], a.also...)...)
	s.dirs, s.links = q.Dirs, q.Links
	for _, dir := range q.Unread {
		s.wrong("cannot look for Quadlet files in %s: anything may be kept", dir)
	}
	sources := slices.Concat(q.Others, q.Files)
	if len(sources) > mostQuadlets {
		s.wrong("there are more than %d Quadlet files: anything may be kept", mostQuadlets)
		sources = sources[:mostQuadlets]
	}
	list := make([]parsed, 0, len(sources))
	changed := make(map[string]time.Time, len(sources))
	for _, source := range sources {
		p := s.parse(source, q.UnitFiles(source))
		changed[source] = p.changed
		list = append(list, p)
	}
	for _, c := range a.copies(s, changed) {
		list = append(list, s.parse(c.source, []string{c.file}))
	}
	for _, p := range list {
		s.name(p)
	}
	for _, p := range list {
		s.take(p)
	}
	for _, l := range []*[]string{&s.units, &s.containers, &s.volumes, &s.networks, &s.pods} {
		if s.partial {
			*l = append(*l, "*")
		}
		slices.Sort(*l)
		*l = slices.Compact(*l)
	}
	slices.Sort(s.ports)
	s.ports = slices.Compact(s.ports)
	return s
}

// kept is a copy of a Quadlet file, and where that was.
type kept struct{ source, file string }

// copies are those that say something else than the files: the file is gone, or was
// changed since the service was started.
func (a Account) copies(s *stack, changed map[string]time.Time) (list []kept) {
	entries, err := os.ReadDir(a.Paths.Copies)
	if err != nil && !missing(err) {
		s.wrong("cannot look for copies of Quadlet files in %s: anything may be kept: %v", a.Paths.Copies, why(err))
	}
	for _, e := range entries {
		source, err := url.PathUnescape(e.Name())
		if err != nil || !filepath.IsAbs(source) || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		file := filepath.Join(a.Paths.Copies, e.Name())
		if when, here := changed[source]; here {
			var st syscall.Stat_t
			if syscall.Stat(file, &st) == nil && !when.After(time.Unix(st.Mtim.Unix())) {
				continue
			}
		}
		if list = append(list, kept{source, file}); len(list) > mostQuadlets {
			s.wrong("there are more than %d copies of Quadlet files: anything may be kept", mostQuadlets)
			break
		}
	}
	return list
}

// parsed is a Quadlet file with its drop-ins.
type parsed struct {
	source string
	lines  []config.UnitLine
	// changed is when the file itself was.
	changed time.Time
	// unit and made are the service, and the container, pod, volume or network that it
	// makes.
	unit, made string
	ctx        names
}

func (s *stack) parse(source string, files []string) parsed {
	p := parsed{source: source}
	kind := strings.TrimPrefix(filepath.Ext(source), ".")
	group := section(kind)
	for i, file := range files {
		if s.left <= 0 {
			s.wrong("the Quadlet files are larger than %d bytes: anything may be kept", mostBytes)
			break
		}
		lines, size, changed, err := config.UnitLines(file, group)
		if i == 0 {
			p.changed = changed
		}
		if err != nil {
			if !errors.Is(err, fs.ErrNotExist) {
				s.wrong("%s %v", file, err)
			}
			continue
		}
		s.left -= size + 100
		p.lines = append(p.lines, lines...)
	}
	base := strings.TrimSuffix(filepath.Base(source), "."+kind)
	unit := base
	if kind != "container" && kind != "kube" {
		unit += "-" + kind
	}
	if said := p.last("ServiceName"); said != "" {
		unit = said
	}
	p.ctx = s.ctx
	p.ctx.unit = unit
	p.unit = unit + ".service"
	key, made := "", ""
	switch kind {
	case "container":
		// As Podman's generator does: by the unit's name, which a template shares.
		if key, made = "ContainerName", "systemd-%N"; strings.Contains(base, "@") {
			made = "systemd-%P_%I"
		}
	case "pod":
		key, made = "PodName", "systemd-"+base
	case "volume":
		key, made = "VolumeName", "systemd-"+base
	case "network":
		key, made = "NetworkName", "systemd-"+base
	}
	if key != "" {
		made = cmp.Or(p.last(key), made)
		name, ok := p.ctx.expand(made)
		if p.made = name; !ok || strings.Contains(made, "*") || !isName(name) {
			s.wrong("%s: %s=%s cannot be made out: anything may be kept", source, key, made)
			p.made = ""
		}
	}
	if at := strings.IndexByte(p.unit, '@'); at >= 0 && p.unit[at+1:] == ".service" {
		p.unit = p.unit[:at+1] + "*.service"
	}
	if strings.Contains(unit, "*") || !isUnit(p.unit) {
		s.wrong("%s: %s is no name of a unit: anything may be kept", source, p.unit)
		p.unit = ""
	}
	return p
}

// section is that of a kind of Quadlet file: [Container] of .container.
func section(kind string) string {
	if kind == "" {
		return ""
	}
	return strings.ToUpper(kind[:1]) + kind[1:]
}

// last is the value that counts of a key that is there once.
func (p parsed) last(key string) string {
	value := ""
	for _, l := range p.lines {
		if l.Key == key {
			value = unquoted(l.Value)
		}
	}
	return value
}

// name notes what a file makes.
func (s *stack) name(p parsed) {
	file := filepath.Base(p.source)
	s.files = append(s.files, quadlet{p.source, p.unit})
	ext := filepath.Ext(file)
	if p.unit != "" && ext != ".image" && ext != ".build" { // these run once, and nothing hangs on them
		s.units = append(s.units, p.unit)
	}
	if p.made == "" {
		return
	}
	switch ext {
	case ".container":
		s.containers = append(s.containers, p.made)
	case ".pod":
		s.pods = append(s.pods, p.made)
		s.containers = append(s.containers, p.made+"-infra") // --infra-name of the generator
	case ".volume":
		s.volumes = append(s.volumes, p.made)
		s.named[file] = p.made
	case ".network":
		s.networks = append(s.networks, p.made)
		s.named[file] = p.made
	}
}

// take reads what containers and pods have of this host.
func (s *stack) take(p parsed) {
	switch filepath.Ext(p.source) {
	case ".container", ".pod", ".kube":
	default:
		return
	}
	data := core.IsStore(p.last("Image"))
	n := 0
	for _, l := range p.lines {
		if l.Value == "" {
			continue
		}
		switch l.Key {
		case "PublishPort":
			s.publish(unquoted(l.Value))
		case "Volume":
			s.mount(p, volume(unquoted(l.Value)), data)
		case "Mount":
			s.mount(p, mountOf(unquoted(l.Value)), data)
		case "Yaml": // without it there is no service
			if file, ok := p.ctx.expand(unquoted(l.Value)); ok && plain(file) {
				if !filepath.IsAbs(file) {
					file = filepath.Join(filepath.Dir(p.source), file)
				}
				s.files = append(s.files, quadlet{filepath.Clean(file), p.unit})
			}
		default:
			continue
		}
		if n++; n > mostOfEach {
			s.wrong("%s has more than %d ports and volumes: what it has besides is not guarded", p.source, mostOfEach)
			return
		}
	}
}

func (s *stack) publish(value string) {
	from, to := ports(value)
	for port := from; from > 0 && port <= to; port++ {
		if len(s.ports) >= mostPorts {
			s.wrong("there are more than %d published ports: anything may be kept", mostPorts)
			return
		}
		s.ports = append(s.ports, port)
	}
}

// mounted is what a Volume= or Mount= says.
type mounted struct {
	source, inside string
	readOnly       bool
}

func (s *stack) mount(p parsed, m mounted, data bool) {
	if m.source == "" {
		return // anonymous, or no mount of this host's
	}
	var ok bool
	if m.source, ok = p.ctx.expand(m.source); !ok || !plain(m.source) {
		s.wrong("%s: the volume %s cannot be made out", p.source, m.source)
		return
	}
	inside, _ := p.ctx.expand(m.inside)
	bound := false
	switch {
	case strings.HasSuffix(m.source, ".volume"):
		// Of one that is not there, the daemon's copy may be of a file that was.
		m.source = cmp.Or(s.named[m.source], "systemd-"+strings.TrimSuffix(m.source, ".volume"))
		s.volumes = append(s.volumes, m.source)
	case filepath.IsAbs(m.source):
		bound, m.source = true, filepath.Clean(m.source)
	case strings.HasPrefix(m.source, "."):
		bound, m.source = true, filepath.Join(filepath.Dir(p.source), m.source)
	case isName(m.source):
		s.volumes = append(s.volumes, m.source)
	default:
		return
	}
	if p.made != "" {
		s.mounts[p.made] = append(s.mounts[p.made], guard.Mount{Source: m.source, Inside: inside})
	}
	home := s.ctx.home
	switch {
	case !bound || m.readOnly || m.source == home || within(m.source, home):
		// Of the home, and what is above it, there are other rules.
	case within(home, m.source) || !ofSystem(m.source):
		s.binds = append(s.binds, bind{m.source, p.unit, data || foreign(m.source, s.ctx.uid)})
	}
}

// foreign says that what is there belongs neither to the account nor to root. What a
// service keeps belongs to a user of the container's, who is another one outside.
func foreign(path string, uid int) bool {
	var st syscall.Stat_t
	return syscall.Stat(path, &st) == nil && int(st.Uid) != uid && st.Uid != 0
}

// within says that a path is below a directory.
func within(dir, path string) bool {
	return dir != "" && strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}

// ofSystem says that a path is none of what a service keeps: a socket, a device, the
// time zone.
func ofSystem(path string) bool {
	for _, dir := range [...]string{"/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/proc", "/run", "/sbin", "/sys", "/tmp", "/usr", "/var/run", "/var/tmp"} {
		if path == dir || within(dir, path) {
			return true
		}
	}
	return path == "/"
}

func why(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}
