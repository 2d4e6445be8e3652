package app

import (
	"context"
	"log/slog"
	"time"

	"keeper/internal/core"
	"keeper/internal/history"
	"keeper/internal/logind"
	"keeper/internal/paths"
	"keeper/internal/units"
)

// whatHappened finds out what lies between the last daemon and this one. What
// cannot be asked is left out: the daemon starts in any case.
func whatHappened(ctx context.Context, p paths.Paths, uid uint32, store history.Store, kept history.State, log *slog.Logger) core.Began {
	now := core.Now{Life: core.Life{Boot: bootID()}, At: time.Now(), Mono: monotonic()}
	if m, err := units.Dial(ctx, p.Runtime); err == nil {
		now.Life.Started, err = m.Life(ctx)
		m.Close()
		if err != nil {
			log.Error("cannot tell which life of the user manager this is", "error", err)
		}
	} else {
		log.Error("cannot tell which life of the user manager this is", "error", err)
	}
	if bus, err := logind.Dial(ctx, ""); err == nil {
		life, err := bus.Manager(ctx, uid)
		bus.Close()
		if err == nil {
			now.Stopped = life.Left
		}
	}
	var err error
	if now.Rearms, err = store.Rearms(); err != nil {
		log.Error("the record of the rearms cannot be read", "error", err)
	}
	last := core.LastLife{
		Life: kept.Life, Units: kept.Units, Seen: kept.Seen, EndedAt: kept.EndedAt, Ended: kept.Ended,
		Shutdown: kept.Shutdown, Began: kept.Began, Owed: kept.Owed, Cares: kept.Cares,
		Incidents: kept.Incidents,
	}
	return core.WhatHappened(last, now)
}
