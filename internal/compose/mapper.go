package compose

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/compose-spec/compose-go/v2/types"

	"keeper/internal/core"
	"keeper/internal/quadlet"
)

// mapper makes the model of one project.
type mapper struct {
	scanner  *scanner
	project  *types.Project
	dir      string // that of the first file
	path     string // the first file
	profiles []string
	env      map[string]string

	stack quadlet.Stack
	// units are the names that services go by, also those of services that are
	// not mapped yet: they refer to one another.
	units map[string]string
	// healthy and done are the services that others wait for in this way.
	healthy, done map[string]bool
	// links are further names for a service, by service.
	links map[string][]string
	// builds are the units of Builds, by the image that they make.
	builds map[string]string
	// secrets and volumes are those in use.
	secrets  map[string]bool
	volumes  map[string]bool
	networks map[string]bool
}

// service is one container in the making.
type service struct {
	*mapper
	in   types.ServiceConfig
	c    quadlet.Container
	used []string // names of secrets
}

func (m *mapper) run(fields []field, unset *unset) (Project, error) {
	m.healthy, m.done = map[string]bool{}, map[string]bool{}
	m.secrets, m.volumes, m.networks = map[string]bool{}, map[string]bool{}, map[string]bool{}
	m.links, m.builds = map[string][]string{}, map[string]string{}
	p := Project{Name: m.project.Name}
	if err := m.names(); err != nil {
		return Project{}, err
	}
	m.relations()
	for _, name := range m.on() {
		if b := m.project.Services[name].Build; b != nil {
			m.builds[m.image(m.project.Services[name])] = m.units[name]
		}
	}
	for _, name := range m.on() {
		s := &service{mapper: m, in: m.project.Services[name]}
		if err := s.run(); err != nil {
			return Project{}, err
		}
		if err := s.sayable(); err != nil {
			return Project{}, err
		}
		m.stack.Containers = append(m.stack.Containers, s.c)
		p.Services = append(p.Services, Service{
			Name: name, Unit: s.c.Unit, Container: s.c.Name, Profiles: s.in.Profiles, Secrets: s.used,
		})
	}
	if err := m.addNetworks(); err != nil {
		return Project{}, err
	}
	if err := m.addVolumes(); err != nil {
		return Project{}, err
	}
	m.addSecrets()
	for _, name := range slices.Sorted(maps.Keys(m.project.Jobs)) {
		m.note("", "jobs."+name, quadlet.Lost, fmt.Sprintf("the job %s is no service that runs, and gets no unit", name),
			"podman run it from a systemd timer")
	}
	unit := func(name string) (string, bool) {
		_, on := m.project.Services[name]
		return m.units[name], on
	}
	m.stack.Notes = append(m.stack.Notes, lostNotes(fields, unit)...)
	m.stack.Notes = append(m.stack.Notes, unset.notes(m.scanner, unit)...)
	if err := m.distinct(); err != nil {
		return Project{}, err
	}
	m.stack.Notes = slices.CompactFunc(m.stack.Notes, func(a, b quadlet.Note) bool { return a == b })
	p.Stack = m.stack
	p.Off = slices.Sorted(maps.Keys(m.project.DisabledServices))
	return p, nil
}

// on are the services that become units, by name.
func (m *mapper) on() []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(m.project.Services)) {
		if m.project.Services[name].Provider == nil {
			names = append(names, name)
		}
	}
	return names
}

func (m *mapper) note(unit, field string, level quadlet.Level, text, try string) {
	m.stack.Notes = append(m.stack.Notes, quadlet.Note{Unit: unit, Field: field, Level: level, Text: text, Try: try})
}

func (m *mapper) stop(unit, field, accept, text, try string) {
	m.stack.Notes = append(m.stack.Notes, quadlet.Note{Unit: unit, Field: field, Level: quadlet.Stop, Text: text, Try: try, Accept: accept})
}

func (m *mapper) source(name string) quadlet.Source {
	return quadlet.Source{Kind: quadlet.FromCompose, Path: m.path, Name: name, Project: m.project.Name, Profiles: m.profiles}
}

// fail is an error about a key.
func (m *mapper) fail(way string, path []string, format string, args ...any) error {
	return fmt.Errorf("cannot read %s: %s: %s; %s", m.scanner.place(path...), strings.Join(path, "."), fmt.Sprintf(format, args...), way)
}

// unitName are names of unit files that are neither templates nor longer than a
// file name may be once Quadlet has added to them; and Podman's rule for names.
var unitName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,199}$`)

// nameOf checks the name of a network or a volume.
func (m *mapper) nameOf(section, key, name string) error {
	if unitName.MatchString(name) {
		return nil
	}
	return m.fail("give it another name:", []string{section, key}, "%q cannot be its name in Podman: letters, digits, _, . and - are allowed, a letter or digit first, 200 at most", name)
}

// names gives each service its unit.
func (m *mapper) names() error {
	m.units = map[string]string{}
	for _, name := range m.on() {
		s := m.project.Services[name]
		unit, path := s.ContainerName, []string{"services", name, "container_name"}
		if unit == "" {
			unit, path = m.project.Name+"-"+name, []string{"services", name}
		}
		if !unitName.MatchString(unit) {
			return m.fail("give it another container_name", path, "%q cannot be the name of a container and its unit: letters, digits, _, . and - are allowed, a letter or digit first, 200 at most", unit)
		}
		m.units[name] = unit
	}
	return nil
}

// distinct says whether two things would become one unit of systemd's: Quadlet
// makes db-volume.service of db.volume, and of db-volume.container as well.
func (m *mapper) distinct() error {
	owner := map[string]string{}
	claim := func(unit, what string) error {
		if other, taken := owner[unit]; taken {
			return fmt.Errorf("cannot write units for the Compose file %s: %s and %s would both be %s.service; give one of them another name (container_name:, name:)", m.path, other, what, unit)
		}
		owner[unit] = what
		return nil
	}
	for _, c := range m.stack.Containers {
		if err := claim(c.Unit, "the service "+c.Source.Name); err != nil {
			return err
		}
	}
	for _, n := range m.stack.Networks {
		if err := claim(n.Unit+"-network", "the network "+n.Source.Name); err != nil {
			return err
		}
	}
	for _, v := range m.stack.Volumes {
		if err := claim(v.Unit+"-volume", "the volume "+v.Source.Name); err != nil {
			return err
		}
	}
	for _, b := range m.stack.Builds {
		if err := claim(b.Unit+"-build", "the image of "+b.Source.Name); err != nil {
			return err
		}
	}
	return nil
}

// relations finds what services are to one another.
func (m *mapper) relations() {
	for _, name := range m.on() {
		s := m.project.Services[name]
		for _, other := range slices.Sorted(maps.Keys(s.DependsOn)) {
			switch s.DependsOn[other].Condition {
			case types.ServiceConditionHealthy:
				m.healthy[other] = true
			case types.ServiceConditionCompletedSuccessfully:
				m.done[other] = true
			}
		}
		for _, link := range s.Links {
			if other, alias, ok := strings.Cut(link, ":"); ok && alias != other {
				m.links[other] = append(m.links[other], alias)
				m.note(m.units[name], "links", quadlet.Hint,
					fmt.Sprintf("%s becomes a name of %s for everyone on its networks: Podman has no links", alias, other), "")
			}
		}
	}
}

// sayable refuses what neither a command line nor a unit file can hold.
func (s *service) sayable() error {
	check := func(field, text string) error {
		if strings.ContainsRune(text, 0) || !utf8.ValidString(text) {
			return s.fails("write it in another way, in base64 for one", field, "%q has a byte in it that neither a command line nor a unit file can hold", text)
		}
		return nil
	}
	for _, v := range s.c.Settings {
		if key, _, ok := strings.Cut(v.Value, "="); ok && v.Flag == "env" {
			if check("environment", v.Value) != nil { // it may be a password
				return check("environment", key+"=…\x00")
			}
		} else if err := check(v.Flag, v.Value); err != nil {
			return err
		}
	}
	for _, word := range slices.Concat(s.c.Entrypoint, s.c.Command) {
		if err := check("command", word); err != nil {
			return err
		}
	}
	for _, v := range s.c.Volumes {
		if err := check("volumes", v.Source+":"+v.Target); err != nil {
			return err
		}
	}
	return check("image", s.c.Image)
}

func (s *service) set(flag, value string) {
	s.c.Settings = append(s.c.Settings, quadlet.Setting{Flag: flag, Value: value})
}

// setIf leaves out what is not said.
func (s *service) setIf(flag, value string) {
	if value != "" {
		s.set(flag, value)
	}
}

func (s *service) setAll(flag string, values []string) {
	for _, v := range values {
		s.set(flag, v)
	}
}

func (s *service) setMap(flag string, values map[string]string) {
	for _, k := range slices.Sorted(maps.Keys(values)) {
		s.set(flag, k+"="+values[k])
	}
}

func (s *service) hint(field, text, try string) { s.note(s.c.Unit, field, quadlet.Hint, text, try) }
func (s *service) lose(field, text, try string) { s.note(s.c.Unit, field, quadlet.Lost, text, try) }

func (s *service) halt(field, accept, text, try string) {
	s.stop(s.c.Unit, field, accept, text, try)
}

func (s *service) fails(way, key, format string, args ...any) error {
	return s.fail(way, append([]string{"services", s.in.Name}, strings.Split(key, ".")...), format, args...)
}

func (s *service) run() error {
	in := s.in
	unit := s.units[in.Name]
	s.c = quadlet.Container{Unit: unit, Name: unit, Source: s.source(in.Name), Image: s.image(in)}
	s.c.Store = core.IsStore(s.c.Image)
	if n := in.GetScale(); n != 1 {
		s.halt("scale", "scale", fmt.Sprintf("the service %s is to run %d times, and a unit runs once", in.Name, n),
			"a service of its own for each, with extends; or scale: 1")
	}
	s.process()
	if err := s.build(); err != nil {
		return err
	}
	s.pull()
	s.needs()
	s.restart()
	s.health()
	if err := s.environment(); err != nil {
		return err
	}
	if err := s.labels(); err != nil {
		return err
	}
	s.joinNetworks()
	s.publish()
	if err := s.mounts(); err != nil {
		return err
	}
	if err := s.useSecrets(); err != nil {
		return err
	}
	s.useConfigs()
	s.confine()
	s.limits()
	s.log()
	return nil
}

// process is what runs, and as whom.
func (s *service) process() {
	in := s.in
	if in.Entrypoint != nil {
		s.c.Entrypoint = []string(in.Entrypoint)
	}
	if in.Command != nil {
		s.c.Command = []string(in.Command)
	}
	s.setIf("workdir", in.WorkingDir)
	s.setIf("user", in.User)
	s.setAll("group-add", in.GroupAdd)
	switch {
	case in.DomainName != "" && in.Hostname != "":
		s.set("hostname", in.Hostname+"."+in.DomainName)
		s.hint("domainname", "the domain is put into the host name: podman run has no --domainname", "")
	case in.DomainName != "":
		s.lose("domainname", fmt.Sprintf("domainname of the service %s is not in the unit: podman run has no --domainname", in.Name), "hostname: NAME."+in.DomainName)
	default:
		s.setIf("hostname", in.Hostname)
	}
	s.flag("init", in.Init != nil && *in.Init)
	s.flag("tty", in.Tty)
	s.flag("interactive", in.StdinOpen)
	s.setIf("stop-signal", in.StopSignal)
	if d := in.StopGracePeriod; d != nil {
		// Podman counts in seconds.
		s.c.StopTimeout = (timeOf(d) + time.Second - 1).Truncate(time.Second)
		if s.c.StopTimeout == podmanStop {
			s.c.StopTimeout = 0
		} else if timeOf(d) <= 0 {
			s.set("stop-timeout", "0")
		}
	}
	s.setIf("platform", in.Platform)
	if in.Umask != nil {
		s.set("umask", fmt.Sprintf("0%03o", *in.Umask))
	}
}

func (s *service) flag(name string, on bool) {
	if on {
		s.set(name, "true")
	}
}

// needs are the services that this one depends on. Links, volumes_from and
// shared namespaces are among them: compose-go has added those.
func (s *service) needs() {
	for _, name := range slices.Sorted(maps.Keys(s.in.DependsOn)) {
		dep := s.in.DependsOn[name]
		unit, on := s.units[name]
		if !on {
			why := "its profile leaves it out"
			if _, provided := s.project.Services[name]; provided {
				why = "a provider is no container"
			}
			s.hint("depends_on."+name, fmt.Sprintf("%s goes without %s: %s", s.in.Name, name, why), "")
			continue
		}
		need := quadlet.Need{Unit: unit, Weak: !dep.Required}
		switch dep.Condition {
		case types.ServiceConditionHealthy:
			need.Why = "once it is healthy"
		case types.ServiceConditionCompletedSuccessfully:
			need.Why = "once it has completed successfully"
		}
		s.c.Needs = append(s.c.Needs, need)
	}
}

func (s *service) restart() {
	s.c.OneShot = s.done[s.in.Name]
	word, most, _ := strings.Cut(s.in.Restart, ":")
	if word == "" && s.in.Deploy != nil && s.in.Deploy.RestartPolicy != nil {
		p := s.in.Deploy.RestartPolicy
		switch p.Condition {
		case "none":
			word = "no"
		case "on-failure":
			word = "on-failure"
		default: // any is the default of the specification
			word = "always"
		}
		if p.MaxAttempts != nil {
			switch word {
			case "on-failure":
				most = strconv.FormatUint(*p.MaxAttempts, 10)
			case "always":
				s.lose("deploy.restart_policy.max_attempts", "a unit with Restart=always does not count its starts", "condition: on-failure")
			}
		}
	}
	switch word {
	case "no":
		s.c.Restart = "no"
	case "on-failure":
		s.c.Restart = "on-failure"
		if n, err := strconv.Atoi(most); err == nil && n > 0 {
			s.c.RestartMost = n
		}
	case "":
		if s.c.OneShot {
			s.c.Restart = "no"
			return
		}
		s.c.Restart = "always"
		s.hint("restart", fmt.Sprintf("the file does not say whether %s is to be restarted, which means no to Compose; the unit says always, so that it survives", s.in.Name),
			`restart: "no" in the file, if it is to stay down`)
	default: // always, unless-stopped
		s.c.Restart = "always"
	}
	if s.c.OneShot && s.c.Restart == "on-failure" {
		// systemd tells those that wait of the first failure, whatever it tries afterwards.
		s.c.Restart, s.c.RestartMost = "no", 0
		s.lose("restart", fmt.Sprintf("others wait until %s has completed, and fail with its first failure: it is not tried again", s.in.Name), "what it needs to succeed: depends_on, or a loop in its command")
	}
	if s.c.OneShot && s.c.Restart == "always" {
		s.c.Restart = "no"
		s.hint("restart", fmt.Sprintf("others wait until %s has completed, so it is not started again once it has", s.in.Name), "")
	}
}
