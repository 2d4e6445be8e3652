// Package drill is the owner's own fire drill: what can be struck at a host to see
// what comes of it, with what must come of it as the kill table has measured it.
// It refuses where the stack is not as it should be to begin with. It strikes nothing
// that could lose data, and nothing as root.
package drill

import (
	"slices"
	"time"

	"keeper/internal/control"
	"keeper/internal/core"
)

// Scope is what a drill interrupts.
type Scope string

// The scopes. ScopeNetwork: nothing ends, and for some seconds containers find no
// others by name, or nothing outside.
const (
	ScopeNothing Scope = "nothing"
	ScopeNetwork Scope = "the network"
	ScopeService Scope = "one service"
	ScopeStack   Scope = "the whole stack"
	ScopeMachine Scope = "the machine"
)

// Drill is something to strike.
type Drill struct {
	// Name is that of the blow in the kill table, where the table has it.
	Name string
	// What is what it does, a line; Mends is who is to make it good.
	What, Mends string
	// Like is the row of the kill table that is like it. Shown is the test that shows
	// it where there is none.
	Like, Shown string
	// Interrupts is what it does to the stack without root's armor, Armored with it,
	// where that differs.
	Interrupts, Armored Scope
	// Service says that it is struck at one.
	Service bool
	// Root is what root types; the account strikes the rest.
	Root string
	// Revive says that nothing without root's revive comes back from it.
	Revive bool
	// Session says that the account must have a session open.
	Session bool
	// EndsSession says that it ends the sessions of the account.
	EndsSession bool
	// Limit is how long all may take to be as before. Watch is how long nothing must
	// happen before that counts.
	Limit, Watch time.Duration

	strike strike
	fell   fell
	// afresh: what is seen on a connection from before the blow is no proof.
	afresh bool
}

const (
	limit      = 2 * time.Minute
	limitStack = 5 * time.Minute
	watch      = 3 * time.Second
	// watchSessions is more than logind needs to forget a user (UserStopDelaySec, 10 s).
	watchSessions = 13 * time.Second
)

// All are the drills, the harmless ones first, root's last. podman pause is none: keeper
// takes it for a person's wish for five minutes, and goes the same way as after a
// SIGSTOP. What removes files or containers is none either.
func All() []Drill {
	return []Drill{
		{
			Name: "keeper-kill", Like: "keeper-kill", What: "SIGKILL of the daemon", Mends: "systemd starts another",
			Interrupts: ScopeNothing, Limit: limit, Watch: watch,
			strike: killDaemon, fell: anotherDaemon,
		},
		{
			Name: "keeper-stop-signal", Like: "keeper-stop-signal", What: "SIGSTOP of the daemon", Mends: "systemd's watchdog ends it after a minute and starts another",
			Interrupts: ScopeNothing, Limit: 3 * time.Minute, Watch: watch,
			strike: stopDaemon, fell: anotherDaemon,
		},
		{
			Name: "keeper-socket-removed", Like: "keeper-socket-removed", What: "the daemon's socket removed", Mends: "the daemon makes it again",
			Interrupts: ScopeNothing, Limit: limit, Watch: watch,
			strike: removeSocket, fell: answered, afresh: true,
		},
		{
			Name: "disable-linger", Like: "disable-linger-logout", What: "loginctl disable-linger", Mends: "keeper sets it again",
			Interrupts: ScopeNothing, Session: true, Limit: limit, Watch: watch,
			strike: disableLinger, fell: decided(core.SetLinger),
		},
		{
			Name: "aardvark-kill", Like: "aardvark-kill", What: "SIGKILL of aardvark-dns: containers find no names", Mends: "keeper has Podman start another",
			Interrupts: ScopeNetwork, Limit: limit, Watch: watch,
			strike: killHelper(aardvark), fell: decided(core.MendNetwork),
		},
		{
			Name: "pasta-kill", Like: "pasta-kill", What: "SIGKILL of pasta: containers reach nothing outside", Mends: "keeper has Podman start another",
			Interrupts: ScopeNetwork, Limit: limit, Watch: watch,
			strike: killHelper(pasta), fell: decided(core.MendNetwork),
		},
		{
			Name: "container-kill", Like: "container-kill", What: "SIGKILL of a service's main process", Mends: "systemd starts it again",
			Interrupts: ScopeService, Service: true, Limit: limit, Watch: watch,
			strike: killMain, fell: anotherLife,
		},
		{
			Name: "conmon-kill", Like: "conmon-kill", What: "SIGKILL of a service's conmon, Podman's monitor", Mends: "systemd starts it again",
			Interrupts: ScopeService, Service: true, Limit: limit, Watch: watch,
			strike: killConmon, fell: anotherLife,
		},
		{
			Name: "container-stop-signal", Shown: "TestSuperviseHung", What: "SIGSTOP of a service's main process: it hangs", Mends: "keeper continues it once it counts as ill",
			Interrupts: ScopeService, Service: true, Limit: limitStack, Watch: watch,
			strike: stopMain, fell: wasIll,
		},
		{
			Name: "terminate-user", Like: "terminate-user", What: "loginctl terminate-user", Mends: "keeper rearm has logind start the account again; with root's armor it ends the sessions alone",
			Interrupts: ScopeStack, Armored: ScopeNothing, EndsSession: true, Limit: limitStack, Watch: watchSessions,
			strike: terminateUser, fell: terminated,
		},
		{
			Name: "user-exit", Like: "user-exit-session", What: "systemctl --user exit", Mends: "root's revive starts the user manager again",
			Interrupts: ScopeStack, Revive: true, Limit: limitStack, Watch: watchSessions,
			strike: exitManager, fell: survived,
		},
		{
			Name: "terminate-user-root", Like: "terminate-user-root", What: "loginctl terminate-user by root", Mends: "as terminate-user",
			Interrupts: ScopeStack, Armored: ScopeNothing, EndsSession: true, Root: "loginctl terminate-user USER",
		},
		{
			Name: "manager-kill", Like: "manager-kill", What: "SIGKILL of the user manager with all in it", Mends: "root's revive starts it again",
			Interrupts: ScopeStack, Revive: true, Root: "systemctl kill --signal=KILL user@UID.service",
		},
		{
			Name: "restart-logind", Like: "restart-logind", What: "logind restarted", Mends: "keeper meets the new one",
			Interrupts: ScopeNothing, Root: "systemctl restart systemd-logind",
		},
		{
			Name: "reboot", Like: "reboot", What: "the machine rebooted", Mends: "linger starts the stack with the machine",
			Interrupts: ScopeMachine, Root: "systemctl reboot",
		},
		{
			Name: "power-cut", Like: "power-cut", What: "the power cut: the plug pulled, or the virtual machine reset", Mends: "linger starts the stack with the machine",
			Interrupts: ScopeMachine, Root: "reboot --force --force   # or the reset button; what was not synced is lost",
		},
	}
}

// Find returns the drill of that name.
func Find(name string) (Drill, bool) {
	all := All()
	if i := slices.IndexFunc(all, func(d Drill) bool { return d.Name == name }); i >= 0 {
		return all[i], true
	}
	return Drill{}, false
}

// Hits is what it interrupts with that much of root's part in force.
func (d Drill) Hits(root core.Root) Scope {
	if root.Armor && d.Armored != "" {
		return d.Armored
	}
	return d.Interrupts
}

// Asks says whether a person must agree first.
func (d Drill) Asks(root core.Root) bool { return d.Hits(root) != ScopeNothing || d.EndsSession }

// Expected is what must come of it: held or back, or failed where nothing survives it
// without more of root's part.
func (d Drill) Expected(root core.Root) core.DrillOutcome {
	switch {
	case d.Revive && !root.Revive:
		return core.DrillFailed
	case d.Hits(root) == ScopeNothing:
		return core.DrillHeld
	}
	return core.DrillBack
}

// fell says whether a status shows that the blow fell. was is from before it.
type fell func(was, is control.Status, struck time.Time, unit string) bool

func anotherDaemon(was, is control.Status, _ time.Time, _ string) bool {
	return is.Daemon.PID != was.Daemon.PID
}

// answered needs no more than a status.
func answered(_, _ control.Status, _ time.Time, _ string) bool { return true }

// decided is a decision of that kind since the blow.
func decided(kind core.Kind) fell {
	return func(_, is control.Status, struck time.Time, _ string) bool {
		return slices.ContainsFunc(is.Decisions, func(d core.Decision) bool { return d.Kind == kind && !d.At.Before(struck) })
	}
}

func anotherLife(was, is control.Status, _ time.Time, unit string) bool {
	now := unitOf(is, unit).Invocation
	return now != "" && now != unitOf(was, unit).Invocation
}

func wasIll(_, is control.Status, _ time.Time, unit string) bool {
	v := serviceOf(is, unit)
	return v.Name != "" && v.State != core.ServiceWell && v.State != core.ServiceFailing
}

// survived is an end of the user manager that is accounted for.
func survived(_, is control.Status, struck time.Time, _ string) bool {
	return slices.ContainsFunc(is.Survivals, func(s control.Survival) bool { return !s.At.Before(struck.Add(-clockSlack)) })
}

// terminated: root's armor lets nothing of the stack feel it, and then logind's word that
// it was done has to do.
func terminated(was, is control.Status, struck time.Time, unit string) bool {
	return was.Root.Armor || survived(was, is, struck, unit)
}

// clockSlack is what a time that was worked out may differ by.
const clockSlack = 2 * time.Second

func unitOf(st control.Status, name string) core.Unit {
	if i := slices.IndexFunc(st.Units, func(u core.Unit) bool { return u.Name == name }); i >= 0 {
		return st.Units[i]
	}
	return core.Unit{}
}

func serviceOf(st control.Status, name string) core.Service {
	if i := slices.IndexFunc(st.Services, func(v core.Service) bool { return v.Name == name }); i >= 0 {
		return st.Services[i]
	}
	return core.Service{}
}
