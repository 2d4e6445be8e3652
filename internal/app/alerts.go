package app

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"keeper/internal/alert"
	"keeper/internal/control"
	"keeper/internal/core"
	"keeper/internal/history"
	"keeper/internal/journal"
	"keeper/internal/paths"
)

// Shout is alert.Helper, by keeper-adopt: the library that knows ntfy, mail and the rest
// weighs half of what the daemon does.
func Shout(ctx context.Context, request []byte) ([]byte, error) {
	program, err := HelperProgram()
	if err != nil {
		return nil, err
	}
	var out, complaint bounded
	out.most, complaint.most = maxAnswer, maxComplaint
	cmd := exec.CommandContext(ctx, program, "send")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(request), &out, &complaint
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = time.Second
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s send: %w%s", paths.Helper, err, last(complaint.kept.String()))
	}
	return out.kept.Bytes(), nil
}

// openQueue opens the queue of alerts, which tells the history what becomes of them.
func openQueue(p paths.Paths, id identity, rec *recorder, log *slog.Logger) *alert.Queue {
	q, err := alert.Open(filepath.Join(p.State, paths.AlertsName), time.Now())
	if err != nil {
		log.Error("not all alerts that waited can be read", "error", err)
	}
	q.Told, q.User, q.Helper = rec.tell, id.user(), Shout
	q.Commands = alertOutside(p.Runtime)
	q.Host, _ = os.Hostname()
	return q
}

// tellRearms puts into the history what the last acts since then did, which had no time
// for it.
func tellRearms(store history.Store, since time.Time, rec *recorder) {
	all, err := store.Rearms()
	if err != nil || since.IsZero() {
		return // whatHappened says so
	}
	for _, r := range all {
		if r.At.Before(since) {
			continue
		}
		what := "the last act asked logind to bring the account back"
		if !r.Done {
			what = "the last act did not ask for the account to be brought back"
		}
		rec.tell(core.Entry{At: r.At, Kind: core.EntryDecision, What: what, Why: strings.Trim(r.Reason+"; "+r.Err, "; "), Action: core.SetLinger})
	}
}

// openIncidents are those that the history has open: where the state was lost, they are
// still to be closed, and somebody is to be told.
func openIncidents(store history.Store, now time.Time, log *slog.Logger) []core.Incident {
	all, _, err := store.Incidents()
	if err != nil {
		log.Error("the history cannot be read", "error", err)
	}
	var open []core.Incident
	for _, i := range all {
		if i.Open() && now.Sub(i.Opened).Abs() < openFor {
			// Its end may be among what is lost: it is closed as soon as all is well, and what
			// is wrong after that is another.
			i.Hold = 0
			open = append(open, i)
		}
	}
	slices.Reverse(open) // the oldest first, as the core has them
	return open
}

// openFor is how old an incident may be that is gone on with after the state was lost.
const openFor = 7 * 24 * time.Hour

// waitingAlerts is what the status says of the queue.
func waitingAlerts(q *alert.Queue) []control.WaitingAlerts {
	var list []control.WaitingAlerts
	for _, w := range q.Waiting() {
		list = append(list, control.WaitingAlerts{Channel: w.Channel, Count: w.Count, Since: w.Since, Error: w.Err, Next: w.Next})
	}
	return list
}

// heart is the dead man's switch as it is set.
type heart struct {
	mu      sync.Mutex
	set     core.Heartbeat
	changed chan struct{}
}

func (h *heart) get() core.Heartbeat {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.set
}

// follow takes new settings.
func (h *heart) follow(s core.Heartbeat) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.set != s {
		h.set = s
		poke(h.changed)
	}
}

// commands is engine.Journal.
type commands struct{}

// commandsSettle is how long journald may take to have a line where it can be read.
const commandsSettle = 300 * time.Millisecond

// Commands is engine.Journal.
func (commands) Commands(ctx context.Context, from time.Time) core.CommandsSeen {
	t := time.NewTimer(commandsSettle)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
	list, err := journal.Commands(ctx, from, time.Now())
	return core.CommandsSeen{Commands: list, Err: errText(err)}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
