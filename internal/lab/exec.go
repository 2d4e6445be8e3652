package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Exec says how a command runs inside a host.
type Exec struct {
	// User is the account; root if empty.
	User string
	// Login runs the command by a login shell in a real PAM session: logind
	// announces it, and its removal at the end.
	Login bool

	Stdin          io.Reader
	Stdout, Stderr io.Writer
}

// Run runs the command inside the host and returns its exit status as
// *exec.ExitError does.
func (h *Host) Run(ctx context.Context, e Exec, argv ...string) error {
	cmd, err := h.start(ctx, e, argv...)
	if err != nil {
		return err
	}
	return cmd.Wait()
}

// start starts the command inside the host. It is moved into a cgroup below
// the host's own first: logind refuses callers from elsewhere.
func (h *Host) start(ctx context.Context, e Exec, argv ...string) (*exec.Cmd, error) {
	if len(argv) == 0 {
		return nil, errors.New("no command given")
	}
	inner, err := e.wrap(argv)
	if err != nil {
		return nil, err
	}
	leader, err := h.leader()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(h.cgroup, "payload", "lab.exec")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("host %s is not up: %w", h.Name, err)
	}
	cg, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer cg.Close()
	enter := []string{"-t", strconv.Itoa(leader), "-m", "-u", "-i", "-n", "-p", "-C", "--"}
	cmd := exec.CommandContext(ctx, "nsenter", append(enter, inner...)...)
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8", "TERM=" + os.Getenv("TERM")}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = e.Stdin, e.Stdout, e.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(cg.Fd()), Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	// A command that was killed may leave children that hold its output open.
	cmd.WaitDelay = 2 * time.Second
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("cannot enter host %s: %w", h.Name, err)
	}
	go keepGoing(cmd.Process.Pid)
	return cmd, nil
}

// keepGoing continues nsenter whenever it stops itself, until it ends. A
// machine that goes down stops all processes before it kills them; nsenter
// would follow its child's example, never bury it, and hold up the shutdown.
func keepGoing(pid int) {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WSTOPPED, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || syscall.Kill(pid, syscall.SIGCONT) != nil {
			return
		}
	}
}

// wrap returns the command line that becomes the wanted user.
func (e Exec) wrap(argv []string) ([]string, error) {
	user := e.User
	if e.Login {
		if user == "" {
			user = "root"
		}
		// PID 1 opens the PAM session, and nothing stands between it and the
		// shell: su and runuser would hold up the end of their session for two
		// seconds. The class is what pam_systemd takes from sshd or a terminal;
		// without it logind would file the session as a background job.
		// PID 1 replaces variables in the line, and makes one dollar of two;
		// systemd-run can forbid it from systemd 254 on only.
		line := strings.ReplaceAll(quote(argv), "$", "$$")
		return []string{"systemd-run", "--quiet", "--pipe", "--wait", "--collect",
			"--property=PAMName=login", "--property=User=" + user, "--property=WorkingDirectory=~",
			"--setenv=XDG_SESSION_CLASS=user", "--setenv=XDG_SESSION_TYPE=tty",
			"--", "/bin/bash", "-lc", line}, nil
	}
	switch user {
	case "", "root":
		return argv, nil
	case User:
		env := []string{"runuser", "-u", User, "--", "env", "-C", "/home/" + User,
			"HOME=/home/" + User, "USER=" + User, "LOGNAME=" + User,
			fmt.Sprintf("XDG_RUNTIME_DIR=/run/user/%d", UID),
			fmt.Sprintf("DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/%d/bus", UID)}
		return append(env, argv...), nil
	default:
		return nil, fmt.Errorf("user %q: a host has root and %s (with --login, any account)", user, User)
	}
}

// quote makes a line that a POSIX shell reads back as the same words.
func quote(argv []string) string {
	words := make([]string, len(argv))
	for i, a := range argv {
		words[i] = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
	}
	return strings.Join(words, " ")
}

// Output runs the command as root and returns what it printed, errors included.
func (h *Host) Output(ctx context.Context, argv ...string) (string, error) {
	return h.output(ctx, Exec{}, argv)
}

// UserOutput is Output as the stack's account, outside any session.
func (h *Host) UserOutput(ctx context.Context, argv ...string) (string, error) {
	return h.output(ctx, Exec{User: User}, argv)
}

func (h *Host) output(ctx context.Context, e Exec, argv []string) (string, error) {
	var buf bytes.Buffer
	e.Stdout, e.Stderr = &buf, &buf
	err := h.Run(ctx, e, argv...)
	if err != nil {
		err = fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, strings.TrimSpace(tail(buf.String(), 20)))
	}
	return buf.String(), err
}

// CopyIn writes a tree of files into a directory inside the host, as the
// user: root never writes into a place that a user can change.
func (h *Host) CopyIn(ctx context.Context, user, dir string, tar io.Reader) error {
	var buf bytes.Buffer
	e := Exec{User: user, Stdin: tar, Stdout: &buf, Stderr: &buf}
	if err := h.Run(ctx, e, "sh", "-ec", `mkdir -p "$1" && tar -xf - -C "$1"`, "copy", dir); err != nil {
		return fmt.Errorf("cannot copy into %s of host %s: %w: %s", dir, h.Name, err, buf.String())
	}
	return nil
}
