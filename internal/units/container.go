package units

import (
	"net"
	"slices"
	"strings"
	"time"

	"keeper/internal/core"
)

// fillUnit takes what keeper goes by from the properties of the Unit interface.
func fillUnit(u *core.Unit, p map[string]any) {
	for _, key := range []string{"WantedBy", "RequiredBy", "UpheldBy"} {
		if list, _ := p[key].([]string); len(list) > 0 {
			u.Wanted = true
		}
	}
	u.Stale, _ = p["NeedDaemonReload"].(bool)
	u.After, _ = p["After"].([]string)
	// (uo): the id of the job, 0 for none.
	if job, _ := p["Job"].([]any); len(job) == 2 {
		id, _ := job[0].(uint32)
		u.Job = id != 0
	}
}

// fillService does so from those of the Service interface.
func fillService(u *core.Unit, s map[string]any) {
	us, _ := s["TimeoutStopUSec"].(uint64)
	// A limit that never comes reads as the highest number there is.
	u.StopLimit = time.Duration(min(us, uint64(24*time.Hour/time.Microsecond))) * time.Microsecond
	for _, key := range []string{"ExecStartPre", "ExecStart"} {
		// a(sasbttttuii): the path, the arguments, and how it went.
		lines, _ := s[key].([][]any)
		for _, line := range lines {
			if len(line) > 1 {
				argv, _ := line[1].([]string)
				readPodman(u, argv)
			}
		}
	}
}

// readPodman reads the command lines that Quadlet writes: podman run and
// podman pod create. What it does not know it passes over.
func readPodman(u *core.Unit, argv []string) {
	create := len(argv) > 2 && argv[1] == "pod" && argv[2] == "create"
	if !create && (len(argv) < 2 || argv[1] != "run") {
		return
	}
	args := argv[2:]
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if !strings.HasPrefix(arg, "-") {
			if !create && u.Image == "" {
				u.Image = arg
			}
			if !create {
				return // what follows is the container's own
			}
			continue
		}
		name, value, joined := strings.Cut(arg, "=")
		if !joined && takesValue(name) && i+1 < len(args) {
			i++
			value = args[i]
		}
		switch name {
		case "-v", "--volume":
			addVolume(u, value)
		case "--mount":
			addMount(u, value)
		case "-p", "--publish":
			addPort(u, value)
		case "--network", "--net":
			network, _, _ := strings.Cut(value, ":")
			u.Networks = append(u.Networks, network)
		}
	}
}

// flags are the options of podman-run(1) that Quadlet writes and that stand
// alone; every other has a value.
var flags = []string{
	"-d", "--detach", "--rm", "--replace", "--init", "--read-only", "-t", "--tty", "-i", "--interactive",
	"--privileged", "--no-healthcheck", "--no-hosts", "--quiet", "-q", "--infra", "--oom-kill-disable", "-P", "--publish-all",
}

func takesValue(name string) bool { return !slices.Contains(flags, name) }

// addVolume reads SOURCE:TARGET[:OPTIONS]. Without a source the volume has no
// name, and nobody else can have it.
func addVolume(u *core.Unit, value string) {
	f := strings.SplitN(value, ":", 3)
	if len(f) < 2 {
		return
	}
	m := core.Mount{Source: f[0], Target: f[1]}
	if len(f) == 3 {
		m.ReadOnly = slices.Contains(strings.Split(f[2], ","), "ro")
	}
	u.Mounts = append(u.Mounts, m)
}

// addMount reads type=…,source=…,target=…
func addMount(u *core.Unit, value string) {
	var m core.Mount
	for f := range strings.SplitSeq(value, ",") {
		key, v, _ := strings.Cut(f, "=")
		switch key {
		case "source", "src":
			m.Source = v
		case "target", "destination", "dst":
			m.Target = v
		case "ro", "readonly":
			m.ReadOnly = v == "" || v == "true"
		}
	}
	if m.Source != "" && m.Target != "" {
		u.Mounts = append(u.Mounts, m)
	}
}

// addPort reads [[IP:][HOSTPORT]:]PORT[/PROTOCOL]. A range, a port that Podman
// chooses, and anything but TCP is left out: nobody can say who answers there.
func addPort(u *core.Unit, value string) {
	value, protocol, ok := strings.Cut(value, "/")
	if ok && protocol != "tcp" {
		return
	}
	i := strings.LastIndexByte(value, ':')
	if i < 0 {
		return
	}
	host, port := "", value[:i]
	if j := strings.LastIndexByte(port, ':'); j >= 0 {
		host, port = strings.Trim(port[:j], "[]"), port[j+1:]
	}
	if port == "" || port == "0" || strings.Contains(port, "-") {
		return
	}
	switch host {
	case "", "0.0.0.0":
		host = "127.0.0.1"
	case "::":
		host = "::1"
	}
	u.Ports = append(u.Ports, net.JoinHostPort(host, port))
}
