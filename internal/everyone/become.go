package everyone

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Become makes this process, which root started, the account's: UID GID GROUP,GROUP,…
// and then this program again with the words after "--". It returns only if it failed.
//
// No new privileges are not forbidden to it (PR_SET_NO_NEW_PRIVS): it asks chage(1) and
// passwd(1) whether the account is locked, which are set-uid.
func Become(args []string) error {
	uid, gid, groups, command, err := parseBecome(args)
	if err != nil {
		return err
	}
	if os.Getuid() != 0 {
		return errors.New("only root can become an account")
	}
	// The session keyring and the signal at the parent's death are a thread's own, and
	// of this one they are kept by exec.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// Root's session keyring would open its keys to the account (session-keyring(7)).
	// No name makes an anonymous one. Where the kernel or a filter knows no keyrings, the account cannot reach any either.
	if _, err := unix.KeyctlInt(unix.KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0); err != nil && !errors.Is(err, unix.ENOSYS) && !errors.Is(err, unix.EPERM) {
		return fmt.Errorf("cannot leave root's keyring: %w", err)
	}
	if err := closeOthers(); err != nil {
		return fmt.Errorf("cannot close what root has open: %w", err)
	}
	if err := syscall.Setgroups(groups); err != nil {
		return fmt.Errorf("cannot take the account's groups: %w", err)
	}
	if err := syscall.Setresgid(gid, gid, gid); err != nil {
		return fmt.Errorf("cannot take the account's group: %w", err)
	}
	if err := syscall.Setresuid(uid, uid, uid); err != nil {
		return fmt.Errorf("cannot become uid %d: %w", uid, err)
	}
	if syscall.Setuid(0) == nil {
		return fmt.Errorf("uid %d could become root again", uid)
	}
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return fmt.Errorf("cannot be bound to the life of the parent: %w", err)
	}
	err = unix.Exec(self, append([]string{"keeper"}, command...), os.Environ())
	return fmt.Errorf("cannot run keeper as uid %d: %w", uid, err)
}

func parseBecome(args []string) (uid, gid int, groups []int, command []string, err error) {
	if len(args) < 5 || args[3] != "--" {
		return 0, 0, nil, nil, errors.New("usage: UID GID GROUP,GROUP,… -- COMMAND")
	}
	number := func(s string) int {
		n, nerr := strconv.ParseUint(s, 10, 32)
		if nerr != nil || n >= 1<<32-1 {
			err = fmt.Errorf("%q is no id", s)
		}
		return int(n)
	}
	uid, gid = number(args[0]), number(args[1])
	groups = []int{}
	for s := range strings.SplitSeq(args[2], ",") {
		if s != "" {
			groups = append(groups, number(s))
		}
	}
	if err == nil && uid == 0 {
		err = errors.New("root is nobody to become")
	}
	return uid, gid, groups, args[4:], err
}

// closeOthers has all descriptors but the first three closed by the next exec: some may
// come from whoever started root's command.
func closeOthers() error {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	for _, e := range entries {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd > 2 {
			unix.CloseOnExec(fd) // the one that was read from is gone by now
		}
	}
	return nil
}
