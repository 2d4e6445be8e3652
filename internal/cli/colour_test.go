package cli

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"keeper/internal/control"
	"keeper/internal/core"
	"keeper/internal/term"
)

// terminal returns both ends of a pseudo-terminal (pty(7)): what is written to
// tty can be read from master.
func terminal(t *testing.T) (master, tty *os.File) {
	t.Helper()
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Skipf("there are no pseudo-terminals here: %v", err)
	}
	master = os.NewFile(uintptr(fd), "/dev/ptmx")
	t.Cleanup(func() { _ = master.Close() })
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if tty, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Skipf("there are no pseudo-terminals here: %v", err)
	}
	t.Cleanup(func() { _ = tty.Close() })
	return master, tty
}

// onTerminal runs keeper on a terminal and returns what is seen there.
func onTerminal(t *testing.T, args ...string) (string, int) {
	t.Helper()
	master, tty := terminal(t)
	var talk bytes.Buffer
	code := Main(t.Context(), args, term.IO{Out: tty, Err: &talk})
	if err := tty.Close(); err != nil {
		t.Fatal(err)
	}
	// With the other end closed, what is left comes first, and then EIO.
	seen, _ := io.ReadAll(master)
	if talk.Len() > 0 {
		t.Logf("stderr: %s", &talk)
	}
	return strings.ReplaceAll(string(seen), "\r\n", "\n"), code
}

// Not parallel: it sets the environment.
func TestColours(t *testing.T) {
	work := t.TempDir()
	runtime, err := os.MkdirTemp("", "keeper-cli") // short, for the socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(runtime) })
	for key, v := range map[string]string{"XDG_STATE_HOME": work, "HOME": work, "XDG_RUNTIME_DIR": runtime, "NO_COLOR": "", "TERM": "xterm"} {
		t.Setenv(key, v)
	}
	if err := os.Mkdir(filepath.Join(runtime, "keeper"), 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(runtime, "keeper", "keeper.sock"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	st := control.Status{Version: 1, User: "alice", UID: 1000, Linger: control.Linger{State: core.LingerOn},
		Rearm: control.Rearm{WhyNot: "not today"}, Problems: []control.Problem{{What: "something", Try: "to type"}}}
	go func() {
		ended <- control.Server{UID: os.Getuid(), Status: func(context.Context) (control.Status, error) { return st, nil }}.Serve(ctx, l)
	}()
	t.Cleanup(func() { cancel(); <-ended })

	const red, green, plain = "\x1b[1;31m", "\x1b[32m", "\x1b[0m"
	want := "not all is well for alice (uid 1000)\n\n  ! something\n    type: to type\n\nlinger  on\nrearm   not armed: not today\n" +
		"root    not installed: SIGKILL of the user manager, and its exit with a login session open, stay fatal (keeper doctor)\n" +
		"daemon  , pid 0\n\nno units made by Quadlet (~/.config/containers/systemd)\n"
	painted := strings.NewReplacer("not all is well", red+"not all is well"+plain, "!", red+"!"+plain,
		"linger  on", "linger  "+green+"on"+plain, "not armed", red+"not armed"+plain).Replace(want)
	check := func(name, want string, args ...string) {
		t.Helper()
		if got, code := onTerminal(t, args...); code != term.ExitDegraded || got != want {
			t.Errorf("%s: exit code %d,\ngot  %q\nwant %q", name, code, got, want)
		}
	}
	check("on a terminal", painted, "status")
	t.Setenv("TERM", "dumb")
	check("on a terminal that knows no colours", want, "status")
	t.Setenv("TERM", "xterm")
	t.Setenv("NO_COLOR", "1")
	check("for somebody who wants none", want, "status")
	t.Setenv("NO_COLOR", "")
	if got, _ := onTerminal(t, "status", "--json"); strings.Contains(got, "\x1b") {
		t.Errorf("JSON with colours: %q", got)
	}
	var out bytes.Buffer
	if code := Main(t.Context(), []string{"status"}, term.IO{Out: &out, Err: io.Discard}); code != term.ExitDegraded || out.String() != want {
		t.Errorf("not on a terminal: exit code %d, %q", code, &out)
	}
}

func TestAgo(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_700_000_000, 0)
	for d, want := range map[time.Duration]string{
		-time.Hour: "0s", 0: "0s", 59*time.Second + 999*time.Millisecond: "59s", time.Minute: "1m00s", 59*time.Minute + 59*time.Second: "59m59s",
		time.Hour: "1h00m", 47*time.Hour + 59*time.Minute: "47h59m", 48 * time.Hour: "2d", 1000 * time.Hour: "41d",
	} {
		if got := (renderer{now: now}).ago(now.Add(-d)); got != want {
			t.Errorf("%s ago reads %q, want %q", d, got, want)
		}
	}
	if got := (renderer{now: now}).ago(time.Time{}); got != "-" {
		t.Errorf("never reads %q", got)
	}
}
