package metrics

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Process is what the daemon itself uses.
type Process struct {
	CPU      time.Duration
	Resident uint64 // bytes
	FDs      int
	Started  time.Time
}

// ReadProcess looks at this process.
func ReadProcess() (Process, error) {
	var use unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &use); err != nil {
		return Process{}, fmt.Errorf("cannot tell the time that was used: %w", err)
	}
	p := Process{CPU: time.Duration(use.Utime.Nano() + use.Stime.Nano())}
	// statm: size and resident, in pages (proc_pid_statm(5)).
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return Process{}, err
	}
	fields := bytes.Fields(statm)
	if len(fields) < 2 {
		return Process{}, errors.New("cannot read /proc/self/statm")
	}
	pages, err := strconv.ParseUint(string(fields[1]), 10, 64)
	if err != nil {
		return Process{}, fmt.Errorf("cannot read /proc/self/statm: %w", err)
	}
	p.Resident = pages * uint64(os.Getpagesize())
	fds, err := os.Open("/proc/self/fd")
	if err != nil {
		return Process{}, err
	}
	defer fds.Close()
	names, err := fds.Readdirnames(-1)
	if err != nil {
		return Process{}, err
	}
	p.FDs = len(names) - 1 // without the directory itself
	p.Started, err = started()
	return p, err
}

// started is read once: computed anew, it would move with each correction of the
// clock.
var started = sync.OnceValues(func() (time.Time, error) {
	stat, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return time.Time{}, err
	}
	// After the name, which may hold anything, starttime is the 20th field, in
	// ticks since the boot, of which there are always 100 a second for programs
	// (proc_pid_stat(5)).
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 20 {
		return time.Time{}, errors.New("cannot read /proc/self/stat")
	}
	ticks, err := strconv.ParseInt(string(fields[19]), 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("cannot read /proc/self/stat: %w", err)
	}
	var boot unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &boot); err != nil {
		return time.Time{}, err
	}
	return time.Now().Add(time.Duration(ticks)*10*time.Millisecond - time.Duration(boot.Nano())), nil
})
