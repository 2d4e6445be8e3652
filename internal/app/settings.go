package app

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"keeper/internal/config"
	"keeper/internal/core"
	"keeper/internal/dirwatch"
	"keeper/internal/paths"
)

// readSettings reads keeper.toml, the site's and the account's.
func readSettings(p paths.Paths) core.SettingsSeen {
	s, mistakes := config.Read(p.SiteSettings, p.Settings)
	return core.SettingsSeen{Settings: s, Errs: mistakes.Lines()}
}

// settingsSettle is how long after a change the settings are read: an editor may
// be half-way through.
const settingsSettle = 200 * time.Millisecond

// watchSettings reads the settings whenever a file of them changes, and on SIGHUP. That
// says as well that root's part may have changed, of which nothing tells: logind and PID 1
// are looked at anew.
func watchSettings(ctx context.Context, p paths.Paths, deliver func(core.Event), log *slog.Logger) {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	changed := make(chan struct{}, 1)
	var all sync.WaitGroup
	defer all.Wait()
	for _, file := range []string{p.SiteSettings, p.Settings} {
		all.Go(func() {
			keepUp(ctx, func() (bool, error) {
				return false, dirwatch.Dir(ctx, filepath.Dir(file), func(name string) {
					if name == "" || name == filepath.Base(file) {
						poke(changed)
					}
				})
			}, func(err error) {
				log.Warn("changes of the settings are missed; after one: systemctl --user reload keeper", "error", err)
			})
		})
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-hup:
			deliver(core.LingerHint{})
		case <-changed:
			t := time.NewTimer(settingsSettle)
			select {
			case <-ctx.Done():
			case <-t.C:
			}
			t.Stop()
		}
		deliver(readSettings(p))
	}
}

// watchAdoption hears of the journal of an adoption as it comes and goes.
func watchAdoption(ctx context.Context, p paths.Paths, deliver func(core.Event), log *slog.Logger) {
	keepUp(ctx, func() (bool, error) {
		return false, dirwatch.Dir(ctx, filepath.Dir(p.Journal), func(name string) {
			if name == "" || name == filepath.Base(p.Journal) {
				deliver(core.AdoptionHint{})
			}
		})
	}, func(err error) {
		log.Warn("an adoption of containers is looked for now and then only", "error", err, "every", core.LookEvery)
	})
}

// watchContainers hears of containers as they come and go.
func watchContainers(ctx context.Context, b byHand, deliver func(core.Event), log *slog.Logger) {
	keepUp(ctx, func() (bool, error) {
		return false, b.view.Watch(ctx, func() { deliver(core.ContainerHint{}) })
	}, func(err error) {
		log.Warn("containers without a unit may be noticed late", "error", err, "every", core.LookEvery)
	})
}
