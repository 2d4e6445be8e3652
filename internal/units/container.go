package units

import (
	"net"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"

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
	for _, key := range []string{"Requires", "BindsTo", "Wants"} {
		list, _ := p[key].([]string)
		u.Needs = append(u.Needs, list...)
	}
	u.BoundTo, _ = p["BindsTo"].([]string)
	// What a stop job spreads by (UNIT_ATOM_PROPAGATE_STOP), seen from its other end.
	for _, key := range []string{"Requires", "Requisite", "BindsTo", "PartOf", "StopPropagatedFrom"} {
		list, _ := p[key].([]string)
		u.StopsWith = append(u.StopsWith, list...)
	}
	id, _ := jobOf(p)
	u.Job = id != 0
}

// jobOf reads (uo): the id of the job and its object; the id is 0 for none.
func jobOf(p map[string]any) (uint32, dbus.ObjectPath) {
	job, _ := p["Job"].([]any)
	if len(job) != 2 {
		return 0, ""
	}
	id, _ := job[0].(uint32)
	path, _ := job[1].(dbus.ObjectPath)
	return id, path
}

// fillService does so from those of the Service interface.
func fillService(u *core.Unit, s map[string]any) {
	stays, _ := s["RemainAfterExit"].(bool)
	u.OneShot = text(s, "Type") == "oneshot" && !stays
	pid, _ := s["MainPID"].(uint32)
	u.MainPID = int(pid)
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
// podman pod create, with what people add to them (PodmanArgs=, GlobalArgs=).
// What it does not know it passes over.
func readPodman(u *core.Unit, argv []string) {
	args, create, ok := command(argv)
	if !ok {
		return
	}
	var check, noCheck bool
	defer func() { u.HealthCheck = u.HealthCheck || check && !noCheck }()
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			i++
		}
		if arg == "--" || !strings.HasPrefix(arg, "-") {
			if !create && i < len(args) {
				u.Image = args[i]
			}
			return // what follows is the container's own
		}
		name, value, joined := option(arg)
		if !joined && !slices.Contains(flags, name) && i+1 < len(args) {
			i++
			value = args[i]
		}
		switch name {
		case "--name":
			u.Container = value
		case "-v", "--volume":
			addVolume(u, value)
		case "--mount":
			addMount(u, value)
		case "-p", "--publish":
			addPort(u, value)
		case "--network", "--net":
			addNetworks(u, value)
		case "--health-cmd":
			check = value != "" && value != "none"
		case "--no-healthcheck":
			noCheck = value != "false"
		}
	}
}

// command returns what follows podman run or podman pod create.
func command(argv []string) (args []string, create, ok bool) {
	for i := 1; i < len(argv); i++ {
		switch {
		case argv[i] == "run":
			return argv[i+1:], false, true
		case argv[i] == "pod" && i+1 < len(argv) && argv[i+1] == "create":
			return argv[i+2:], true, true
		case strings.HasPrefix(argv[i], "-"), strings.HasPrefix(argv[i-1], "-") && !strings.Contains(argv[i-1], "="):
			// A global option, or its value.
		default:
			return nil, false, false
		}
	}
	return nil, false, false
}

// option takes an argument apart: --name, --name=value, or letters in a row, of
// which the first with a value takes the rest.
func option(arg string) (name, value string, joined bool) {
	if strings.HasPrefix(arg, "--") {
		return strings.Cut(arg, "=")
	}
	for i := 1; i < len(arg); i++ {
		if name = "-" + arg[i:i+1]; !slices.Contains(flags, name) {
			value = strings.TrimPrefix(arg[i+1:], "=")
			return name, value, value != ""
		}
	}
	return name, "", false
}

// flags are the options of podman-run(1) and podman-pod-create(1) that stand
// alone; every other has a value.
var flags = []string{
	"-d", "--detach", "--rm", "--rmi", "--replace", "--init", "--read-only", "--read-only-tmpfs", "-t", "--tty", "-i", "--interactive",
	"--privileged", "--no-healthcheck", "--no-hosts", "--no-hostname", "--quiet", "-q", "--infra", "--share-parent", "--oom-kill-disable",
	"-P", "--publish-all", "--env-host", "--http-proxy", "--tls-verify", "--disable-content-trust", "--passwd", "--sig-proxy", "--unsetenv-all",
}

// modes are what --network takes that is no network's name.
var modes = []string{"", "none", "private", "pasta", "slirp4netns", "container", "ns"}

// addNetworks reads NAME[:OPTIONS] or NAME,NAME…
func addNetworks(u *core.Unit, value string) {
	value, _, _ = strings.Cut(value, ":")
	for name := range strings.SplitSeq(value, ",") {
		if !slices.Contains(modes, name) {
			u.Networks = append(u.Networks, name)
		}
	}
}

// addMountOf adds a mount; the kernel's lists of mounts have no slash at the end
// of a path, and nothing but names in between.
func addMountOf(u *core.Unit, m core.Mount) {
	if m.Source == "" || m.Target == "" {
		return
	}
	if path.IsAbs(m.Source) {
		m.Source = path.Clean(m.Source)
	}
	m.Target = path.Clean(m.Target)
	u.Mounts = append(u.Mounts, m)
}

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
	addMountOf(u, m)
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
	addMountOf(u, m)
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
	inside, err := strconv.ParseUint(value[i+1:], 10, 16)
	if err != nil {
		inside = 0 // Podman would refuse it
	}
	u.Ports, u.Inside = append(u.Ports, net.JoinHostPort(host, port)), append(u.Inside, uint16(inside))
}
