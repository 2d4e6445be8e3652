package core

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

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
	// ServiceUnknown: it could not be asked for a while.
	ServiceUnknown    ServiceState = "unknown"
	ServiceBlocked    ServiceState = "blocked" // by what it depends on
	ServiceIll        ServiceState = "ill"
	ServiceFrozen     ServiceState = "frozen" // podman pause, or its process is stopped
	ServiceRestarting ServiceState = "restarting"
	// ServiceFlapping: systemd restarts it again and again.
	ServiceFlapping ServiceState = "flapping"
	ServiceDown     ServiceState = "down"
	ServiceGaveUp   ServiceState = "gave-up"
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
	// Next is when keeper may restart or start it again, or unpause it.
	Next time.Time `json:"next,omitzero"`
	Hold *Hold     `json:"hold,omitempty"`
	// Unproven says that keeper guessed what it is, that it never answered to that,
	// and that it is therefore not restarted.
	Unproven bool `json:"unproven,omitempty"`
	// Supervision is what is in force; SettingsErrors are the mistakes in its
	// [X-Keeper] section, which then does not count.
	Supervision    Supervision `json:"supervision"`
	SettingsErrors []string    `json:"settings_errors,omitempty"`
}

// Services returns how each service is, by name.
func (s State) Services(now time.Time) []Service {
	var list []Service
	owed, outside := s.OwedNow(), Outside(s.Units, s.Unkept)
	for name, u := range s.Units {
		if u.Runs() {
			list = append(list, s.service(u, owed[name], outside[name], now))
		}
	}
	slices.SortFunc(list, func(a, b Service) int { return strings.Compare(a.Name, b.Name) })
	return list
}

func (s State) service(u Unit, owed, outside string, now time.Time) Service {
	l := s.care(u.Name)
	v := Service{Name: u.Name, Desired: DesiredRun, Since: u.Since, SettingsErrors: s.SectionErrs[u.Name]}
	w := s.watches[u.Name]
	if w != nil {
		v.Supervision = w.spec
		v.Condition, v.Detail, v.Asked = w.outcome.Condition, w.outcome.Detail, w.found
		v.Failures = w.fails
	} else {
		v.Supervision = Supervise(u, s.Settings, s.Sections[u.Name])
	}
	v.Kind, v.Threshold, v.Budget = v.Supervision.Probe, v.Supervision.Failures, v.Supervision.Restarts
	v.Restarts = len(within(l.restarts, now, v.Supervision.Window))
	hold, held := s.held(u.Name, now)
	switch {
	case held:
		v.Desired, v.Hold = DesiredHeld, &hold
	case u.Stopped:
		v.Desired = DesiredStopped
	case owed == "" && u.down() && (!u.Wanted || outside != ""):
		v.Desired = DesiredAny
	}
	switch {
	case u.Active == "active" && w != nil:
		s.alive(&v, w, l, now)
	case u.Stopped:
		v.State, v.Why = ServiceStopped, "somebody stopped it"
		if u.StoppedWith != "" {
			v.Why, v.Cause = "it was stopped with "+short(u.StoppedWith)+", and comes back with it", u.StoppedWith
		}
	case s.restarting == u.Name && (u.Active != "failed" || u.Job):
		v.State, v.Since = ServiceRestarting, s.restartUntil.Add(-restartHold)
	default:
		l.lives = within(l.lives, now, flapWindow)
		s.away(&v, u, owed, outside, l)
	}
	return v
}

// away is the state of a service that is not up.
func (s State) away(v *Service, u Unit, owed, outside string, l care) {
	o := s.debts[u.Name]
	switch {
	case u.Active == "active":
		v.State = ServiceWell // as far as anybody knows
	case outside != "":
		v.State, v.Why = ServiceStopped, "its container "+outside+" runs without it, and is replaced at its next start"
	case u.Active == "activating" && !strings.HasPrefix(u.Sub, "auto-restart"):
		v.State = ServiceStarting
	case u.Active == "deactivating":
		v.State, v.Why = ServiceDown, "it is being stopped"
	case owed != "" && o.tries >= startBudget:
		v.State, v.Next = ServiceGaveUp, o.next
		v.Why = fmt.Sprintf("%d starts did not bring it back: %s", o.tries, owed)
	case owed != "":
		v.State, v.Why, v.Next = ServiceDown, owed, o.next
	case v.Desired == DesiredAny:
		v.State, v.Why = ServiceStopped, "nothing starts it by itself"
	case len(l.lives) >= flaps:
		v.State, v.Why = ServiceFlapping, flapping(l)
	default:
		v.State, v.Why = ServiceDown, u.Active+by(u)
	}
}

func flapping(l care) string {
	return fmt.Sprintf("systemd restarted it %d times within %s", len(l.lives), Span(flapWindow))
}

// by is the result by which a unit ended, if that says anything.
func by(u Unit) string {
	if u.Result == "" || u.Result == "success" {
		return ""
	}
	return ": " + u.Result
}

// alive is the state of a service that is up as far as systemd knows.
func (s State) alive(v *Service, w *watch, l care, now time.Time) {
	c := w.outcome.Condition
	cause, why := s.causeOf(v.Name, now)
	well := c.Ready() || c == "" && v.Kind == ProbeNone
	set := func(state ServiceState, since time.Time, why string) { v.State, v.Since, v.Why = state, since, why }
	switch {
	case c == ConditionStopped || c == ConditionFrozen:
		set(ServiceFrozen, w.found, said(w.outcome))
		if c == ConditionFrozen && w.spec.Thaw >= 0 {
			v.Next = later(w.found.Add(w.spec.Thaw), w.thawAt)
		}
	case !w.ill.IsZero() && cause != "":
		set(ServiceBlocked, w.ill, short(cause)+": "+why)
		v.Cause = cause
	case !l.gaveUp.IsZero() && !w.ill.IsZero():
		set(ServiceGaveUp, l.gaveUp, fmt.Sprintf("%d restarts did not help; %s", len(l.restarts), said(w.outcome)))
	case s.restarting == v.Name && !w.answered:
		set(ServiceRestarting, w.since, "")
	case !w.ill.IsZero():
		set(ServiceIll, w.ill, said(w.outcome))
		if v.Unproven = s.unproven(v.Name, w.spec); !v.Unproven {
			v.Next = later(l.next, w.look)
		}
	case c.Recovering():
		set(ServiceRecovering, w.found, said(w.outcome))
	case len(within(l.lives, now, flapWindow)) >= flaps && (w.well.IsZero() || now.Sub(w.well) < wellHold):
		set(ServiceFlapping, v.Since, flapping(l))
	case well:
		v.State = ServiceWell
	case cause != "" && c != "" && c.Known():
		set(ServiceBlocked, w.found, short(cause)+": "+why)
		v.Cause = cause
	case w.fails > 0:
		set(ServiceFailing, w.found, said(w.outcome))
	case !w.answered && c.Known() && !c.Alive(), c == "":
		v.State = ServiceStarting
		if c != "" {
			v.Why = said(w.outcome)
		}
	case !c.Known() && now.Sub(w.found) >= wellHold:
		set(ServiceUnknown, w.found, said(w.outcome))
	case !c.Known() && w.answered:
		v.State, v.Why = ServiceWell, said(w.outcome) // as it was just before
	case !c.Known():
		v.State, v.Why = ServiceStarting, said(w.outcome)
	default:
		set(ServiceNotReady, w.found, said(w.outcome))
	}
}
