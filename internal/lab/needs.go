package lab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// ErrCannotHost is returned where this machine cannot boot a test host at all.
// Tests that need a host skip on it unless KEEPER_TEST_REQUIRE names the lab.
var ErrCannotHost = errors.New("this machine cannot boot a test host")

// hostTools are the programs a host is built and booted with, and the Debian
// package of each.
var hostTools = map[string]string{
	"mmdebstrap":     "mmdebstrap",
	"systemd-nspawn": "systemd-container",
	"nsenter":        "util-linux",
	"mount":          "mount",
	"mkfs.ext4":      "e2fsprogs",
}

// ensureTools checks that this process can boot a host, and installs from apt
// what is missing for it.
func ensureTools(say func(string, ...any)) error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("%w: it takes root to boot one; run this as root", ErrCannotHost)
	}
	var missing []string
	for tool, pkg := range hostTools {
		if _, err := exec.LookPath(tool); err != nil {
			missing = append(missing, pkg)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	if _, err := exec.LookPath("apt-get"); err != nil {
		return fmt.Errorf("%w: %s not found and there is no apt-get to install it with", ErrCannotHost, strings.Join(missing, ", "))
	}
	say("installing %s with apt-get", strings.Join(missing, ", "))
	if err := aptInstall(missing); err == nil {
		return nil
	}
	// The package lists of a fresh machine are empty or old.
	if err := quiet(exec.Command("apt-get", "update")); err != nil {
		return err
	}
	return aptInstall(missing)
}

func aptInstall(pkgs []string) error {
	cmd := exec.Command("apt-get", append([]string{"install", "--yes", "--no-install-recommends"}, pkgs...)...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	return quiet(cmd)
}

// quiet runs the command and shows what it printed only if it failed.
func quiet(cmd *exec.Cmd) error {
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, tail(string(out), 40))
	}
	return nil
}

// tail returns the last n lines of s.
func tail(s string, n int) string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	if len(lines) > n {
		lines = lines[len(lines)-n:]
	}
	return strings.Join(lines, "\n")
}
