package units

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	sd "github.com/coreos/go-systemd/v22/dbus"
	"github.com/godbus/dbus/v5"
	"golang.org/x/sys/unix"
)

// Command is a program that runs in a service of its own, outside of the sandbox of
// keeper.service: what is set-uid works there.
type Command struct {
	Description string
	Argv        []string
	// Env is added to the manager's own, as NAME=VALUE.
	Env   []string
	Stdin []byte
	// Within is how long it may take.
	Within time.Duration
}

// ErrNotRun says that a command was not started, and may be run in another way.
var ErrNotRun = errors.New("the user manager does not run it")

// mostOutput is how much of what a command prints is kept: the end.
const mostOutput = 16 << 10

// endWait is how long a command may take to end once it is told to, and outputWait how
// long the pipe may take to close once all of it has ended.
const (
	endWait    = time.Second
	outputWait = 500 * time.Millisecond
)

// RunCommand runs a command in a service of its own (Manager.StartTransientUnit), waits
// for its end and returns what it printed and its exit status. What it started ends with
// it. Neither arguments nor environment are seen by other accounts before the program
// itself runs: they go over the manager's private socket.
func (c *Conn) RunCommand(ctx context.Context, cmd Command) (output string, exit int, err error) {
	in, err := inMemory(cmd.Stdin)
	if err != nil {
		return "", 0, errors.Join(ErrNotRun, err)
	}
	defer in.Close()
	out, theirs, err := os.Pipe()
	if err != nil {
		return "", 0, errors.Join(ErrNotRun, err)
	}
	defer out.Close()
	name := "keeper-command-" + rand.Text() + ".service"
	done := make(chan string, 1)
	call, cancel := context.WithTimeout(ctx, CallTimeout)
	_, err = c.sd.StartTransientUnitContext(call, name, "fail", cmd.properties(in, theirs), done)
	cancel()
	_ = theirs.Close()
	if err != nil {
		return "", 0, fmt.Errorf("%w: %w", ErrNotRun, err)
	}
	read := make(chan string, 1)
	go func() { read <- end(out) }()
	var result string
	select {
	case result = <-done:
	case <-ctx.Done():
	}
	if ctx.Err() != nil {
		// Its own limit ends it, too, should this not arrive.
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), CallTimeout)
		defer cancel()
		ended := make(chan string, 1)
		if _, err := c.sd.StopUnitContext(stop, name, "replace", ended); err == nil {
			_ = stopped(stop, ended)
		}
		_ = c.sd.ResetFailedUnitContext(stop, name) // or it stays in the list
	}
	_ = out.SetReadDeadline(time.Now().Add(outputWait))
	output = <-read
	switch {
	case ctx.Err() != nil:
		return output, 0, ctx.Err()
	case result == "done":
		return output, 0, nil
	}
	exit, err = c.ended(ctx, name)
	return output, exit, err
}

// properties are those of systemd.exec(5) and systemd.service(5), as the manager takes
// them for a transient unit.
func (cmd Command) properties(in, out *os.File) []sd.Property {
	argv := make([]string, len(cmd.Argv))
	for i, arg := range cmd.Argv {
		// The manager would put variables in ("$$" is a single "$": systemd.service(5),
		// "Command lines").
		argv[i] = strings.ReplaceAll(arg, "$", "$$")
	}
	prop := func(name string, value any) sd.Property {
		return sd.Property{Name: name, Value: dbus.MakeVariant(value)}
	}
	return []sd.Property{
		sd.PropDescription(cmd.Description),
		sd.PropExecStart(argv, false),
		prop("Type", "oneshot"), // its job ends when the program does
		prop("Environment", cmd.Env),
		prop("StandardInputFileDescriptor", dbus.UnixFD(in.Fd())),
		prop("StandardOutputFileDescriptor", dbus.UnixFD(out.Fd())),
		prop("StandardErrorFileDescriptor", dbus.UnixFD(out.Fd())),
		prop("TimeoutStartUSec", uint64(max(cmd.Within, time.Millisecond)/time.Microsecond)),
		prop("TimeoutStopUSec", uint64(endWait/time.Microsecond)),
		// Alert: how it ended is for whoever runs it to tell. RHEL's passwd -S fails for an
		// account each time it is asked, and that would be an error in the journal each time.
		prop("LogLevelMax", int32(1)),
		prop("LimitCORE", uint64(0)),
	}
}

// ended tells how a command that failed ended, and has the manager forget it.
func (c *Conn) ended(ctx context.Context, name string) (exit int, err error) {
	ctx, cancel := context.WithTimeout(ctx, CallTimeout)
	defer cancel()
	p, err := c.sd.GetUnitTypePropertiesContext(ctx, name, "Service")
	_ = c.sd.ResetFailedUnitContext(ctx, name)
	if err != nil {
		return 0, fmt.Errorf("it failed, and how cannot be read: %w", err)
	}
	status, _ := p["ExecMainStatus"].(int32)
	switch result := text(p, "Result"); {
	case result == "exit-code" && status >= 200 && status < 243:
		// systemd.exec(5), "Process Exit Codes": it is systemd that could not start it.
		return 0, fmt.Errorf("it could not be run (status %d of systemd.exec(5))", status)
	case result == "exit-code" && status != 0:
		return int(status), nil
	case result == "timeout":
		return 0, fmt.Errorf("it did not end in time: %w", context.DeadlineExceeded)
	default:
		return 0, fmt.Errorf("it failed: %s", result)
	}
}

// inMemory is a file that has the text and no name.
func inMemory(text []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate("keeper-command", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	f := os.NewFile(uintptr(fd), "standard input")
	if _, err = f.Write(text); err == nil {
		_, err = f.Seek(0, 0)
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// end reads all there is, and returns the end of it.
func end(f *os.File) string {
	var kept []byte
	buf := make([]byte, 4<<10)
	for {
		n, err := f.Read(buf)
		kept = append(kept, buf[:n]...)
		if over := len(kept) - mostOutput; over > 0 {
			kept = bytes.Clone(kept[over:])
		}
		if err != nil {
			return string(kept)
		}
	}
}
