package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
	"unicode"

	"golang.org/x/sys/unix"

	"keeper/internal/atomicfile"
	"keeper/internal/core"
	"keeper/internal/paths"
	"keeper/internal/standdown"
)

// Mended is what became of the repair of one finding.
type Mended struct {
	ID    string            `json:"id"`
	What  string            `json:"what"`
	Steps []core.RepairStep `json:"steps"`
	// Error is why it ended half-way; then the steps from the failed one on were not done.
	Error string `json:"error,omitempty"`
}

const (
	// repairLimit is how long one command of a repair may take.
	repairLimit = 2 * time.Minute
	// repairPatience is after how long somebody is told what takes its time.
	repairPatience = time.Second
	// maxRepairFile bounds the files that are copied and looked at.
	maxRepairFile = 1 << 20
	// maxRepairTalk bounds what is kept of what a command says.
	maxRepairTalk = 16 << 10
)

// Mend carries out the repairs of the findings, each step once. The first step that fails
// ends the repairs that have it; the others go on. told hears what takes longer than a
// second.
func Mend(ctx context.Context, list []core.Finding, told func(string)) ([]Mended, error) {
	uid := os.Getuid()
	p, err := paths.Of(uid)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("cannot tell where keeper itself is: %w", err)
	}
	m := mender{uid: uid, own: ownDirs(p, os.Getenv), self: self, limit: repairLimit, patience: repairPatience, told: told}
	// Without it, in a shell of su for example, systemctl --user finds no manager.
	m.env = append(os.Environ(), "XDG_RUNTIME_DIR="+p.Runtime)
	marks := standdown.Marks{UID: uint32(uid), StateDir: p.State, MarkDir: p.Marks}
	// Somebody may have thought about his answer for an hour.
	m.standsDown = func() bool { return marks.Read(ctx, time.Now()).InForce() }
	return m.mend(ctx, list), nil
}

// ownDirs are the directories in which a repair may write: the home, and where the
// environment puts the account's settings, data and state.
func ownDirs(p paths.Paths, env func(string) string) []string {
	var dirs []string
	for _, dir := range []string{env("HOME"), env("XDG_CONFIG_HOME"), env("XDG_DATA_HOME"), env("XDG_STATE_HOME"), p.Runtime} {
		if to, err := filepath.EvalSymlinks(dir); err == nil && filepath.IsAbs(to) && to != "/" {
			dirs = append(dirs, to)
		}
	}
	return dirs
}

// mender carries out repairs.
type mender struct {
	uid int
	// own are the account's directories, without symbolic links.
	own []string
	// self is keeper's own program.
	self            string
	env             []string
	limit, patience time.Duration
	told            func(string)
	standsDown      func() bool
}

func (m mender) mend(ctx context.Context, list []core.Finding) []Mended {
	out := make([]Mended, len(list))
	stopped := slices.ContainsFunc(list, func(f core.Finding) bool { return f.Repair.Starts() }) && m.standsDown()
	for n, f := range list {
		out[n] = Mended{ID: f.ID, What: f.Repair.What, Steps: f.Repair.Steps}
		if stopped && f.Repair.Starts() {
			out[n].Error = "keeper stands down, and so nothing is started; type: keeper resume"
		}
	}
	for _, s := range core.Merge(list) {
		wanted := func(r Mended) bool { return r.Error == "" && s.In(r.Steps) }
		if !slices.ContainsFunc(out, wanted) {
			continue
		}
		err := ctx.Err()
		if err == nil {
			err = m.step(ctx, s)
		}
		for n := range out {
			if err != nil && wanted(out[n]) {
				out[n].Error = err.Error()
			}
		}
	}
	return out
}

func (m mender) step(ctx context.Context, s core.RepairStep) error {
	what := strings.Join(s.Run, " ")
	if s.Write != "" {
		what = "writing " + s.Write
	}
	patience := time.AfterFunc(m.patience, func() { m.told(line(what)) })
	defer patience.Stop()
	switch {
	case s.Write != "" && len(s.Run) > 0, s.Copy != "" && s.Text != "":
		return fmt.Errorf("a step is to do two things at a time (%s); that is a mistake in keeper, nothing was done", line(what))
	case s.Copy != "":
		return m.copy(s)
	case s.Write != "":
		return m.write(s.Write, s.Text)
	case len(s.Run) > 0:
		return m.run(ctx, s.Run)
	}
	return errors.New("a step says neither what to write nor what to run; that is a mistake in keeper, nothing was done")
}

// write writes a file of keeper's own.
func (m mender) write(path, text string) error {
	if !strings.HasPrefix(text, core.RepairMark+"\n") || strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }) {
		return fmt.Errorf("cannot write %s: its text is not as keeper's files are; that is a mistake in keeper, nothing was done", path)
	}
	path, err := m.place(path)
	if err != nil {
		return err
	}
	old, err := readSmall(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return fmt.Errorf("cannot write %s: %w; move it away, then type again: keeper doctor --fix", path, err)
	case string(old) == text:
		return nil
	case !bytes.HasPrefix(old, []byte(core.RepairMark+"\n")):
		return fmt.Errorf("cannot write %s: it is there and somebody else wrote it (keeper's own begin with %q); write what it lacks into it, or move it away, then type again: keeper doctor --fix", path, core.RepairMark)
	}
	return m.replace(path, []byte(text), 0o644)
}

// copy brings back a file that was lost. It is closed to others: what is in it may be
// a secret.
func (m mender) copy(s core.RepairStep) error {
	data, err := readSmall(s.Copy)
	if err != nil {
		return fmt.Errorf("cannot bring %s back: %w", s.Write, err)
	}
	path, err := m.place(s.Write)
	if err != nil {
		return err
	}
	switch old, err := readSmall(path); {
	case err == nil && len(old) > 0:
		return fmt.Errorf("cannot bring %s back: there is something in it by now; the copy is %s", path, s.Copy)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("cannot bring %s back: %w; move it away, then type again: keeper doctor --fix", path, err)
	}
	return m.replace(path, data, 0o600)
}

func (m mender) replace(path string, data []byte, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	if err := atomicfile.Replace(path, data, mode); err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	return nil
}

// place is where the file really is: symbolic links in its path are followed as long as
// they stay within the account's directories.
func (m mender) place(path string) (string, error) {
	if !filepath.IsAbs(path) || filepath.Clean(path) != path || strings.ContainsFunc(path, unicode.IsControl) {
		return "", fmt.Errorf("cannot write %q: that is no plain absolute path; that is a mistake in keeper, nothing was done", path)
	}
	// What is there of its directories; the rest is going to be made below it.
	dir, rest := filepath.Dir(path), filepath.Base(path)
	for {
		_, err := os.Lstat(dir)
		if err == nil || dir == "/" {
			break
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("cannot write %s: %w", path, err)
		}
		dir, rest = filepath.Dir(dir), filepath.Join(filepath.Base(dir), rest)
	}
	to, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return "", fmt.Errorf("cannot write %s: %w", path, err)
	}
	if !slices.ContainsFunc(m.own, func(own string) bool { return to == own || strings.HasPrefix(to, own+"/") }) {
		where := path
		if to != dir {
			where = fmt.Sprintf("%s, which is in %s,", path, to)
		}
		return "", fmt.Errorf("cannot write %s: it is in none of the account's own directories (%s), and keeper doctor --fix writes nowhere else; whoever owns it has to do it", where, strings.Join(m.own, ", "))
	}
	var st unix.Stat_t
	if err := unix.Stat(to, &st); err != nil {
		return "", fmt.Errorf("cannot write %s: %w", path, err)
	}
	if int(st.Uid) != m.uid {
		return "", fmt.Errorf("cannot write %s: %s belongs to uid %d, and keeper doctor --fix writes in the account's own directories only; whoever owns it has to do it", path, to, st.Uid)
	}
	return filepath.Join(to, rest), nil
}

// readSmall reads a regular file. It neither follows a link nor waits for a pipe.
func readSmall(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, unix.ELOOP) {
		return nil, fmt.Errorf("%s is a symbolic link, which is not followed", path)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no file", path)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxRepairFile+1))
	if err == nil && len(data) > maxRepairFile {
		err = fmt.Errorf("%s is longer than %d bytes", path, maxRepairFile)
	}
	return data, err
}

// run runs a command in a process group of its own, which ends with it where it failed or
// took too long.
func (m mender) run(ctx context.Context, argv []string) error {
	ctx, cancel := context.WithTimeout(ctx, m.limit)
	defer cancel()
	program := m.self
	if argv[0] != "keeper" {
		var err error
		if program, err = exec.LookPath(argv[0]); err != nil {
			return fmt.Errorf("cannot run %s: %w", argv[0], err)
		}
	}
	said := bounded{most: maxRepairTalk}
	cmd := exec.CommandContext(ctx, program, argv[1:]...)
	cmd.Env, cmd.Stdout, cmd.Stderr = m.env, &said, &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	switch {
	case errors.Is(err, exec.ErrWaitDelay):
		return nil // it ended well, and left somebody behind who could still speak
	case err == nil:
		return nil
	case ctx.Err() == context.DeadlineExceeded:
		err = fmt.Errorf("it was not done within %s", m.limit)
	case ctx.Err() != nil:
		err = ctx.Err()
	}
	return fmt.Errorf("%s: %w%s", line(strings.Join(argv, " ")), err, told(said.kept.String()))
}

// told is what a command said, its last lines behind a colon.
func told(s string) string {
	const most = 5
	var lines []string
	for l := range strings.Lines(s) {
		if l = line(l); l != "" {
			lines = append(lines, l)
		}
	}
	if len(lines) == 0 {
		return ""
	}
	return ": " + strings.Join(lines[max(0, len(lines)-most):], "; ")
}
