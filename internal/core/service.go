package core

import "time"

// Desired is what is to become of a service.
type Desired string

// What may be wanted. DesiredHeld: whatever it is, it is a person's (keeper pause
// SERVICE).
const (
	DesiredRun     Desired = "run"
	DesiredStopped Desired = "stopped" // a person stopped it
	DesiredHeld    Desired = "held"
	DesiredAny     Desired = "any" // nothing starts it by itself
)

// ServiceState is how a service is, in a word.
type ServiceState string

// How a service can be, the well ones first.
const (
	ServiceWell     ServiceState = "well"
	ServiceStopped  ServiceState = "stopped" // as somebody asked
	ServiceStarting ServiceState = "starting"
	// ServiceRecovering: it says itself that it is at something, and is let be.
	ServiceRecovering ServiceState = "recovering"
	ServiceFailing    ServiceState = "failing" // it does not answer, and that is not certain yet
	ServiceNotReady   ServiceState = "not-ready"
	ServiceBlocked    ServiceState = "blocked" // by what it depends on
	ServiceIll        ServiceState = "ill"
	ServiceFrozen     ServiceState = "frozen" // podman pause, or its process is stopped
	ServiceRestarting ServiceState = "restarting"
	ServiceDown       ServiceState = "down"
	ServiceGaveUp     ServiceState = "gave-up"
)

// Service is one service as `keeper status` shows it.
type Service struct {
	// Name is that of its unit.
	Name    string       `json:"name"`
	Kind    ProbeKind    `json:"kind"`
	Desired Desired      `json:"desired"`
	State   ServiceState `json:"state"`
	Since   time.Time    `json:"since,omitzero"`
	// Why is the reason for the state, a line for a person; Cause the unit that it
	// is blocked by.
	Why   string `json:"why,omitempty"`
	Cause string `json:"cause,omitempty"`
	// Condition is what the last probe found that was told, Detail a line about it,
	// Asked when it was first found so.
	Condition Condition `json:"condition,omitempty"`
	Detail    string    `json:"detail,omitempty"`
	Asked     time.Time `json:"asked,omitzero"`
	// Failures in a row of Threshold; Restarts by keeper within the window of
	// Budget.
	Failures  int `json:"failures"`
	Threshold int `json:"threshold"`
	Restarts  int `json:"restarts"`
	Budget    int `json:"budget"`
	// Next is when keeper may restart or start it again.
	Next time.Time `json:"next,omitzero"`
	Hold *Hold     `json:"hold,omitempty"`
	// Supervision is what is in force; SettingsErrors are the mistakes in its
	// [X-Keeper] section, which then does not count.
	Supervision    Supervision `json:"supervision"`
	SettingsErrors []string    `json:"settings_errors,omitempty"`
}
