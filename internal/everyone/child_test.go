package everyone

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// nobody is whom children become in tests that root runs.
const nobody = 65534

func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch {
		case os.Args[1] == ChildCommand && os.Getuid() == 0:
			fmt.Fprintln(os.Stderr, Become(os.Args[2:]))
			os.Exit(1)
		case os.Args[1] == ChildCommand:
			fake(os.Args[6:])
		case strings.HasPrefix(os.Args[1], "fake-"):
			fake(os.Args[1:])
		}
	}
	os.Exit(m.Run())
}

// fake is what a child does, in place of keeper.
func fake(args []string) {
	switch args[0] {
	case "fake-says":
		fmt.Print(args[1])
	case "fake-ill":
		fmt.Print("{}")
		os.Exit(3)
	case "fake-complains":
		fmt.Fprintf(os.Stderr, "first\nlast\x1b[2J\n")
		os.Exit(1)
	case "fake-hangs":
		fmt.Print("half")
		time.Sleep(time.Hour)
	case "fake-stops":
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	case "fake-dies":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		time.Sleep(time.Hour)
	case "fake-floods":
		for {
			if _, err := os.Stdout.WriteString(strings.Repeat("x", 1<<16)); err != nil {
				os.Exit(1)
			}
		}
	case "fake-floods-stderr":
		fmt.Print("well")
		_, _ = io.Copy(os.Stderr, io.LimitReader(zeros{}, 1<<20))
	case "fake-leaves", "fake-escapes":
		// Somebody who has its pipes lives on, in its group or out of it.
		cmd := exec.Command("sleep", "30")
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: args[0] == "fake-escapes"}
		if err := cmd.Start(); err != nil {
			panic(err)
		}
		fmt.Print(cmd.Process.Pid)
	case "fake-who":
		groups, _ := os.Getgroups()
		dir, _ := os.Getwd()
		sid, _ := unix.Getsid(0)
		_, tty := os.Open("/dev/tty")
		root := syscall.Setuid(0) == nil
		fmt.Println("uid", os.Getuid(), os.Geteuid(), "gid", os.Getgid(), os.Getegid(), "groups", groups, "in", dir, "leader", sid == os.Getpid(), "tty", tty == nil, "root", root)
		fmt.Println(strings.Join(os.Environ(), " "))
		for fd := 0; fd < 100; fd++ {
			if to, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd)); err == nil && strings.Contains(to, "leak") {
				fmt.Println("open:", to)
			}
		}
	}
	os.Exit(0)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func ask(t *testing.T, limit time.Duration, args ...string) (reply, time.Duration) {
	t.Helper()
	begun := time.Now()
	r := child{account: Account{Name: "app", UID: nobody, GID: nobody, Home: "/home/app"}, groups: []uint32{nobody, 4}, args: args, limit: limit, program: self}.ask(t.Context())
	return r, time.Since(begun)
}

func TestChild(t *testing.T) {
	t.Parallel()
	const plenty = 20 * time.Second
	for name, tt := range map[string]struct {
		args  []string
		limit time.Duration
		out   string
		code  int
		err   string
	}{
		"says":          {[]string{"fake-says", "well"}, plenty, "well", 0, ""},
		"is ill":        {[]string{"fake-ill"}, plenty, "{}", 3, ""},
		"complains":     {[]string{"fake-complains"}, plenty, "", 1, ""},
		"hangs":         {[]string{"fake-hangs"}, time.Second, "half", 0, "did not answer within 1s"},
		"stops itself":  {[]string{"fake-stops"}, time.Second, "", 0, "did not answer within 1s"},
		"dies":          {[]string{"fake-dies"}, plenty, "", 0, "signal: killed"},
		"floods":        {[]string{"fake-floods"}, plenty, "", 0, "more than 4194304 bytes"},
		"floods stderr": {[]string{"fake-floods-stderr"}, plenty, "well", 0, ""},
		"leaves one":    {[]string{"fake-leaves"}, plenty, "pid", 0, ""},
		"one escapes":   {[]string{"fake-escapes"}, plenty, "pid", 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, took := ask(t, tt.limit, tt.args...)
			if took > 15*time.Second {
				t.Errorf("it took %s", took)
			}
			if tt.err == "" && r.err != nil || tt.err != "" && (r.err == nil || !strings.Contains(r.err.Error(), tt.err)) {
				t.Errorf("%v, want %q", r.err, tt.err)
			}
			pid := 0
			if tt.out == "pid" {
				if _, err := fmt.Sscan(string(r.out), &pid); err != nil {
					t.Fatalf("%q: %v", r.out, err)
				}
			} else if tt.args[0] != "fake-floods" && string(r.out) != tt.out {
				t.Errorf("it said %q, want %q", r.out, tt.out)
			}
			if r.code != tt.code || len(r.out) > maxAnswer+1 || len(r.complaint) > maxComplaint+1 {
				t.Errorf("code %d, want %d; %d and %d bytes", r.code, tt.code, len(r.out), len(r.complaint))
			}
			switch tt.args[0] {
			case "fake-leaves": // its group ends with it
				for limit := time.Now().Add(10 * time.Second); syscall.Kill(pid, 0) == nil && !zombie(pid); time.Sleep(10 * time.Millisecond) {
					if time.Now().After(limit) {
						t.Fatal("what it left lives")
					}
				}
			case "fake-escapes":
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		})
	}
}

func zombie(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || strings.Contains(string(stat), ") Z ")
}

// The child is the account, and has nothing of root's.
func TestBecome(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can become another")
	}
	leak, err := os.Create(t.TempDir() + "/leak")
	if err != nil {
		t.Fatal(err)
	}
	defer leak.Close()
	// As a descriptor that root's command was started with, and did not open.
	if _, err := unix.FcntlInt(leak.Fd(), unix.F_SETFD, 0); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SECRET", "of root")
	r, _ := ask(t, 20*time.Second, "fake-who")
	want := fmt.Sprintf("uid %d %[1]d gid %[1]d %[1]d groups [4 %[1]d] in / leader true tty false root false\n"+
		"HOME=/home/app USER=app LOGNAME=app PATH=/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin LANG=C.UTF-8 XDG_RUNTIME_DIR=/run/user/%[1]d\n", nobody)
	if r.err != nil || string(r.out) != want {
		t.Errorf("%v\n%s%swant\n%s", r.err, r.out, r.complaint, want)
	}
	r = child{account: Account{UID: 0, Home: "/"}, args: []string{"fake-who"}, limit: 20 * time.Second, program: self}.ask(t.Context())
	if r.code != 1 || len(r.out) > 0 || !strings.Contains(string(r.complaint), "root is nobody to become") {
		t.Errorf("root became %+v", r)
	}
}

func TestParseBecome(t *testing.T) {
	t.Parallel()
	uid, gid, groups, command, err := parseBecome([]string{"1000", "100", "100,27", "--", "status", "--json"})
	if err != nil || uid != 1000 || gid != 100 || !slices.Equal(groups, []int{100, 27}) || !slices.Equal(command, []string{"status", "--json"}) {
		t.Error(uid, gid, groups, command, err)
	}
	if _, _, groups, _, err = parseBecome([]string{"1000", "100", "", "--", "status"}); err != nil || groups == nil || len(groups) > 0 {
		t.Error("no groups:", groups, err) // nil would leave root's
	}
	for _, line := range []string{"", "1000 100 100 --", "1000 100 100 status --json", "0 100 100 -- x", "-1 100 100 -- x", "4294967295 100 100 -- x", "a 100 100 -- x", "1000 b 100 -- x", "1000 100 c -- x"} {
		if _, _, _, _, err := parseBecome(strings.Fields(line)); err == nil {
			t.Errorf("%q is taken", line)
		}
	}
}

func TestInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	r := child{account: Account{UID: nobody, GID: nobody, Home: "/"}, args: []string{"fake-hangs"}, limit: time.Hour, program: self}.ask(ctx)
	if !errors.Is(r.err, context.DeadlineExceeded) {
		t.Error(r.err)
	}
}

func TestNoProgram(t *testing.T) {
	t.Parallel()
	r := child{account: Account{UID: nobody, GID: nobody, Home: "/"}, args: []string{"x"}, limit: time.Hour, program: "/nowhere"}.ask(t.Context())
	if !errors.Is(r.err, os.ErrNotExist) {
		t.Error(r.err)
	}
}

func TestTrusted(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		mode uint32
		uid  uint32
		want string
	}{
		"a package's":     {unix.S_IFREG | 0o755, 0, ""},
		"set-uid":         {unix.S_IFREG | 0o4755, 0, ""},
		"an account's":    {unix.S_IFREG | 0o755, 1000, "belongs to uid 1000"},
		"a group's":       {unix.S_IFREG | 0o775, 0, "can be written by others"},
		"everybody's":     {unix.S_IFREG | 0o757, 0, "can be written by others"},
		"root's alone":    {unix.S_IFREG | 0o700, 0, "cannot be run by others"},
		"not even a file": {unix.S_IFDIR | 0o755, 0, "no file"},
	} {
		err := trusted("/x/keeper", unix.Stat_t{Mode: tt.mode, Uid: tt.uid})
		if (err == nil) != (tt.want == "") || err != nil && (!strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "/usr/bin/keeper")) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}
