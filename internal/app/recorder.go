package app

import (
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"keeper/internal/alert"
	"keeper/internal/control"
	"keeper/internal/core"
	"keeper/internal/history"
	"keeper/internal/metrics"
)

// identity is what does not change while the daemon runs.
type identity struct {
	uid     int
	release string
	since   time.Time
}

func (i identity) user() string {
	if u, err := user.LookupId(strconv.Itoa(i.uid)); err == nil {
		return u.Username
	}
	// Names from the network are not in /etc/passwd; systemd sets this.
	return os.Getenv("USER")
}

// saveDelay gathers changes, so that a storm of them is one write.
const saveDelay = 500 * time.Millisecond

// recorder keeps what the engine decides: in the journal, in memory for the
// status, and on disk.
type recorder struct {
	store history.Store
	log   *slog.Logger
	id    identity
	name  string
	dirty chan struct{}
	// urgent ends the gathering of changes: this one must not be lost.
	urgent chan struct{}
	// first is closed once linger and the units have been seen.
	first chan struct{}
	// changes tells those who follow the status.
	changes control.Changes
	// counts are for the metrics, meter for who wants these elsewhere than on the
	// socket.
	counts    *metrics.Counts
	meter     *meter
	firstOnce sync.Once
	// story is the history, and the alerts that are part of it. ended is closed when
	// the user manager is known to end. asks are those who wait until all is written.
	story   chronicler
	retry   *time.Timer // of the history, where it could not be written
	queue   *alert.Queue
	heart   heart
	endings chan struct{}
	asks    chan chan struct{}
	endOnce sync.Once

	mu    sync.Mutex
	kept  history.State
	state core.State
	// before is the state before the next event; it goes on where over says that the user
	// manager ends.
	before core.State
	over   bool
	last   *core.Rearm
	saved  string
	// incidents are those that were written last.
	incidents core.Incidents
	// savedAt is when it was written last, life the life it belongs to.
	savedAt time.Time
	life    core.Life
	// ended and endedAt are when the daemon was told to end.
	ended   time.Duration
	endedAt time.Time
}

// newRecorder begins with what the last daemon kept.
func newRecorder(store history.Store, kept history.State, log *slog.Logger, id identity) *recorder {
	// An earlier keeper did not count.
	kept.Survived = max(kept.Survived, uint64(len(kept.Survivals)))
	r := &recorder{store: store, kept: kept, log: log, id: id, name: id.user(), dirty: make(chan struct{}, 1), urgent: make(chan struct{}, 1), first: make(chan struct{}), endings: make(chan struct{}), asks: make(chan chan struct{}), counts: metrics.NewCounts()}
	r.heart.changed = make(chan struct{}, 1)
	r.story = chronicler{
		log:    log,
		Append: func(time.Time, ...core.Entry) error { return nil },
		Record: func(string) (tape, error) { return nil, nil },
		Add:    func(core.Alert) error { return nil },
	}
	if all, err := store.Rearms(); err == nil && len(all) > 0 {
		r.last = &all[len(all)-1]
	}
	return r
}

// Record is engine.Recorder.
func (r *recorder) Record(e core.Event, s core.State, decided []core.Decision) {
	for _, d := range decided {
		r.log.Info(d.What, "reason", d.Reason)
		r.counts.Decided(d.Kind)
		if d.Kind == core.RestartUnits {
			r.counts.Restarted(d.Units...)
		}
	}
	r.mu.Lock()
	if r.story.take(e, r.before, s, decided, time.Now()) {
		poke(r.urgent)
	}
	r.before = s
	if !r.over { // what ran when the end began is what the next daemon is to miss
		r.state = s
	}
	if _, ends := e.(core.ManagerEnds); ends {
		r.over = true
	}
	// Always a new slice: a status that was handed out keeps the old one.
	r.kept.Decisions = append(slices.Clip(r.kept.Decisions), decided...)
	if n := len(r.kept.Decisions); n > shownDecisions {
		r.kept.Decisions = r.kept.Decisions[n-shownDecisions:]
	}
	if v := s.Survival; v != nil && !slices.ContainsFunc(r.kept.Survivals, func(k core.Survival) bool { return k.At.Equal(v.At) }) {
		r.kept.Survivals = append(slices.Clip(r.kept.Survivals), *v)
		r.kept.Survived++
		poke(r.urgent)
		if n := len(r.kept.Survivals); n > shownSurvivals {
			r.kept.Survivals = r.kept.Survivals[n-shownSurvivals:]
		}
	}
	r.mu.Unlock()
	if s.ManagerUp && s.Linger != core.LingerUnknown {
		r.firstOnce.Do(func() { close(r.first) })
	}
	if _, ends := e.(core.ManagerEnds); ends {
		r.endOnce.Do(func() { close(r.endings) })
	}
	poke(r.dirty)
	r.changes.Tell()
	if r.meter != nil {
		r.meter.follow(s.Settings.Metrics)
	}
}

// Alert is engine.Alerter.
func (r *recorder) Alert(a core.Alert) {
	r.story.alert(a)
	poke(r.urgent)
	poke(r.dirty)
}

// tell has the history say something that did not come from the engine.
func (r *recorder) tell(e core.Entry) {
	r.story.tell(e)
	poke(r.dirty)
}

// keep returns when all is written that was there to be written, or the context ends.
func (r *recorder) keep(ctx context.Context) {
	done := make(chan struct{})
	select {
	case r.asks <- done:
	case <-ctx.Done():
		return
	}
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// poke wakes whoever reads the channel, now or when it comes to it.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// survived is how many ends the stack came back from, ever.
func (r *recorder) survived() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.kept.Survived
}

// run saves what changed until the context ends, and then once more.
func (r *recorder) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			r.mu.Lock()
			r.ended, r.endedAt = monotonic(), time.Now()
			r.mu.Unlock()
			r.saved = ""
			r.write()
			return
		case done := <-r.asks:
			r.write()
			close(done)
			continue
		case <-r.dirty:
		}
		t := time.NewTimer(saveDelay)
		select {
		case <-ctx.Done():
		case <-t.C:
			r.write()
		case <-r.urgent:
			r.write()
		case done := <-r.asks:
			r.write()
			close(done)
		}
		t.Stop()
	}
}

// write keeps the state first: an alert whose incident the next daemon does not know
// would be told twice.
func (r *recorder) write() {
	r.save()
	r.mu.Lock()
	settings, errs := r.state.Settings, r.state.SettingsErrs
	r.mu.Unlock()
	// Before they were read, and where they cannot be, nobody knows whom alerts are for.
	// Here, and not in the loop: the queue may wait for the disk.
	if r.queue != nil && settings.Adopt != "" && len(errs) == 0 {
		r.queue.Set(settings.Alerts)
		r.heart.follow(settings.Alerts.Heartbeat)
	}
	before := len(r.story.problems())
	r.story.flush()
	if len(r.story.problems()) != before {
		r.changes.Tell()
	}
	if len(r.story.problems()) > 0 {
		// What could not be written is tried again though nothing else happens.
		if r.retry == nil {
			r.retry = time.AfterFunc(historyRetry, func() { poke(r.dirty) })
		}
		r.retry.Reset(historyRetry)
	}
}

// historyRetry is when the history is tried again that could not be written.
const historyRetry = 5 * time.Second

// save writes state.json if anything but the time has changed in it.
func (r *recorder) save() {
	r.mu.Lock()
	kept, s, ended, endedAt := r.kept, r.state, r.ended, r.endedAt
	r.mu.Unlock()
	st := r.status(s, time.Time{})
	same, err := json.Marshal(st)
	if err == nil && string(same) == r.saved && sameIncidents(r.incidents, s.Incidents) && time.Since(r.savedAt) < core.LookEvery {
		return
	}
	r.saved, r.savedAt, r.incidents = string(same), time.Now(), s.Incidents
	st.At = r.savedAt
	if s.Units != nil && r.life.Boot != "" {
		// Before the first look, what the last daemon saw, and how it ended, is the
		// best there is.
		kept.Units, kept.Life, kept.Seen = st.Units, r.life, st.At
		kept.Ended, kept.EndedAt = ended, endedAt
		kept.Shutdown, kept.Owed, kept.Began, kept.Cares = s.ShuttingDown, s.Owed(), nil, s.Cares()
		kept.Incidents = s.Incidents
		if len(s.Waiting()) > 0 {
			kept.Began = &s.Began
		}
	}
	if kept.Status, err = json.Marshal(st); err == nil {
		err = r.store.Save(kept)
	}
	if err != nil {
		r.saved = ""
		r.log.Error("the state could not be kept", "error", err)
	}
}

// sameIncidents says that nothing of incidents was stored anew.
func sameIncidents(a, b core.Incidents) bool {
	same := func(a, b []core.Incident) bool { return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0]) }
	return same(a.Open, b.Open) && same(a.Closed, b.Closed) && a.Drill == b.Drill
}

// How many of each a status has.
const (
	shownDecisions = 100
	shownSurvivals = 50
)

// status puts together what `keeper status` shows.
func (r *recorder) status(s core.State, now time.Time) control.Status {
	r.mu.Lock()
	kept := r.kept
	r.mu.Unlock()
	st := control.Status{
		Version: control.WireVersion, At: now, User: r.name, UID: r.id.uid,
		Daemon: control.Daemon{Release: r.id.release, PID: os.Getpid(), Since: r.id.since},
		Linger: control.Linger{State: s.Linger, Since: s.LingerSince, Error: cmp.Or(s.SetErr, s.LookErr)},
		Rearm:  control.Rearm{WhyNot: s.WhyNotArmed(), Try: s.HowToArm(), Last: r.last},
		Units:  []core.Unit{},
		// What they are is told by the clock as well, even to a status without a time.
		Services: s.Services(time.Now()),
		Root:     s.Root,
		Delay:    control.Delay{GrantMS: s.DelayGrant.Milliseconds(), NeedMS: core.ShutdownNeed(s.Units).Milliseconds(), Error: s.DelayErr},
		Began:    s.Began.Kind,
		Waiting:  s.Waiting(),
		Owed:     s.OwedNow(),
		Lost:     s.Lost,

		Settings: control.Settings{Settings: s.Settings, Errors: s.SettingsErrs},
		Unkept:   s.UnkeptNow(), AdoptError: s.AdoptErr, Adoption: s.Adoption,
		Drift: s.Drift, DriftErrors: s.DriftErrs,

		Incidents: control.Incidents(s.Incidents.Open),
		Drill:     drillOf(s),
		Survivals: control.Survivals(kept.Survivals),
		Decisions: append([]core.Decision{}, kept.Decisions...),
	}
	if r.queue != nil {
		st.Alerts = waitingAlerts(r.queue)
	}
	slices.Reverse(st.Decisions)
	st.Rearm.Armed = st.Rearm.WhyNot == ""
	if s.StandDown.InForce() {
		st.StandDown = &s.StandDown
	}
	for _, u := range s.Units {
		st.Units = append(st.Units, u)
	}
	slices.SortFunc(st.Units, func(a, b core.Unit) int { return strings.Compare(a.Name, b.Name) })
	st.Problems = append(control.Problems(st), r.meter.problems()...)
	st.Problems = append(st.Problems, r.story.problems()...)
	st.Well = len(st.Problems) == 0
	return st
}
