package lab

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"keeper/internal/core"
)

// unixTime is the time as journalctl takes it.
func unixTime(t time.Time) string {
	return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64)
}

const (
	redisPassword = "/home/" + User + "/redis-password"
	// sql runs SQL in the container, by its own address: the password is needed.
	sql = `sql() { account podman exec postgres sh -c 'PGPASSWORD=$(cat /run/secrets/postgres-password) psql -qAt -h 127.0.0.1 -U ledger ledger -c "$1"' sql "$1"; }
`
	// muchToRedo leaves PostgreSQL with a quarter of a gigabyte of its log to go
	// through if it crashes.
	muchToRedo = sql + `sql "alter system set max_wal_size='8GB'"; sql "alter system set checkpoint_timeout='1h'"; sql "select pg_reload_conf()"
sql "create table if not exists ballast(k text primary key)"
sql "truncate ballast"; sql checkpoint
sql "insert into ballast select md5(n::text) from generate_series(1, 1000000) n"`
	// slowToLoad gives Redis a file that takes it a quarter of a minute to load: a
	// union of sets is few bytes and much work. It answers while it loads.
	slowToLoad = `account systemctl --user stop redis
cd $home/.local/share/containers/storage/volumes/redis/_data/appendonlydir
perl -e 'sub command { print "*", scalar(@_), "\r\n", map { "\$" . length($_) . "\r\n$_\r\n" } @_ }
	command("SELECT", "0");
	command("SADD", "slow", map { "member $_" } 1 .. 1000);
	command("SUNIONSTORE", "slower", "slow") for 1 .. shift' "$unions" >>$(ls appendonly.aof.*.incr.aof | tail -n 1)
`
)

// TestSuperviseStores is about stores that are at something which a restart would
// begin anew, and about what depends on one that is down.
func TestSuperviseStores(t *testing.T) {
	t.Parallel()
	// Times so short that whoever does not know what a store says would restart it
	// again and again. The mistake in what is asked of Django is a common one.
	settings := shortTimes + `
[service.postgres]
failures = 2
grace = "1s"
[service.redis]
failures = 2
grace = "1s"
password_file = "` + redisPassword + `"
[service.django]
live = "/readyz"
failures = 2
grace = "5s"
`
	h := testHost(t, Options{Name: "stores", Stack: true})
	install(t, h)
	struck(t, h, "(umask 077; account podman secret inspect --showsecret --format '{{.SecretData}}' redis-password >"+redisPassword+"); chown "+User+": "+redisPassword)
	configure(t, h, settings)
	await(t, 20*time.Second, "keeper has taken the settings", func(context.Context) bool {
		return service(t, h, "redis").Supervision.PasswordFile == redisPassword
	})
	allWell(t, h)

	t.Run("PostgreSQL recovers from a crash", func(t *testing.T) {
		before := lives(t, h, Services...)
		recovers(t, h, "pkill -KILL -f '^postgres: checkpointer'")
		unchanged(t, h, before)
	})
	t.Run("PostgreSQL is killed, and recovers", func(t *testing.T) {
		was := lifeOf(t, h, "postgres")
		recovers(t, h, "pkill -KILL -o -x postgres")
		is := lifeOf(t, h, "postgres")
		if is.invocation == was.invocation || is.restarts != "1" {
			t.Errorf("systemd started it once, and nobody else did? It was %+v and is %+v", was, is)
		}
		stays(t, h, 3*time.Second, Services...)
	})
	t.Run("Redis loads a large file", func(t *testing.T) {
		struck(t, h, "unions=100000\n"+slowToLoad+"account systemctl --user --no-block start redis")
		begin := time.Now()
		await(t, 10*time.Second, "redis has started", func(ctx context.Context) bool {
			return holds(ctx, h, "account systemctl --user is-active redis; server redis")
		})
		was := lifeOf(t, h, "redis")
		loading := awaitService(t, h, 10*time.Second, "redis", core.ServiceRecovering)
		if loading.Condition != core.ConditionLoading {
			t.Errorf("while it loads it is shown as %+v", loading)
		}
		await(t, 2*time.Minute, "redis is well again", func(context.Context) bool { return service(t, h, "redis").State == core.ServiceWell })
		took := time.Since(begin)
		if is := lifeOf(t, h, "redis"); is != was {
			t.Errorf("it was %+v and is %+v: it did not load in peace", was, is)
		}
		if took < 10*time.Second {
			t.Errorf("it had loaded after %v: this proves little", took)
		}
		allWell(t, h) // Django too, which was stopped along with it.
		t.Logf("loaded after %.1f s", took.Seconds())
	})
	t.Run("PostgreSQL is down for two minutes", func(t *testing.T) { downForTwoMinutes(t, h) })
}

// recovers strikes PostgreSQL while a client writes, with much to go through
// before it serves again.
func recovers(t *testing.T, h *Host, blow string) {
	t.Helper()
	allWell(t, h)
	struck(t, h, muchToRedo)
	ctx := within(t, time.Minute)
	writer := h.StartWriter(ctx)
	if err := writer.WaitAcked(ctx, 20); err != nil {
		t.Fatal(err)
	}
	outage := h.WatchReady(ctx, nil)
	begin := time.Now()
	struck(t, h, blow)
	var conditions []core.Condition
	for back := false; !back; {
		if c := service(t, h, "postgres").Condition; !slices.Contains(conditions, c) {
			conditions = append(conditions, c)
		}
		at, landed := outage.Seen(begin)
		if back = landed && !at.IsZero(); !back {
			if err := pause(ctx, 50*time.Millisecond); err != nil {
				t.Fatalf("not back: %v\n%s", err, said(t, h, begin))
			}
		}
	}
	at, _ := outage.Seen(begin)
	outage.Stop()
	acked, failed := writer.Stop()
	lost, err := Lost(acked, must[map[string][]int64](t)(h.Ledger(ctx)))
	if err != nil || len(lost) > 0 {
		t.Errorf("acknowledged entries were lost: %v %v", lost, err)
	}
	allWell(t, h)
	if s := service(t, h, "postgres"); s.Restarts != 0 {
		t.Errorf("keeper restarted it %d times:\n%s", s.Restarts, said(t, h, begin))
	}
	t.Logf("back after %.2f s; %d entries acknowledged, %d requests failed, none lost; meanwhile shown as %v", at.Sub(begin).Seconds(), len(acked), failed, conditions)
}

// downForTwoMinutes takes PostgreSQL away for so long. Django is not restarted for
// that, though its liveness, as it is set here, fails as well.
func downForTwoMinutes(t *testing.T, h *Host) {
	t.Helper()
	const long = 2 * time.Minute
	allWell(t, h)
	struck(t, h, keepDjango)
	before := lives(t, h, "django", "redis", "minio")
	begin := time.Now()
	struck(t, h, breakPostgres)
	s := awaitService(t, h, 30*time.Second, "django", core.ServiceBlocked)
	if !strings.HasPrefix(s.Cause, "postgres") {
		t.Errorf("django is shown as %+v", s)
	}
	// While systemd or keeper try to start PostgreSQL it is up for a moment, as far
	// as systemd can tell.
	states := map[string]map[core.ServiceState]int{"django": {}, "postgres": {}}
	asked := 0
	for time.Since(begin) < long {
		st := status(t, h)
		for name, seen := range states {
			seen[named(st, name).State]++
		}
		asked++
		if err := pause(t.Context(), time.Second); err != nil {
			t.Fatal(err)
		}
	}
	if n := states["django"][core.ServiceBlocked]; n < asked*9/10 || states["django"][core.ServiceRestarting] > 0 {
		t.Errorf("of %d times it was asked, django was shown as %v\n%s", asked, states["django"], said(t, h, begin))
	}
	unchanged(t, h, before)
	out, _ := keeper(t.Context(), h, "status")
	if p, d := strings.Index(out, "postgres"), strings.Index(out, "django"); p < 0 || d < 0 || p > d {
		t.Errorf("the cause does not come before what it causes:\n%s", out)
	}
	mended := time.Now()
	struck(t, h, mendPostgres)
	// keeper would try again within a minute; whoever has mended something does not
	// wait for that.
	struck(t, h, "account systemctl --user reset-failed postgres; account systemctl --user start postgres")
	if err := h.WaitReady(within(t, time.Minute), time.Minute); err != nil {
		t.Fatalf("%v\n%s", err, said(t, h, begin))
	}
	back := time.Since(mended)
	// PostgreSQL itself is said to fall again and again, for ten minutes.
	awaitService(t, h, 20*time.Second, "django", core.ServiceWell)
	unchanged(t, h, before)
	t.Logf("back %.1f s after it was mended, Django in the same life; they were meanwhile shown as %v; decisions:\n%s", back.Seconds(), states, said(t, h, begin))
}
