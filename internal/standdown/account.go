package standdown

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"keeper/internal/atomicfile"
	"keeper/internal/core"
)

// toolTimeout is the deadline of each program that is asked.
const toolTimeout = time.Second

// account tells whether the account is gone, expired or locked. Only root may
// read /etc/shadow; getent(1), chage(1) and passwd(1) say of one's own account
// what is needed. What they do not say is taken as well.
func (m Marks) account(ctx context.Context, now time.Time) core.StandDown {
	uid := strconv.FormatUint(uint64(m.UID), 10)
	line, err := m.run(ctx, "getent", "passwd", uid)
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 2 && onlyLocalNames() {
		return core.StandDown{Cause: core.CauseRemoved, Detail: "there is no account with uid " + uid + " any more"}
	}
	name, _, _ := strings.Cut(line, ":")
	if err != nil || name == "" || strings.HasPrefix(name, "-") || printable(name) != name {
		return core.StandDown{}
	}
	aging, err := m.privileged(ctx, "chage", "-l", name)
	unasked := notAsked(err)
	if (err == nil || unasked != "") && expired(aging, now) {
		return core.StandDown{Cause: core.CauseExpired, Detail: "the account " + name + " has expired (chage -l " + name + ")"}
	}
	password, err := m.password(ctx, name)
	if unasked == "" {
		unasked = notAsked(err)
	}
	switch password {
	case usable:
		m.remember()
	case locked:
		if !m.hadPassword() {
			break
		}
		return core.StandDown{Cause: core.CauseLocked,
			Detail: "the account " + name + " was locked (passwd -S); if it is to live without a password: keeper resume"}
	}
	return core.StandDown{Unasked: unasked}
}

func notAsked(err error) string {
	if errors.Is(err, ErrNotAsked) {
		return printable(err.Error())
	}
	return ""
}

// onlyLocalNames says whether all accounts of this machine are on it
// (nsswitch.conf(5)). With a directory service, "no such account" may only mean
// that the service is away; PAM will not let a removed account in anyway.
func onlyLocalNames() bool {
	data, err := os.ReadFile("/etc/nsswitch.conf")
	if err != nil {
		return false
	}
	for _, line := range strings.Split(string(data), "\n") {
		sources, ok := strings.CutPrefix(strings.TrimSpace(line), "passwd:")
		if !ok {
			continue
		}
		for _, source := range strings.Fields(sources) {
			switch source {
			case "files", "systemd", "compat", "altfiles":
			default:
				return false
			}
		}
		return true
	}
	return false
}

// expired reads what chage -l prints in the C locale.
func expired(aging string, now time.Time) bool {
	for _, line := range strings.Split(aging, "\n") {
		key, value, ok := strings.Cut(line, ":")
		if !ok || strings.TrimSpace(key) != "Account expires" {
			continue
		}
		day, err := time.Parse("Jan 02, 2006", strings.TrimSpace(value))
		return err == nil && !now.Before(day)
	}
	return false
}

// What passwd -S says in its second field. RHEL before 10 says PS and LK.
const (
	usable = "P"
	locked = "L"
)

func (m Marks) password(ctx context.Context, name string) (string, error) {
	out, err := m.privileged(ctx, "passwd", "-S", name)
	fields := strings.Fields(out)
	if err != nil && !errors.Is(err, ErrNotAsked) || len(fields) < 2 {
		return "", err
	}
	return fields[1][:1], err
}

// A service account that never had a password reads as locked too, and is not.
// So keeper remembers having seen a usable one; only then is a lock a change
// that somebody made.
func (m Marks) passwordPath() string { return filepath.Join(m.StateDir, "password-seen") }

func (m Marks) hadPassword() bool {
	_, err := os.Stat(m.passwordPath())
	return err == nil
}

// remember notes that the account has a usable password. Where that cannot be
// kept, a lock cannot be told, and nothing else is lost.
func (m Marks) remember() {
	if !m.hadPassword() {
		_ = atomicfile.Write(m.passwordPath(), nil)
	}
}

// Accept takes a lock that is seen now as it is: it is no reason any more.
func (m Marks) Accept(ctx context.Context) error {
	if m.account(ctx, time.Now()).Cause != core.CauseLocked {
		return nil
	}
	return os.Remove(m.passwordPath())
}

// privileged runs a program that is set-uid.
func (m Marks) privileged(ctx context.Context, name string, args ...string) (string, error) {
	if m.Outside == nil {
		return m.run(ctx, name, args...)
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", err
	}
	return m.Outside(ctx, append([]string{path}, args...))
}

func (m Marks) run(ctx context.Context, name string, args ...string) (string, error) {
	if m.Run != nil {
		return m.Run(ctx, name, args...)
	}
	ctx, cancel := context.WithTimeout(ctx, toolTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.WaitDelay = 100 * time.Millisecond
	var out bytes.Buffer
	cmd.Stdout = &out
	err := cmd.Run()
	return out.String(), err
}
