// Package guardhost is what the command guard has to know of this host, and what it
// keeps of its verdicts: the Quadlet files and settings that it goes by, the commands
// that a person let through, and the lines in the history.
//
// It is linked into a program that runs before every command of an agent. So it asks
// nobody, reads as few files as it can, and bounds all that it reads. What it cannot
// read makes the guard stricter.
package guardhost

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"keeper/internal/config"
	"keeper/internal/guard"
	"keeper/internal/paths"
)

// Account is the account that the guard works for, and where its things are.
type Account struct {
	UID        int
	User, Home string
	Paths      paths.Paths
	// Programs is the directory of keeper's programs.
	Programs string

	env func(string) string
	// siteGuard reads guard.toml; tests have no file of root's.
	siteGuard func(file string) (config.Guard, config.Mistakes)
	// also are further places where Quadlet files may be.
	also []string
	// wrong is what could not be told of the account.
	wrong []string
}

// mostPasswd bounds what is read of /etc/passwd.
const mostPasswd = 1 << 20

// Here is the account of this process.
func Here() Account {
	passwd, _ := readFile("/etc/passwd", mostPasswd)
	exe, _ := os.Executable()
	return account(os.Getuid(), passwd, exe, os.Getenv)
}

func account(uid int, passwd, exe string, env func(string) string) Account {
	a := Account{UID: uid, env: env, siteGuard: config.ReadSiteGuard, User: env("USER")}
	home := ""
	for line := range strings.Lines(passwd) {
		// name:password:UID:GID:GECOS:directory:shell
		if f := strings.Split(strings.TrimSpace(line), ":"); len(f) == 7 && f[2] == strconv.Itoa(uid) {
			a.User, home = f[0], f[5]
			break
		}
	}
	if exe != "" {
		a.Programs = filepath.Dir(exe)
	}
	a.Home = env("HOME")
	if !filepath.IsAbs(a.Home) {
		a.Home = home
	}
	a.Home = cleanOr(a.Home)
	var err error
	a.Paths, err = paths.In(uid, func(name string) string {
		if name == "HOME" {
			return a.Home
		}
		return env(name)
	})
	if err != nil {
		a.wrong = append(a.wrong, err.Error())
	}
	// A variable that leads elsewhere, or another home, must not take away what is
	// kept: systemd and Podman start the stack from the account's own.
	if filepath.IsAbs(home) {
		if root := filepath.Join(home, ".config", "containers", "systemd"); root != a.Paths.Quadlets[1] {
			a.also = append(a.also, root)
		}
	}
	return a
}

func cleanOr(path string) string {
	if !filepath.IsAbs(path) {
		return ""
	}
	return filepath.Clean(path)
}

// Load tells the guard of this host and of the settings, for a command whose working
// directory is dir, "" if it is not known. What could not be read is in mistakes, and
// makes the guard stricter.
func (a Account) Load(dir string, now time.Time) (guard.Host, guard.Policy, []string) {
	policy, mistakes := a.policy(now)
	s := a.stack()
	h := guard.Host{
		UID: a.UID, User: a.User, Home: a.Home, Dir: cleanOr(dir), Runtime: a.Paths.Runtime,
		Units: s.units, Containers: s.containers, Volumes: s.volumes, Networks: s.networks, Pods: s.pods,
		Ports: s.ports, Mounts: s.mounts, Partial: s.partial,
		Read: readText, Resolve: resolve, Now: now,
	}
	for _, keep := range [][]string{policy.Site.Keep, policy.User.Keep} {
		for _, name := range keep {
			if strings.HasSuffix(name, ".service") {
				h.Units = append(h.Units, name)
			} else {
				h.Units, h.Containers = append(h.Units, name+".service"), append(h.Containers, name)
			}
		}
	}
	h.Places = a.places(s, policy, h.Dir)
	mistakes = append(append(a.wrong[:len(a.wrong):len(a.wrong)], mistakes...), s.mistakes...)
	return h, policy, mistakes
}

// policy reads the settings.
func (a Account) policy(now time.Time) (p guard.Policy, mistakes []string) {
	site, wrong := a.siteGuard(a.Paths.SiteGuard)
	user, more := config.ReadGuard(a.Paths.SiteSettings, a.Paths.Settings)
	if len(wrong) > 0 {
		// Root may have meant to forbid what the account's own settings have.
		user, site.Overrides = user.Strict(), config.OverrideNever
	}
	p.Site, p.User = settings(site), settings(user)
	if !p.Site.NoOverrides && !p.User.NoOverrides {
		p.Passes = a.passes(now)
	}
	return p, append(wrong, more...).Lines()
}

// settings are those of a file, as the guard takes them.
func settings(g config.Guard) guard.Settings {
	s := guard.Settings{Mode: guard.Mode(g.Mode), Protect: g.Protect, Keep: g.Keep, NoOverrides: g.Overrides == config.OverrideNever,
		Allow: patterns(g.Allow), Ask: patterns(g.Ask), Deny: patterns(g.Deny)}
	for id, word := range g.Rules {
		if d, ok := guard.ParseDecision(word); ok {
			if s.Rules == nil {
				s.Rules = map[string]guard.Decision{}
			}
			s.Rules[id] = d
		}
	}
	return s
}

func patterns(list []config.GuardCommand) []guard.Pattern {
	out := make([]guard.Pattern, 0, len(list))
	for _, c := range list {
		out = append(out, guard.Pattern{Words: c.Words, Name: c.Name, Reason: c.Reason, Safer: c.Safer})
	}
	return out
}
