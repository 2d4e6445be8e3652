package history

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"keeper/internal/core"
)

// needsRoot skips the test where it cannot mount, unless KEEPER_TEST_REQUIRE names the
// feature.
func needsRoot(t *testing.T, feature string) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if slices.Contains(strings.Split(os.Getenv("KEEPER_TEST_REQUIRE"), ","), feature) {
		t.Fatalf("not root, and KEEPER_TEST_REQUIRE names %s", feature)
	}
	t.Skip("only root can mount a small disk to fill up")
}

// On a disk that is full nothing is spoiled, and all that matters is there once it has
// room again.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	needsRoot(t, "mount")
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"); err != nil {
		t.Skipf("cannot mount here: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	s := Store{Dir: filepath.Join(dir, "keeper")}
	l := openLog(t, s)
	ballast := filepath.Join(dir, "ballast")
	put(t, ballast, strings.Repeat("x", 128<<10))
	var err error
	n := 0
	for ; err == nil; n++ {
		err = l.Append(noon, said(n))
	}
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), s.logDir()) {
		t.Fatalf("got %v", err)
	}
	alert := core.Entry{At: noon, Kind: core.EntryAlert, What: "an alert"}
	if err := l.Append(noon, alert); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("got %v", err)
	}
	if what, damage := scanned(t, s); damage != nil || len(what) != n-1 {
		t.Errorf("while it is full: %d entries of %d, damage %q", len(what), n-1, damage)
	}
	if _, err := s.OpenLog(noon); err != nil { // it can be opened, and has nothing to say yet
		t.Error(err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	add(t, l, said(n))
	what, damage := scanned(t, s)
	if damage != nil || len(what) != n+3 || what[n-1] != fmt.Sprint("entry ", n-1) || what[n] != "an alert" || !strings.Contains(what[n+1], "0 entries were lost") {
		t.Errorf("afterwards: %q, damage %q", what[n-2:], damage)
	}
}

func TestReadOnlyDisk(t *testing.T) {
	t.Parallel()
	needsRoot(t, "mount")
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, ""); err != nil {
		t.Skipf("cannot mount here: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	s := Store{Dir: filepath.Join(dir, "keeper")}
	l := openLog(t, s)
	add(t, l, said(0))
	_ = l.Close() // a file that is open for writing would keep the mount from turning
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	l = openLog(t, s)
	if err := l.Append(noon, said(1)); !errors.Is(err, syscall.EROFS) {
		t.Errorf("got %v", err)
	}
	if what, damage := scanned(t, s); len(what) != 1 || damage != nil {
		t.Errorf("it cannot be read: %q, %q", what, damage)
	}
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT, ""); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil { // the last try
		t.Error(err)
	}
	if what, damage := scanned(t, s); len(what) != 3 || !slices.Contains(what, "entry 1") || damage != nil {
		t.Errorf("afterwards: %q, %q", what, damage)
	}
}

// A write that ends half-way is taken back, or, where that fails too, ended by the next.
func TestHalfAWrite(t *testing.T) {
	t.Parallel()
	for _, readonly := range []bool{false, true} {
		s := store(t)
		l := openLog(t, s)
		add(t, l, said(0))
		l.put = func(f *os.File, data []byte) (int, error) {
			n, err := f.Write(data[:len(data)/2])
			if err != nil {
				t.Error(err)
			}
			if readonly { // so that Truncate fails
				_ = f.Close()
			}
			return n, syscall.ENOSPC
		}
		if err := l.Append(noon, said(1)); !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("got %v", err)
		}
		l.put = (*os.File).Write
		add(t, l, said(2))
		what, damage := scanned(t, s)
		for n := range 3 {
			if !slices.Contains(what, fmt.Sprint("entry ", n)) {
				t.Errorf("entry %d is lost: %q", n, what)
			}
		}
		if (len(damage) > 0) != readonly {
			t.Errorf("damage %q", damage)
		}
	}
}

// A writer that was killed half-way spoils no line of one that goes on.
func TestHalfALineOfAnother(t *testing.T) {
	t.Parallel()
	s := store(t)
	l := openLog(t, s)
	add(t, l, said(0))
	f, err := os.OpenFile(filepath.Join(s.logDir(), "0000000001.log"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	half := encode(said(1), noon)[:40]
	if _, err := f.Write(half); err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	add(t, l, said(2))
	want := []string{"entry 0", "entry 2"}
	if what, damage := scanned(t, s); !slices.Equal(what, want) || len(damage) != 1 || !strings.Contains(damage[0], "41 bytes in 1 places") {
		t.Errorf("got %q, %q", what, damage)
	}
}

// A reader that comes in the middle of a write waits for its end.
func TestReaderWaitsForTheLine(t *testing.T) {
	t.Parallel()
	s := store(t)
	l := openLog(t, s)
	add(t, l, said(0))
	halfway, on := make(chan bool), make(chan bool)
	l.put = func(f *os.File, data []byte) (int, error) {
		n, err := f.Write(data[:20])
		close(halfway)
		<-on
		m, merr := f.Write(data[20:])
		return n + m, errors.Join(err, merr)
	}
	done := make(chan error)
	go func() { done <- l.Append(noon, said(1)) }()
	<-halfway
	read := make(chan int)
	go func() {
		what, _ := scanned(t, s)
		read <- len(what)
	}()
	go func() { // the reader has most probably come to the end by then; if not, it has nothing to wait for
		time.Sleep(20 * time.Millisecond)
		close(on)
	}()
	if n := <-read; n != 2 {
		t.Errorf("%d entries were read", n)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A writer that was stopped with the lock keeps the others from writing, and not from
// going on.
func TestLockThatIsNeverLeft(t *testing.T) {
	t.Parallel()
	s := store(t)
	l := openLog(t, s)
	add(t, l, said(0))
	unlock, err := s.lock(2 * time.Second)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := l.Append(noon, said(1)); err == nil || !strings.Contains(err.Error(), "lock") {
		t.Errorf("got %v", err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
	if what, _ := scanned(t, s); len(what) != 1 {
		t.Errorf("a reader sees %q", what)
	}
	unlock()
	add(t, l)
	if what, _ := scanned(t, s); len(what) != 3 {
		t.Errorf("afterwards %q", what)
	}
}

// What cannot be made a line of does not hold up what comes behind it.
func TestEntriesThatCannotBeKept(t *testing.T) {
	t.Parallel()
	s := store(t)
	l := openLog(t, s)
	old := said(1)
	old.At = time.Date(12026, 1, 1, 0, 0, 0, 0, time.UTC) // JSON knows no such year
	long := said(2)
	long.Why = strings.Repeat("x", 2*lineSize)
	add(t, l, old, long, said(3))
	what, damage := scanned(t, s)
	want := []string{"an entry could not be kept: entry 1", "an entry could not be kept: entry 2", "entry 3"}
	if !slices.Equal(what, want) || damage != nil {
		t.Errorf("got %q, %q", what, damage)
	}
	longest := said(4)
	for pad := lineSize - 200; pad < lineSize; pad += 7 {
		longest.Why = strings.Repeat("x", pad)
		add(t, l, longest)
	}
	if _, damage := scanned(t, s); damage != nil {
		t.Errorf("what was written cannot be read: %q", damage)
	}
}

// What is kept in memory is bounded in number and size, and what matters is kept.
func TestWhatIsLeftIsBounded(t *testing.T) {
	t.Parallel()
	s := store(t)
	l := openLog(t, s)
	l.put = func(*os.File, []byte) (int, error) { return 0, syscall.ENOSPC }
	fail := func(e core.Entry) {
		t.Helper()
		if err := l.Append(noon, e); !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("got %v", err)
		}
	}
	big := said(0)
	big.Why = strings.Repeat("x", 100_000)
	for range 40 {
		fail(big)
	}
	for n := range 900 {
		i := core.Incident{ID: fmt.Sprint(n % 3), Began: noon, Returns: n}
		fail(core.Entry{At: noon, Kind: core.EntryIncident, What: fmt.Sprint(n), Incident: &i})
	}
	size := 0
	for _, e := range l.left {
		size += len(e.data)
	}
	if len(l.left) > mostLeft || size > mostLeftBytes {
		t.Errorf("%d entries of %d bytes are kept", len(l.left), size)
	}
	l.put = (*os.File).Write
	add(t, l)
	list, _, err := s.Incidents()
	if err != nil || len(list) != 3 || list[0].Returns+list[1].Returns+list[2].Returns != 899+898+897 {
		t.Errorf("got %+v, %v", list, err)
	}
	what, _ := scanned(t, s)
	last, kept := what[len(what)-1], 0
	for _, w := range what {
		if w == "entry 0" {
			kept++
		}
	}
	if !strings.Contains(last, fmt.Sprintf("; %d entries were lost", 40-kept)) {
		t.Errorf("of 40 entries %d were kept, and it says %q", kept, last)
	}
}

// Whatever has the name of a segment, nobody waits for it, follows it, or removes it.
func TestStrangeFiles(t *testing.T) {
	t.Parallel()
	for name, make := range map[string]func(path string) error{
		"pipe":      func(p string) error { return syscall.Mkfifo(p, 0o600) },
		"directory": func(p string) error { return os.Mkdir(p, 0o700) },
		"link":      func(p string) error { return os.Symlink("/dev/zero", p) },
		"sparse":    func(p string) error { return errors.Join(os.WriteFile(p, nil, 0o600), os.Truncate(p, 1<<40)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := store(t)
			l := openLog(t, s)
			add(t, l, said(0))
			strange := filepath.Join(s.logDir(), "0000000002.log")
			if err := make(strange); err != nil {
				t.Skip(err)
			}
			add(t, l, said(1))
			other, err := s.OpenLog(noon)
			if err != nil {
				t.Fatal(err)
			}
			defer other.Close()
			add(t, other, said(2))
			what, damage := scanned(t, s)
			if !slices.Contains(what, "entry 1") || !slices.Contains(what, "entry 2") || len(damage) != 1 || !strings.Contains(damage[0], strange) {
				t.Errorf("got %q, %q", what, damage)
			}
			if list, _, err := s.Incidents(); err != nil || len(list) != 0 {
				t.Errorf("%v, %v", list, err)
			}
			if _, err := os.Lstat(strange); err != nil {
				t.Error(err)
			}
		})
	}
}

// The directory is taken away and comes back empty while the log is open.
func TestHistoryRemoved(t *testing.T) {
	t.Parallel()
	s := store(t)
	l, other := openLog(t, s), openLog(t, s)
	add(t, l, said(0))
	if err := os.RemoveAll(s.Dir); err != nil {
		t.Fatal(err)
	}
	add(t, other, said(1))
	add(t, l, said(2))
	if what, damage := scanned(t, s); !slices.Equal(what, []string{"entry 1", "entry 2"}) || damage != nil {
		t.Errorf("got %q, %q", what, damage)
	}
}

// What would do something to a terminal is not handed out.
func TestControlCharacters(t *testing.T) {
	t.Parallel()
	s := store(t)
	l := openLog(t, s)
	e := said(0)
	e.What = "a\x1b[2Jb\x00\u202ec\nd"
	e.Incident = &core.Incident{ID: "x", Symptoms: []core.Symptom{{What: "\x07"}}, Began: noon}
	plain := said(1)
	plain.What = `Grüße, "a" <b> & \ 日本`
	add(t, l, e, plain)
	var got []core.Entry
	if _, err := s.Scan(time.Time{}, func(e core.Entry) bool { got = append(got, e); return true }); err != nil {
		t.Fatal(err)
	}
	if got[0].What != "a\uFFFD[2Jb\uFFFD\uFFFDc d" || got[0].Incident.Symptoms[0].What != "\uFFFD" || !got[0].Incident.Began.Equal(noon) || got[1].What != plain.What {
		t.Errorf("got %q, %+v, %q", got[0].What, got[0].Incident, got[1].What)
	}
	deep := []byte(`{"kind":"x","units":` + strings.Repeat("[", 200_000))
	if _, ok := decode(deep); ok {
		t.Error("that was taken for an entry")
	}
}

// A clock that leaps years ahead costs one segment for each that is begun, and no
// incident.
func TestClockLeaps(t *testing.T) {
	t.Parallel()
	s := store(t)
	l := openLog(t, s)
	l.size = 1000
	i := core.Incident{ID: "x", Began: noon}
	add(t, l, core.Entry{At: noon, Kind: core.EntryIncident, Incident: &i})
	for n := range 100 {
		add(t, l, said(n))
	}
	names, _ := s.segments()
	for k, name := range names[:len(names)-1] {
		at := noon.Add(time.Duration(k) * time.Minute)
		if err := os.Chtimes(filepath.Join(s.logDir(), name), at, at); err != nil {
			t.Fatal(err)
		}
	}
	future := noon.AddDate(70, 0, 0)
	if err := os.Chtimes(filepath.Join(s.logDir(), names[len(names)-1]), future, future); err != nil {
		t.Fatal(err)
	}
	if err := s.prune(logSize, names[len(names)-1]); err != nil {
		t.Fatal(err)
	}
	if after, _ := s.segments(); len(after) != len(names)-1 {
		t.Errorf("%d segments of %d are left", len(after), len(names))
	}
	if list, _, err := s.Incidents(); err != nil || len(list) != 1 {
		t.Errorf("the incident is forgotten: %v, %v", list, err)
	}
}

// Several processes write at once, some are killed in the middle: no line is mixed up
// with another.
func TestSeveralProcesses(t *testing.T) {
	t.Parallel()
	if dir := os.Getenv("KEEPER_TEST_WRITER"); dir != "" {
		l, err := Store{Dir: dir}.OpenLog(noon)
		if err != nil {
			t.Fatal(err)
		}
		l.size = 20_000
		for n := range 300 {
			if err := l.Append(noon, said(n), said(n)); err != nil {
				t.Fatal(err)
			}
		}
		return
	}
	s := store(t)
	var all []*exec.Cmd
	for range 4 {
		c := exec.Command(os.Args[0], "-test.run=^TestSeveralProcesses$")
		c.Env = append(os.Environ(), "KEEPER_TEST_WRITER="+s.Dir)
		c.Stdout, c.Stderr = io.Discard, os.Stderr
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	victim := exec.Command(os.Args[0], "-test.run=^TestSeveralProcesses$")
	victim.Env = append(os.Environ(), "KEEPER_TEST_WRITER="+s.Dir)
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Duration(5+rand.IntN(30)) * time.Millisecond) // wherever that finds it
	_ = victim.Process.Kill()
	_ = victim.Wait()
	for _, c := range all {
		if err := c.Wait(); err != nil {
			t.Error(err)
		}
	}
	what, damage := scanned(t, s)
	if len(what) < 4*600 || len(damage) > 1 {
		t.Errorf("%d entries, damage %q", len(what), damage)
	}
}
