package core

import "time"

// Event is something that happened, as an edge saw it. An Err is a sentence that
// says what could not be done, and is shown as it is.
type Event interface{ event() }

type (
	// LogindUp says that logind can be reached: at start, and when it comes back.
	// ShuttingDown is its property PreparingForShutdown.
	LogindUp struct{ Restarted, ShuttingDown bool }
	// LogindDown says that logind left the bus, or the bus is gone.
	LogindDown struct{ Err string }
	// LingerHint says that something touched the account's linger.
	LingerHint struct{}
	// LingerSeen is the answer to LookLinger.
	LingerSeen struct {
		On bool
		// Unknown says that logind knows no such user, though its manager runs.
		Unknown bool
		// Closing says that logind believes the user to be on the way out while
		// root's armor kept the user manager running.
		Closing bool
		// Root is what is in force of root's part.
		Root Root
		Err  string
	}
	// LingerSet is the outcome of SetLinger. Denied means that polkit said no.
	LingerSet struct {
		Err    string
		Denied bool
	}
	// StandDownSeen is what the stand-down marks say now.
	StandDownSeen struct{ StandDown StandDown }
	// SessionNew is logind's signal of this name.
	SessionNew struct{ ID string }
	// SessionRemoved is logind's signal of this name.
	SessionRemoved struct{ ID string }
	// UserNew is logind's signal of this name.
	UserNew struct{ UID uint32 }
	// UserRemoved is logind's signal of this name.
	UserRemoved struct{ UID uint32 }
	// PrepareForShutdown is logind's signal: the machine goes down, or not
	// after all.
	PrepareForShutdown struct{ Active bool }
	// PrepareForSleep is logind's signal: the machine falls asleep, or woke up.
	PrepareForSleep struct{ Active bool }
	// UnitsSeen is the whole list of Quadlet-made units.
	UnitsSeen struct {
		Units []Unit
		// Armed says that keeper-session.service is active.
		Armed bool
		// Starting says that the user manager has not finished starting up.
		Starting bool
		// First says that jobs were heard of from this look on, and of all since.
		First bool
		// Lost are the Quadlet files that went missing.
		Lost []LostFile
		// Sections are what the [X-Keeper] of the Quadlet files say, by unit, and
		// SectionErrs what is wrong with them, by unit too: then nothing of that
		// section counts.
		Sections    map[string]Supervision
		SectionErrs map[string][]string
		Err         string
	}
	// UnitSeen is the new state of one of them.
	UnitSeen struct{ Unit Unit }
	// ManagerDown says that the user manager cannot be reached.
	ManagerDown struct{ Err string }
	// StopAsked says that a stop job for the unit was queued while the user
	// manager itself is there to stay. Isolated says that it is one of many, by
	// which all is stopped that another target does not want.
	StopAsked struct {
		Name     string
		Isolated bool
		// Job is its id; those of one transaction count up from the unit that was
		// asked for.
		Job uint32
	}
	// StopUndone says that a stop job for the unit was canceled before it ran: this
	// life of the unit goes on.
	StopUndone struct{ Name, Invocation string }
	// UnitsStarted and UnitsStopped are the outcome of StartUnits and StopUnits.
	UnitsStarted struct {
		Units []string
		Err   string
	}
	UnitsStopped struct {
		Units []string
		Err   string
	}
	// Answered is the outcome of LookAnswers: the units that answer on their
	// ports, and when, on CLOCK_MONOTONIC.
	Answered struct{ At map[string]time.Duration }
	// HelperHint says that something ended that may have been one of Podman's
	// network helpers. HelpersSeen names those that are dead but should not be.
	// Orphaned says that the runtime state of Podman's that the running containers
	// belong to was removed.
	HelperHint  struct{}
	HelpersSeen struct {
		Dead     []string
		Orphaned bool
	}
	// RuntimeRenewed is the outcome of RenewRuntime.
	RuntimeRenewed struct {
		Units []string
		Err   string
	}
	// NetworkMended is the outcome of MendNetwork.
	NetworkMended struct{ Err string }
	// ManagerWoken is the outcome of WakeManager.
	ManagerWoken struct{ Err string }
	// ManagerSeen says whether the user manager is stopped by a signal.
	ManagerSeen struct{ Stopped bool }
	// DelayTaken is the outcome of TakeDelay: how long logind grants.
	DelayTaken struct {
		Grant time.Duration
		Err   string
	}
	// Wake is the timer that State.Next asked for.
	Wake struct{}
)

// Root is what PID 1 has in force of root's part.
type Root struct {
	// Armor: nobody can stop the user manager by a job of its own
	// (RefuseManualStop). Revive: it is started again whatever ended it.
	Armor  bool `json:"armor"`
	Revive bool `json:"revive"`
}

func (LogindUp) event()           {}
func (LogindDown) event()         {}
func (LingerHint) event()         {}
func (LingerSeen) event()         {}
func (LingerSet) event()          {}
func (StandDownSeen) event()      {}
func (SessionNew) event()         {}
func (SessionRemoved) event()     {}
func (UserNew) event()            {}
func (UserRemoved) event()        {}
func (PrepareForShutdown) event() {}
func (UnitsSeen) event()          {}
func (UnitSeen) event()           {}
func (ManagerDown) event()        {}
func (PrepareForSleep) event()    {}
func (Began) event()              {}
func (StopAsked) event()          {}
func (StopUndone) event()         {}
func (UnitsStarted) event()       {}
func (UnitsStopped) event()       {}
func (Answered) event()           {}
func (HelperHint) event()         {}
func (HelpersSeen) event()        {}
func (NetworkMended) event()      {}
func (RuntimeRenewed) event()     {}
func (ManagerSeen) event()        {}
func (ManagerWoken) event()       {}
func (DelayTaken) event()         {}
func (Wake) event()               {}

// Rearm is the record of one run of `keeper rearm`.
type Rearm struct {
	At time.Time `json:"at"`
	// Boot is the boot the record belongs to: Mono means nothing in another.
	Boot string        `json:"boot"`
	Mono time.Duration `json:"mono"`
	// Done says that logind was asked to bring the account back.
	Done   bool   `json:"done"`
	Cause  string `json:"cause"`
	Reason string `json:"reason"`
	Err    string `json:"error,omitempty"`
	// Down is what was running when the stop began, and when it ceased.
	Down []Down `json:"down,omitempty"`
}

// Down is a service that a stop of the user manager took down.
type Down struct {
	Name string        `json:"name"`
	Left time.Duration `json:"left"`
}
