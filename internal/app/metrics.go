package app

import (
	"context"
	"log/slog"
	"sync"

	"keeper/internal/core"
	"keeper/internal/metrics"
)

// meter has the metrics where keeper.toml wants them beside the socket.
type meter struct {
	source metrics.Source
	log    *slog.Logger

	listen, textfile chan string
	changed          chan struct{}
}

func newMeter(source metrics.Source, log *slog.Logger) *meter {
	return &meter{source: source, log: log, listen: make(chan string, 1), textfile: make(chan string, 1), changed: make(chan struct{}, 1)}
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
			keepUp(ctx, func() (bool, error) { return false, metrics.Serve(ctx, addr, metrics.Handler(m.source)) }, func(err error) {
				m.log.Warn("the metrics are to be had on the socket only; it is tried again", "error", err)
			})
		})
	})
	both.Go(func() {
		latest(ctx, m.textfile, func(ctx context.Context, path string) {
			metrics.KeepFile(ctx, path, m.source, m.changed, func(err error) {
				m.log.Warn("the file of the metrics is not as it should be; it is tried again", "error", err)
			})
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
