package lab

import (
	"context"
	"strings"
	"testing"
	"time"

	"keeper/internal/core"
	"keeper/internal/report"
)

const (
	// moveHistory has the state of keeper on a disk of its own, fillHistory fills that,
	// and emptyHistory gives room again.
	moveHistory = `d=` + stateDir + `; kept=$(mktemp -d); cp -a $d/. $kept
mount -t tmpfs -o size=16m,uid=1000,gid=1000,mode=0700 lab-full $d; cp -a $kept/. $d; rm -r $kept
account systemctl --user restart keeper`
	fillHistory = `d=` + stateDir + `; dd if=/dev/zero of=$d/full bs=4k 2>/dev/null || :
! echo more >$d/fullest`
	emptyHistory = "rm -f " + stateDir + "/full " + stateDir + "/fullest"
)

// stoppedOnce stops a service's process, and waits until keeper has it go on and an
// incident of it was told of. It returns that incident's ID.
func stoppedOnce(t *testing.T, h *Host, r *receiver, service string) string {
	t.Helper()
	begin := time.Now()
	a := stoppedServer(service)
	struck(t, h, a.strike)
	await(t, notHelped, service+" goes on", func(ctx context.Context) bool { return !holds(ctx, h, a.ill) })
	took := time.Since(begin)
	told := r.told(t, closing, begin, service+".service", core.AlertOpened)
	t.Logf("%s went on after %.1f s, and that was told after %.1f s", service, took.Seconds(), told[0].at.Sub(begin).Seconds())
	return told[0].alert.Incident
}

// noRoom fills the disk under the history: keeper supervises, tells people, and says
// that the history has a gap.
func noRoom(t *testing.T, h *Host, r *receiver) {
	quietIncidents(t, h)
	struck(t, h, moveHistory)
	allWell(t, h)
	struck(t, h, fillHistory)
	id := stoppedOnce(t, h, r, "minio")
	if out, err := keeper(t.Context(), h, "status"); err == nil || !strings.Contains(out, "the history cannot be written") {
		t.Errorf("status does not say that the history cannot be written: %v\n%s", err, out)
	}
	struck(t, h, emptyHistory)
	await(t, 10*time.Second, "status says so no more", func(ctx context.Context) bool {
		out, _ := keeper(ctx, h, "status")
		return !strings.Contains(out, "the history cannot be written")
	})
	quietIncidents(t, h)
	out := must[string](t)(keeper(t.Context(), h, "history", "--all"))
	if !strings.Contains(out, "could not be written from") {
		t.Errorf("the history does not tell of its gap:\n%s", out)
	}
	if out := must[string](t)(keeper(t.Context(), h, "history")); !strings.Contains(out, id) {
		t.Errorf("the incident of that time is not in the history:\n%s", out)
	}
}

// newestSegment is shell for the file that the history is written to.
const newestSegment = `d=` + stateDir + `/history; f=$d/$(ls $d | grep -E '^[0-9]{10}\.log$' | tail -n 1)
`

// historyDamaged damages the history, under a daemon that runs and under one that does
// not: what is left is told, what is damaged is said, and what comes is kept.
func historyDamaged(t *testing.T, h *Host, r *receiver) {
	quietIncidents(t, h)
	reads := func(t *testing.T, want ...string) {
		t.Helper()
		out, err := keeper(t.Context(), h, "history")
		if err != nil || !strings.Contains(out, "damaged") {
			t.Errorf("keeper history says nothing of the damage: %v\n%s", err, out)
		}
		for _, id := range want {
			if !strings.Contains(out, id) {
				t.Errorf("the incident %s is not in the history:\n%s", id, out)
			}
			if i := incident(t, h, id); i.ID != id {
				t.Errorf("asked for %s, told of %s", id, i.ID)
			}
		}
		if out, err := keeper(t.Context(), h, "history", "--all"); err != nil {
			t.Errorf("keeper history --all: %v\n%s", err, out)
		}
		if out, err := keeper(t.Context(), h, "incident"); err != nil {
			t.Errorf("keeper incident: %v\n%s", err, out)
		}
	}
	// Half of it is gone, and what is left has noise in it.
	struck(t, h, newestSegment+`truncate -s $(($(stat -c %s $f) / 2)) $f
dd if=/dev/urandom of=$f bs=1k count=4 seek=$(($(stat -c %s $f) / 2048)) conv=notrunc status=none`)
	id := stoppedOnce(t, h, r, "redis")
	reads(t, id)
	// The state that the next daemon goes on from is noise, while the incident is open.
	noise := func(files string) {
		t.Helper()
		struck(t, h, "account systemctl --user stop keeper\n"+newestSegment+"for x in "+files+"; do n=$(stat -c %s $x); head -c $n /dev/urandom >$x; done\naccount systemctl --user start keeper")
		allWell(t, h)
	}
	noise(stateDir + "/state.json")
	if out := sh(t, h, "ls "+stateDir); !strings.Contains(out, "state.json.damaged-") {
		t.Errorf("the damaged state was not set aside:\n%s", out)
	}
	reads(t, id)
	if until(within(t, closing), func(context.Context) bool { return incident(t, h, id).State == report.StateOver }) != nil {
		t.Errorf("the incident %s, which was lost with the state, stays %s for ever", id, incident(t, h, id).State)
	}
	// Nothing of the history is what it was, nor of the state.
	noise("$f " + stateDir + "/state.json")
	id = stoppedOnce(t, h, r, "postgres")
	reads(t, id)
}
