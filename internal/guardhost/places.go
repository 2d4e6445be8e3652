package guardhost

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"keeper/internal/guard"
)

// placer collects what is guarded.
type placer struct {
	list  []guard.Place
	links *resolver
}

// add notes a place, and what it leads to if it is a link: either may be named.
func (p *placer) add(rule, what string, how guard.Place, paths ...string) {
	how.Rule, how.What = rule, what
	for _, path := range paths {
		if !filepath.IsAbs(path) || !plain(path) {
			continue
		}
		how.Path = filepath.Clean(path)
		p.list = append(p.list, how)
		if to := p.links.resolve(how.Path); to != how.Path && plain(to) {
			how.Path = to
			p.list = append(p.list, how)
		}
	}
}

// What of a place is guarded.
var (
	itself    = guard.Place{}                            // that it is there
	content   = guard.Place{Written: true}               // and what is written in it
	untouched = guard.Place{Within: true, Written: true} // and all below it
)

// places are the files and directories that are guarded, for a command in dir.
func (a Account) places(s *stack, policy guard.Policy, dir string) []guard.Place {
	p := &placer{links: newResolver(), list: make([]guard.Place, 0, len(s.files)+len(s.binds)+150)}
	config := filepath.Dir(filepath.Dir(a.Paths.Settings))
	p.quadlets(s, append(a.Paths.Quadlets[:], a.also...))
	p.add("files.storage", "Podman's storage", untouched, append(a.storage(config), a.Paths.Storage)...)
	for _, b := range s.binds {
		// What a service keeps nobody else may touch. Of a program's own source it is
		// daily work to change a file, and none to remove the directory.
		how := itself
		if b.data {
			how = untouched
		}
		p.add("files.storage", "data of "+b.unit, how, b.path)
	}
	p.runtime(a.Paths.Runtime)
	p.keeper(a, config)
	p.agents(a, dir)
	for _, list := range [][]string{policy.Site.Protect, policy.User.Protect} {
		for _, path := range list {
			if rest, is := strings.CutPrefix(path, "~/"); is {
				if a.Home == "" {
					continue
				}
				path = filepath.Join(a.Home, rest)
			}
			p.add("files.protected", "protected by the settings", untouched, path)
		}
	}
	// The guard itself knows the directories that every system has.
	p.add("files.home", "the home of "+a.User, itself, a.Home)
	for _, dir := range [...]string{"/media", "/mnt", "/run/user", "/var/lib/containers", "/var/log"} {
		p.list = append(p.list, guard.Place{Path: dir, Rule: "files.home", What: "a directory of the system"})
	}
	return p.list
}

// quadlets are the files, and the directories with all that may come to lie there.
func (p *placer) quadlets(s *stack, roots []string) {
	for _, f := range s.files {
		what := "Quadlet"
		if f.unit != "" {
			what += " of " + f.unit
		}
		// Their directories were resolved when they were looked for.
		if !plain(f.path) {
			continue
		}
		place := guard.Place{Path: f.path, Rule: "files.quadlet", Written: true, What: what}
		p.list = append(p.list, place)
		if slices.Contains(s.links, f.path) {
			if place.Path = p.links.resolve(f.path); plain(place.Path) {
				p.list = append(p.list, place)
			}
		}
	}
	seen := map[string]bool{}
	for _, dir := range append(s.dirs, roots...) {
		if !seen[dir] {
			seen[dir] = true
			p.add("files.quadlet", "Quadlets", untouched, dir)
		}
	}
}

// storage is where containers-storage.conf(5) of the account and of the site says that
// storage is, besides where it is anyway.
func (a Account) storage(config string) (list []string) {
	for _, file := range []string{a.env("CONTAINERS_STORAGE_CONF"), filepath.Join(config, "containers", "storage.conf"), "/etc/containers/storage.conf"} {
		if !filepath.IsAbs(file) {
			continue
		}
		text, err := readFile(file, mostText)
		if err != nil {
			continue
		}
		for line := range strings.Lines(text) {
			key, value, _ := strings.Cut(line, "=")
			switch key = strings.TrimSpace(key); {
			case key == "rootless_storage_path", key == "graphroot" && !strings.HasPrefix(file, "/etc/"): // that one is root's
				value, _, _ = strings.Cut(value, "#")
				value = strings.NewReplacer("$HOME", a.Home, "$USER", a.User, "$UID", strconv.Itoa(a.UID)).Replace(unquoted(strings.TrimSpace(value)))
				list = append(list, value)
			}
		}
	}
	return list
}

// runtime is the runtime directory, and what in it the stack lives on.
func (p *placer) runtime(dir string) {
	p.add("files.runtime", "the runtime directory of the account", itself, dir)
	for _, name := range [...]string{"bus", "containers", "crun", "dbus-1", "keeper", "libpod", "netns", "podman", "runc", "systemd"} {
		p.list = append(p.list, guard.Place{Path: filepath.Join(dir, name), Rule: "files.runtime", Within: true, What: "what the stack runs on"})
	}
	p.list = append(p.list, guard.Place{Path: filepath.Join(dir, passesDir), Rule: "keeper.guard", Within: true, Written: true, What: "what a person let through"})
}

// keeper are its own things.
func (p *placer) keeper(a Account, config string) {
	p.add("keeper.files", "keeper's state", untouched, a.Paths.State)
	p.add("keeper.settings", "the settings of keeper and the guard", content, a.Paths.Settings)
	p.add("keeper.files", "root's settings of keeper", untouched, filepath.Dir(a.Paths.SiteSettings))
	if a.Programs != "" {
		for _, name := range [...]string{"keeper", "keeper-adopt", "keeper-guard"} {
			p.add("keeper.files", "a program of keeper's", content, filepath.Join(a.Programs, name))
		}
	}
	p.add("keeper.files", "root's part of keeper", untouched, "/usr/libexec/keeper")
	// As install.sh and a package put them there.
	for _, dir := range []string{filepath.Join(config, "systemd", "user"), "/etc/systemd/user", "/usr/lib/systemd/user"} {
		for _, name := range [...]string{"keeper.service", "keeper-session.service", "keeper.service.d", "keeper-session.service.d",
			"default.target.wants/keeper.service", "default.target.wants/keeper-session.service",
			"podman-pause-.scope.d/50-keeper.conf", "rootless-netns-.scope.d/50-keeper.conf", "run-.scope.d/50-keeper.conf"} {
			p.list = append(p.list, guard.Place{Path: filepath.Join(dir, name), Rule: "keeper.files", Within: true, Written: true, What: "a unit of keeper's"})
		}
	}
	uid := strconv.Itoa(a.UID)
	for _, path := range [...]string{"/etc/systemd/system/keeper-revive@.service", "/etc/systemd/system/user@" + uid + ".service.d",
		"/etc/systemd/system/user-runtime-dir@" + uid + ".service.d", "/etc/systemd/logind.conf.d/50-keeper.conf"} {
		p.list = append(p.list, guard.Place{Path: path, Rule: "keeper.files", Within: true, Written: true, What: "root's part of keeper"})
	}
	p.list = append(p.list, guard.Place{Path: a.Paths.LingerDir, Rule: "session.linger", Within: true, Written: true, What: "logind's marks of who lingers"})
}

// mostParents bounds how far up from the working directory settings of agents are looked
// for.
const mostParents = 40

// agents are the settings that put the guard before the commands of agents: of the
// account, of the site, and of the project that the command is run in.
func (p *placer) agents(a Account, dir string) {
	hook := func(rule guard.Place, paths ...string) { p.add("keeper.hook", "settings of an agent", rule, paths...) }
	in := func(dir string, names ...string) (list []string) {
		for _, name := range names {
			if filepath.IsAbs(dir) {
				list = append(list, filepath.Join(dir, name))
			}
		}
		return list
	}
	if a.Home != "" {
		hook(content, in(a.Home, ".claude/settings.json", ".claude/settings.local.json", ".gemini/settings.json", ".codex/config.toml", ".codex/hooks.json", ".copilot/config.json")...)
		hook(untouched, in(a.Home, ".copilot/hooks")...)
	}
	hook(content, in(a.env("CLAUDE_CONFIG_DIR"), "settings.json", "settings.local.json")...)
	hook(content, in(a.env("CODEX_HOME"), "config.toml", "hooks.json")...)
	hook(content, in(a.env("COPILOT_HOME"), "config.json")...)
	hook(untouched, in(a.env("COPILOT_HOME"), "hooks")...)
	for _, dir := range [...]string{"/etc/claude-code", "/etc/gemini-cli", "/etc/codex"} {
		p.list = append(p.list, guard.Place{Path: dir, Rule: "keeper.hook", Within: true, Written: true, What: "settings of agents"})
	}
	for range mostParents {
		if dir == "" || dir == "/" {
			break
		}
		// Its own are of the account already.
		if dir != a.Home {
			hook(content, in(dir, ".claude/settings.json", ".claude/settings.local.json", ".gemini/settings.json", ".codex/config.toml", ".codex/hooks.json")...)
			hook(untouched, in(dir, ".github/hooks")...)
		} else {
			break
		}
		dir = filepath.Dir(dir)
	}
}
