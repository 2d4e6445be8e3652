// Package core is the part of keeper that decides. It is pure: it takes events
// and the time as arguments, returns a new state and the actions that follow,
// each with its reason, and imports nothing that could touch the world.
package core

import "time"

// Linger is what is known of the account's linger.
type Linger string

// What linger can be. LingerUnknown holds until logind was asked.
const (
	LingerUnknown Linger = "unknown"
	LingerOn      Linger = "on"
	LingerOff     Linger = "off"
)

// Cause names why keeper stands down.
type Cause string

// The ways to make keeper stand down, strongest first.
const (
	CauseMark     Cause = "mark"     // the administrator's mark
	CauseRemoved  Cause = "removed"  // the account is gone
	CauseExpired  Cause = "expired"  // the account has expired
	CauseLocked   Cause = "locked"   // the account was locked
	CausePaused   Cause = "paused"   // keeper pause
	CauseDisabled Cause = "disabled" // keeper-session.service is disabled
)

// StandDown says why keeper must not act for the account. The zero value means
// that it may.
type StandDown struct {
	Cause  Cause     `json:"cause,omitempty"`
	Detail string    `json:"detail,omitempty"`
	Until  time.Time `json:"until,omitzero"`
	// Unasked is why nobody could be asked whether the account is locked or has expired,
	// where that is so. Then what was said last holds, and linger is not set on it: what
	// keeper-session.service asks itself at the end is not too late.
	Unasked string `json:"unasked,omitempty"`
}

// InForce says whether keeper stands down.
func (s StandDown) InForce() bool { return s.Cause != "" }

// Unit is what the user manager says of one unit that Quadlet made
// (org.freedesktop.systemd1.Unit and .Service).
type Unit struct {
	Name string `json:"name"`
	// Kind is the type of the Quadlet file: container, volume, network, …
	Kind   string `json:"kind"`
	Source string `json:"source"`
	Active string `json:"active"`
	Sub    string `json:"sub"`
	Result string `json:"result,omitempty"`
	// Since is when the unit entered its present state (StateChangeTimestamp).
	Since    time.Time `json:"since,omitzero"`
	Restarts uint32    `json:"restarts"`
	// Invocation changes with every start (InvocationID).
	Invocation string `json:"invocation,omitempty"`
	// Entered is when the unit last became active, on CLOCK_MONOTONIC; zero
	// means never in this life.
	Entered time.Duration `json:"-"`
	// Wanted says that something starts it by itself (WantedBy, RequiredBy).
	Wanted bool `json:"wanted,omitempty"`
	// Stale says that its Quadlet file changed since the user manager read it.
	Stale bool `json:"stale,omitempty"`
	// Job says that systemd has something queued for it.
	Job bool `json:"-"`
	// Stopped says that it was stopped by a stop job, which is a person's word:
	// a unit that fails or ends by itself has none.
	Stopped bool `json:"stopped,omitempty"`
	// StoppedWith is the service that somebody stopped, and it along with that.
	StoppedWith string `json:"stopped_with,omitempty"`
	// After are the other Quadlet-made services it is ordered after, itself or
	// by way of others.
	After []string `json:"after,omitempty"`
	// Needs are those that it cannot start without, or starts along (Requires,
	// BindsTo, Wants), itself or by way of others.
	Needs []string `json:"needs,omitempty"`
	// BoundTo are those that systemd stops it with when they die (BindsTo), StopsWith
	// those that it is stopped with when somebody stops them (Requires, Requisite,
	// BindsTo, PartOf), itself or by way of others.
	BoundTo   []string `json:"-"`
	StopsWith []string `json:"-"`
	// OneShot says that it runs to its end and is then inactive, as a backup does.
	OneShot bool `json:"one_shot,omitempty"`
	// StopLimit is TimeoutStopUSec.
	StopLimit time.Duration `json:"-"`
	// What the command line of `podman run` or `podman pod create` says.
	Image string `json:"image,omitempty"`
	// Container is the name that its container or pod has.
	Container string   `json:"container,omitempty"`
	Ports     []string `json:"ports,omitempty"` // addresses of this host, as net.Dial takes them; TCP
	Inside    []uint16 `json:"-"`               // the port in the container of each of them
	Networks  []string `json:"networks,omitempty"`
	Mounts    []Mount  `json:"-"`
	// HealthCheck says that Podman checks its health (--health-cmd).
	HealthCheck bool `json:"-"`
	// MainPID is the container's conmon.
	MainPID int `json:"-"`
}

// Mount is what a container has mounted: a volume by its name or a path of the
// host, and where.
type Mount struct {
	Source, Target string
	ReadOnly       bool
}

// LostFile is a Quadlet file that was deleted or emptied under its service, and
// the copy that keeper has of it.
type LostFile struct {
	Source string `json:"source"`
	Copy   string `json:"copy"`
}

// Runs says whether the unit is a service that is to run on.
func (u Unit) Runs() bool { return u.IsService() && !u.OneShot }

// IsService says whether the unit is something that runs, and not a volume or
// a network that only has to exist.
func (u Unit) IsService() bool {
	switch u.Kind {
	case "container", "pod", "kube":
		return true
	}
	return false
}

// Decision is one thing that keeper decided, done or left undone, and why.
type Decision struct {
	At     time.Time `json:"at"`
	What   string    `json:"what"`
	Reason string    `json:"reason"`
	// Kind is the action's, and Units those that it is about.
	Kind  Kind     `json:"kind,omitempty"`
	Units []string `json:"units,omitempty"`
}

// Kind names an action.
type Kind string

// The actions. Note does nothing: it is a decision to be kept.
const (
	SetLinger    Kind = "set-linger"
	LookLinger   Kind = "look-linger"
	LookUnits    Kind = "look-units"
	StartUnits   Kind = "start-units"
	StopUnits    Kind = "stop-units"
	LookAnswers  Kind = "look-answers"
	LookHelpers  Kind = "look-helpers"
	MendNetwork  Kind = "mend-network"
	RenewRuntime Kind = "renew-runtime"
	LookManager  Kind = "look-manager"
	WakeManager  Kind = "wake-manager"
	TakeDelay    Kind = "take-delay"
	ReleaseDelay Kind = "release-delay"

	LookContainers Kind = "look-containers"
	WriteUnits     Kind = "write-units"
	LookAdoption   Kind = "look-adoption"
	UndoAdoption   Kind = "undo-adoption"
	LookDrift      Kind = "look-drift"
	LookSources    Kind = "look-sources"

	SetProbes    Kind = "set-probes"
	Examine      Kind = "examine"
	RestartUnits Kind = "restart-units"
	ContinueUnit Kind = "continue-unit"
	ThawUnit     Kind = "thaw-unit"
	Note         Kind = "note"

	// SendAlert has a person told, LookCommands the journal read for what may have
	// caused an incident.
	SendAlert    Kind = "send-alert"
	LookCommands Kind = "look-commands"
)

// Action is something for an edge to do, or a decision to keep.
type Action struct {
	Kind   Kind
	What   string
	Reason string
	// Retry says that it was decided before and is only tried again.
	Retry bool
	// Running says that a RestartUnits is about what runs: nothing is started that
	// somebody stopped meanwhile.
	Running bool
	// Glance says that a LookLinger may leave the marks out if linger is on.
	Glance bool
	// Units are what a StartUnits or StopUnits is about, and the containers of a
	// WriteUnits; Ports what a LookAnswers is to ask of each unit; Files what a
	// LookSources is to look at, with what was seen of each before.
	Units []string
	Ports map[string][]string
	Files map[string]string
	// Targets are all that is to be probed from now on (SetProbes).
	Targets []Target
	// Alert is that of a SendAlert; From is since when a LookCommands is to look.
	Alert *Alert
	From  time.Time
	// Limit is how long the action may take; 0 means the engine's own limit.
	Limit time.Duration
}

// Decided says whether the action is worth showing to a person: looking is not,
// nor is trying again.
func (a Action) Decided() bool {
	switch a.Kind {
	case Note:
		return true
	case SetLinger, StartUnits, StopUnits, MendNetwork, RenewRuntime, WakeManager, WriteUnits, UndoAdoption,
		RestartUnits, ContinueUnit, ThawUnit:
		return !a.Retry
	}
	return false
}
