package lab

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// judge compares what was seen with what must be.
func (t *trial) judge(ctx context.Context, before map[string]string) error {
	row := t.row
	if row.Got == StaysDown && row.Want != StaysDown {
		row.fail("the stack did not come back\n%s", t.diagnosis(ctx))
	}
	t.outage.Stop()
	acked, failed := t.writer.Stop()
	row.Acked, row.Failed = len(acked), failed
	if row.Got == StaysDown {
		if err := t.revive(ctx); err != nil {
			return fmt.Errorf("the stack could not be brought back to look for the entries: %w", err)
		}
	} else {
		t.judgeLives(ctx, before)
		t.judgeStatus(ctx)
	}
	if row.Got != row.Want {
		row.fail("%s, and must be: %s", row.Got, row.Want)
	}
	if failed > 0 && (row.Want == Stays || t.blow.Quiet && t.mode != ModeLinger) {
		row.fail("%d requests failed", failed)
	}
	// The plain stop and start is of the whole stack.
	if whole := t.blow.Hits == nil || len(t.blow.Hits) == len(Services); row.Got == Back && whole && t.plain > 0 {
		row.Ratio = float64(row.OutageMS) / float64(t.plain.Milliseconds())
		if t.blow.Orderly && t.mode != ModeLinger && row.Want == Back && row.Ratio > orderly {
			row.fail("ratio %.2f to a plain stop and start of %.2f s", row.Ratio, t.plain.Seconds())
		}
	}
	if row.Want == Off || row.Want == Reboots {
		limit := t.offLimit()
		if row.Got == row.Want && row.OffMS <= 0 {
			row.fail("when the machine was down was not seen")
		}
		if row.OffMS > limit.Milliseconds() {
			row.fail("the machine was held up: down after %.1f s, %.1f s were granted", float64(row.OffMS)/1000, limit.Seconds())
		}
	}
	return t.judgeLedger(ctx, acked)
}

// judgeLives compares the lives of the services and the user manager.
func (t *trial) judgeLives(ctx context.Context, before map[string]string) {
	now, err := t.Invocations(ctx)
	if err != nil {
		t.row.fail("%v", err)
		return
	}
	var ended []string
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if now[name] != before[name] {
			ended = append(ended, name)
		}
	}
	if t.row.Got == Back && len(ended) == 0 && t.row.Failed == 0 && t.blow.Probe == nil {
		// Every request was answered, by the same processes: once, not at once.
		t.row.Got, t.row.OutageMS = Stays, 0
	}
	if t.row.Got == Stays {
		if len(ended) > 0 {
			t.row.Got = Back
			t.row.fail("it answered all the time, and yet these were started anew: %s", strings.Join(ended, ", "))
		}
		return
	}
	hits := t.blow.Hits
	if hits == nil || t.row.Got != Back {
		hits = append([]string{"user@"}, Services...)
	}
	for _, name := range hits {
		if !slices.Contains(ended, name) {
			t.row.fail("the blow did not land: %s lives on", name)
		}
	}
	for _, name := range ended {
		if !slices.Contains(hits, name) && !slices.Contains(t.blow.May, name) {
			t.row.fail("%s ended too", name)
		}
	}
}

// judgeStatus asks keeper how it is.
func (t *trial) judgeStatus(ctx context.Context) {
	if t.mode == ModeLinger {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, or(t.blow.WellWithin, usualWell))
	defer cancel()
	var out string
	err := until(ctx, func(ctx context.Context) bool {
		now, err := t.Keeper(ctx, "status")
		if ctx.Err() == nil {
			out = now // not what a call that was cut short had printed
		}
		if t.blow.Tells != "" && t.row.Got == Stays {
			return err != nil && strings.Contains(out, t.blow.Tells)
		}
		return err == nil
	})
	switch {
	case err == nil:
	case t.blow.Tells != "" && t.row.Got == Stays:
		t.row.fail("keeper status does not tell: %q; it says: %s", t.blow.Tells, firstLines(out, 4))
	default:
		t.row.fail("keeper status does not say that all is well: %s", firstLines(out, 6))
	}
}

// judgeLedger looks for every acknowledged entry in every store.
func (t *trial) judgeLedger(ctx context.Context, acked []int64) error {
	held, err := t.Ledger(ctx)
	if err != nil {
		return err
	}
	lost, err := Lost(acked, held)
	if err != nil {
		return err
	}
	for _, store := range slices.Sorted(maps.Keys(lost)) {
		if t.row.Lost == nil {
			t.row.Lost = map[string]int{}
		}
		t.row.Lost[store] = len(lost[store])
		t.row.fail("%s lost %d acknowledged entries", store, len(lost[store]))
	}
	return nil
}
