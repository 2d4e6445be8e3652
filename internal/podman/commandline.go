package podman

import (
	"slices"
	"strings"
)

// commandLine holds the options of the command line that made a container, as
// Podman recorded it. It settles what inspecting loses, and nothing else: a
// container made through the API has none.
type commandLine struct {
	known   bool
	options map[string][]string
}

// standalone are the options of podman run, podman create and podman pod create
// that take no value of their own.
var standalone = []string{
	"detach", "disable-content-trust", "env-host", "help", "http-proxy", "infra", "init", "interactive", "no-healthcheck", "no-hostname",
	"no-hosts", "oom-kill-disable", "passwd", "privileged", "publish-all", "quiet", "read-only", "read-only-tmpfs", "replace",
	"rm", "rmi", "rootfs", "sig-proxy", "tls-verify", "tty", "unsetenv-all", "hosts-file-none",
}

var shorthands = map[byte]string{
	'a': "attach", 'c': "cpu-shares", 'd': "detach", 'e': "env", 'h': "hostname", 'i': "interactive", 'l': "label",
	'm': "memory", 'P': "publish-all", 'p': "publish", 'q': "quiet", 't': "tty", 'u': "user", 'v': "volume", 'w': "workdir",
}

// parseCommand reads podman [OPTION…] [container|pod] run|create OPTION… IMAGE ….
func parseCommand(argv []string) commandLine {
	c := commandLine{options: map[string][]string{}}
	// An option of podman itself may have the value "run", but such a value is no
	// reason to look for another.
	verb := slices.IndexFunc(argv, func(a string) bool { return a == "run" || a == "create" })
	if verb < 0 {
		return c
	}
	c.known = true
	for args := argv[verb+1:]; len(args) > 0; {
		arg := args[0]
		args = args[1:]
		if len(arg) < 2 || arg[0] != '-' || arg == "--" {
			return c // the image, and behind it what runs in it
		}
		name, value, has := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
		if !strings.HasPrefix(arg, "--") {
			// -dit, -p8080:80, -v=x:y: all but the last stand alone.
			short := arg[1:]
			for len(short) > 0 {
				name, value, has = shorthands[short[0]], strings.TrimPrefix(short[1:], "="), len(short) > 1
				if !slices.Contains(standalone, name) {
					break
				}
				c.options[name] = append(c.options[name], "true")
				short = short[1:]
			}
			if short == "" {
				continue
			}
		}
		switch {
		case has:
		case slices.Contains(standalone, name):
			value = "true"
		case len(args) > 0:
			value, args = args[0], args[1:]
		}
		c.options[name] = append(c.options[name], value)
	}
	return c
}

// all are the values of an option, in their order; of several names for it.
func (c commandLine) all(names ...string) []string {
	var list []string
	for _, n := range names {
		list = append(list, c.options[n]...)
	}
	return list
}

// last is the value that counts of an option that can be given once.
func (c commandLine) last(name string) (string, bool) {
	list := c.options[name]
	if len(list) == 0 {
		return "", false
	}
	return list[len(list)-1], true
}
