package core

import "time"

// ProbeKind is how a service is asked how it is.
type ProbeKind string

// The kinds of probes. ProbeProcess looks at the main process alone: whether it
// is stopped or frozen. All but ProbeNone do that as well, before they ask.
const (
	ProbePostgres ProbeKind = "postgres"
	ProbeRedis    ProbeKind = "redis" // and Valkey
	ProbeS3       ProbeKind = "s3"    // MinIO and its kin
	ProbeHTTP     ProbeKind = "http"
	ProbeTCP      ProbeKind = "tcp"
	ProbeExec     ProbeKind = "exec"   // a command in the container
	ProbePodman   ProbeKind = "podman" // what Podman's own health check says
	ProbeProcess  ProbeKind = "process"
	ProbeNone     ProbeKind = "none"
)

// ProbeKinds are all of them.
var ProbeKinds = []ProbeKind{ProbePostgres, ProbeRedis, ProbeS3, ProbeHTTP, ProbeTCP, ProbeExec, ProbePodman, ProbeProcess, ProbeNone}

// Condition is what a probe found, in a word.
type Condition string

// What a probe may find. Those from ConditionReady to ConditionNotReady are signs of
// life.
const (
	ConditionReady Condition = "ready"
	// ConditionAlive: it answers; how ready it is was not asked, or it tells only who
	// has credentials.
	ConditionAlive Condition = "alive"
	// ConditionAuthRefused: it answers, and refuses the credentials that keeper has.
	ConditionAuthRefused Condition = "auth-refused"
	ConditionStarting    Condition = "starting"
	ConditionRecovering  Condition = "recovering" // PostgreSQL, after a crash
	ConditionLoading     Condition = "loading"    // Redis, its file
	ConditionStopping    Condition = "stopping"
	ConditionBusy        Condition = "busy"
	ConditionNotReady    Condition = "not-ready"

	ConditionSilent  Condition = "silent"  // no answer in time
	ConditionRefused Condition = "refused" // nobody takes the connection
	ConditionWrong   Condition = "wrong"   // hangs up, or says what no such service says
	// ConditionUnhealthy: it says so itself, or its own check does.
	ConditionUnhealthy Condition = "unhealthy"
	ConditionStopped   Condition = "stopped" // its main process is, by a signal
	ConditionFrozen    Condition = "frozen"  // its container is (podman pause)

	// ConditionUnknown: it could not be asked, and that is not the service's fault.
	ConditionUnknown Condition = "unknown"
)

// Alive says whether it is a sign of life.
func (c Condition) Alive() bool {
	switch c {
	case ConditionReady, ConditionAlive, ConditionAuthRefused, ConditionStarting, ConditionRecovering, ConditionLoading, ConditionStopping, ConditionBusy, ConditionNotReady:
		return true
	}
	return false
}

// Ready says whether others can use it, as far as is known.
func (c Condition) Ready() bool { return c == ConditionReady || c == ConditionAlive }

// Recovering says whether it is at something that a restart would begin anew.
func (c Condition) Recovering() bool {
	switch c {
	case ConditionStarting, ConditionRecovering, ConditionLoading, ConditionStopping:
		return true
	}
	return false
}

// Known says whether it says anything of the service.
func (c Condition) Known() bool { return c != ConditionUnknown && c != "" }

// Outcome is what one probe of a service found.
type Outcome struct {
	Condition Condition `json:"condition"`
	// Detail is a line for a person: printable, of a bearable length, and without
	// secrets.
	Detail string        `json:"detail,omitempty"`
	Took   time.Duration `json:"-"`
}

// Target is a service to be probed, in one life of it.
type Target struct {
	Unit, Invocation string
	// MainPID is the container's conmon; Container its name.
	MainPID   int
	Container string
	Supervision
}

type (
	// Probed is an outcome that core wants to know of: one that is not Ready, or
	// one of the first Successes after such a one or after the life began.
	Probed struct {
		Unit, Invocation string
		Outcome          Outcome
	}
	// Examined is the answer to Examine: the service, and each of those it depends
	// on, were probed just now. DeadHelpers are Podman's network helpers that are
	// dead but should not be.
	Examined struct {
		Unit        string
		Outcomes    map[string]Outcome
		DeadHelpers []string
		// Strain is what the whole host waits for, as its disks, in words: then no
		// service can answer in time, and a restart is one more thing to do.
		Strain string
	}
	// Remedied is the outcome of RestartUnits (the jobs are queued), ContinueUnit
	// and ThawUnit.
	Remedied struct {
		Kind  Kind
		Units []string
		Err   string
	}
	// RestartAsked is a person's word to restart the service.
	RestartAsked struct{ Unit string }
	// ResumeAsked is a person's word to start afresh with it after keeper gave up or
	// it was held.
	ResumeAsked struct{ Unit string }
	// HeldSeen are the services that a person told keeper to leave alone
	// (keeper pause SERVICE), all of them.
	HeldSeen struct{ Held map[string]Hold }
)

// Hold says that keeper is to leave a service alone.
type Hold struct {
	At     time.Time `json:"at"`
	Until  time.Time `json:"until,omitzero"`
	Reason string    `json:"reason,omitempty"`
}

func (Probed) event()       {}
func (Examined) event()     {}
func (Remedied) event()     {}
func (RestartAsked) event() {}
func (ResumeAsked) event()  {}
func (HeldSeen) event()     {}
