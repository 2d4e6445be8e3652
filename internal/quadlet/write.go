package quadlet

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Render writes the files of a stack for a host, sorted by name, and says what
// could not be said in them. The notes of the stack itself are not repeated.
func Render(s Stack, h Host) ([]File, []Note) {
	r := renderer{host: h}
	for _, c := range s.Containers {
		r.container(c, s)
	}
	for _, p := range s.Pods {
		r.pod(p)
	}
	for _, n := range s.Networks {
		r.network(n)
	}
	for _, v := range s.Volumes {
		r.volume(v)
	}
	for _, b := range s.Builds {
		r.build(b)
	}
	slices.SortFunc(r.files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	return r.files, r.notes
}

// renderer gathers files and notes.
type renderer struct {
	host  Host
	files []File
	notes []Note
	// unit is the one that is being written.
	unit string
}

func (r *renderer) note(level Level, field, text, try string) {
	r.notes = append(r.notes, Note{Unit: r.unit, Field: field, Level: level, Text: text, Try: try})
}

// add keeps a file. model is all that it was made of.
func (r *renderer) add(kind string, s Source, sections []*section, model any) {
	var b strings.Builder
	for _, sec := range sections {
		if len(sec.lines) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n[%s]\n", sec.name)
		for _, l := range sec.lines {
			b.WriteString(l)
			b.WriteByte('\n')
		}
	}
	r.files = append(r.files, File{Name: r.unit + "." + kind, Content: withHeader(b.String(), s, model), Source: s})
}

// section is a section of a unit file.
type section struct {
	name  string
	lines []string
}

func (s *section) set(key, value string) { s.lines = append(s.lines, key+"="+value) }

func (s *section) comment(text string) { s.lines = append(s.lines, "# "+oneLine(text)) }

// put writes a value that has nothing in it but what keeper or Podman chose, or
// notes that it cannot be said.
func (r *renderer) put(s *section, key, value string) {
	text, ok := say(expand(value), raw)
	if why := sayable(value); why != "" || !ok {
		if why == "" {
			why = "it begins or ends with a quote or a space, or has a line break in it"
		}
		r.note(Stop, key, fmt.Sprintf("%s=%s cannot be said in a unit file: %s", key, shorten(value), why), "")
		return
	}
	s.set(key, text)
}

// shorten makes something that may be a page long fit for a sentence.
func shorten(s string) string {
	const most = 60
	q := strconv.Quote(s)
	if len(q) > most {
		q = strings.ToValidUTF8(q[:most], "") + `…"`
	}
	return q
}

func (r *renderer) container(c Container, s Stack) {
	r.unit = c.Unit
	unit, body, service, install := &section{name: "Unit"}, &section{name: "Container"}, &section{name: "Service"}, &section{name: "Install"}

	title(unit, or(oneLine(c.Description), describe(c.Name, c.Source)))
	needs(unit, c.Needs, ".service")
	r.put(body, "ContainerName", c.Name)
	r.image(unit, body, c, s)
	if c.PullNever {
		c.Settings = append(slices.Clone(c.Settings), Setting{"pull", "never"})
	}
	if c.Store {
		c.Settings = r.patient(c.Settings)
	}
	if c.Pod != "" {
		if r.host.Podman.Before(podsSince) {
			r.note(Stop, "Pod", fmt.Sprintf("pods need Podman %s for a unit; this host has %s", podsSince, r.host.Podman), "")
		}
		r.put(body, "Pod", c.Pod+".pod")
	}
	rest := r.command(body, &c)
	rest = append(rest, r.networks(body, c.Networks)...)
	rest = append(rest, r.volumes(body, c.Volumes)...)
	rest = append(rest, r.settings(body, containerKeys, userAndGroup(body, c.Settings))...)
	if c.NotifyHealthy {
		if r.host.Podman.Before(healthySince) {
			r.note(Lost, "Notify", fmt.Sprintf("what needs it does not wait until it is healthy: that takes Podman %s, and this host has %s", healthySince, r.host.Podman), "")
		} else {
			body.set("Notify", "healthy")
		}
	}
	rest = append(rest, r.stop(body, service, &c)...)
	r.podmanArgs(body, rest)
	r.service(unit, service, c)
	if !c.Manual {
		install.set("WantedBy", "default.target")
	}
	r.add("container", c.Source, []*section{unit, body, service, install}, c)
}

// title writes Description=, which no command line is made of.
func title(unit *section, text string) {
	unit.set("Description", strings.TrimSpace(strings.ReplaceAll(strings.TrimRight(text, `\ `), "%", "%%")))
}

func or(a, b string) string {
	if strings.TrimSpace(a) != "" {
		return strings.TrimSpace(a)
	}
	return b
}

func describe(name string, s Source) string {
	if s.Kind == FromCompose {
		return oneLine(fmt.Sprintf("%s of %s", s.Name, s.Project))
	}
	return oneLine("Container " + name)
}

// image writes Image=. An image that a unit builds is referred to by its tag, and
// the build is wanted and not required: where it fails, for want of its context or
// of the network, what was built before still serves.
func (r *renderer) image(unit, body *section, c Container, s Stack) {
	i := slices.IndexFunc(s.Builds, func(b Build) bool { return b.Unit == c.Build })
	if c.Build == "" || i < 0 {
		r.put(body, "Image", c.Image)
		return
	}
	b := s.Builds[i]
	r.put(body, "Image", b.Image)
	if r.host.Podman.Before(buildsSince) {
		r.note(Lost, "Image", fmt.Sprintf("building it by a unit needs Podman %s; this host has %s", buildsSince, r.host.Podman),
			fmt.Sprintf("podman build -t %s %s", b.Image, b.Context))
		return
	}
	needs(unit, []Need{{Unit: c.Build, Weak: true}}, "-build.service")
}

// needs writes what a unit needs: strong ones first.
func needs(unit *section, list []Need, suffix string) {
	for _, n := range list {
		if n.Why != "" {
			unit.comment(n.Why)
		}
		kind := "Requires"
		if n.Weak {
			kind = "Wants"
		}
		name := escapeUnit(n.Unit) + suffix
		unit.set(kind, name)
		unit.set("After", name)
	}
}

// escapeUnit protects the name of a unit from specifiers.
func escapeUnit(s string) string { return strings.ReplaceAll(s, "%", "%%") }

// command writes Entrypoint= and Exec=.
func (r *renderer) command(body *section, c *Container) (rest []Setting) {
	entry, cmd := c.Entrypoint, c.Command
	if i := slices.IndexFunc(cmd, NoWord); i >= 0 {
		if entry == nil {
			r.note(Stop, "Exec", fmt.Sprintf("the argument %q of the command cannot be said in a unit file", cmd[i]), "wrap it in a script, or give it an entrypoint of its own")
			return nil
		}
		entry, cmd = append(slices.Clone(entry), cmd...), nil
	}
	for _, a := range append(slices.Clone(entry), cmd...) {
		if why := sayable(a); why != "" {
			r.note(Stop, "Exec", fmt.Sprintf("the argument %s cannot be said in a unit file: %s", shorten(a), why), "")
			return nil
		}
	}
	if entry != nil {
		value := entrypoint(entry)
		text, ok := say(expand(value), raw)
		if ok && !r.host.Podman.Before(entrypointSince) {
			body.set("Entrypoint", text)
		} else {
			rest = append(rest, Setting{"entrypoint", value})
		}
	}
	if len(cmd) > 0 {
		body.set("Exec", words(cmd))
	}
	return rest
}

// entrypoint writes an entrypoint as podman run takes it: one word, or JSON.
func entrypoint(entry []string) string {
	if len(entry) == 0 {
		return ""
	}
	if len(entry) == 1 && !strings.HasPrefix(strings.TrimSpace(entry[0]), "[") && entry[0] != "" {
		return entry[0]
	}
	return inJSON(entry)
}

func (r *renderer) networks(body *section, list []NetworkUse) (rest []Setting) {
	for _, n := range list {
		name := n.Name
		if n.Unit != "" {
			name = n.Unit + ".network"
		}
		if len(n.Options) > 0 {
			name += ":" + strings.Join(n.Options, ",")
		}
		r.put(body, "Network", name)
	}
	return nil
}

func (r *renderer) volumes(body *section, list []VolumeUse) (rest []Setting) {
	for _, v := range list {
		source := v.Source
		if v.Unit != "" {
			source = v.Unit + ".volume"
		}
		if strings.Contains(source, ":") || strings.Contains(v.Target, ":") {
			rest = append(rest, r.mount(v, source)...)
			continue
		}
		value := v.Target
		if source != "" {
			value = source + ":" + v.Target
		}
		if len(v.Options) > 0 {
			value += ":" + strings.Join(v.Options, ",")
		}
		text, ok := say(expand(value), raw)
		switch {
		case sayable(value) != "":
			r.note(Stop, "Volume", fmt.Sprintf("%s cannot be said in a unit file: %s", shorten(value), sayable(value)), "")
		case ok:
			body.set("Volume", text)
		case v.Unit != "":
			r.note(Stop, "Volume", fmt.Sprintf("the place %s cannot be said in a unit file: it has a line break in it, or ends with a quote or a space", shorten(v.Target)), "")
		default:
			rest = append(rest, Setting{"volume", value})
		}
	}
	return rest
}

// mount says a mount whose paths have a colon in them, which --volume takes for
// a separator.
func (r *renderer) mount(v VolumeUse, source string) []Setting {
	kind := "bind"
	if v.Unit != "" || !strings.HasPrefix(source, "/") {
		kind = "volume"
	}
	fields := []string{"type=" + kind, "source=" + source, "target=" + v.Target}
	if source == "" {
		fields = []string{"type=volume", "target=" + v.Target}
	}
	for _, o := range v.Options {
		switch o {
		case "rw":
		case "ro", "U", "exec", "noexec", "dev", "nodev", "suid", "nosuid":
			fields = append(fields, o)
		case "z":
			fields = append(fields, "relabel=shared")
		case "Z":
			fields = append(fields, "relabel=private")
		case "shared", "rshared", "private", "rprivate", "slave", "rslave":
			fields = append(fields, "bind-propagation="+o)
		default:
			r.note(Lost, "Mount", fmt.Sprintf("the option %s of the mount at %s cannot be said for a path with a colon in it", o, v.Target), "move the path to one without a colon")
		}
	}
	for i, f := range fields {
		if strings.ContainsAny(f, ",\"\n") { // RFC 4180, as podman run reads it
			fields[i] = `"` + strings.ReplaceAll(f, `"`, `""`) + `"`
		}
	}
	return []Setting{{"mount", strings.Join(fields, ",")}}
}

// userAndGroup writes User= and Group=, and returns the other settings.
func userAndGroup(body *section, list []Setting) []Setting {
	var rest []Setting
	for _, s := range list {
		if s.Flag != "user" {
			rest = append(rest, s)
			continue
		}
		user, group, ok := strings.Cut(s.Value, ":")
		u, uok := say(expand(user), raw)
		g, gok := say(expand(group), raw)
		if !uok || ok && !gok {
			rest = append(rest, s) // :GROUP alone is for PodmanArgs
			continue
		}
		body.set("User", u)
		if ok {
			body.set("Group", g)
		}
	}
	return rest
}

// settings writes what there are keys for, in the order of the keys, and returns
// the rest.
func (r *renderer) settings(body *section, keys []key, list []Setting) (rest []Setting) {
	byFlag := map[string][]string{}
	for _, s := range list {
		byFlag[s.Flag] = append(byFlag[s.Flag], s.Value)
	}
	for _, k := range keys {
		values := byFlag[k.flag]
		delete(byFlag, k.flag)
		if k.sorted {
			slices.Sort(values)
		}
		many := k.many && !r.host.Podman.Before(k.manySince)
		if !many && len(values) > 1 && !k.many {
			values = values[len(values)-1:]
		}
		for i, v := range values {
			if why := sayable(v); why != "" {
				r.unsayable(k.flag, v, why)
				continue
			}
			text, ok := say(expand(v), k.style)
			if k.boolean {
				text, ok = v, v == "true" || v == "false"
			}
			if !ok || r.host.Podman.Before(k.since) || !many && i > 0 {
				rest = append(rest, Setting{k.flag, v})
				continue
			}
			body.set(k.name, text)
		}
	}
	for _, s := range list {
		if _, left := byFlag[s.Flag]; !left {
			continue
		}
		if why := sayable(s.Value); why != "" {
			r.unsayable(s.Flag, s.Value, why)
			continue
		}
		if s.Flag == "security-opt" && body.name == "Container" {
			if name, value, ok := securityKey(s.Value, r.host.Podman); ok {
				if text, ok := say(expand(value), raw); ok {
					body.set(name, text)
					continue
				}
			}
		}
		rest = append(rest, s)
	}
	return rest
}

// unsayable notes a value that no unit file can hold. That of a variable is not
// shown.
func (r *renderer) unsayable(flag, value, why string) {
	field := flag
	shown := shorten(value)
	if flag == "env" {
		name, _, _ := strings.Cut(value, "=")
		field, shown = "env."+oneLine(strings.ToValidUTF8(name, "?")), "its value"
	}
	r.note(Stop, field, fmt.Sprintf("--%s: %s cannot be said in a unit file: %s", flag, shown, why), "put it into a file, or a podman secret")
}

// podmanArgs writes what the host's generator has no key for.
func (r *renderer) podmanArgs(body *section, rest []Setting) {
	for _, s := range rest {
		value := "--" + s.Flag + "=" + s.Value
		if s.Value == "true" && standsAlone[s.Flag] {
			value = "--" + s.Flag
		}
		body.set("PodmanArgs", word(expand(value)))
	}
}

// standsAlone are options that people write without =true.
var standsAlone = map[string]bool{"privileged": true, "tty": true, "interactive": true, "init": true, "no-hosts": true, "no-healthcheck": true, "publish-all": true, "oom-kill-disable": true}
