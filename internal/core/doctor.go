package core

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// Severity says how bad a finding is.
type Severity string

// The severities. Only the last two are something to mend.
const (
	Good Severity = "good" // proof that something is in force
	Info Severity = "info" // to be known
	Warn Severity = "warn" // the stack survives, but not all that it could
	Bad  Severity = "bad"  // the stack would not survive
)

// Finding is one thing that the doctor found.
type Finding struct {
	// ID names the check, and does not change.
	ID       string   `json:"id"`
	Severity Severity `json:"severity"`
	What     string   `json:"what"`
	// Means says it in plain words, and Fix is what to type.
	Means string `json:"means,omitempty"`
	Fix   string `json:"fix,omitempty"`
	// Repair is what keeper doctor --fix would do about it, as the account; nil where
	// that is root's to do, or a person's to decide.
	Repair *Repair `json:"repair,omitempty"`
}

// Health is what the doctor looks at. An error in text is a question that could
// not be asked: a sentence of the edge's that says so, and is shown as it is.
type Health struct {
	User string
	UID  int
	// Installer is install.sh, as one types it.
	Installer string

	LogindErr  string
	Linger     bool
	UserState  string
	Sessions   []string
	PolkitErr  string
	MayLinger  bool
	Root       Root
	DelayHeld  bool
	DelayGrant time.Duration

	ManagerErr string
	// Session and Daemon are keeper-session.service and keeper.service.
	Session, Daemon OwnUnit
	// Early are services that start before, and so stop after, keeper-session.
	Early []string
	// Loose are Podman's helper scopes that stop before the containers do.
	Loose []string
	Units []Unit
	Lost  []LostFile
	// LostErr says that keeper's copies of Quadlet files could not be compared with them.
	LostErr string

	StandDown StandDown
	// Rearms is how many of the budget were used within its window.
	Rearms int

	// Leftover says that Podman has runtime state, Living how many processes of
	// containers live, Dead which network helpers should and do not, Locks that
	// Podman's lock file is there.
	ContainersErr string
	Leftover      bool
	Living        int
	Dead          []string
	Locks         bool
	// Settings are what keeper.toml says, SettingsErrs what is wrong with it.
	Settings     Settings
	SettingsErrs []string
	// Unkept are the containers that run without a unit, Adoption how one stands
	// that was begun.
	Unkept   []Unkept
	Adoption Adoption
	// Drift is where things differ from their units, DriftErrs what could not be
	// compared; HelperErr says that nothing could.
	Drift     []Drift
	DriftErrs []string
	HelperErr string
	// Guard is how the command guard stands; nil where that is not known.
	Guard *Guard
	// InSession are container processes whose cgroup is a login session's.
	InSession []SessionProcess
	// Host is what the machine and the account give, Stack what the services' own
	// files say.
	Host  HostFacts
	Stack StackFacts
}

// OwnUnit is one of keeper's own units as the user manager has it.
type OwnUnit struct {
	Active, Enabled bool
	// Stale says that its file changed since it was read.
	Stale bool
	// Ordered says, of keeper-session.service, that it comes before basic.target
	// and shutdown.target, and conflicts with the latter.
	Ordered bool
	// Program is what its ExecStop or ExecStart runs; Missing that it is not there.
	Program string
	Missing bool
}

// SessionProcess is a process of a container in a login session.
type SessionProcess struct {
	PID           int
	Name, Session string
}

// DoctorVersion is the version of what keeper doctor prints as JSON.
const DoctorVersion = 1

// Diagnose says what of the layers is in force, with proof, and what is not.
func Diagnose(h Health) []Finding {
	var d diagnosis
	d.standDown(h)
	d.host(h)
	d.linger(h)
	d.rearm(h)
	d.root(h)
	d.runtime(h)
	d.shutdown(h)
	d.files(h)
	d.stack(h)
	d.adoption(h)
	d.guard(h)
	return d
}

type diagnosis []Finding

func (d *diagnosis) add(id string, s Severity, what, means, fix string) {
	*d = append(*d, Finding{ID: id, Severity: s, What: what, Means: means, Fix: fix})
}

// mend adds to the last finding what keeper doctor --fix would do about it.
func (d *diagnosis) mend(what string, steps ...RepairStep) {
	(*d)[len(*d)-1].Repair = &Repair{What: what, Steps: steps}
}

func (d *diagnosis) standDown(h Health) {
	if !h.StandDown.InForce() {
		d.add("stand-down", Good, "no mark, no pause; the account is neither locked nor expired", "", "")
		return
	}
	fix := ""
	switch h.StandDown.Cause {
	case CausePaused, CauseLocked:
		fix = "keeper resume"
	case CauseMark:
		fix = fmt.Sprintf("as root: rm /etc/keeper/stand-down/%d", h.UID)
	case CauseExpired:
		fix = "as root: chage -l " + h.User
	}
	d.add("stand-down", Bad, "keeper stands down: "+h.StandDown.Detail, "nothing is brought back while that holds", fix)
}

func (d *diagnosis) linger(h Health) {
	if h.LogindErr != "" {
		d.add("logind", Bad, h.LogindErr, "nobody can bring the user manager back; it may have lost the bus, which it does not join again by itself", "as root: systemctl restart systemd-logind")
		return
	}
	if h.Linger {
		d.add("linger", Good, "linger is on: the stack outlives a logout and starts at boot", "", "")
	} else {
		d.add("linger", Bad, "linger is off", "the stack ends with the last session and does not start at boot", "loginctl enable-linger "+h.User)
		d.mendLinger(h)
	}
	if h.UserState == "closing" {
		d.add("closing", Warn, "logind believes that the user is on the way out (User.State is closing)",
			"the daemon sets that right where root's armor kept the user manager up", "loginctl enable-linger "+h.User)
		d.mendLinger(h)
	}
	switch {
	case h.PolkitErr != "":
		d.add("polkit", Bad, h.PolkitErr, "without it the account cannot set its own linger, and is not brought back", "systemctl status polkit")
	case h.MayLinger:
		d.add("polkit", Good, "polkit lets the account set its own linger", "", "")
	default:
		d.add("polkit", Bad, "polkit does not let the account set its own linger (org.freedesktop.login1.set-self-linger)",
			"the account cannot be brought back without root's part", "as root: allow that action to "+h.User+" in /etc/polkit-1/rules.d")
	}
}

// mendLinger is for whoever may set it, and did not ask keeper to stand down.
func (d *diagnosis) mendLinger(h Health) {
	if h.MayLinger && !h.StandDown.InForce() {
		d.mend("have logind keep the user manager of "+h.User+" (enable-linger)", RepairStep{Run: []string{"loginctl", "enable-linger", h.User}})
	}
}

// mendDaemon starts keeper, and keeper-session with it (Also=).
func (d *diagnosis) mendDaemon() {
	d.mend("enable and start keeper and keeper-session", RepairStep{Run: []string{"systemctl", "--user", "enable", "--now", "keeper"}})
}

func (d *diagnosis) rearm(h Health) {
	if h.ManagerErr != "" {
		d.add("manager", Bad, h.ManagerErr, "nothing of the account runs",
			fmt.Sprintf("as root: systemctl start user@%d", h.UID))
		return
	}
	const enable = "systemctl --user enable --now keeper"
	s := h.Session
	switch {
	case s.Missing:
		d.add("rearm", Bad, "keeper-session.service runs "+s.Program+", which is not there", "the stack would not come back from terminate-user", "install keeper again")
	case !s.Active || !s.Enabled:
		d.add("rearm", Bad, "keeper-session.service is not enabled and active", "the stack would not come back from terminate-user", enable)
		d.mendDaemon()
	case s.Stale:
		d.add("rearm", Warn, "keeper-session.service changed on disk and was not read again", "the last act is as the file was before", "systemctl --user daemon-reload")
		d.mend("have systemd read the unit files again; nothing is stopped or started", Reload())
	case !s.Ordered:
		d.add("rearm", Bad, "keeper-session.service is not ordered before basic.target and shutdown.target",
			"it would act too early, or not at all", "systemctl --user cat keeper-session; install keeper again")
	case len(h.Early) > 0:
		d.add("rearm", Warn, "keeper-session.service does not stop last: "+strings.Join(h.Early, ", ")+" stop after it",
			"they have DefaultDependencies=no", "")
	default:
		d.add("rearm", Good, "keeper-session.service is active, enabled, the first to start and the last to stop", "", "")
	}
	if n := h.Rearms; n >= RearmBudget {
		d.add("budget", Bad, fmt.Sprintf("the account was brought back %d times within %s", n, RearmWindow),
			"at its next death it stays down: that is a loop, and a person must look at it", "journalctl -b -u systemd-logind; keeper resume")
	}
	for _, l := range h.Loose {
		d.add("helper-order", Warn, l+" stops before the containers that need it", "the application loses its network while it still finishes requests",
			"install keeper again, then restart the stack when it suits")
	}
	switch {
	case !h.Daemon.Enabled:
		d.add("daemon", Warn, "keeper.service is not enabled", "nobody keeps linger on", enable)
		d.mendDaemon()
	case !h.Daemon.Active:
		d.add("daemon", Warn, "keeper.service does not run", "nobody keeps linger on", "systemctl --user start keeper")
		d.mendDaemon()
	default:
		d.add("daemon", Good, "keeper.service runs and is enabled", "", "")
	}
}

// OutOfReach is what kills the stack for good without root's part.
const OutOfReach = "SIGKILL of the user manager (kill -9 -1 as well), a soft-reboot, and systemctl --user exit or root's stop of user@ with a login session open, leave the stack down"

func (d *diagnosis) root(h Health) {
	install := "as root: sh " + h.Installer + " --user " + h.User
	switch {
	case h.LogindErr != "":
	case h.Root.Armor && h.Root.Revive:
		d.add("root", Good, "root's part is in force: armor (RefuseManualStop) and revive (ExecStopPost)", "", "")
	case h.Root.Revive:
		d.add("root", Info, "root's revive is in force, the armor is not", "terminate-user is an outage, and not only the end of the sessions", install)
	case h.Root.Armor:
		d.add("root", Warn, "root's armor is in force, the revive is not", OutOfReach, install)
	default:
		d.add("root", Info, "root's part is not installed", OutOfReach, install)
	}
}

func (d *diagnosis) runtime(h Health) {
	if h.ContainersErr != "" {
		d.add("runtime", Warn, h.ContainersErr, "nobody can tell whether Podman's runtime state is stale", "")
		return
	}
	switch {
	case h.Leftover && h.Living == 0:
		d.add("runtime", Warn, "Podman's runtime state is there, and nothing of the containers lives",
			"Podman may refuse to start anything (\"invalid internal status\")", "keeper recover")
		d.mend("clear the runtime state that nothing uses any more", RepairStep{Run: []string{"keeper", "recover"}})
	case h.Living > 0 && !h.Locks:
		d.add("runtime", Warn, fmt.Sprintf("Podman's locks (/dev/shm/libpod_rootless_lock_%d) are gone while containers live", h.UID),
			"Podman may not see what runs", "restart the stack when it suits")
	default:
		d.add("runtime", Good, "Podman's runtime state is not stale", "", "")
	}
	if len(h.Dead) > 0 {
		d.add("network", Warn, strings.Join(h.Dead, " and ")+" should run and does not", "containers do not reach one another by name, or not the world",
			"systemd-run --user --wait podman network reload --all")
		d.mend("have Podman start them again; the containers run on", RepairStep{Run: []string{"systemd-run", "--user", "--wait", "podman", "network", "reload", "--all"}})
	}
	for _, p := range h.InSession {
		d.add("in-session", Warn, fmt.Sprintf("%s (%d), of a container, is in the login session %s", p.Name, p.PID, p.Session),
			"it dies with that session, linger or not", "make it a Quadlet unit")
	}
}

func (d *diagnosis) shutdown(h Health) {
	if h.LogindErr != "" || h.ManagerErr != "" {
		return
	}
	units := byName(h.Units)
	gaps := Gaps(units)
	for _, g := range gaps {
		d.add("order", Warn, g.String(), "at a shutdown the store may end first; keeper stops the application before, as far as logind gives it time",
			fmt.Sprintf("in %s, under [Unit]: After=%s and Requires=%s", units[g.Unit].Source, g.Store, g.Store))
		if h.Stack.UserUnits != "" && !circular(g, gaps, units) {
			d.mend(fmt.Sprintf("order %s after %s", short(g.Unit), short(g.Store)),
				h.Stack.unitDropIn(g.Unit, "50-keeper-order-"+short(g.Store)+".conf", "[Unit]", "After="+g.Store, "Requires="+g.Store)...)
		}
	}
	if len(gaps) == 0 && slices.ContainsFunc(h.Units, Unit.IsService) {
		d.add("order", Good, "systemd knows the order of the services: applications stop before their stores", "", "")
	}
	need := ShutdownNeed(units)
	switch {
	case !h.DelayHeld:
		d.add("delay", Info, "keeper holds no delay inhibitor", "it does not hear of a shutdown in time", "systemctl --user restart keeper")
	case need > h.DelayGrant && need > 0:
		most := min(max(need, DelayLeast), DelayMost)
		d.add("delay", Warn, fmt.Sprintf("keeper may need %s before a shutdown, and logind grants %s", need, h.DelayGrant), "an application that takes longer than logind waits may lose its store while it stops",
			fmt.Sprintf("give the services above their order, or as root: sh %s --user %s --shutdown-delay %d", h.Installer, h.User, int(math.Ceil(most.Seconds()))))
	default:
		d.add("delay", Good, fmt.Sprintf("shutdowns wait for keeper up to %s (InhibitDelayMaxSec), and it needs %s", h.DelayGrant, need), "", "")
	}
}

// circular says that the store itself comes after something that lacks an order: with
// both orders there may be a circle, of which systemd drops a part.
func circular(g Gap, gaps []Gap, units map[string]Unit) bool {
	return slices.ContainsFunc(gaps, func(o Gap) bool { return slices.Contains(units[g.Store].After, o.Unit) })
}

// DelayLeast and DelayMost are the least and the most that install.sh raises
// InhibitDelayMaxSec to, in whole seconds: it is 5 s by itself, and lets every
// local user delay every shutdown by as much.
const (
	DelayLeast = 6 * time.Second
	DelayMost  = 30 * time.Second
)

func (d *diagnosis) files(h Health) {
	if h.LostErr != "" {
		d.add("lost", Warn, h.LostErr, "nobody can tell whether a Quadlet file was deleted or emptied", "")
	}
	for _, f := range h.Lost {
		d.add("lost", Bad, f.Source+" was deleted or emptied", "its service will not start again",
			"cp '"+f.Copy+"' '"+f.Source+"' && systemctl --user daemon-reload")
		d.mend("put back keeper's copy of it", RepairStep{Write: f.Source, Copy: f.Copy}, Reload())
	}
	for _, u := range h.Units {
		if u.Runs() && !u.Wanted && !h.Stack.Terms[u.Name].Triggered {
			d.add("wanted", Warn, u.Name+" is not started by anything", "it does not come back after a boot",
				fmt.Sprintf("in %s: [Install] WantedBy=default.target", u.Source))
			// Only Quadlet reads [Install]; of a template it reads another file's.
			// Of two with one port, somebody has one start at a time.
			if s := h.Stack; s.Dropins && !strings.Contains(u.Name, "@") && !s.takesTurns(u.Name) {
				d.mend("have "+short(u.Name)+" started with the user manager",
					DropIn(s.Quadlets+"/"+s.quadlet(u), "50-keeper-wanted.conf", "[Install]", "WantedBy=default.target"), Reload())
			}
		}
	}
}

func (d *diagnosis) adoption(h Health) {
	for _, e := range h.SettingsErrs {
		d.add("settings", Warn, e, "the daemon goes on with older settings, or with the defaults", "mend the file")
	}
	if h.Adoption == AdoptionInterrupted {
		d.add("adoption", Warn, "an adoption of containers was interrupted half-way", "what it changed is neither as it was nor as it is to be", "keeper adopt --undo")
	}
	units := byName(h.Units)
	// What is known of units is in force here as it is in the daemon.
	for _, u := range (State{Units: units, Unkept: h.Unkept}).UnkeptNow() {
		switch {
		case u.Throwaway:
			d.add("without-unit", Info, u.Name+" runs without a unit", "it is thrown away when it ends (--rm)", "")
		case u.Unit != "":
			d.add("without-unit", Info, u.Name+" runs without its unit, "+u.Unit, "the unit is in force from the next start", "keeper adopt --apply "+u.Name)
		default:
			d.withoutUnit(u.Name, h.Stack)
		}
	}
	for _, f := range h.Drift {
		if f.Field == "file" && f.Against == "container" && slices.ContainsFunc(h.Stack.Files, func(q QuadletFile) bool { return q.Unit == f.Unit && q.Reload }) {
			continue // said of the file already
		}
		s, means := Info, "the Compose file changed since the unit was written"
		if f.Against != "compose" {
			s, means = Warn, "at its next start it runs as the unit says"
		}
		d.add("drift", s, f.String(), means, f.Try)
	}
	for _, e := range append(h.DriftErrs[:len(h.DriftErrs):len(h.DriftErrs)], h.HelperErr) {
		if e != "" {
			d.add("drift", Info, "what runs was not compared with its units: "+e, "", "")
		}
	}
}

// Sick says whether any of the findings is to be mended.
func Sick(list []Finding) bool {
	return slices.ContainsFunc(list, func(f Finding) bool { return f.Severity == Warn || f.Severity == Bad })
}
