package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"keeper/internal/control"
	"keeper/internal/core"
	"keeper/internal/history"
	"keeper/internal/metrics"
	"keeper/internal/term"
)

func TestMain(m *testing.M) {
	getuid = func() int { return max(1, os.Getuid()) } // root has no stack of its own
	testscript.Main(m, map[string]func(){"keeper": func() {
		// As cmd/keeper has it.
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		code := Main(ctx, os.Args[1:], term.IO{Out: os.Stdout, Err: os.Stderr})
		stop()
		os.Exit(code)
	}, "keeper-adopt": echoed, "keeper-guard": echoed})
}

// echoed is a program that keeper becomes: it says with which words.
func echoed() {
	fmt.Println(os.Args[1:])
	os.Exit(7)
}

// TestScript runs the transcripts in testdata/script. Besides what testscript
// knows, they may use:
//
//	exits CODE PROGRAM [ARGS...]   runs it, and wants this exit code and no other
//	json FILE PATH [VALUE]         wants the JSON value at PATH (a.b.0.c) in FILE, or any
//	! json FILE PATH               wants none there
//	jsoncmp FILE1 FILE2            wants the same JSON in both
//	daemon FILE [NEXT...]          answers on keeper's socket with the status in FILE, and,
//	                               once it was told to restart or resume a service, with
//	                               each NEXT after it; what it was told goes to $WORK/told.
//	                               It refuses to do anything with the service "refused"
//	manager                        has a user manager that accepts, and says nothing
//	daemon -fail TEXT              answers on keeper's socket that it cannot
//	past FILE                      has the entries in FILE, a line of JSON each, in the history
//	alone PROGRAM                  copies it to $WORK/alone, without what is beside it
func TestScript(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Setup: func(e *testscript.Env) error {
			e.Setenv("HOME", filepath.Join(e.WorkDir, "home"))
			e.Setenv("XDG_STATE_HOME", filepath.Join(e.WorkDir, "state"))
			e.Setenv("XDG_RUNTIME_DIR", filepath.Join(e.WorkDir, "run"))
			e.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path="+filepath.Join(e.WorkDir, "no-bus"))
			e.Setenv("TZ", "UTC")
			e.Setenv("UID", strconv.Itoa(os.Getuid()))
			return os.MkdirAll(filepath.Join(e.WorkDir, "run"), 0o700)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": cmdExits, "json": cmdJSON, "jsoncmp": cmdJSONCmp, "daemon": cmdDaemon, "manager": cmdManager, "alone": cmdAlone,
			"past": cmdPast,
		},
		RequireUniqueNames: true,
	})
}

// patience is far more than any command may take that has nobody to talk to.
const patience = 20 * time.Second

func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM [ARGS...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	begun := time.Now()
	err = ts.Exec(args[1], args[2:]...)
	code := 0
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		code = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%s could not be run: %v", args[1], err)
	}
	if code != want {
		ts.Fatalf("%s: exit code %d, want %d", strings.Join(args[1:], " "), code, want)
	}
	if took := time.Since(begun); took > patience {
		ts.Fatalf("%s: it took %s", strings.Join(args[1:], " "), took)
	}
}

func parseJSON(ts *testscript.TestScript, file string) any {
	var v any
	if err := json.Unmarshal([]byte(ts.ReadFile(file)), &v); err != nil {
		ts.Fatalf("%s is no JSON: %v", file, err)
	}
	return v
}

func cmdJSON(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 || len(args) > 3 || neg && len(args) == 3 {
		ts.Fatalf("usage: [!] json FILE PATH [VALUE]")
	}
	v, found := parseJSON(ts, args[0]), true
	for key := range strings.SplitSeq(args[1], ".") {
		switch in := v.(type) {
		case map[string]any:
			v, found = in[key]
		case []any:
			i, err := strconv.Atoi(key)
			if found = err == nil && i >= 0 && i < len(in); found {
				v = in[i]
			}
		default:
			found = false
		}
		if !found {
			break
		}
	}
	switch got := fmt.Sprint(v); {
	case neg && found:
		ts.Fatalf("%s is %s, and should not be there", args[1], got)
	case !neg && !found:
		ts.Fatalf("there is no %s", args[1])
	case len(args) == 3 && got != args[2]:
		ts.Fatalf("%s is %q, want %q", args[1], got, args[2])
	}
}

func cmdJSONCmp(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: jsoncmp FILE1 FILE2")
	}
	if a, b := parseJSON(ts, args[0]), parseJSON(ts, args[1]); !reflect.DeepEqual(a, b) {
		ts.Fatalf("%s and %s differ:\n%v\n%v", args[0], args[1], a, b)
	}
}

// cmdDaemon serves in this process until the script ends.
func cmdDaemon(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: daemon FILE [NEXT...], or daemon -fail TEXT")
	}
	srv := control.Server{UID: os.Getuid(), Status: func(context.Context) (control.Status, error) { return control.Status{}, errors.New(args[1]) }}
	if args[0] != "-fail" {
		d := &daemon{told: ts.MkAbs("told")}
		for _, file := range args {
			var st control.Status
			ts.Check(json.Unmarshal([]byte(ts.ReadFile(file)), &st))
			d.statuses = append(d.statuses, st)
		}
		srv.Status, srv.Changes, srv.Restart, srv.Resume = d.status, &d.changes, d.do("restart"), d.do("resume")
	}
	path := filepath.Join(ts.Getenv("XDG_RUNTIME_DIR"), "keeper", "keeper.sock")
	l, err := control.Listen(path)
	ts.Check(err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	srv.Metrics = metrics.Handler(func(ctx context.Context) (metrics.Snapshot, error) {
		st, err := srv.Status(ctx)
		return metrics.Snapshot{Status: st}, err
	})
	go func() { ended <- srv.Serve(ctx, l) }()
	ts.Defer(func() {
		cancel()
		if err := <-ended; err != nil {
			ts.Logf("the daemon ended with: %v", err)
		}
	})
}

// daemon says one status after another once it was told something.
type daemon struct {
	told    string
	changes control.Changes

	mu       sync.Mutex
	statuses []control.Status
	goes     bool
}

func (d *daemon) status(context.Context) (control.Status, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	st := d.statuses[0]
	if d.goes && len(d.statuses) > 1 {
		d.statuses = d.statuses[1:]
		d.changes.Tell()
	}
	return st, nil
}

func (d *daemon) do(what string) func(context.Context, string) error {
	return func(_ context.Context, unit string) error {
		if unit == "refused.service" {
			return fmt.Errorf("%w: the machine goes down", control.ErrRefused)
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		d.goes = true
		f, err := os.OpenFile(d.told, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(f, what, unit)
		return errors.Join(err, f.Close())
	}
}

// cmdManager listens where a user manager would, until the script ends.
func cmdManager(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: manager")
	}
	dir := filepath.Join(ts.Getenv("XDG_RUNTIME_DIR"), "systemd")
	ts.Check(os.MkdirAll(dir, 0o700))
	l, err := net.Listen("unix", filepath.Join(dir, "private"))
	ts.Check(err)
	// The kernel takes the connections; nobody has to accept them.
	ts.Defer(func() { _ = l.Close() })
}

func cmdPast(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: past FILE")
	}
	log, err := history.Store{Dir: filepath.Join(ts.Getenv("XDG_STATE_HOME"), "keeper")}.OpenLog(time.Now())
	ts.Check(err)
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		var e core.Entry
		ts.Check(json.Unmarshal([]byte(line), &e))
		ts.Check(log.Append(time.Now(), e))
	}
	ts.Check(log.Close())
}

func cmdAlone(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: alone PROGRAM")
	}
	for dir := range strings.SplitSeq(ts.Getenv("PATH"), string(os.PathListSeparator)) {
		data, err := os.ReadFile(filepath.Join(dir, args[0]))
		if err != nil {
			continue
		}
		ts.Check(os.MkdirAll(ts.MkAbs("alone"), 0o700))
		ts.Check(os.WriteFile(filepath.Join(ts.MkAbs("alone"), args[0]), data, 0o700))
		return
	}
	ts.Fatalf("there is no %s", args[0])
}
