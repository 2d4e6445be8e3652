package core

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// StackFacts are what the files of the services, and their units, say that bears on
// survival.
type StackFacts struct {
	// UserUnits and Quadlets are where the account's own drop-ins belong: of a unit,
	// and of a Quadlet file. Dropins says that its Podman reads the latter (since 5.0).
	UserUnits, Quadlets string
	Dropins             bool
	// ManagerStop is how long PID 1 gives the user manager to stop; 0 where that is
	// not known.
	ManagerStop time.Duration
	// Terms are those of each service, by the name of its unit.
	Terms map[string]Terms
	// Files are the Quadlet files as keeper adopt --check explains them; FilesErr
	// says why it could not.
	Files    []QuadletFile
	FilesErr string
	Exposed  []ExposedSecret
	Ports    []PublishedPort
	// Anonymous are volumes without a name. Policies are the containers without a
	// unit that are to run by Podman's word, and RestartUnit says that the account's
	// podman-restart.service keeps it.
	Anonymous   []AnonymousVolume
	Policies    []RestartPolicy
	RestartUnit bool
}

// Terms are on what terms systemd starts a service again, and stops it.
type Terms struct {
	// Restart is Restart=, RestartWait RestartSec=. After StartLimit starts within
	// StartWindow it gives up.
	Restart     string
	RestartWait time.Duration
	StartLimit  int
	StartWindow time.Duration
	// Grace is how long Podman waits for the container to end before it kills it; 0
	// for a unit that is no container's.
	Grace time.Duration
	// Triggered says that a timer, a socket or a path starts it.
	Triggered bool
}

// QuadletFile is what became of a Quadlet file.
type QuadletFile struct {
	File string `json:"file"`
	Unit string `json:"service"`
	// Loaded says that systemd has the unit, Why what is wrong, Try what to do, and
	// Reload that reading the files again is all there is to do.
	Loaded bool   `json:"loaded"`
	Why    string `json:"why"`
	Try    string `json:"try"`
	Reload bool   `json:"reload"`
}

// ExposedSecret are the names of variables that seem to hold passwords, and the file
// that they stand in.
type ExposedSecret struct {
	Unit, File string
	Keys       []string
	// Apart says that the file is one of variables alone (EnvironmentFile=),
	// Readable that every account of this host can read it, and Foreign that it is not
	// the account's own.
	Apart, Readable, Foreign bool
}

// PublishedPort is what PublishPort= of a Quadlet file says.
type PublishedPort struct {
	Unit, File string
	// Host is the address, empty for all of them; First to Last are the ports.
	Host        string
	First, Last int
	Protocol    string
}

// AnonymousVolume is a volume without a name of its own, which goes with its container.
type AnonymousVolume struct {
	// Unit is empty for a container without one, Container for one that does not run.
	Unit      string `json:"unit"`
	Container string `json:"container"`
	Target    string `json:"target"`
	// Volume is what Podman calls it.
	Volume string `json:"volume"`
}

// RestartPolicy is a container without a unit that Podman was told to keep running.
type RestartPolicy struct {
	Container string `json:"container"`
	Policy    string `json:"policy"`
	Running   bool   `json:"running"`
}

// stack says what of that makes the stack frail.
func (d *diagnosis) stack(h Health) {
	d.notLoaded(h)
	d.anonymous(h)
	d.restarts(h)
	d.stops(h)
	d.exposed(h.Stack)
	d.ports(h)
	d.policies(h.Stack)
}

// unitDropIn is a drop-in of a unit, and not of its Quadlet file: it is read
// whatever Podman's version is, and wherever that file is.
func (s StackFacts) unitDropIn(unit, name string, lines ...string) []RepairStep {
	return []RepairStep{DropIn(s.UserUnits+"/"+unit, name, lines...), Reload()}
}

// quadlet is the name of the Quadlet file that the unit is made of.
func (s StackFacts) quadlet(u Unit) string {
	source := u.Source
	for _, f := range s.Files {
		if f.Unit == u.Name && f.Loaded {
			source = f.File // of a link the name counts, and not what it leads to
		}
	}
	return source[strings.LastIndexByte(source, '/')+1:]
}

func (d *diagnosis) notLoaded(h Health) {
	s := h.Stack
	if s.FilesErr != "" {
		d.add("not-loaded", Info, "it was not looked whether all Quadlet files are loaded: "+s.FilesErr, "", "keeper adopt --check")
	}
	wrong := 0
	for _, f := range s.Files {
		if f.Loaded && f.Why == "" {
			continue
		}
		wrong++
		name := f.File[strings.LastIndexByte(f.File, '/')+1:]
		bad := Bad
		if kind := name[strings.LastIndexByte(name, '.')+1:]; f.Reload || !(Unit{Kind: kind}).IsService() {
			bad = Warn
		}
		fix := f.Try
		if !f.Reload {
			fix += " (" + f.File + "), then: systemctl --user daemon-reload"
		}
		if f.Loaded {
			d.add("not-loaded", Warn, name+" is not in force as it stands: "+f.Why, "what runs is as the file was before, and what starts after a boot is not", fix)
		} else {
			d.add("not-loaded", bad, name+" is not loaded: "+f.Why, "no unit is made of it, and nothing can start what it is for", fix)
		}
		if f.Reload {
			d.mend("have systemd read the unit files again; nothing is stopped or started", Reload())
		}
	}
	if n := len(s.Files); n > 0 && wrong == 0 {
		d.add("not-loaded", Good, fmt.Sprintf("systemd has all units that the %d Quadlet files are to make", n), "", "")
	}
}

func (d *diagnosis) anonymous(h Health) {
	units := byName(h.Units)
	for _, v := range h.Stack.Anonymous {
		name := cmp.Or(v.Container, short(v.Unit)) + "-" + strings.ReplaceAll(strings.Trim(v.Target, "/"), "/", "-")
		u, known := units[v.Unit]
		switch {
		case v.Unit == "":
			d.add("anonymous-volume", Warn, v.Container+" has no unit, and its "+v.Target+" is in an anonymous volume",
				"that is lost with the container: podman rm --volumes, podman system prune", "keeper adopt "+v.Container)
			continue
		case known && u.Kind == "kube":
			d.add("anonymous-volume", Info, fmt.Sprintf("%s: %s of %s is in a volume without a name", short(v.Unit), v.Target, v.Container),
				"it goes with the pod at each stop, as an emptyDir is to", "")
			continue
		}
		fix := fmt.Sprintf("in %s, under [Container]: Volume=%s:%s; or Tmpfs=%s where nothing of it is to be kept", cmp.Or(u.Source, v.Unit), name, v.Target, v.Target)
		if v.Volume != "" {
			fix = fmt.Sprintf("dump it if it is a database's; podman volume create %s && podman volume export %s | podman volume import %s - ; then %s", name, v.Volume, name, fix)
		}
		d.add("anonymous-volume", Bad, short(v.Unit)+": "+v.Target+" is in an anonymous volume",
			"Quadlet stops a container by podman rm -v: what is there is lost at the next stop, and so with every outage", fix)
	}
}

func byName(list []Unit) map[string]Unit {
	units := map[string]Unit{}
	for _, u := range list {
		units[u.Name] = u
	}
	return units
}

// restarts is about systemd's own restarts. What is down with Restart=no may have
// done its work, and is not spoken of.
func (d *diagnosis) restarts(h Health) {
	var limited []string
	limit := Terms{}
	for _, u := range h.Units {
		t, known := h.Stack.Terms[u.Name]
		if !known || !u.Runs() {
			continue
		}
		switch t.Restart {
		case "no", "on-success", "on-abnormal", "on-abort", "on-watchdog":
			if u.Active == "inactive" {
				break
			}
			d.add("restart-policy", Warn, fmt.Sprintf("%s has Restart=%s", u.Name, t.Restart),
				"systemd leaves it down when its process fails; keeper starts it, but later, and not where keeper is away",
				fmt.Sprintf("in %s, under [Service]: Restart=always, or on-failure if it is to end one day", u.Source))
			d.mend("have systemd start "+short(u.Name)+" again when it fails (Restart=on-failure)",
				h.Stack.unitDropIn(u.Name, "50-keeper-restart.conf", "[Service]", "Restart=on-failure")...)
		default:
			if t.StartLimit > 0 && t.StartWindow > 0 && time.Duration(t.StartLimit)*t.RestartWait < t.StartWindow {
				limited = append(limited, short(u.Name))
				limit = t
			}
		}
	}
	if len(limited) > 0 {
		d.add("start-limit", Info, fmt.Sprintf("systemd gives up on %s after some starts in a row (%d within %s)", strings.Join(limited, ", "), limit.StartLimit, Span(limit.StartWindow)),
			"keeper ends that, with waits of its own; where keeper is away, they stay down", "")
	}
}

// stopMargin is what a unit has beyond what its container has: Podman has to kill
// that, and to clear up.
const stopMargin = 15 * time.Second

// stops holds the limits of stops against one another: past the outer one everything
// is killed, whatever the inner one says.
func (d *diagnosis) stops(h Health) {
	s := h.Stack
	for _, u := range h.Units {
		t, known := s.Terms[u.Name]
		if !known || !u.Runs() {
			continue
		}
		if t.Grace > 0 && u.StopLimit > 0 && t.Grace >= u.StopLimit {
			want := t.Grace + stopMargin
			d.add("stop-timeout", Warn, fmt.Sprintf("%s: its container may take %s to stop (StopTimeout=), and systemd kills it after %s (TimeoutStopSec=)", short(u.Name), Span(t.Grace), Span(u.StopLimit)),
				"it is killed in the middle of its shutdown, and Podman with it", fmt.Sprintf("in %s, under [Service]: TimeoutStopSec=%d", u.Source, seconds(want)))
			if s.ManagerStop == 0 || want < s.ManagerStop {
				d.mend(fmt.Sprintf("give %s %s to stop (TimeoutStopSec=)", short(u.Name), Span(want)),
					s.unitDropIn(u.Name, "50-keeper-stop.conf", "[Service]", fmt.Sprintf("TimeoutStopSec=%d", seconds(want)))...)
			}
		}
		if s.ManagerStop > 0 && u.StopLimit >= s.ManagerStop {
			d.add("stop-manager", Warn, fmt.Sprintf("%s may take %s to stop (TimeoutStopSec=), and its user manager %s", short(u.Name), Span(u.StopLimit), Span(s.ManagerStop)),
				"at a shutdown and at the end of the user manager it is killed before its time is over",
				fmt.Sprintf("in %s a shorter TimeoutStopSec=; or as root: systemctl edit user@%d.service, [Service] TimeoutStopSec=%d", u.Source, h.UID, seconds(u.StopLimit+stopMargin)))
		}
	}
	chain, need := s.chain(h.Units)
	if s.ManagerStop > 0 && need >= s.ManagerStop && len(chain) > 1 {
		d.add("stop-chain", Warn, fmt.Sprintf("%s stop one after the other, which may take %s, and their user manager has %s", strings.Join(chain, ", "), Span(need), Span(s.ManagerStop)),
			"the last of them is killed, and that is the store", fmt.Sprintf("shorter StopTimeout= in their Quadlets; or as root: systemctl edit user@%d.service, [Service] TimeoutStopSec=%d", h.UID, seconds(need+stopMargin)))
	}
}

func seconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }

// otherGrace is what the containers of pods and kube units have: Quadlet's own
// --time=10, and podman-kube-down(1).
const otherGrace = 10 * time.Second

// chain returns the services that take the longest to stop one after the other, the
// first to stop first, and how long that is.
func (s StackFacts) chain(list []Unit) (names []string, need time.Duration) {
	units := byName(list)
	type path struct {
		names []string
		need  time.Duration
	}
	done := map[string]path{}
	under := map[string]bool{} // systemd breaks circles; they must not hang this
	var from func(name string) path
	from = func(name string) path {
		u, ok := units[name]
		if p, is := done[name]; is || !ok || under[name] {
			return p
		}
		under[name] = true
		var longest path
		for _, a := range u.After {
			if p := from(a); p.need > longest.need {
				longest = p
			}
		}
		under[name] = false
		p := longest
		if u.Runs() {
			grace := min(cmp.Or(s.Terms[name].Grace, otherGrace), cmp.Or(u.StopLimit, 24*time.Hour))
			p = path{append([]string{short(name)}, longest.names...), longest.need + grace}
		}
		done[name] = p
		return p
	}
	for _, name := range slices.Sorted(maps.Keys(units)) {
		if p := from(name); p.need > need {
			names, need = p.names, p.need
		}
	}
	return names, need
}

func (d *diagnosis) exposed(s StackFacts) {
	for _, e := range s.Exposed {
		what := fmt.Sprintf("%s: %s in plain text in %s", short(e.Unit), plural(len(e.Keys), "a password stands", "passwords stand"), e.File)
		what += " (" + strings.Join(e.Keys, ", ") + ")"
		if e.Readable {
			what += ", which every account of this host can read"
		}
		means := "whoever reads the file, systemctl --user cat or podman inspect has it, an agent as well, and so has whoever lists processes while it starts"
		if e.Apart {
			means = "whoever reads the file has it"
		}
		fix := fmt.Sprintf("podman secret create NAME FILE, then Secret=NAME,type=env,target=%s in place of the variable", e.Keys[0])
		if e.Readable && !e.Foreign { // closed by its owner, the account could not read it either
			fix = "chmod go= '" + e.File + "'; " + fix
		}
		d.add("secret", Warn, what, means, fix)
	}
}

func plural(n int, one, more string) string {
	if n == 1 {
		return one
	}
	return more
}

func (d *diagnosis) ports(h Health) {
	units := byName(h.Units)
	type pair struct{ a, b string }
	told := map[pair]bool{}
	for i, a := range h.Stack.Ports {
		for _, b := range h.Stack.Ports[i+1:] {
			if a.Unit == b.Unit || told[pair{a.Unit, b.Unit}] || !a.clashes(b) {
				continue
			}
			told[pair{a.Unit, b.Unit}] = true
			// Two of which one is started by hand may be meant to take turns.
			bad, means := Info, "only one of them can run at a time"
			if units[a.Unit].Wanted && units[b.Unit].Wanted {
				bad, means = Bad, "whichever starts second fails, and which that is may change with each boot"
			}
			d.add("port-conflict", bad, fmt.Sprintf("%s and %s both publish port %d/%s", short(a.Unit), short(b.Unit), max(a.First, b.First), a.Protocol), means,
				fmt.Sprintf("another PublishPort= in %s or %s", a.File, b.File))
		}
	}
}

// takesTurns says whether the unit publishes a port that another one publishes, too.
func (s StackFacts) takesTurns(unit string) bool {
	return slices.ContainsFunc(s.Ports, func(a PublishedPort) bool {
		return a.Unit == unit && slices.ContainsFunc(s.Ports, func(b PublishedPort) bool { return b.Unit != unit && a.clashes(b) })
	})
}

// clashes says whether both cannot be listened on at once.
func (p PublishedPort) clashes(o PublishedPort) bool {
	return p.Protocol == o.Protocol && p.First <= o.Last && o.First <= p.Last && (p.Host == o.Host || p.covers(o) || o.covers(p))
}

// covers says whether it is on all addresses of the other one's kind.
func (p PublishedPort) covers(o PublishedPort) bool {
	six := strings.Contains(o.Host, ":")
	return p.Host == "" || p.Host == "0.0.0.0" && !six || p.Host == "::" && six
}

// policies is about --restart=always: that is carried out by podman-restart.service
// when the user manager starts, and by nobody else. Those that run have findings as
// every container without a unit has.
func (d *diagnosis) policies(s StackFacts) {
	for _, p := range s.Policies {
		if !p.Running {
			d.add("not-running", Warn, fmt.Sprintf("%s is to run (--restart=%s), and does not", p.Container, p.Policy),
				"that is Podman's word for as long as the container runs: nobody started it again after it was taken down", "keeper adopt "+p.Container+"; or podman start "+p.Container)
		}
	}
}

// withoutUnit is what is said of a container that runs without a unit.
func (d *diagnosis) withoutUnit(name string, s StackFacts) {
	fix := "keeper adopt " + name
	for _, p := range s.Policies {
		switch {
		case p.Container != name:
		case s.RestartUnit && p.Policy == "always":
			d.add("without-unit", Info, name+" runs without a unit, and podman-restart.service starts it when the user manager starts",
				"in no order, and nobody looks after it", fix)
			return
		default:
			d.add("without-unit", Warn, fmt.Sprintf("%s runs without a unit, and nothing carries out its --restart=%s", name, p.Policy),
				"it does not come back after its session or the user manager ends (podman-restart.service would start what is to run always, and is not enabled)",
				fix+"; or systemctl --user enable podman-restart.service")
			return
		}
	}
	d.add("without-unit", Warn, name+" runs without a unit", "it does not come back after its session ends", fix)
}

func checksOfStack() []Check {
	return []Check{
		{"not-loaded", "each Quadlet file: systemd has the unit of it, as the file stands; if not, Podman's own generator says why", "a typo, a key of a newer Podman or a second file of the same name drops the whole unit, and nothing says so until the next boot", true},
		{"anonymous-volume", "the volumes of containers: each has a name", "Quadlet stops a container by podman rm -v, and an anonymous volume goes with it", false},
		{"restart-policy", "Restart= of each service that is up", "without it systemd leaves a service down that fails, until keeper looks", true},
		{"start-limit", "StartLimitBurst= and StartLimitIntervalSec=", "systemd gives up on a service that fails some times in a row; keeper does not, and this is to be known", false},
		{"stop-timeout", "StopTimeout= of each container, against TimeoutStopSec= of its unit", "a unit that is stopped for longer than that is killed, a database in the middle of its checkpoint as well", true},
		{"stop-manager", "TimeoutStopSec= of each unit, against that of user@UID.service", "past that, systemd kills all that is left of the account", false},
		{"stop-chain", "what services need that stop one after the other, against TimeoutStopSec= of user@UID.service", "the stores stop last, and have what is left of the time", false},
		{"secret", "passwords in Environment=, PodmanArgs=--env and EnvironmentFile= of Quadlet files", "they are shown by podman inspect, systemctl cat and ps, and are read by whoever can read the file", false},
		{"port-conflict", "PublishPort= of all Quadlet files", "of two services on one port only one can start", false},
		{"not-running", "containers with --restart=always that do not run", "Podman itself does not start them when the user manager starts", false},
	}
}
