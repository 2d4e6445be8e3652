package history

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"keeper/internal/core"
)

func openLog(t *testing.T, s Store) *Log {
	t.Helper()
	l, err := s.OpenLog(noon)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func said(n int) core.Entry {
	return core.Entry{At: noon.Add(time.Duration(n) * time.Second), Kind: core.EntryUnit, Unit: "db.service", What: fmt.Sprint("entry ", n)}
}

func add(t *testing.T, l *Log, entries ...core.Entry) {
	t.Helper()
	if err := l.Append(noon, entries...); err != nil {
		t.Fatal(err)
	}
}

// scanned is what Scan yields, and what it says of damage.
func scanned(t *testing.T, s Store) (what []string, damage []string) {
	t.Helper()
	damage, err := s.Scan(time.Time{}, func(e core.Entry) bool {
		what = append(what, e.What)
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return what, damage
}

func TestLogComesBack(t *testing.T) {
	t.Parallel()
	s := store(t)
	if what, damage := scanned(t, s); what != nil || damage != nil {
		t.Errorf("before there is one: %q, %q", what, damage)
	}
	l := openLog(t, s)
	add(t, l, said(0), said(1))
	other := openLog(t, s) // another process
	add(t, other, said(2))
	add(t, l, said(3))
	want := []string{"entry 0", "entry 1", "entry 2", "entry 3"}
	if what, damage := scanned(t, s); !slices.Equal(what, want) || damage != nil {
		t.Errorf("got %q, %q", what, damage)
	}
	info, err := os.Stat(filepath.Join(s.logDir(), "0000000001.log"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("others may read it: %v, %v", info, err)
	}
	list, more, _, err := s.Timeline(noon.Add(time.Second), noon.Add(2*time.Second))
	if err != nil || more || len(list) != 2 || list[0].What != "entry 1" {
		t.Errorf("the timeline is %+v, %v, %v", list, more, err)
	}
}

func TestIncidentsAndDrills(t *testing.T) {
	t.Parallel()
	s := store(t)
	l := openLog(t, s)
	first, second := core.Incident{ID: "a", Began: noon}, core.Incident{ID: "b", Began: noon.Add(time.Hour)}
	record := func(i core.Incident) core.Entry {
		return core.Entry{At: i.Began, Kind: core.EntryIncident, What: "incident", Incident: &i}
	}
	add(t, l, record(first), record(second), said(1))
	second.Closed = noon.Add(2 * time.Hour)
	add(t, l, record(second))
	drill := core.Drill{ID: "d", Name: "kill", Began: noon}
	add(t, l, core.Entry{At: noon, Kind: core.EntryDrill, Drill: &drill})
	list, damage, err := s.Incidents()
	if err != nil || damage != nil || len(list) != 2 || list[0].ID != "b" || list[0].Closed.IsZero() || list[1].ID != "a" {
		t.Errorf("incidents: %+v, %q, %v", list, damage, err)
	}
	if drills, _, err := s.Drills(); err != nil || len(drills) != 1 || drills[0].Name != "kill" {
		t.Errorf("drills: %+v, %v", drills, err)
	}
}

// The chatter goes when it is too much; incidents and drills are known for longer.
func TestLogIsBounded(t *testing.T) {
	t.Parallel()
	s := store(t)
	l := openLog(t, s)
	l.size, l.limit = 10_000, 50_000
	i := core.Incident{ID: "first", Began: noon}
	add(t, l, core.Entry{At: noon, Kind: core.EntryIncident, Incident: &i})
	for n := range 2000 {
		add(t, l, said(n))
	}
	total := int64(0)
	names, err := s.segments()
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		info, err := os.Stat(filepath.Join(s.logDir(), n))
		if err != nil {
			t.Fatal(err)
		}
		total += info.Size()
	}
	if total > l.limit+2*l.size || total < l.limit/2 {
		t.Errorf("%d bytes are kept in %d files", total, len(names))
	}
	what, damage := scanned(t, s)
	if damage != nil || what[len(what)-1] != "entry 1999" || slices.Contains(what, "entry 3") {
		t.Errorf("%q, and of %d entries the last is %q", damage, len(what), what[len(what)-1])
	}
	if list, _, err := s.Incidents(); err != nil || len(list) != 1 {
		t.Errorf("the incident is forgotten: %v, %v", list, err)
	}
}

func TestLogForgetsWhatIsOld(t *testing.T) {
	t.Parallel()
	s := store(t)
	l := openLog(t, s)
	l.size = 1000
	for n := range 100 {
		add(t, l, said(n))
	}
	names, _ := s.segments()
	if len(names) < 3 {
		t.Fatalf("only %d files", len(names))
	}
	old := time.Now().Add(-2 * logAge)
	if err := os.Chtimes(filepath.Join(s.logDir(), names[0]), old, old); err != nil {
		t.Fatal(err)
	}
	if err := s.prune(logSize, names[len(names)-1]); err != nil {
		t.Fatal(err)
	}
	if after, _ := s.segments(); len(after) != len(names)-1 || after[0] != names[1] {
		t.Errorf("kept %q of %q", after, names)
	}
}

func TestSeveralWriters(t *testing.T) {
	t.Parallel()
	s := store(t)
	var all sync.WaitGroup
	for w := range 4 {
		all.Go(func() {
			l, err := s.OpenLog(noon)
			if err != nil {
				t.Error(err)
				return
			}
			defer l.Close()
			l.size = 2000
			for n := range 100 {
				if err := l.Append(noon, said(w*1000+n)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	what, damage := scanned(t, s)
	slices.Sort(what)
	if len(slices.Compact(what)) != 400 || damage != nil {
		t.Errorf("%d entries, damage %q", len(what), damage)
	}
}

// What cannot be written is written later, and what was lost meanwhile is said.
func TestLogCatchesUp(t *testing.T) {
	t.Parallel()
	s := store(t)
	l := openLog(t, s)
	add(t, l, said(0))
	// A file in place of the directory: nobody can write there, not even root.
	aside := s.logDir() + ".aside"
	if err := os.Rename(s.logDir(), aside); err != nil {
		t.Fatal(err)
	}
	put(t, s.logDir(), "in the way")
	alert := core.Entry{At: noon, Kind: core.EntryAlert, What: "an alert"}
	if err := l.Append(noon.Add(time.Minute), alert); err == nil || !strings.Contains(err.Error(), s.logDir()) {
		t.Fatalf("got %v", err)
	}
	for n := range mostLeft + 10 {
		_ = l.Append(noon.Add(time.Minute), said(n))
	}
	if err := os.Remove(s.logDir()); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(aside, s.logDir()); err != nil {
		t.Fatal(err)
	}
	if err := l.Append(noon.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	what, damage := scanned(t, s)
	last := what[len(what)-1]
	if damage != nil || len(what) != 1+mostLeft+1 || !slices.Contains(what, "an alert") || !strings.Contains(last, "11 entries were lost") {
		t.Errorf("%d entries, the last %q, damage %q", len(what), last, damage)
	}
	if err := l.Append(noon); err != nil {
		t.Error(err)
	}
	if again, _ := scanned(t, s); len(again) != len(what) {
		t.Error("it is written twice")
	}
}

// Whatever happens to the file, what was not hit is read, nothing else is, and the log
// goes on.
func TestLogSurvivesDamage(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 7))
		s := store(t)
		l := openLog(t, s)
		const n = 20
		var ends []int
		for i := range n {
			add(t, l, said(i))
			info, err := os.Stat(filepath.Join(s.logDir(), l.name))
			if err != nil {
				t.Fatal(err)
			}
			ends = append(ends, int(info.Size()))
		}
		_ = l.Close()
		path := filepath.Join(s.logDir(), "0000000001.log")
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		from := r.IntN(len(data))
		to := from + 1 + r.IntN(len(data)-from)
		kind := r.IntN(4)
		switch kind {
		case 0: // cut short
			data, to = data[:from], len(data)
		case 1: // noise
			for i := from; i < to; i++ {
				data[i] = byte(r.Uint32())
			}
		case 2: // zeros, as after a power cut
			clear(data[from:])
			to = len(data)
		case 3: // a huge line
			data = append(data, bytes.Repeat([]byte("x"), 1<<20)...)
			from, to = len(data), len(data)
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		var whole []string
		for i := range n {
			begin := 0
			if i > 0 {
				begin = ends[i-1]
			}
			if ends[i] <= from || begin >= to {
				whole = append(whole, fmt.Sprint("entry ", i))
			}
		}
		before, damage := scanned(t, s)
		for _, w := range whole {
			if !slices.Contains(before, w) {
				t.Fatalf("seed %d, kind %d, from %d to %d: %q is lost; damage %q", seed, kind, from, to, w, damage)
			}
		}
		for _, w := range before {
			if !strings.HasPrefix(w, "entry ") {
				t.Fatalf("seed %d: %q was made up", seed, w)
			}
		}
		atEnd := kind == 0 && (from == 0 || slices.Contains(ends, from))
		if (len(damage) == 0) != atEnd && len(before) != n {
			t.Fatalf("seed %d, kind %d: damage %q, %d entries", seed, kind, damage, len(before))
		}
		for round := range 2 { // a second start does not say it again
			l, err := s.OpenLog(noon)
			if err != nil {
				t.Fatal(err)
			}
			add(t, l, said(100+round))
			_ = l.Close()
		}
		after, _ := scanned(t, s)
		troubles := 0
		for _, w := range after {
			if strings.Contains(w, "damaged") {
				troubles++
			}
		}
		if want := b2i(len(damage) > 0); troubles != want || !slices.Contains(after, "entry 100") || !slices.Contains(after, "entry 101") {
			t.Fatalf("seed %d, kind %d: %d troubles for damage %q; %q", seed, kind, troubles, damage, after)
		}
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func FuzzScan(f *testing.F) {
	line := encode(said(1), noon)
	f.Add(line)
	f.Add([]byte("00000000 {}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "x.log")
		if err := os.WriteFile(path, append(append(slices.Clone(data), '\n'), line...), 0o600); err != nil {
			t.Fatal(err)
		}
		last := ""
		if _, err := scanFile(path, nil, func(e core.Entry) bool { last = e.What; return true }); err != nil || last != "entry 1" {
			t.Errorf("%v, and the last line is lost: %q", err, last)
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	s := Store{Dir: filepath.Join(b.TempDir(), "keeper")}
	l, err := s.OpenLog(noon)
	if err != nil {
		b.Fatal(err)
	}
	for n := 0; b.Loop(); n++ {
		if err := l.Append(noon, said(n)); err != nil {
			b.Fatal(err)
		}
	}
}

// The history of 100,000 events, next to reading its bytes and nothing else.
func BenchmarkHistory(b *testing.B) {
	s := Store{Dir: filepath.Join(b.TempDir(), "keeper")}
	l, err := s.OpenLog(noon)
	if err != nil {
		b.Fatal(err)
	}
	const all, batch = 100_000, 100
	for n := 0; n < all; n += batch {
		var entries []core.Entry
		for k := range batch {
			e := said(n + k)
			e.Why, e.Pulse = "a reason that says something", core.PulseDown
			entries = append(entries, e)
		}
		if n%1000 == 0 {
			i := core.Incident{ID: fmt.Sprint(n), Began: noon, Cause: "a cause", Services: []core.Affected{{Name: "db.service"}}}
			entries = append(entries, core.Entry{At: noon, Kind: core.EntryIncident, Incident: &i})
		}
		if err := l.Append(noon, entries...); err != nil {
			b.Fatal(err)
		}
	}
	names, _ := s.segments()
	size := int64(0)
	for _, n := range names {
		info, _ := os.Stat(filepath.Join(s.logDir(), n))
		size += info.Size()
	}
	for name, f := range map[string]func() int{
		"bytes": func() int {
			sum := 0
			for _, n := range names {
				data, _ := os.ReadFile(filepath.Join(s.logDir(), n))
				sum += bytes.Count(data, []byte("\n"))
			}
			return sum
		},
		"incidents": func() int { list, _, _ := s.Incidents(); return len(list) },
		"all": func() int {
			sum := 0
			_, _ = s.Scan(time.Time{}, func(core.Entry) bool { sum++; return true })
			return sum
		},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if f() < 100 {
					b.Fatal("too few")
				}
			}
			b.ReportMetric(float64(size), "size")
		})
	}
}

// Note is for a process that ends at once: it leaves no file open, waits for nobody for
// long, and what it could not write it does not keep.
func TestNoteOne(t *testing.T) {
	t.Parallel()
	s := Store{Dir: t.TempDir()}
	at := time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)
	one := core.Entry{At: at, Kind: core.EntryGuard, What: "refused", Guard: &core.Judged{Decision: "deny", Rule: "data.drop", Line: "x"}}
	if err := s.Note(one); err != nil {
		t.Fatal(err)
	}
	if synced(one) {
		t.Error("a refusal is waited for")
	}
	let := one
	let.Guard = &core.Judged{Decision: "allow", Line: "y"}
	if !synced(let) {
		t.Error("what was let through may be lost with the machine")
	}
	if err := s.Note(let); err != nil {
		t.Fatal(err)
	}
	unlock, err := s.lock(time.Second)
	if err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	if err := s.Note(one); err == nil || !strings.Contains(err.Error(), "has locked") || time.Since(begun) > time.Second {
		t.Errorf("locked: %v after %s", err, time.Since(begun))
	}
	unlock()
	var got []string
	damage, err := s.Guarded(at, func(e core.Entry) bool {
		got = append(got, e.Guard.Line)
		return true
	})
	if err != nil || damage != nil || !slices.Equal(got, []string{"x", "y"}) {
		t.Errorf("got %v, %v, %v", got, damage, err)
	}
}
