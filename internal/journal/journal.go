// Package journal reads in the system's journal who may have done something: sudo,
// su, pkexec and polkit, logins, and what PID 1 was asked to do to the account's user
// manager. It runs journalctl once for each question and follows nothing.
//
// What is believed. Any user may write any line with any SYSLOG_IDENTIFIER, and any
// field that does not begin with an underscore. Fields that do are journald's own
// (systemd.journal-fields(7), "Trusted Journal Fields"): the uid comes with the message
// from the kernel, the program from /proc. But _COMM is the name of a file, which a user
// may choose, and even _EXE only tells what the process was when journald looked, a
// moment after it wrote: of 30 processes that wrote a line and became sudo at once, 17
// were taken for it. So:
//
//   - lines of root's processes (_UID=0: logind, sshd, PID 1) are believed;
//   - sudo, su and pkexec are setuid and write as whoever called them (measured with
//     systemd 252 and 257: _UID=1000 where uid 1000 calls sudo). Their lines must
//     have root's program in _EXE, and count as done by the user of _UID; the name that
//     the line begins with is left out. A forger can accuse nobody but himself;
//   - polkitd runs as a user of its own and is known by its unit.
package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"keeper/internal/core"
)

// The bounds of one question.
const (
	limit    = 5 * time.Second
	maxLines = 200
	maxBytes = 2 << 20
)

// DeniedError says that the account may not read the journal of the system. It may
// read that of its own processes, sudo among them.
type DeniedError struct{ Account string }

func (e *DeniedError) Error() string {
	return fmt.Sprintf("cannot read the journal of the system: the account %[1]s may read that of its own processes only; "+
		"as root: usermod -aG systemd-journal %[1]s (it counts from the next start of the user manager)", e.Account)
}

// ErrNone is returned where the machine keeps no journal.
var ErrNone = errors.New("this machine keeps no journal (Storage= in journald.conf(5))")

// Commands are the lines between the two times that may tell who did it, the oldest
// first. With an error there may be more of them than were found.
func Commands(ctx context.Context, from, to time.Time) ([]core.Command, error) {
	a := asker{program: "journalctl", uid: os.Getuid(), name: account, stores: []string{"/var/log/journal", "/run/log/journal"}, machine: "/etc/machine-id"}
	return a.commands(ctx, from, to)
}

// account is the name of a user, or its number.
func account(uid string) string {
	if u, err := user.LookupId(uid); err == nil {
		return u.Username
	}
	return "uid " + uid
}

// asker is what a question needs of the world.
type asker struct {
	program string
	uid     int
	name    func(uid string) string
	// stores are where journald keeps its files, below the id in machine.
	stores  []string
	machine string
}

func (a asker) commands(ctx context.Context, from, to time.Time) ([]core.Command, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	may := a.readable()
	out, err := a.run(ctx, from, to)
	return commands(out, a.uid, a.name), errors.Join(may, err)
}

// readable says why there is more in the journal than the account is shown. journalctl
// itself ends well either way, unless it is given --system, with which it would leave
// out the account's own sudo (both seen with systemd 252 and 257).
func (a asker) readable() error {
	id, err := os.ReadFile(a.machine)
	if err != nil {
		return fmt.Errorf("cannot tell where the journal is: %w", err)
	}
	found := ErrNone
	for _, store := range a.stores {
		f, err := os.Open(filepath.Join(store, strings.TrimSpace(string(id)), "system.journal"))
		switch {
		case err == nil:
			_ = f.Close()
			return nil
		case errors.Is(err, fs.ErrPermission):
			found = &DeniedError{Account: a.name(strconv.Itoa(a.uid))}
		}
	}
	return found
}

// run returns what journalctl says, as far as the bounds allow.
func (a asker) run(ctx context.Context, from, to time.Time) ([]byte, error) {
	args := []string{"--output=json", "--no-pager", "--quiet", "--lines=" + strconv.Itoa(maxLines), "--since=" + at(from), "--until=" + at(to)}
	cmd := exec.CommandContext(ctx, a.program, append(args, matches(a.uid)...)...)
	cmd.Env = []string{"LC_ALL=C", "PATH=/usr/bin:/bin"}
	cmd.WaitDelay = time.Second
	var out, said bounded
	out.left, said.left = maxBytes, 1<<10
	cmd.Stdout, cmd.Stderr = &out, &said
	err := cmd.Run()
	switch {
	case out.cut:
		return out.kept.Bytes(), errors.New("cannot read all of the journal: its lines are too long")
	case ctx.Err() != nil:
		return out.kept.Bytes(), fmt.Errorf("cannot read all of the journal: journalctl did not end within %s", limit)
	case err != nil:
		return out.kept.Bytes(), fmt.Errorf("cannot read the journal: %w: %s", err, printable(said.kept.String(), 200))
	}
	return out.kept.Bytes(), nil
}

// at is a time as journalctl takes it (systemd.time(7)).
func at(t time.Time) string {
	return fmt.Sprintf("@%d.%06d", t.Unix(), t.Nanosecond()/1000)
}

// bounded keeps so many bytes, and takes no more: the writer then ends by SIGPIPE. The
// buffer is not embedded, for its ReadFrom knows no bounds.
type bounded struct {
	kept bytes.Buffer
	left int
	cut  bool
}

func (b *bounded) Write(p []byte) (int, error) {
	if len(p) > b.left {
		b.cut = true
		return 0, io.ErrShortWrite
	}
	b.left -= len(p)
	return b.kept.Write(p)
}

// matches are those of journalctl(1): fields of a group must all match, + means or.
// They only keep the lines few; which of them count is said in parse.go.
func matches(uid int) []string {
	var list []string
	for _, m := range [][]string{
		{"_COMM=sudo"},
		{"_COMM=su"},
		{"_COMM=pkexec"},
		{"_UID=0", "_COMM=systemd-logind"},
		{"_UID=0", "_COMM=sshd"},
		{"_UID=0", "_COMM=sshd-session"}, // OpenSSH 9.8 and later
		{"_SYSTEMD_UNIT=polkit.service"},
		{"_PID=1", fmt.Sprintf("UNIT=user@%d.service", uid)},
		{"_PID=1", fmt.Sprintf("UNIT=user-%d.slice", uid)},
		// What was killed in the sessions: that who stops his own account in a
		// session dies of it, and is named here.
		{"_PID=1", "CODE_FUNC=log_kill"},
	} {
		if list != nil {
			list = append(list, "+")
		}
		list = append(list, m...)
	}
	return list
}
