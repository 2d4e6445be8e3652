package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
	"unicode"

	"keeper/internal/containers"
	"keeper/internal/core"
	"keeper/internal/paths"
)

// HelperProgram returns keeper-adopt. What needs Podman is in a program of its own,
// for the daemon and the last act must stay small.
func HelperProgram() (string, error) { return Beside(paths.Helper) }

// Beside returns a program that is installed with this one: the one beside it, or the
// one of a package.
func Beside(name string) (string, error) {
	dirs := []string{paths.LibExec}
	if self, err := os.Executable(); err == nil {
		dirs = append([]string{filepath.Dir(self)}, dirs...)
	}
	for _, dir := range dirs {
		file := filepath.Join(dir, name)
		if fi, err := os.Stat(file); err == nil && fi.Mode().IsRegular() && fi.Mode()&0o111 != 0 {
			return file, nil
		}
	}
	return "", fmt.Errorf("there is no %s in %s; install keeper again: sh deploy/install.sh", name, strings.Join(dirs, " or "))
}

// helperVersion is the version of what keeper-adopt prints as JSON.
const helperVersion = 1

// Bounds of what keeper-adopt may print.
const (
	maxAnswer    = 1 << 20
	maxComplaint = 16 << 10
	maxDrift     = 500
)

// adoptWait is how long keeper-adopt may take to end once it is told to, below
// TimeoutStopSec of keeper.service.
const adoptWait = 2 * time.Second

// adopter is engine.Adopter, by keeper-adopt.
type adopter struct {
	// program is found anew each time: an upgrade may bring it.
	program func() (string, error)
}

// Write is engine.Adopter.
func (a adopter) Write(ctx context.Context, names []string) core.UnitsWritten {
	var answer struct {
		Version int            `json:"version"`
		Written []core.Written `json:"written"`
		Refused []core.Refusal `json:"refused"`
	}
	if err := a.ask(ctx, &answer, &answer.Version, append([]string{"write", "--json", "--"}, names...)...); err != nil {
		return core.UnitsWritten{Err: err.Error()}
	}
	for i := range answer.Written {
		w := &answer.Written[i]
		w.Unit, w.File = line(w.Unit), line(w.File)
	}
	for i := range answer.Refused {
		r := &answer.Refused[i]
		r.Reason, r.Try = line(r.Reason), line(r.Try)
	}
	return core.UnitsWritten{Written: answer.Written, Refused: answer.Refused}
}

// Drift is engine.Adopter.
func (a adopter) Drift(ctx context.Context) core.DriftSeen {
	seen, _ := a.compare(ctx)
	return seen
}

// frail is what goes with its container, and what runs by Podman's word alone.
type frail struct {
	Anonymous []core.AnonymousVolume `json:"anonymous"`
	Policies  []core.RestartPolicy   `json:"policies"`
}

// compare has keeper-adopt compare what runs with its units.
func (a adopter) compare(ctx context.Context) (core.DriftSeen, frail) {
	begun := time.Now()
	var answer struct {
		frail

		Version int          `json:"version"`
		Drift   []core.Drift `json:"drift"`
		Watch   []string     `json:"watch"`
		Errors  []string     `json:"errors"`
	}
	if err := a.ask(ctx, &answer, &answer.Version, "drift", "--json"); err != nil {
		return core.DriftSeen{Err: err.Error()}, frail{}
	}
	answer.Anonymous = answer.Anonymous[:min(len(answer.Anonymous), maxDrift)]
	for i := range answer.Anonymous {
		v := &answer.Anonymous[i]
		v.Unit, v.Container, v.Target, v.Volume = line(v.Unit), line(v.Container), line(v.Target), line(v.Volume)
	}
	answer.Policies = answer.Policies[:min(len(answer.Policies), maxDrift)]
	for i := range answer.Policies {
		p := &answer.Policies[i]
		p.Container, p.Policy = line(p.Container), line(p.Policy)
	}
	seen := core.DriftSeen{Drift: answer.Drift[:min(len(answer.Drift), maxDrift)], Stamps: map[string]string{}}
	for i := range seen.Drift {
		d := &seen.Drift[i]
		for _, s := range []*string{&d.Unit, &d.Against, &d.Field, &d.UnitSays, &d.OtherSays, &d.Try} {
			*s = line(*s)
		}
	}
	for _, e := range answer.Errors[:min(len(answer.Errors), maxDrift)] {
		seen.Errs = append(seen.Errs, line(e))
	}
	for _, file := range answer.Watch[:min(len(answer.Watch), maxDrift)] {
		if !filepath.IsAbs(file) {
			continue
		}
		seen.Stamps[file] = stamp(file)
		if fi, err := os.Stat(file); err == nil && !fi.ModTime().Before(begun.Add(-time.Second)) {
			// It may have been read before that.
			seen.Stamps[file] = ""
		}
	}
	return seen, answer.frail
}

// Undo is engine.Adopter.
func (a adopter) Undo(ctx context.Context) error {
	_, err := a.run(ctx, "settle")
	return err
}

// ask runs keeper-adopt and reads its answer, which counts whatever the exit code
// is: that one is for people.
func (a adopter) ask(ctx context.Context, into any, version *int, args ...string) error {
	out, err := a.run(ctx, args...)
	if jerr := json.Unmarshal(out, into); err == nil && jerr != nil {
		return fmt.Errorf("cannot read what keeper-adopt %s says: %w", args[0], jerr)
	} else if jerr != nil {
		return err
	}
	if *version != helperVersion {
		return fmt.Errorf("keeper-adopt speaks version %d, and keeper %d; install both again: sh deploy/install.sh", *version, helperVersion)
	}
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || !exit.Exited()) {
		return err // it did not come to its end
	}
	return nil
}

// run runs keeper-adopt in a process group of its own, which ends with the
// context.
func (a adopter) run(ctx context.Context, args ...string) ([]byte, error) {
	program, err := a.program()
	if err != nil {
		return nil, err
	}
	var out, complaint bounded
	out.most, complaint.most = maxAnswer, maxComplaint
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdout, cmd.Stderr = &out, &complaint
	// What systemd gave the daemon is the daemon's; INVOCATION_ID would make Podman
	// leave what it starts in keeper's cgroup, to end with keeper.
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.Contains([]string{"NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "INVOCATION_ID", "JOURNAL_STREAM", "LISTEN_PID", "LISTEN_FDS"}, name)
	})
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = adoptWait
	err = cmd.Run()
	if cmd.Process != nil && ctx.Err() != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what it started, and did not end
	}
	switch {
	case err == nil && out.over:
		err = fmt.Errorf("it says more than %d bytes", maxAnswer)
	case err != nil && ctx.Err() != nil:
		err = ctx.Err()
	}
	if err == nil {
		return out.kept.Bytes(), nil
	}
	return out.kept.Bytes(), fmt.Errorf("keeper-adopt %s: %w%s", args[0], err, last(complaint.kept.String()))
}

// last is the last line of what a program complained of, behind a colon.
func last(s string) string {
	s = strings.TrimSpace(s)
	if s == "" {
		return ""
	}
	return ": " + line(s[strings.LastIndexByte(s, '\n')+1:])
}

// line makes one short line of text that somebody else wrote.
func line(s string) string {
	const most = 300
	r := []rune(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s))
	if len(r) > most {
		r = append(r[:most], '…')
	}
	return strings.TrimSpace(string(r))
}

// bounded keeps the first of what is written, and lets the writer go on. The
// buffer is not embedded, for its ReadFrom knows no bound.
type bounded struct {
	kept bytes.Buffer
	most int
	over bool
}

// Write never fails.
func (b *bounded) Write(p []byte) (int, error) {
	if room := b.most - b.kept.Len(); len(p) > room {
		b.over = true
		b.kept.Write(p[:room])
	} else {
		b.kept.Write(p)
	}
	return len(p), nil
}

// files is engine.Files.
type files struct{ p paths.Paths }

// Adoption is engine.Files. Whoever adopts notes in the journal what is to be put
// back, and holds the lock for as long as it lives.
func (f files) Adoption() core.Adoption {
	if _, err := os.Lstat(f.p.Journal); err != nil {
		return core.AdoptionNone
	}
	lock, err := os.OpenFile(f.p.JournalLock, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return core.AdoptionInterrupted
	}
	defer lock.Close() // which lets go of it again
	// Shared: two who only look do not disturb each other.
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_SH|syscall.LOCK_NB); errors.Is(err, syscall.EWOULDBLOCK) {
		return core.AdoptionUnderway
	}
	return core.AdoptionInterrupted
}

// Stamps is engine.Files.
func (f files) Stamps(of map[string]string) map[string]string {
	now := make(map[string]string, len(of))
	for file := range of {
		now[file] = stamp(file)
	}
	return now
}

// stamp tells of a change of the file.
func stamp(file string) string {
	fi, err := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "none"
	case err != nil:
		return "unknown"
	}
	return fmt.Sprintf("%d %d", fi.ModTime().UnixNano(), fi.Size())
}

// byHand is engine.Containers.
type byHand struct{ view containers.View }

// Unkept is engine.Containers.
func (b byHand) Unkept() core.ContainersSeen {
	processes, err := b.view.Processes()
	if err != nil {
		return core.ContainersSeen{Err: err.Error()}
	}
	return core.ContainersSeen{Unkept: unkept(b.view, processes)}
}

func unkept(v containers.View, processes []containers.Process) []core.Unkept {
	var list []core.Unkept
	for _, c := range v.Running(processes) {
		if c.Unit == "" {
			list = append(list, core.Unkept{Name: c.Name, ID: c.ID, Since: c.Since, Throwaway: c.Throwaway, Terminal: c.Terminal})
		}
	}
	return list
}
