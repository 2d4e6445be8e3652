package core

import (
	"cmp"
	"fmt"
	"time"
)

// RearmFacts is what `keeper rearm` finds when keeper-session.service stops.
// An empty string is a fact that could not be had.
type RearmFacts struct {
	// ManagerState and SystemState are SystemState of the user's own and of
	// the system's manager.
	ManagerState, SystemState string
	// PreparingForShutdown is logind's property.
	PreparingForShutdown bool
	StandDown            StandDown
	// UserKnown says that logind told about the user: UserState is its
	// User.State, empty where it knows no such user, and Sessions are the open
	// sessions that keep it in logind's books, closing ones left out.
	UserKnown bool
	UserState string
	Sessions  []string
	// Now is on CLOCK_MONOTONIC, as all times here are.
	Now time.Duration
	// Started is the last start of user@UID.service, FirstLife that it had
	// none before in this boot; Interval is its StartLimitIntervalUSec.
	Started, Interval time.Duration
	FirstLife         bool
	// Revive says that root's part starts the user manager again whatever ended
	// it.
	Revive bool
	// Earlier are the times of the earlier rearms of this boot.
	Earlier []time.Duration
}

// RearmPlan is what `keeper rearm` is to do.
type RearmPlan struct {
	// Act says whether to ask logind for anything at all.
	Act bool
	// Tell says that logind must be told first to stop the user: it may believe
	// that the user is up, and would do nothing. User.State reads closing also
	// where logind stops nothing (linger off, or sessions that linger on), so
	// it is told in any case; where it knows already, that changes nothing.
	Tell bool
	// Hold is how long to wait first.
	Hold time.Duration
	// Blocked says that what forbids it, or leaves it unsure, may soon change.
	Blocked bool
	Cause   string
	Reason  string
}

const (
	// RearmBudget is how many revivals there may be within RearmWindow.
	// Something that keeps killing the user manager is for a person to look at.
	RearmBudget = 10
	// RearmWindow is the time that RearmBudget is counted over.
	RearmWindow = 10 * time.Minute
	// holdMargin is added to the start limit's interval.
	holdMargin = 100 * time.Millisecond
)

// MachineGoesDown is the reason of a rearm that was not done because the machine
// went down: nothing to worry about.
const MachineGoesDown = "the machine goes down"

// PlanRearm decides what the last act of the user manager is.
//
// Each revival costs user@UID.service up to three of the five starts that its
// start limit allows within ten seconds: PID 1 counts a queued start again at
// each state that the unit goes through while it stops. A second revival
// within the interval of the first would leave the unit failed, and only root
// could bring it back. So a life shorter than the interval is held until the
// interval is over; not the first one, which cost a single start.
func PlanRearm(f RearmFacts) RearmPlan {
	p := RearmPlan{Cause: "the user manager was stopped"}
	if f.UserState == "closing" {
		p.Cause = "logind was told to stop the user"
	}
	switch {
	case f.ManagerState != "" && f.ManagerState != "stopping":
		return p.no("only this unit stops: the user manager is " + f.ManagerState)
	case f.SystemState == "stopping" || f.PreparingForShutdown:
		return p.no(MachineGoesDown)
	case f.SystemState == "":
		return p.no("cannot tell whether the machine goes down, and it must never be turned back")
	case !up[f.SystemState]:
		return p.no("the system is in state " + f.SystemState)
	case f.StandDown.InForce():
		return p.no("keeper stands down: " + f.StandDown.Detail)
	}
	recent := 0
	for _, t := range f.Earlier {
		if f.Now-t < RearmWindow {
			recent++
		}
	}
	if recent >= RearmBudget {
		return p.no(fmt.Sprintf("the user manager died %d times within %s: that is a loop, and a person must look at it",
			recent+1, RearmWindow))
	}
	if f.UserState != "closing" && len(f.Sessions) > 0 {
		if f.Revive {
			return p.no(fmt.Sprintf("%s behind logind's back, and session %s is open: root's part brings it back", p.Cause, f.Sessions[0]))
		}
		p.Blocked = true
		return p.no(fmt.Sprintf("%s behind logind's back, and session %s is open: logind starts no user manager for a user that it believes to be up",
			p.Cause, f.Sessions[0]))
	}
	p.Act = true
	switch {
	case !f.UserKnown || f.ManagerState == "":
		p.Blocked = true
		p.Reason = p.Cause + ": linger is set, and whether that is enough cannot be told, for logind or the user manager did not answer"
	default:
		p.Tell = true
		p.Reason = p.Cause + ": its mark is taken back and a start queued"
	}
	if age := f.Now - f.Started; !f.FirstLife && f.Started > 0 && age < f.Interval {
		p.Hold = f.Interval - age + holdMargin
	}
	return p
}

// up are the states of a system that is there to stay. In the others (rescue,
// emergency) somebody took the user manager down on purpose.
var up = map[string]bool{"running": true, "degraded": true, "starting": true, "initializing": true}

func (p RearmPlan) no(reason string) RearmPlan {
	p.Reason = reason
	return p
}

// WhyNotArmed returns why the stack would not come back if the user manager
// were stopped now, or nothing if it would.
func (s State) WhyNotArmed() string {
	switch {
	case s.StandDown.InForce():
		return "keeper stands down: " + s.StandDown.Detail
	case !s.ManagerUp:
		return cmp.Or(s.ManagerErr, "the user manager was not asked yet")
	case !s.Armed:
		return "keeper-session.service is not enabled and active"
	case !s.LogindUp:
		return "logind cannot be reached"
	case s.Denied:
		return "polkit does not let the account set its own linger (org.freedesktop.login1.set-self-linger)"
	case s.SetErr != "":
		return s.SetErr
	case s.LookErr != "":
		return s.LookErr
	}
	return ""
}

// HowToArm returns what to type about WhyNotArmed, or nothing.
func (s State) HowToArm() string {
	switch {
	case s.StandDown.InForce() || !s.ManagerUp:
		return ""
	case !s.Armed:
		return "systemctl --user enable --now keeper-session"
	case !s.LogindUp:
		return "as root: systemctl restart systemd-logind"
	case s.Denied:
		return "as root: allow org.freedesktop.login1.set-self-linger to the account in polkit"
	}
	return ""
}
