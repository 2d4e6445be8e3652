package lab

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// MatrixOptions say what of the kill table is struck, and how.
type MatrixOptions struct {
	// Blows and Modes are struck; each blow in each mode where it can be.
	Blows []Blow
	Modes []Mode
	// Jobs is how many hosts stand side by side.
	Jobs int
	// Plain is how often a plain stop and start is measured on each host.
	Plain int
	// Clock allows the blows that set the clock of this machine. They are struck
	// last, one host at a time.
	Clock bool
	// Binary is the keeper program; if empty, the one beside this program.
	Binary string
	// Prefix begins the names of the hosts.
	Prefix string
	// Say receives progress.
	Say func(format string, args ...any)
}

// perHost is how many blows a host takes before a fresh one follows.
const perHost = 12

// smallDisk is the size of a /home that is a disk of its own, in MiB: the stack's
// images, and some room.
const smallDisk = 2048

// lot is what one host is to take.
type lot struct {
	n     int
	mode  Mode
	disk  int
	blows []Blow
}

// lots deals the blows out: those that set the clock, or all others.
func lots(o MatrixOptions, clock bool) []lot {
	var list []lot
	for _, m := range o.Modes {
		for _, disk := range []int{0, smallDisk} {
			var blows []Blow
			for _, b := range o.Blows {
				if b.Want(m) != None && b.Clock == clock && b.Disk == (disk > 0) {
					blows = append(blows, b)
				}
			}
			for part := range slices.Chunk(blows, perHost) {
				list = append(list, lot{n: len(list) + 1, mode: m, disk: disk, blows: part})
			}
		}
	}
	return list
}

// Matrix strikes the blows and returns what became of each, in the order of
// the table. What went wrong with one of them is in its row and ends nothing;
// the error is about what makes the whole senseless.
func Matrix(ctx context.Context, o MatrixOptions) ([]Row, error) {
	if o.Say == nil {
		o.Say = func(string, ...any) {}
	}
	var err error
	if o.Binary, err = Program(o.Binary); err != nil {
		return nil, err
	}
	if o.Clock {
		if err := alone(); err != nil {
			return nil, err
		}
	}
	rows := runLots(ctx, o, lots(o, false), o.Jobs)
	if o.Clock && ctx.Err() == nil {
		if err = alone(); err == nil {
			rows = append(rows, runLots(ctx, o, lots(o, true), 1)...)
		}
	}
	sortRows(rows, o.Blows)
	compareOff(rows)
	return rows, errors.Join(err, ctx.Err())
}

// runLots runs the lots on so many hosts side by side.
func runLots(ctx context.Context, o MatrixOptions, list []lot, jobs int) []Row {
	queue := make(chan lot)
	var (
		mu    sync.Mutex
		rows  []Row
		quiet sync.RWMutex
		wg    sync.WaitGroup
	)
	for range max(1, jobs) {
		wg.Go(func() {
			for l := range queue {
				r := runLot(ctx, o, l, &quiet)
				mu.Lock()
				rows = append(rows, r...)
				mu.Unlock()
			}
		})
	}
	for _, l := range list {
		select {
		case queue <- l:
		case <-ctx.Done():
		}
	}
	close(queue)
	wg.Wait()
	return rows
}

// alone refuses to set the clock of a machine on which other hosts are up: they
// have the same clock.
func alone() error {
	hosts, err := List()
	if err != nil {
		return err
	}
	if len(hosts) > 0 {
		return fmt.Errorf("blows that set the clock hit every host, and %s is up: keeper-lab down --name %s", hosts[0].Name, hosts[0].Name)
	}
	return nil
}

// runLot strikes the blows of a lot on one host. A host that is sick after a
// blow is replaced.
func runLot(ctx context.Context, o MatrixOptions, l lot, quiet *sync.RWMutex) []Row {
	var rows []Row
	var b *bench
	down := func() {
		if b != nil {
			quiet.RLock()
			defer quiet.RUnlock()
			if err := b.Down(); err != nil {
				o.Say("%v", err)
			}
			b = nil
		}
	}
	defer func() { down() }()
	for i, blow := range l.blows {
		if ctx.Err() != nil {
			return rows
		}
		if b == nil {
			var err error
			b, err = freshBench(ctx, o, fmt.Sprintf("%s-%d-%s-%d", o.Prefix, l.n, l.mode, i), l, quiet)
			if err != nil {
				row := Row{Blow: blow.ID, Group: blow.Group, Name: blow.Name, Mode: l.mode, Want: blow.Want(l.mode)}
				row.fail("no host: %v", err)
				rows = append(rows, row)
				o.Say("%s", row.line())
				continue
			}
		}
		row := b.strikeFairly(ctx, blow, quiet)
		rows = append(rows, row)
		o.Say("%s", row.line())
		quiet.RLock()
		err := b.heal(ctx)
		quiet.RUnlock()
		if err != nil {
			o.Say("host %s is replaced: %v", b.Name, firstLines(err.Error(), 1))
			down()
		}
	}
	return rows
}

// freshBench boots a host and measures a plain stop and start on it, while
// nothing else runs here.
func freshBench(ctx context.Context, o MatrixOptions, name string, l lot, quiet *sync.RWMutex) (*bench, error) {
	quiet.RLock()
	b, err := bootBench(ctx, Options{Name: name, Disk: l.disk}, l.mode, o.Binary)
	quiet.RUnlock()
	if err != nil {
		return nil, err
	}
	if o.Plain == 0 {
		return b, nil
	}
	quiet.Lock()
	defer quiet.Unlock()
	if err := b.measure(ctx, o.Plain); err != nil {
		return nil, errors.Join(err, b.Down())
	}
	return b, nil
}

// strikeFairly strikes once. Where nothing but the ratio is wrong, it strikes
// three times more while nothing else runs here, each time beside a plain stop
// and start of the same minute, and the median counts.
func (b *bench) strikeFairly(ctx context.Context, blow Blow, quiet *sync.RWMutex) Row {
	quiet.RLock()
	row := b.strike(ctx, blow)
	quiet.RUnlock()
	if !row.tooSlow() {
		return row
	}
	quiet.Lock()
	defer quiet.Unlock()
	var rows []Row
	for range 3 {
		if err := b.measure(ctx, 3); err != nil {
			row.fail("%v", err)
			return row
		}
		again := b.strike(ctx, blow)
		if !again.Pass && !again.tooSlow() {
			return again
		}
		rows = append(rows, again)
	}
	slices.SortFunc(rows, func(x, y Row) int { return cmp.Compare(x.Ratio, y.Ratio) })
	return rows[1]
}

// sortRows puts the rows into the order of the table, modes side by side.
func sortRows(rows []Row, table []Blow) {
	place := func(r Row) int {
		at := slices.IndexFunc(table, func(b Blow) bool { return b.ID == r.Blow })
		return at*len(Modes) + slices.Index(Modes, r.Mode)
	}
	slices.SortStableFunc(rows, func(x, y Row) int { return place(x) - place(y) })
}

// offNoise is how much longer than another shutdown one may take by chance.
const offNoise = 3 * time.Second

// compareOff compares how long the machine took to go down with keeper and with
// linger alone: keeper may cost no more than logind grants.
func compareOff(rows []Row) {
	alone := map[string]int64{}
	for _, r := range rows {
		if r.Mode == ModeLinger && r.Got == r.Want {
			alone[r.Blow] = r.OffMS
		}
	}
	for i := range rows {
		r := &rows[i]
		without, ok := alone[r.Blow]
		if !ok || r.Mode == ModeLinger || r.OffMS <= without+r.GrantMS+offNoise.Milliseconds() {
			continue
		}
		r.fail("the machine was held up: down after %s, after %s with linger alone, and %s are granted", seconds(r.OffMS), seconds(without), seconds(r.GrantMS))
		r.Pass = false
	}
}

// Failed returns the rows that are not as they must be.
func Failed(rows []Row) []Row {
	return slices.DeleteFunc(slices.Clone(rows), func(r Row) bool { return r.Pass })
}

// Versions returns what the hosts are made of.
func Versions(ctx context.Context, prefix string) (map[string]string, error) {
	h, err := Up(ctx, Options{Name: prefix + "-versions", Tied: true})
	if err != nil {
		return nil, err
	}
	v := map[string]string{}
	for name, argv := range map[string][]string{
		"systemd": {"sh", "-c", "systemctl --version | sed -n '1s/.*(\\(.*\\))/\\1/p'"},
		"podman":  {"sh", "-c", "podman --version | sed 's/.* //'"},
		"kernel":  {"uname", "-r"},
		"system":  {"sh", "-c", ". /etc/os-release; echo \"$PRETTY_NAME\""},
	} {
		out, oerr := h.Output(ctx, argv...)
		err = errors.Join(err, oerr)
		v[name] = strings.TrimSpace(out)
	}
	return v, errors.Join(err, h.Down())
}

// Program returns the keeper program that hosts get: the one named, or, if
// that is empty, the one beside this program.
func Program(binary string) (string, error) {
	if binary == "" {
		self, err := os.Executable()
		if err != nil {
			return "", err
		}
		binary = filepath.Join(filepath.Dir(self), "keeper")
	}
	if _, err := os.Stat(binary); err != nil {
		return "", fmt.Errorf("no keeper to install: %w (make build)", err)
	}
	return binary, nil
}

// Release is what the keeper program says of itself.
func Release(ctx context.Context, binary string) (string, error) {
	out, err := exec.CommandContext(ctx, binary, "version").Output()
	return strings.TrimPrefix(firstLines(strings.TrimSpace(string(out)), 1), "keeper "), err
}
