// Package control is how the command line talks to the daemon: HTTP over a unix
// socket that only the account and root may use.
package control

import (
	"time"

	"keeper/internal/core"
)

// WireVersion is Status.Version. It grows when a field changes its meaning or
// goes; new fields do not change it.
const WireVersion = 1

// Status is what `keeper status --json` prints. Durations are in milliseconds,
// times in RFC 3339.
type Status struct {
	Version int `json:"version"`
	// At is when this was true.
	At   time.Time `json:"at"`
	User string    `json:"user"`
	UID  int       `json:"uid"`
	// Stale means that the daemon does not answer and this is the last it kept.
	Stale bool `json:"stale"`
	// NotKept means that nobody asked keeper to look after the account: its daemon is
	// not enabled, and left nothing behind. The command says that, not the daemon.
	NotKept bool `json:"not_kept,omitempty"`
	// Well means that nothing is wrong; otherwise Problems say what, and what
	// to type.
	Well     bool      `json:"well"`
	Problems []Problem `json:"problems"`

	Daemon    Daemon          `json:"daemon"`
	Linger    Linger          `json:"linger"`
	Rearm     Rearm           `json:"rearm"`
	StandDown *core.StandDown `json:"stand_down,omitempty"`
	Units     []core.Unit     `json:"units"`
	// Services are the units that are to run on, as they are supervised.
	Services []core.Service `json:"services,omitempty"`
	// Root is what is in force of root's part.
	Root core.Root `json:"root"`
	// Delay is the delay inhibitor.
	Delay Delay `json:"delay"`
	// Began is what happened before the daemon started.
	Began core.LifeKind `json:"began,omitempty"`
	// Waiting are the services that the last end of the user manager or of the
	// machine took down and that have not come back yet. Owed are those that
	// keeper is bringing back, each with the reason.
	Waiting []string          `json:"waiting,omitempty"`
	Owed    map[string]string `json:"owed,omitempty"`
	// Lost are Quadlet files that went missing under their services.
	Lost []core.LostFile `json:"lost,omitempty"`
	// Settings are what keeper.toml says.
	Settings Settings `json:"settings,omitzero"`
	// Unkept are the containers that run without a unit; AdoptError is why none
	// could be written for them, and Adoption how one stands that was begun.
	Unkept     []core.Unkept `json:"unkept,omitempty"`
	AdoptError string        `json:"adopt_error,omitempty"`
	Adoption   core.Adoption `json:"adoption,omitempty"`
	// Drift is where what runs, or the Compose file that a unit came from, differs
	// from the unit; DriftErrors are what could not be compared.
	Drift       []core.Drift `json:"drift,omitempty"`
	DriftErrors []string     `json:"drift_errors,omitempty"`

	// Guard is how the command guard stands. The command asks for it, not the daemon,
	// which has nothing to do with it.
	Guard *core.Guard `json:"guard,omitempty"`

	// Incidents are those that are open, the newest first.
	Incidents []Incident `json:"incidents,omitempty"`
	// Drill is the one that is under way, or was the last one.
	Drill *Drill `json:"drill,omitempty"`
	// Alerts are those that wait to be sent, by channel.
	Alerts []WaitingAlerts `json:"alerts_waiting,omitempty"`

	Survivals []Survival      `json:"survivals"`
	Decisions []core.Decision `json:"decisions"`
}

// Problem is something that a person should know, and what to type about it.
type Problem struct {
	What string `json:"what"`
	Try  string `json:"try,omitempty"`
}

// Settings are those in force. Errors are the mistakes in the files: then they
// are older than the files, or the defaults.
type Settings struct {
	core.Settings
	Errors []string `json:"errors,omitempty"`
}

// IsZero says that nothing is known of them.
func (s Settings) IsZero() bool { return s.Adopt == "" && len(s.Errors) == 0 }

// Daemon is the process that answers.
type Daemon struct {
	Release string    `json:"release"`
	PID     int       `json:"pid"`
	Since   time.Time `json:"since"`
}

// Linger is the account's linger.
type Linger struct {
	State core.Linger `json:"state"`
	Since time.Time   `json:"since,omitzero"`
	Error string      `json:"error,omitempty"`
}

// Rearm says whether the stack would come back, and what the last run of
// `keeper rearm` did.
type Rearm struct {
	Armed  bool        `json:"armed"`
	WhyNot string      `json:"why_not,omitempty"`
	Try    string      `json:"try,omitempty"`
	Last   *core.Rearm `json:"last,omitempty"`
}

// Delay is keeper's delay inhibitor for shutdowns.
type Delay struct {
	// GrantMS is how long logind waits for keeper, and NeedMS how long keeper may
	// need for what must stop before its stores and is not ordered so.
	GrantMS int64  `json:"grant_ms"`
	NeedMS  int64  `json:"need_ms"`
	Error   string `json:"error,omitempty"`
}

// Survival is an end of the user manager, or of the machine, that the stack came
// back from.
type Survival struct {
	At time.Time `json:"at"`
	// Kind is revived or booted; Clean says that the end was announced.
	Kind     core.LifeKind `json:"kind,omitempty"`
	Clean    bool          `json:"clean"`
	Cause    string        `json:"cause"`
	OutageMS int64         `json:"outage_ms"`
	Services []Outage      `json:"services,omitempty"`
}

// Outage is how long one service was away.
type Outage struct {
	Name     string `json:"name"`
	OutageMS int64  `json:"outage_ms"`
}

// Survivals converts what the history holds, newest first.
func Survivals(list []core.Survival) []Survival {
	out := make([]Survival, 0, len(list))
	for i := len(list) - 1; i >= 0; i-- {
		s := Survival{At: list[i].At, Kind: list[i].Kind, Clean: list[i].Clean, Cause: list[i].Cause, OutageMS: list[i].Outage.Milliseconds()}
		for _, o := range list[i].Services {
			s.Services = append(s.Services, Outage{Name: o.Name, OutageMS: o.Outage.Milliseconds()})
		}
		out = append(out, s)
	}
	return out
}

// Incident is one that is open: keeper incident ID tells all of it.
type Incident struct {
	ID      string            `json:"id"`
	Kind    core.IncidentKind `json:"kind"`
	Urgency core.Urgency      `json:"urgency"`
	Root    string            `json:"root"`
	Cause   string            `json:"cause"`
	Began   time.Time         `json:"began"`
	// Mended is since when all is well; it is over once that has held for HoldMS.
	Mended   time.Time `json:"mended,omitzero"`
	HoldMS   int64     `json:"hold_ms"`
	Returns  int       `json:"returns,omitempty"`
	Drill    string    `json:"drill,omitempty"`
	Services []string  `json:"services,omitempty"`
}

// WaitingAlerts are alerts that a channel did not take yet.
type WaitingAlerts struct {
	Channel string    `json:"channel"`
	Count   int       `json:"count"`
	Since   time.Time `json:"since"`
	// Error is what the last try ended with.
	Error string    `json:"error,omitempty"`
	Next  time.Time `json:"next,omitzero"`
}

// Incidents converts those that the core has open.
func Incidents(open []core.Incident) []Incident {
	var list []Incident
	for n := len(open) - 1; n >= 0; n-- {
		i := open[n]
		w := Incident{ID: i.ID, Kind: i.Kind, Urgency: i.Urgency, Root: i.Root, Cause: i.Cause, Began: i.Began, Mended: i.Mended,
			HoldMS: i.Hold.Milliseconds(), Returns: i.Returns, Drill: i.Drill}
		for _, a := range i.Services {
			w.Services = append(w.Services, a.Name)
		}
		list = append(list, w)
	}
	return list
}
