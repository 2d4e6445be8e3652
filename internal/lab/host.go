package lab

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"time"
)

// Host is a booted test host.
type Host struct {
	Name string
	// Leader was the host's PID 1, as this machine numbers it, when Up, Find,
	// Reboot, WaitRebooted, Cut or PowerOn returned. Each boot has another.
	Leader int
	// Suite is the release of Debian that the host is made of, or the directory.
	Suite string

	dir    string
	cgroup string
	// plain: the demo stack is plain user services.
	plain bool
	lease io.Closer
}

// Options say what Up boots.
type Options struct {
	// Name tells hosts apart; "lab" if empty.
	Name string
	// Suite is the release of Debian that the host is made of: "trixie", which
	// it is if empty, or "bookworm". The demo stack is Quadlets on the first and
	// plain user services on the second.
	Suite string
	// Rootfs is a directory to make the host of instead, such as an unpacked image
	// of another distribution. It must have what a host needs, is not written to,
	// and need not know of the lab: the account and the lab's files are added. It
	// may boot degraded.
	Rootfs string
	// Stack also deploys the demo stack and waits until it answers.
	Stack bool
	// Images puts the stack's images into the account's container storage, as
	// Stack does, without deploying anything. Where the stack is plain services,
	// it is programs.
	Images bool
	// Disk gives /home a small disk of its own, of so many MiB, which can be filled
	// without harm to this machine.
	Disk int
	// Tied ends the host with this process, however that ends.
	Tied bool
	// Say receives progress.
	Say func(format string, args ...any)

	// What the build of the stack's images needs and nothing else does.
	home     string
	internet bool
}

const defaultName = "lab"

var nameRule = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}$`)

func hostDir(name string) (string, error) {
	if name == "" {
		name = defaultName
	}
	if !nameRule.MatchString(name) {
		return "", fmt.Errorf("host name %q: use up to 40 of a-z, 0-9 and -, starting with a letter or digit", name)
	}
	dir, err := cacheDir()
	return filepath.Join(dir, "hosts", name), err
}

// Up boots a host and returns when systemd inside says that it is running.
func Up(ctx context.Context, o Options) (*Host, error) {
	if o.Say == nil {
		o.Say = func(string, ...any) {}
	}
	dir, err := hostDir(o.Name)
	if err != nil {
		return nil, err
	}
	if err := ensureTools(o.Say); err != nil {
		return nil, err
	}
	base, err := cacheDir()
	if err != nil {
		return nil, err
	}
	c := &cache{dir: base, say: o.Say}
	s, home, err := c.source(ctx, o)
	if err != nil {
		return nil, err
	}
	s.Name, s.Home, s.Internet = filepath.Base(dir), filepath.Join(dir, "home"), o.internet
	if o.home != "" {
		s.Home, home = o.home, ""
	}
	h, err := start(ctx, dir, s, home, o)
	if err != nil {
		return nil, err
	}
	if (o.Stack || o.Images) && s.Plain {
		err = h.putMinio(ctx, c)
	}
	if o.Stack && err == nil {
		err = h.DeployStack(ctx, o.Say)
	}
	if err != nil {
		return nil, h.giveUp(ctx, o, err)
	}
	if !o.Tied {
		return h, h.release()
	}
	return h, nil
}

// source says what the host is made of, and of which directory its /home
// begins as a copy; of none if that is empty.
func (c *cache) source(ctx context.Context, o Options) (s spec, home string, err error) {
	r, err := findRelease(o.Suite)
	if err != nil {
		return s, "", err
	}
	if o.Rootfs != "" {
		if o.Suite != "" {
			return s, "", errors.New("a host is made of a suite or of a root file system: give one of the two")
		}
		if s, err = newForeign(o.Rootfs, o.Stack); err != nil {
			return s, "", err
		}
		if home = filepath.Join(s.Rootfs, "home"); !exists(home) {
			home = ""
		}
		if !o.Stack && !o.Images {
			return s, home, nil
		}
	}
	// The images of the stack are built on it, whatever they will run on.
	rootfs, key, err := ensureRootfs(c, r)
	if err != nil {
		return s, "", err
	}
	if !s.Foreign {
		s = spec{Suite: r.suite, Rootfs: rootfs, Plain: r.plain}
		home = filepath.Join(rootfs, "home")
	}
	if (o.Stack || o.Images) && !s.Plain {
		stack, err := ensureStack(ctx, c, key)
		return s, filepath.Join(stack, "home"), err
	}
	return s, home, nil
}

// giveUp is for a host that did not become what was asked for. It is taken
// down, unless somebody is there to look at it.
func (h *Host) giveUp(ctx context.Context, o Options, err error) error {
	if o.Tied || ctx.Err() != nil {
		return errors.Join(err, h.Down())
	}
	return errors.Join(fmt.Errorf("%w\nit is still there: keeper-lab logs --name %[2]s; keeper-lab down --name %[2]s", err, h.Name), h.release())
}

// start lays out the host's directory and boots it under a supervisor.
func start(ctx context.Context, dir string, s spec, home string, o Options) (*Host, error) {
	cg, err := cgroupRoot()
	if err != nil {
		return nil, err
	}
	s.Cgroup = filepath.Join(cg, "keeper-lab", s.Name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	lock, err := lockFile(filepath.Join(dir, "lock"), false)
	if errors.Is(err, errLocked) {
		return nil, fmt.Errorf("host %s is there already; take it down with: keeper-lab down --name %s", s.Name, s.Name)
	}
	if err != nil {
		return nil, err
	}
	defer lock.Close()
	// What a host of this name left behind if it and its janitor were killed.
	if err := clean(dir, s.Cgroup, "lock"); err != nil {
		return nil, err
	}
	if err := layOut(ctx, dir, s, home, o.Disk); err != nil {
		return nil, errors.Join(err, clean(dir, s.Cgroup))
	}
	o.Say("booting host %s", s.Name)
	h := s.host(dir)
	if err := h.supervise(lock); err != nil {
		return nil, err
	}
	_ = lock.Close() // the supervisor has it now
	if err := h.waitRunning(ctx); err != nil {
		return nil, h.giveUp(ctx, o, err)
	}
	return h, nil
}

// layOut makes the host's directory, with its disk as it is at the first boot.
func layOut(ctx context.Context, dir string, s spec, home string, disk int) error {
	for _, d := range []string{"upper", "work", "root"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			return err
		}
	}
	if home != "" && disk == 0 {
		if err := quiet(exec.CommandContext(ctx, "cp", "--archive", "--reflink=auto", home, s.Home)); err != nil {
			return err
		}
	} else if err := os.MkdirAll(s.Home, 0o755); err != nil {
		return err
	}
	if disk > 0 {
		args := []string{"-q", "-m", "0", "-d", cmp.Or(home, s.Home), filepath.Join(dir, homeDisk), fmt.Sprintf("%dM", disk)}
		if err := quiet(exec.CommandContext(ctx, "mkfs.ext4", args...)); err != nil {
			return err
		}
	}
	if s.Foreign {
		if err := prepareForeign(ctx, dir, s); err != nil {
			return err
		}
	}
	return writeSpec(dir, s)
}

// supervise starts the supervisor. It gets the host's lock, and the reading
// end of a pipe that tells it when this process ends before letting go.
func (h *Host) supervise(lock *os.File) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	log, err := os.Create(filepath.Join(h.dir, "supervisor.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(self, superviseArg, h.dir)
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{lock, r}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		_ = w.Close()
		return fmt.Errorf("cannot start the host's supervisor: %w", err)
	}
	// Reaped whenever it ends, if this process is still there by then.
	go func() { _ = cmd.Wait() }()
	h.lease = w
	return nil
}

// release lets the host outlive this process.
func (h *Host) release() error {
	w := h.lease.(io.WriteCloser)
	_, err := w.Write([]byte{1})
	return errors.Join(err, w.Close())
}

// Find returns the host of that name, which may be off.
func Find(name string) (*Host, error) {
	dir, err := hostDir(name)
	if err != nil {
		return nil, err
	}
	s, err := readSpec(dir)
	if err != nil || !locked(dir) {
		return nil, fmt.Errorf("no host %s is up; boot it with: keeper-lab up --name %s", filepath.Base(dir), filepath.Base(dir))
	}
	return s.host(dir), nil
}

// List returns the hosts that are up. It clears away what is left of a host
// that was killed together with its janitor.
func List() ([]*Host, error) {
	base, err := cacheDir()
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(filepath.Join(base, "hosts"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	var hosts []*Host
	for _, e := range entries {
		if h, err := Find(e.Name()); err == nil {
			hosts = append(hosts, h)
			continue
		}
		if err := sweepHost(filepath.Join(base, "hosts", e.Name())); err != nil {
			return nil, err
		}
	}
	return hosts, nil
}

// sweepHost clears away what is left of a host, unless somebody holds its lock:
// then it is starting, or ending.
func sweepHost(dir string) error {
	lock, err := lockFile(filepath.Join(dir, "lock"), false)
	if errors.Is(err, errLocked) || errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer lock.Close()
	s, err := readSpec(dir)
	if err != nil {
		return nil // about to start, or never got further than its lock
	}
	return clean(dir, s.Cgroup)
}

// Down ends the host and removes all of it. It is no error if it is not up.
func Down(name string) error {
	dir, err := hostDir(name)
	if err != nil {
		return err
	}
	s, err := readSpec(dir)
	if err != nil {
		s = spec{Name: filepath.Base(dir)}
	}
	return s.host(dir).Down()
}

// Down ends the host at once, as a power cut would, and removes all of it.
func (h *Host) Down() error {
	if h.lease != nil {
		_ = h.lease.Close()
	}
	if !exists(h.dir) {
		return nil
	}
	s, err := readSpec(h.dir)
	if err == nil && s.Supervisor != 0 && locked(h.dir) {
		// The janitor sees the supervisor end and clears up.
		if err := syscall.Kill(s.Supervisor, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("cannot end host %s: %w", h.Name, err)
		}
	}
	lock, err := lockFile(filepath.Join(h.dir, "lock"), true)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer lock.Close()
	return clean(h.dir, h.cgroup)
}

// pause waits for d, or less if the context ends first, which is an error.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
