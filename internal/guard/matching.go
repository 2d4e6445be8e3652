package guard

import (
	"regexp"
	"strings"
)

// process is one that must not be ended: a name as in /proc/PID/comm, and words of its
// command line.
type process struct {
	name, line string
	rule       string
	// service says that SIGHUP and its kin are harmless to it.
	service bool
	// likely says that it is so on many hosts, and not known of this one.
	likely bool
}

// commLength is how much of a name the kernel keeps.
const commLength = 15

// important are the processes that the stack consists of, as Podman and systemd start
// them.
func (j *judge) important(inside bool) []process {
	services := []process{
		{name: "postgres", line: "postgres: checkpointer", service: true},
		{name: "postmaster", line: "postmaster -D /var/lib/postgresql/data", service: true},
		{name: "redis-server", line: "redis-server *:6379", service: true},
		{name: "valkey-server", line: "valkey-server *:6379", service: true},
		{name: "minio", line: "minio server /data", service: true},
		{name: "gunicorn", line: "gunicorn: master", service: true},
		{line: "/usr/local/bin/python3 /usr/local/bin/gunicorn", service: true, likely: true},
		{name: "catatonit", line: "catatonit -P"},
	}
	if inside {
		return services
	}
	run := j.host.Runtime
	storage := j.host.Home + "/.local/share/containers/storage"
	list := append(services,
		process{name: "conmon", line: "/usr/bin/conmon --api-version 1 -r /usr/bin/crun -b " + storage + "/overlay-containers/"},
		process{name: "pasta", line: "/usr/bin/pasta --config-net --pid " + run + "/containers/networks/rootless-netns/rootless-netns-conn.pid"},
		process{name: "pasta.avx2", line: "/usr/bin/pasta.avx2 --config-net --dns-forward --netns " + run + "/containers/networks/rootless-netns/rootless-netns"},
		process{name: "slirp4netns", line: "/usr/bin/slirp4netns --disable-host-loopback --netns-type=path"},
		process{name: "aardvark-dns", line: "/usr/lib/podman/aardvark-dns --config " + run + "/containers/networks/aardvark-dns"},
		process{name: "netavark", line: "/usr/lib/podman/netavark"},
		process{name: "rootlessport", line: "rootlessport"},
		process{name: "rootlessport-child", line: "rootlessport-child"},
		process{name: "podman", line: "/usr/bin/podman container cleanup --stopped-only"},
		process{name: "crun", line: "/usr/bin/crun"}, process{name: "runc", line: "/usr/bin/runc"},
		process{name: "systemd", line: "/usr/lib/systemd/systemd --user"}, process{name: "(sd-pam)", line: "(sd-pam)"},
		process{name: "systemd-logind", line: "/usr/lib/systemd/systemd-logind"},
		process{name: "dbus-broker", line: "dbus-broker --log"}, process{name: "dbus-broker-launch", line: "/usr/bin/dbus-broker-launch --scope user"},
		process{name: "dbus-daemon", line: "/usr/bin/dbus-daemon --session --address=systemd:"},
		process{name: "keeper", line: "keeper run", rule: "keeper.stop"}, process{name: "keeper-guard", line: "keeper-guard", rule: "keeper.stop"},
	)
	for _, names := range [][]string{j.host.Containers, j.host.Units, j.host.Pods} {
		for _, n := range names {
			list = append(list, process{line: "conmon -n " + n})
		}
	}
	return list
}

// matching is how pkill or killall names processes.
type matching struct {
	pattern string
	// literal is no expression; full looks at command lines; exact wants all of it;
	// fold does not mind the case.
	literal, full, exact, fold bool
}

// maxPattern is the length above which a pattern is taken as it is.
const maxPattern = 512

// test returns what says whether a text is matched. Marks in the pattern stand for
// anything.
func (m matching) test() func(text string) bool {
	p := m.pattern
	if m.literal {
		p = regexp.QuoteMeta(p)
	}
	p = strings.NewReplacer(holeWord, ".*", taintWord, ".*").Replace(p)
	if m.exact {
		p = "^(?:" + p + ")$"
	}
	if m.fold {
		p = "(?i)" + p
	}
	if len(p) <= maxPattern {
		if re, err := regexp.Compile(p); err == nil {
			return re.MatchString
		}
	}
	return func(text string) bool { return strings.Contains(text, m.pattern) }
}

// struck finds what a signal to all processes that match would hit. One finding is
// enough: the surest.
func (j *judge) struck(c *call, m matching, s strength) {
	id, sure, detail := j.strikes(c, m, s)
	j.find(c, id, sure, detail)
}

func (j *judge) strikes(c *call, m matching, s strength) (id string, sure match, detail string) {
	test := m.test()
	all, hits := 0, 0
	for _, p := range j.important(c.place.kind == inContainer) {
		text := p.name
		if m.full {
			text = p.line
		}
		if text == "" || s == gentle && p.service {
			continue
		}
		all++
		hit := test(text) || !m.full && len(text) > commLength && test(text[:commLength])
		if !hit {
			continue
		}
		hits++
		how := yes
		if p.likely || s == whoKnows || open(m.pattern) && !tainted(m.pattern) {
			how = maybe
		}
		if how > sure {
			id, sure, detail = "stack.helpers", how, "it hits "+p.what()
			if p.rule != "" {
				id = p.rule
			}
		}
	}
	if sure == yes && hits > all*3/4 && !m.exact && c.place.kind != inContainer {
		return "session.processes", sure, "nearly everything matches"
	}
	return id, sure, detail
}

// what is how a process is called for people.
func (p process) what() string {
	if p.name != "" {
		return p.name
	}
	return p.line
}
