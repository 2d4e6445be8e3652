package app

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"

	"keeper/internal/control"
	"keeper/internal/core"
	"keeper/internal/metrics"
)

// meter has the metrics where keeper.toml wants them beside the socket.
type meter struct {
	source metrics.Source
	log    *slog.Logger

	listen, textfile chan string
	changed          chan struct{}

	mu sync.Mutex
	// wrong is what is wrong with the port and with the file, by key.
	wrong map[string]string
}

// problems are what keeps the metrics from where somebody wants them.
func (m *meter) problems() []control.Problem {
	if m == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []control.Problem
	for _, key := range slices.Sorted(maps.Keys(m.wrong)) {
		list = append(list, control.Problem{What: m.wrong[key], Try: "keeper config show   # metrics." + key + "; keeper tries again by itself"})
	}
	return list
}

// say keeps what is wrong, or that nothing is.
func (m *meter) say(key string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	was := m.wrong[key]
	delete(m.wrong, key)
	if err == nil {
		return
	}
	if m.wrong[key] = "the metrics are on the socket only: " + err.Error(); m.wrong[key] != was {
		m.log.Warn("the metrics are on the socket only; it is tried again", "error", err)
	}
}

func newMeter(source metrics.Source, log *slog.Logger) *meter {
	return &meter{source: source, log: log, listen: make(chan string, 1), textfile: make(chan string, 1), changed: make(chan struct{}, 1), wrong: map[string]string{}}
}

// follow is told of every new state. It is called by one goroutine, and never
// waits.
func (m *meter) follow(s core.Metrics) {
	put(m.listen, s.Listen)
	put(m.textfile, s.Textfile)
	poke(m.changed)
}

// put puts the value in place of one that nobody took yet. Nobody else may put.
func put(c chan string, v string) {
	select {
	case <-c:
	default:
	}
	c <- v
}

// run serves and writes as follow was told last, until the context ends.
func (m *meter) run(ctx context.Context) {
	var both sync.WaitGroup
	both.Go(func() {
		latest(ctx, m.listen, func(ctx context.Context, addr string) {
			defer m.say("listen", nil)
			keepUp(ctx, func() (bool, error) {
				err := metrics.Serve(ctx, addr, metrics.Handler(m.source), func() { m.say("listen", nil) })
				return false, err
			}, func(err error) { m.say("listen", err) })
		})
	})
	both.Go(func() {
		latest(ctx, m.textfile, func(ctx context.Context, path string) {
			defer m.say("textfile", nil)
			metrics.KeepFile(ctx, path, m.source, m.changed, func(err error) { m.say("textfile", err) })
		})
	})
	both.Wait()
}

// latest runs work with each value that is not empty, until another one comes.
func latest(ctx context.Context, values <-chan string, work func(ctx context.Context, value string)) {
	now := ""
	for ctx.Err() == nil {
		wctx, cancel := context.WithCancel(ctx)
		var working sync.WaitGroup
		if v := now; v != "" {
			working.Go(func() { work(wctx, v) })
		}
		for was := now; ctx.Err() == nil && now == was; {
			select {
			case <-ctx.Done():
			case now = <-values:
			}
		}
		cancel()
		working.Wait()
	}
}
