package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"time"

	"keeper/internal/core"
)

// Drill is one that is under way, or was the last one.
type Drill struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Service string `json:"service,omitempty"`
	// Began is when it was begun, Until when it counts as over at the latest, Ended
	// when it was over; zero while it is under way.
	Began time.Time `json:"began"`
	Until time.Time `json:"until,omitzero"`
	Ended time.Time `json:"ended,omitzero"`
	// OutageMS is how long what was struck, or the worst off, was away.
	OutageMS int64             `json:"outage_ms"`
	Outcome  core.DrillOutcome `json:"outcome,omitempty"`
	Why      string            `json:"why,omitempty"`
}

// DrillOf is the drill as it is told over the socket.
func DrillOf(d core.Drill) Drill {
	return Drill{ID: d.ID, Name: d.Name, Service: d.Service, Began: d.Began, Until: d.Until, Ended: d.Ended,
		OutageMS: d.Outage.Milliseconds(), Outcome: d.Outcome, Why: d.Why}
}

// Core is the drill as the daemon has it.
func (d Drill) Core() core.Drill {
	return core.Drill{ID: d.ID, Name: d.Name, Service: d.Service, Began: d.Began, Until: d.Until, Ended: d.Ended,
		Outage: time.Duration(d.OutageMS) * time.Millisecond, Outcome: d.Outcome, Why: d.Why}
}

// maxDrill bounds the body of a drill, mostOutage what it may say.
const (
	maxDrill   = 4 << 10
	mostOutage = 7 * 24 * time.Hour
)

var (
	drillID   = regexp.MustCompile(`^[0-9]{8}-[0-9]{6}(-[0-9]{1,3})?$`)
	drillName = regexp.MustCompile(`^[a-z0-9-]{1,64}$`)
)

// check makes of what somebody sent what may be kept.
func (d *Drill) check() error {
	switch {
	case !drillID.MatchString(d.ID):
		return errors.New("id is not one")
	case !drillName.MatchString(d.Name):
		return errors.New("name is not one")
	case d.Began.IsZero():
		return errors.New("began is missing")
	case d.OutageMS < 0 || d.OutageMS > mostOutage.Milliseconds():
		return errors.New("outage_ms is out of bounds")
	}
	if d.Service != "" {
		unit, ok := unitName(d.Service)
		if !ok {
			return errors.New("service is no name of one")
		}
		d.Service = unit
	}
	switch d.Outcome {
	case core.DrillHeld, core.DrillBack, core.DrillFailed, core.DrillUnknown:
		if d.Ended.IsZero() {
			return errors.New("outcome without ended")
		}
	case "":
		if !d.Ended.IsZero() {
			return errors.New("ended without outcome")
		}
	default:
		return errors.New("outcome is none")
	}
	d.Why = Line(d.Why)
	return nil
}

// drill is the handler for a person's word that a drill begins, or is over.
func (s Server) drill(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxDrill))
	if err != nil {
		reply(w, http.StatusBadRequest, "the drill cannot be read: "+err.Error())
		return
	}
	var d Drill
	if err := json.Unmarshal(body, &d); err != nil {
		reply(w, http.StatusBadRequest, "the drill is no JSON: "+err.Error())
		return
	}
	if err := d.check(); err != nil {
		reply(w, http.StatusBadRequest, "the drill is not taken: "+err.Error())
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), statusLimit)
	defer cancel()
	switch err := s.Drill(ctx, d.Core()); {
	case err == nil:
		reply(w, http.StatusOK, "")
	case errors.Is(err, ErrRefused):
		reply(w, http.StatusConflict, err.Error())
	default:
		reply(w, http.StatusServiceUnavailable, err.Error())
	}
}

// TellDrill tells the daemon that a drill begins or, with Ended set, that it is over.
// When it returns, the daemon has it on disk.
func TellDrill(ctx context.Context, socket string, d core.Drill) error {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	body, err := json.Marshal(DrillOf(d))
	if err != nil {
		return fmt.Errorf("cannot tell the daemon of the drill: %w", err)
	}
	return post(ctx, socket, "/v1/drill", body)
}
