// Package app wires the rooms together: the daemon, and the last act of the
// user manager.
package app

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"keeper/internal/alert"
	"keeper/internal/control"
	"keeper/internal/core"
	"keeper/internal/engine"
	"keeper/internal/history"
	"keeper/internal/logind"
	"keeper/internal/metrics"
	"keeper/internal/paths"
	"keeper/internal/standdown"
	"keeper/internal/units"
)

// Run is the daemon. It returns when the context ends; an error means that it
// could not start.
func Run(ctx context.Context, release string, log *slog.Logger) error {
	uid := os.Getuid()
	if uid == 0 {
		return fmt.Errorf("keeper run is for an account that runs containers, not for root; see keeper --help")
	}
	p, err := paths.Of(uid)
	if err != nil {
		return err
	}
	store := history.Store{Dir: p.State}
	kept, err := store.Load(time.Now())
	if err != nil {
		log.Error("the history could not be read", "error", err)
	}
	if kept.Life.Boot == "" {
		kept.Incidents.Open = openIncidents(store, time.Now(), log)
	}
	marks := standdown.Marks{UID: uint32(uid), StateDir: p.State, MarkDir: p.Marks, Outside: askOutside(p.Runtime)}
	socket, err := control.Listen(p.Socket)
	if err != nil {
		return err
	}
	defer socket.Close()

	// What was told to end has a last act before all else ends.
	told := ctx
	ctx, cancel := context.WithCancel(context.WithoutCancel(told))
	defer cancel()
	var actors sync.WaitGroup
	defer actors.Wait()
	defer cancel()

	rec := newRecorder(store, kept, log, identity{uid: uid, release: release, since: time.Now()})
	hist, err := store.OpenLog(time.Now())
	if err != nil {
		log.Error("the history is not what it was", "error", err)
	}
	defer hist.Close()
	rec.queue = openQueue(p, rec.id, rec, log)
	rec.story.Append, rec.story.Add = hist.Append, rec.queue.Add
	rec.story.Record = func(id string) (tape, error) { return store.Record(id) }
	lingers := &logindLink{uid: uint32(uid), user: rec.id.user()}
	view := openView(uid, p)
	services := &unitsLink{runtime: p.Runtime, view: view, copies: units.Copies{Dir: p.Copies}, read: &sections{roots: p.Quadlets[:]}, log: log}
	held := &delay{link: lingers, log: log}
	defer held.Release()
	e := engine.New()
	e.Linger, e.Delay, e.Marks, e.Units, e.Recorder = lingers, held, marks, services, rec
	e.Alerter, e.Journal = rec, commands{}
	e.Helpers, e.Manager, e.Answers = helpers{view, services}, manager{view}, answers{}
	probes := newProber(view)
	defer probes.pool.Close()
	probes.Made = rec.counts.Probed
	e.Prober, e.Thawer = probes, thawer{helpers{view, services}}
	hand := byHand{view}
	e.Containers, e.Adopter, e.Files = hand, adopter{HelperProgram}, files{p}
	e.Alive, e.AliveEvery = watchdog()
	deliver := func(ev core.Event) { e.Deliver(ctx, ev) }

	status := func(ctx context.Context) (control.Status, error) {
		s, err := e.State(ctx)
		if err != nil {
			return control.Status{}, err
		}
		return rec.status(s, time.Now()), nil
	}
	source := func(ctx context.Context) (metrics.Snapshot, error) {
		st, err := status(ctx)
		return rec.counts.Snapshot(st, rec.survived()), err
	}
	rec.meter = newMeter(source, log)

	began := whatHappened(ctx, p, uint32(uid), store, kept, log)
	rec.life = began.Life
	tellRearms(store, kept.Seen, rec)
	deliver(began)
	deliver(readSettings(p))
	deliver(core.AdoptionSeen{Adoption: files{p}.Adoption()})
	readHeld(marks, deliver, log) // before the units are seen, and anything is done about them
	actors.Go(func() { rec.run(ctx) })
	actors.Go(func() { e.Run(ctx) })
	actors.Go(func() { lingers.run(ctx, deliver) })
	actors.Go(func() { services.run(ctx, deliver) })
	actors.Go(func() { watchLinger(ctx, p, uid, rec.id.user(), deliver, log) })
	actors.Go(func() { watchRuntime(ctx, p, deliver, log) })
	actors.Go(func() { watchMarks(ctx, marks, deliver, log) })
	actors.Go(func() { watchSettings(ctx, p, deliver, log) })
	actors.Go(func() { watchAdoption(ctx, p, deliver, log) })
	actors.Go(func() { watchContainers(ctx, hand, deliver, log) })
	actors.Go(func() { watchHeld(ctx, marks, deliver, log) })
	actors.Go(func() { probes.Run(ctx, deliver) })

	actors.Go(func() { rec.meter.run(ctx) })
	actors.Go(func() { rec.queue.Run(ctx) })
	actors.Go(func() {
		well := func(ctx context.Context) bool { st, err := status(ctx); return err == nil && st.Well }
		alert.Beat(ctx, rec.heart.get, well, func(err error) { log.Warn("the dead man's switch", "error", err) }, rec.heart.changed)
	})
	srv := control.Server{
		UID: uid, Status: status, Changes: &rec.changes, Metrics: metrics.Handler(source),
		Restart: word(e, func(unit string) core.Event { return core.RestartAsked{Unit: unit} }),
		Resume:  word(e, func(unit string) core.Event { return core.ResumeAsked{Unit: unit} }),
		Drill:   drillWord(e, rec),
	}
	actors.Go(func() { rec.ready(ctx) })
	last := gasp{uid: uint32(uid), runtime: p.Runtime, log: log, deliver: deliver, recorded: rec.endings, keep: rec.keep, flush: rec.queue.Flush}
	last.why = last.ask
	actors.Go(func() {
		select {
		case <-told.Done():
			last.run(ctx)
			cancel()
		case <-ctx.Done():
		}
	})
	log.Info("keeper runs", "release", release, "socket", p.Socket)
	err = serve(ctx, srv, socket, p.Socket, log)
	_, _ = daemon.SdNotify(false, daemon.SdNotifyStopping)
	return err
}

// serve answers on the socket, and makes it anew when somebody removed it.
func serve(ctx context.Context, srv control.Server, socket net.Listener, path string, log *slog.Logger) error {
	for {
		sctx, lost := context.WithCancel(ctx)
		var watch sync.WaitGroup
		watch.Go(func() {
			if err := control.Lost(sctx, path); err == nil {
				lost()
			} else if sctx.Err() == nil {
				log.Warn("should somebody remove the socket, that will be missed", "error", err)
			}
		})
		err := srv.Serve(sctx, socket)
		lost()
		watch.Wait()
		if err != nil || ctx.Err() != nil {
			return err
		}
		log.Warn("the socket was removed, and is made again", "socket", path)
		if socket, err = control.Listen(path); err != nil {
			return err
		}
	}
}

// readyLimit bounds how long the daemon waits for its first look at things
// before it calls itself ready all the same: logind may be down.
const readyLimit = 5 * time.Second

// ready tells systemd that the daemon is up once a status has something to say.
func (r *recorder) ready(ctx context.Context) {
	t := time.NewTimer(readyLimit)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return
	case <-t.C:
	case <-r.first:
	}
	if _, err := daemon.SdNotify(false, daemon.SdNotifyReady); err != nil {
		r.log.Warn("cannot tell systemd that the daemon is ready", "error", err)
	}
}

// watchdog returns what feeds systemd's watchdog, and how often: three times
// within WATCHDOG_USEC. Nothing is due where no watchdog is set.
func watchdog() (func(), time.Duration) {
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil || interval == 0 {
		return nil, 0
	}
	return func() { _, _ = daemon.SdNotify(false, daemon.SdNotifyWatchdog) }, interval / 3
}

// watchLinger hears of linger as it is set and taken away, and of what logind
// thinks of the user. The second is a hint that may be missed: nothing but the
// time until the next look depends on it.
func watchLinger(ctx context.Context, p paths.Paths, uid int, user string, deliver func(core.Event), log *slog.Logger) {
	touched := func() { deliver(core.LingerHint{}) }
	var both sync.WaitGroup
	both.Go(func() {
		keepUp(ctx, func() (bool, error) { return false, logind.WatchFile(ctx, p.LingerDir, user, touched) },
			func(err error) {
				log.Warn("linger is looked at now and then only", "error", err, "every", core.LookEvery)
			})
	})
	both.Go(func() {
		keepUp(ctx, func() (bool, error) { return false, logind.WatchFile(ctx, logind.UserDir, strconv.Itoa(uid), touched) },
			func(err error) {
				log.Warn("what logind thinks of the user is looked at now and then only", "error", err, "every", core.LookEvery)
			})
	})
	both.Wait()
}

// watchRuntime hears of the end of Podman's runtime state.
func watchRuntime(ctx context.Context, p paths.Paths, deliver func(core.Event), log *slog.Logger) {
	keepUp(ctx, func() (bool, error) {
		return false, logind.WatchFile(ctx, p.Runtime, "libpod", func() { deliver(core.HelperHint{}) })
	}, func(err error) {
		log.Warn("Podman's runtime state is looked at now and then only", "error", err, "every", core.LookEvery)
	})
}

// word returns what takes in a person's word about a service, if that is one and
// the word can be followed.
func word(e *engine.Engine, event func(unit string) core.Event) func(ctx context.Context, unit string) error {
	return func(ctx context.Context, unit string) error {
		s, err := e.State(ctx)
		if err != nil {
			return err
		}
		u, ok := s.Units[unit]
		switch {
		case !ok || !u.Runs():
			return control.ErrNoService
		case s.ShuttingDown:
			return fmt.Errorf("%w: the machine goes down", control.ErrRefused)
		case !s.ManagerUp:
			return fmt.Errorf("%w: %s", control.ErrRefused, s.ManagerErr)
		case s.Adoption == core.AdoptionUnderway:
			return fmt.Errorf("%w: an adoption of containers is under way, and starts its units itself", control.ErrRefused)
		}
		e.Deliver(ctx, event(unit))
		return ctx.Err()
	}
}

// watchHeld hears of the services that a person told keeper to leave alone.
func watchHeld(ctx context.Context, m standdown.Marks, deliver func(core.Event), log *slog.Logger) {
	keepUp(ctx, func() (bool, error) {
		return false, m.WatchHeld(ctx, func() { readHeld(m, deliver, log) })
	}, func(err error) {
		log.Warn("a service that is to be left alone may be noticed late", "error", err)
	})
}

func readHeld(m standdown.Marks, deliver func(core.Event), log *slog.Logger) {
	held, err := m.Held(time.Now())
	if err != nil {
		log.Error("cannot tell which services are to be left alone", "error", err)
		return
	}
	deliver(core.HeldSeen{Held: held})
}

// watchMarks hears of a pause and of the administrator's mark as they come and
// go.
func watchMarks(ctx context.Context, m standdown.Marks, deliver func(core.Event), log *slog.Logger) {
	look := func() { deliver(core.StandDownSeen{StandDown: m.Read(ctx, time.Now())}) }
	keepUp(ctx, func() (bool, error) { return false, m.Watch(ctx, look) }, func(err error) {
		log.Warn("the stand-down marks are looked at now and then only", "error", err, "every", core.LookEvery)
	})
}
