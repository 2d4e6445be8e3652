package lab

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A host has three processes on this machine besides its own: a supervisor
// that starts nspawn again when the host reboots, and, when it is off, once it
// is told to; nspawn itself, which dies with the supervisor; and a janitor that
// waits for the supervisor's end and clears away what is left, whatever the end
// was.
const (
	superviseArg = "__lab-supervise"
	janitorArg   = "__lab-janitor"
)

// powerOn tells the supervisor of a host that is off to boot it again.
const powerOn = syscall.SIGUSR1

// rebootStatus is how nspawn says with --keep-unit that the host wants to be
// started again.
const rebootStatus = 133

// Hook runs the supervisor or the janitor of a host if this process was
// started to be one, and then exits. The main function of every program that
// boots hosts, and the TestMain of every test that does, calls it first.
func Hook() {
	if len(os.Args) != 3 {
		return
	}
	var err error
	switch os.Args[1] {
	case superviseArg:
		err = supervise(os.Args[2])
	case janitorArg:
		err = janitor(os.Args[2])
	default:
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// supervise gets the host's lock as descriptor 3 and the lease as 4.
func supervise(dir string) error {
	// The parent-death signal of nspawn follows the thread that started it.
	runtime.LockOSThread()
	s, err := readSpec(dir)
	if err != nil {
		return err
	}
	on := make(chan os.Signal, 1)
	signal.Notify(on, powerOn)
	s.Supervisor = os.Getpid()
	if err := writeSpec(dir, s); err != nil {
		return err
	}
	if err := startJanitor(dir); err != nil {
		return err
	}
	go func() {
		lease := os.NewFile(4, "lease")
		if n, _ := lease.Read(make([]byte, 1)); n == 0 {
			os.Exit(1) // the janitor does the rest
		}
	}()
	for {
		again, err := boot(dir, &s)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		if again {
			continue
		}
		s.Off = true
		if err := writeSpec(dir, s); err != nil {
			return err
		}
		<-on
		s.Off = false
	}
}

// startJanitor starts the janitor with the lock as its descriptor 3 and a pipe
// as standard input, whose other end closes when this process ends.
func startJanitor(dir string) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(self, janitorArg, dir)
	cmd.Dir = "/"
	cmd.Stdin = r
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{os.NewFile(3, "lock")}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("cannot start the janitor: %w", err)
	}
	runtime.KeepAlive(w)
	janitorPipe = w
	return r.Close()
}

// janitorPipe is held open for as long as the supervisor lives.
var janitorPipe *os.File

func janitor(dir string) error {
	s, err := readSpec(dir)
	if err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	return clean(dir, s.Cgroup)
}

// boot starts the host once and waits for its end; again says that it asked
// for a reboot.
func boot(dir string, s *spec) (again bool, err error) {
	s.Boots++
	if err := writeSpec(dir, *s); err != nil {
		return false, err
	}
	console, err := os.OpenFile(filepath.Join(dir, "console.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return false, err
	}
	defer console.Close()
	cg, err := freshCgroup(s.Cgroup)
	if err != nil {
		return false, err
	}
	defer cg.Close()
	cmd := exec.Command("/bin/sh", append([]string{"-ec", bootScript, "boot", dir, s.Rootfs}, nspawnArgs(dir, *s)...)...)
	cmd.Env = append(os.Environ(),
		"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1",
		// Without it parts of /proc are masked and a rootless container cannot
		// mount its own.
		"SYSTEMD_NSPAWN_API_VFS_WRITABLE=1")
	cmd.Stdout, cmd.Stderr = console, console
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWNS,
		UseCgroupFD: true,
		CgroupFD:    int(cg.Fd()),
		Pdeathsig:   syscall.SIGKILL,
	}
	if err := cmd.Start(); err != nil {
		return false, fmt.Errorf("cannot start nspawn: %w", err)
	}
	s.Leader, err = leader(cmd.Process.Pid)
	if err == nil {
		err = writeSpec(dir, *s)
	}
	if err != nil {
		_ = cmd.Process.Kill()
	}
	_ = cmd.Wait() // how it ended is in its exit status
	s.Leader, s.Ended = 0, time.Now()
	if err != nil {
		return false, err
	}
	return cmd.ProcessState.ExitCode() == rebootStatus, writeSpec(dir, *s)
}

// homeDisk is the image of a /home that is a disk of its own, in the host's
// directory.
const homeDisk = "home.img"

// bootScript mounts the host's root in a mount namespace of its own, so that
// the mounts go when the last process does.
const bootScript = `dir=$1 rootfs=$2; shift 2
mount --make-rprivate /
mount -t overlay overlay -o "lowerdir=$rootfs,upperdir=$dir/upper,workdir=$dir/work" "$dir/root"
[ ! -e "$dir/` + homeDisk + `" ] || mount -o loop "$dir/` + homeDisk + `" "$dir/home"
exec systemd-nspawn "$@"`

func nspawnArgs(dir string, s spec) []string {
	args := []string{
		"--quiet", "--boot", "--register=no", "--keep-unit",
		"--directory=" + filepath.Join(dir, "root"),
		"--machine=" + machineName(s.Name), "--hostname=" + s.Name,
		"--bind=" + s.Home + ":/home",
		"--capability=all", "--system-call-filter=add_key keyctl bpf",
		// A console that is written to and never read from, without colours.
		"--console=read-only", "--setenv=TERM=dumb",
		"--link-journal=no", "--timezone=off",
	}
	if s.Internet {
		return append(args, "--resolv-conf=copy-host")
	}
	return append(args, "--private-network", "--resolv-conf=off")
}

func machineName(host string) string { return "keeper-lab-" + host }

// leader waits until nspawn has started the host's PID 1 and returns its
// number on this machine.
func leader(nspawn int) (int, error) {
	deadline := time.Now().Add(20 * time.Second)
	for time.Now().Before(deadline) {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", nspawn, nspawn))
		if err != nil || slices.Contains(statusOf(nspawn, "State"), "Z") {
			return 0, errors.New("nspawn ended at once")
		}
		for _, field := range strings.Fields(string(data)) {
			if pid, err := strconv.Atoi(field); err == nil && isInit(pid) {
				return pid, nil
			}
		}
		time.Sleep(5 * time.Millisecond)
	}
	return 0, errors.New("nspawn started no PID 1 within 20 s")
}

// isInit says whether the process is PID 1 of a namespace and runs systemd,
// not nspawn's own code on the way there.
func isInit(pid int) bool {
	numbers := statusOf(pid, "NSpid")
	return len(numbers) == 2 && numbers[1] == "1" && slices.Equal(statusOf(pid, "Name"), []string{"systemd"})
}

// statusOf returns the words of a line in /proc/PID/status.
func statusOf(pid int, key string) []string {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return nil
	}
	for _, line := range strings.Split(string(data), "\n") {
		if words := strings.Fields(line); len(words) > 0 && words[0] == key+":" {
			return words[1:]
		}
	}
	return nil
}

// clean removes what a host was: processes, cgroups, files. The names in keep
// stay in the directory, and then so does the directory.
func clean(dir, cgroup string, keep ...string) error {
	if cgroup != "" {
		if err := removeCgroup(cgroup); err != nil {
			return err
		}
		// The common parent goes with the last host.
		_ = os.Remove(filepath.Dir(cgroup))
	}
	// nspawn leaves these when it is killed.
	name := machineName(filepath.Base(dir))
	_ = os.Remove(filepath.Join("/run/systemd/nspawn/propagate", name))
	_ = os.Remove(filepath.Join("/run/systemd/nspawn/locks", name))
	if len(keep) == 0 {
		return os.RemoveAll(dir)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() != keep[0] {
			if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}
