// Package paths knows where things are on a host: docs/architecture.md has the
// table.
package paths

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Paths are the places of one account.
type Paths struct {
	// State is ~/.local/state/keeper: what must survive a reboot.
	State string
	// Runtime is $XDG_RUNTIME_DIR, and Socket keeper's socket below it.
	Runtime string
	Socket  string
	// Marks holds the administrator's stand-down marks, one file a uid.
	Marks string
	// Storage is where Podman keeps the account's images and volumes, unless its
	// storage.conf says otherwise.
	Storage string
	// LingerDir is where logind notes who lingers.
	LingerDir string
	// SiteSettings are the settings of all accounts of this host, Settings the
	// account's own: keeper.toml.
	SiteSettings, Settings string
	// SiteGuard is what root says of the command guard, for all accounts: guard.toml.
	SiteGuard string
	// Journal notes an adoption of containers that is not finished, and JournalLock
	// is locked (flock(2)) by whoever is at it.
	Journal, JournalLock string
	// Copies holds a copy of the Quadlet file of each running service.
	Copies string
	// Quadlets are where Podman's user generator looks for Quadlet files, in its
	// order (podman-systemd.unit(5)).
	Quadlets [4]string
}

// JournalName and LockName are those of Journal and JournalLock in State.
const (
	JournalName = "adoption.json"
	LockName    = "adoption.lock"
)

// AlertsName is the directory in State of alerts that were not sent yet.
const AlertsName = "alerts"

// Helper is the name of the program that does what needs large libraries, Guard of the
// one that judges commands, and LibExec where a package puts them.
const (
	Helper  = "keeper-adopt"
	Guard   = "keeper-guard"
	LibExec = "/usr/libexec/keeper"
)

// Installer is install.sh as one types it: the package's where there is one, else that of
// a checkout or a tarball, which nobody knows the place of.
func Installer() string {
	const packaged = LibExec + "/install.sh"
	if _, err := os.Stat(packaged); err == nil {
		return packaged
	}
	return "deploy/install.sh"
}

// Of returns the places of the account that runs this process.
func Of(uid int) (Paths, error) {
	return In(uid, os.Getenv)
}

// In is Of, by another environment.
func In(uid int, env func(string) string) (Paths, error) {
	home := env("HOME")
	state, data, config := env("XDG_STATE_HOME"), env("XDG_DATA_HOME"), env("XDG_CONFIG_HOME")
	if home == "" && (!filepath.IsAbs(state) || !filepath.IsAbs(data) || !filepath.IsAbs(config)) {
		return Paths{}, errors.New("cannot tell where keeper's state is: $HOME is not defined")
	}
	if !filepath.IsAbs(state) {
		state = filepath.Join(home, ".local", "state")
	}
	if !filepath.IsAbs(data) {
		data = filepath.Join(home, ".local", "share")
	}
	if !filepath.IsAbs(config) {
		config = filepath.Join(home, ".config")
	}
	runtime := env("XDG_RUNTIME_DIR")
	if !filepath.IsAbs(runtime) {
		runtime = fmt.Sprintf("/run/user/%d", uid)
	}
	return Paths{
		State:        filepath.Join(state, "keeper"),
		Runtime:      runtime,
		Socket:       filepath.Join(runtime, "keeper", "keeper.sock"),
		Marks:        "/etc/keeper/stand-down",
		Storage:      filepath.Join(data, "containers", "storage"),
		LingerDir:    "/var/lib/systemd/linger",
		SiteSettings: "/etc/keeper/keeper.toml",
		SiteGuard:    "/etc/keeper/guard.toml",
		Settings:     filepath.Join(config, "keeper", "keeper.toml"),
		Journal:      filepath.Join(state, "keeper", JournalName),
		JournalLock:  filepath.Join(state, "keeper", LockName),
		Copies:       filepath.Join(state, "keeper", "quadlets"),
		Quadlets: [4]string{
			filepath.Join(runtime, "containers", "systemd"),
			filepath.Join(config, "containers", "systemd"),
			"/etc/containers/systemd/users",
			fmt.Sprintf("/etc/containers/systemd/users/%d", uid),
		},
	}, nil
}
