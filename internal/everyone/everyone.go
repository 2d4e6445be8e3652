// Package everyone asks all accounts of a host, for root, how their stacks are. What an
// account answers is believed of itself, and of nobody else.
package everyone

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Account is one that may have a stack.
type Account struct {
	Name string
	UID  uint32
	GID  uint32
	Home string
	// Lingers says that logind notes it among those that linger.
	Lingers bool
	// Err is why it cannot be asked.
	Err string
}

// Host is where accounts are found.
type Host struct {
	// Linger is logind's directory of those that linger, a file each.
	Linger string
	// CGroups is where the cgroups are mounted: a user manager that runs keeper has
	// one for it.
	CGroups string
	// run runs a program and returns what it prints; tests set it.
	run func(ctx context.Context, name string, args ...string) (string, error)
}

// Bounds of what is asked about accounts.
const (
	maxAccounts = 10_000
	maxName     = 256
	// nameLimit is how long a directory service may take.
	nameLimit = 20 * time.Second
	batch     = 200
)

// Accounts returns all that linger, and all whose user manager has keeper in it, by uid.
func (h Host) Accounts(ctx context.Context) ([]Account, error) {
	entries, err := os.ReadDir(h.Linger)
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // nobody ever lingered
		return nil, fmt.Errorf("cannot tell who lingers: %w", err)
	}
	lingers := map[string]bool{}
	var keys []string // names and uids
	for _, e := range entries {
		if name := e.Name(); validName(name) && e.Type().IsRegular() {
			lingers[name] = true
			keys = append(keys, name)
		}
	}
	for _, uid := range h.running() {
		keys = append(keys, strconv.FormatUint(uint64(uid), 10))
	}
	if len(keys) > maxAccounts {
		return nil, fmt.Errorf("%d accounts linger in %s, and keeper asks %d at most; remove those that are nobody's", len(keys), h.Linger, maxAccounts)
	}
	known, err := h.resolve(ctx, keys)
	if err != nil {
		return nil, err
	}
	var list []Account
	seen := map[uint32]bool{}
	for _, a := range known {
		if a.UID == 0 || seen[a.UID] {
			continue // root has no stack of its own
		}
		seen[a.UID] = true
		a.Lingers = lingers[a.Name]
		list = append(list, a)
	}
	slices.SortFunc(list, func(a, b Account) int { return int(int64(a.UID) - int64(b.UID)) })
	for _, name := range keys {
		if lingers[name] && !slices.ContainsFunc(known, func(a Account) bool { return a.Name == name }) {
			list = append(list, Account{Name: name, Lingers: true, Err: "there is no such account; if it is gone for good: rm " + filepath.Join(h.Linger, name)})
		}
	}
	return list, nil
}

// validName says whether it may be the name of an account, and is no option of a program
// and no path (systemd's rules, which are laxer than useradd's).
func validName(name string) bool {
	if name == "" || len(name) > maxName || strings.Trim(name, "0123456789") == "" || name[0] == '-' || name[0] == '.' {
		return false
	}
	return !strings.ContainsFunc(name, func(r rune) bool {
		return r <= ' ' || r == ':' || r == '/' || r == 0x7f || clean(string(r)) != string(r)
	})
}

// running are the uids whose user manager has a keeper.service. With an older systemd it
// is not in app.slice, with cgroup v1 below systemd's own hierarchy.
func (h Host) running() []uint32 {
	var uids []uint32
	for _, root := range []string{h.CGroups, filepath.Join(h.CGroups, "systemd")} {
		for _, slice := range []string{"", "app.slice"} {
			found, _ := filepath.Glob(filepath.Join(root, "user.slice", "user-*.slice", "user@*.service", slice, "keeper.service")) // the pattern is well-formed
			for _, dir := range found {
				rest, _ := filepath.Rel(filepath.Join(root, "user.slice"), dir)
				part, _, _ := strings.Cut(rest, "/")
				if uid, err := strconv.ParseUint(strings.TrimSuffix(strings.TrimPrefix(part, "user-"), ".slice"), 10, 32); err == nil {
					uids = append(uids, uint32(uid))
				}
			}
		}
	}
	return uids
}

// resolve looks accounts up where the host does (nsswitch.conf(5)), which this program,
// being static, cannot.
func (h Host) resolve(ctx context.Context, keys []string) ([]Account, error) {
	var list []Account
	for some := range slices.Chunk(keys, batch) {
		out, err := h.ask(ctx, "getent", append([]string{"passwd", "--"}, some...)...)
		// 2: one or more of them could not be found (getent(1)).
		if exit := new(exec.ExitError); err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 2) {
			return nil, fmt.Errorf("cannot look accounts up: getent passwd: %w", err)
		}
		for line := range strings.Lines(out) {
			if a, ok := parsePasswd(strings.TrimSuffix(line, "\n")); ok {
				list = append(list, a)
			}
		}
	}
	return list, nil
}

// parsePasswd reads a line of passwd(5).
func parsePasswd(line string) (Account, bool) {
	f := strings.Split(line, ":")
	if len(f) != 7 || !validName(f[0]) {
		return Account{}, false
	}
	uid, uerr := strconv.ParseUint(f[2], 10, 32)
	gid, gerr := strconv.ParseUint(f[3], 10, 32)
	// The last two are "nobody at all" to the kernel.
	if uerr != nil || gerr != nil || uid >= 1<<32-2 || gid >= 1<<32-1 {
		return Account{}, false
	}
	a := Account{Name: f[0], UID: uint32(uid), GID: uint32(gid), Home: f[5]}
	if !filepath.IsAbs(a.Home) || strings.ContainsRune(a.Home, 0) {
		a.Err = "its home is not an absolute path"
	}
	return a, true
}

// groups are all groups of the account.
func (h Host) groups(ctx context.Context, a Account) ([]uint32, error) {
	out, err := h.ask(ctx, "id", "-G", "--", a.Name)
	if err != nil {
		return nil, fmt.Errorf("cannot tell its groups: id -G: %w", err)
	}
	var list []uint32
	for _, word := range strings.Fields(out) {
		gid, err := strconv.ParseUint(word, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("cannot tell its groups: id -G says %q", clean(out))
		}
		list = append(list, uint32(gid))
	}
	return list, nil
}

func (h Host) ask(ctx context.Context, name string, args ...string) (string, error) {
	if h.run != nil {
		return h.run(ctx, name, args...)
	}
	ctx, cancel := context.WithTimeout(ctx, nameLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"}
	cmd.Dir, cmd.WaitDelay = "/", time.Second
	out, err := cmd.Output()
	if ctx.Err() != nil {
		err = fmt.Errorf("it did not answer within %s", nameLimit)
	}
	return string(out), err
}
