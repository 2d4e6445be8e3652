package everyone

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// ChildCommand is the hidden command of keeper's by which a child of root's becomes an
// account: Become has its arguments.
const ChildCommand = "as-account"

// self is this very program, even where its file was replaced meanwhile.
const self = "/proc/self/exe"

// Bounds of what a child may say, and of how long it may take to be gone once it is killed.
const (
	maxAnswer    = 4 << 20
	maxComplaint = 4 << 10
	goneLimit    = 2 * time.Second
	pipeLimit    = time.Second
)

// Trusted is nil where root may run this program for others to be asked by: it is root's
// own, and nobody else can write it.
func Trusted() error {
	var st unix.Stat_t
	if err := unix.Stat(self, &st); err != nil {
		return fmt.Errorf("cannot tell whose program this is: %w", err)
	}
	name, err := os.Readlink(self)
	if err != nil {
		name = "this program"
	}
	return trusted(name, st)
}

func trusted(name string, st unix.Stat_t) error {
	const out = "; use keeper of the package (/usr/bin/keeper), or type: install -o root -g root -m 0755 %s /usr/local/bin/keeper"
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return fmt.Errorf("%s is no file; use keeper of the package (/usr/bin/keeper)", name)
	case st.Uid != 0:
		return fmt.Errorf("%s belongs to uid %d, and root asks everyone by a program of its own only"+out, name, st.Uid, name)
	case st.Mode&0o022 != 0:
		return fmt.Errorf("%s can be written by others than root (mode %04o), and root asks everyone by a program of its own only"+out, name, st.Mode&0o7777, name)
	case st.Mode&0o001 == 0:
		return fmt.Errorf("%s cannot be run by others than root (mode %04o), and it is to run as each account"+out, name, st.Mode&0o7777, name)
	}
	return nil
}

// reply is what a child said.
type reply struct {
	out, complaint []byte
	code           int
	err            error
}

// child is a question to one account.
type child struct {
	account Account
	groups  []uint32
	// args are the command, status --json for example.
	args  []string
	limit time.Duration
	// program is self.
	program string
}

// ask starts the child, and returns at the latest when its time, and that for its end, are
// over. A process can be made to wait in the kernel, by a file system in user space, where
// not even SIGKILL ends it: then it is left behind.
func (c child) ask(ctx context.Context) reply {
	ctx, cancel := context.WithTimeoutCause(ctx, c.limit, fmt.Errorf("it did not answer within %s", c.limit))
	defer cancel()
	done := make(chan reply, 1)
	go func() {
		// The child ends with this thread (PR_SET_PDEATHSIG in prctl(2)).
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		done <- c.run(ctx)
	}()
	select {
	case r := <-done:
		return r
	case <-ctx.Done():
	}
	select {
	case r := <-done:
		return r
	case <-time.After(goneLimit + pipeLimit):
		return reply{err: fmt.Errorf("%w, and could not be killed", context.Cause(ctx))}
	}
}

func (c child) run(ctx context.Context) reply {
	out, outEnd, err := os.Pipe()
	if err != nil {
		return reply{err: err}
	}
	defer out.Close()
	complaint, complaintEnd, err := os.Pipe()
	if err != nil {
		_ = outEnd.Close()
		return reply{err: err}
	}
	defer complaint.Close()
	cmd := c.command()
	cmd.Stdout, cmd.Stderr = outEnd, complaintEnd
	err = cmd.Start()
	_ = outEnd.Close() // the child has them
	_ = complaintEnd.Close()
	if err != nil {
		return reply{err: fmt.Errorf("cannot start a child: %w", err)}
	}
	g := &group{pid: cmd.Process.Pid}
	defer context.AfterFunc(ctx, g.kill)()
	var r reply
	var wait sync.WaitGroup
	wait.Go(func() {
		if r.out = readUpTo(out, maxAnswer); len(r.out) > maxAnswer {
			g.kill()
		}
	})
	wait.Go(func() {
		r.complaint = readUpTo(complaint, maxComplaint)
		_, _ = io.Copy(io.Discard, complaint) // until it ends, or its time does
	})
	g.await()
	// What has its pipes by now is no child of this one. It is not waited for.
	soon := time.Now().Add(pipeLimit)
	_, _ = out.SetReadDeadline(soon), complaint.SetReadDeadline(soon)
	wait.Wait()
	err = cmd.Wait()
	exit := new(exec.ExitError)
	switch {
	case ctx.Err() != nil:
		r.err = context.Cause(ctx)
	case len(r.out) > maxAnswer:
		r.err = fmt.Errorf("it says more than %d bytes", maxAnswer)
	case errors.As(err, &exit) && !exit.Exited():
		r.err = fmt.Errorf("the child that asked it was ended by %s", exit.ProcessState)
	case err != nil && !errors.As(err, &exit):
		r.err = err
	default:
		r.code = cmd.ProcessState.ExitCode()
	}
	return r
}

// command is this program again, as root: that becomes the account and then runs the
// command. It is not started as the account. Between its fork and its exec, for which all
// of this program waits (vfork(2)), the account could stop it for good.
func (c child) command() *exec.Cmd {
	a := c.account
	groups := make([]string, len(c.groups))
	for n, g := range c.groups {
		groups[n] = id(g)
	}
	return &exec.Cmd{
		Path: c.program,
		Args: append([]string{"keeper", ChildCommand, id(a.UID), id(a.GID), strings.Join(groups, ","), "--"}, c.args...),
		Env: []string{
			"HOME=" + a.Home, "USER=" + a.Name, "LOGNAME=" + a.Name,
			"PATH=/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin", "LANG=C.UTF-8",
			"XDG_RUNTIME_DIR=/run/user/" + id(a.UID),
		},
		Dir: "/",
		// A session of its own has no terminal that somebody could type into.
		SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
}

func id(n uint32) string { return strconv.FormatUint(uint64(n), 10) }

// group is a child and its process group.
type group struct {
	mu     sync.Mutex
	pid    int
	reaped bool
}

// kill kills the group, as long as its number cannot be another's.
func (g *group) kill() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.reaped {
		_ = unix.Kill(-g.pid, unix.SIGKILL) // it may be gone
	}
}

// await waits for the end of the child, leaves it a zombie, so that its number stays its
// own, and kills what it left behind in its group.
func (g *group) await() {
	for unix.Waitid(unix.P_PID, g.pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
		continue
	}
	g.kill()
	g.mu.Lock()
	g.reaped = true
	g.mu.Unlock()
}

// readUpTo reads to the end, or one byte more than most.
func readUpTo(r io.Reader, most int) []byte {
	data, _ := io.ReadAll(io.LimitReader(r, int64(most)+1)) // what came counts
	return data
}
