package podman

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/containers/podman/v5/libpod/define"
	"github.com/containers/podman/v5/pkg/inspect"

	"keeper/internal/core"
	"keeper/internal/quadlet"
)

const stateRunning = "running"

// maker makes the model of one container.
type maker struct {
	f     *facts
	d     *define.InspectContainerData
	image *inspect.ImageData
	cmd   commandLine
	// infra is the container that holds the namespaces of its pod, if there is one.
	infra *define.InspectContainerData
	byID  map[string]*define.InspectContainerData
	out   *Container
}

func (m *maker) set(flag, value string) {
	m.out.Settings = append(m.out.Settings, quadlet.Setting{Flag: flag, Value: value})
}

// setIf sets what is not empty.
func (m *maker) setIf(flag, value string) {
	if value != "" {
		m.set(flag, value)
	}
}

func (m *maker) setAll(flag string, values []string) {
	for _, v := range values {
		m.set(flag, v)
	}
}

// recorded takes options from the command line, of which inspecting says nothing.
func (m *maker) recorded(flags ...string) {
	for _, f := range flags {
		m.setAll(f, m.cmd.all(f))
	}
}

func (m *maker) note(n quadlet.Note) {
	n.Unit = m.out.Unit
	m.out.Notes = append(m.out.Notes, n)
}

func (m *maker) lost(field, format string, args ...any) {
	m.note(quadlet.Note{Level: quadlet.Lost, Field: field, Text: fmt.Sprintf(format, args...)})
}

func (m *maker) hint(field, try, format string, args ...any) {
	m.note(quadlet.Note{Level: quadlet.Hint, Field: field, Text: fmt.Sprintf(format, args...), Try: try})
}

// container makes the model of one container.
func (f *facts) container(d *define.InspectContainerData, byID map[string]*define.InspectContainerData) Container {
	out := Container{
		Container: quadlet.Container{
			Unit: unitName(d.Name), Name: d.Name,
			Source: quadlet.Source{Kind: quadlet.FromContainer, Name: d.Name},
		},
		ID: d.ID, ImageID: d.Image,
		State: d.State.Status, Running: d.State.Running, ExitCode: int(d.State.ExitCode),
		AutoRemove: d.HostConfig.AutoRemove, Infra: d.IsInfra || d.IsService, PodID: d.Pod,
		CreateCommand: d.Config.CreateCommand,
		StopTimeout:   time.Duration(d.Config.StopTimeout) * time.Second,
		StopSignal:    d.Config.StopSignal, User: d.Config.User,
		RestartPolicy: d.HostConfig.RestartPolicy.Name,
	}
	m := &maker{f: f, d: d, image: f.image(d.Image), cmd: parseCommand(d.Config.CreateCommand), byID: byID, out: &out}
	for _, p := range f.Pods {
		if p.ID == d.Pod && d.Pod != "" {
			out.Pod = unitName(p.Name)
			m.infra = byID[p.InfraContainerID]
		}
	}
	m.origin()
	m.program()
	m.environment()
	m.labels()
	m.stopping()
	m.health()
	m.mounts()
	m.network()
	m.namespaces()
	m.security()
	m.limits()
	m.rest()
	m.dependencies()
	m.untold()
	sortSettings(out.Settings)
	return out
}

// sortSettings keeps the order of values of one flag, for which it may matter.
func sortSettings(list []quadlet.Setting) {
	slices.SortStableFunc(list, func(a, b quadlet.Setting) int { return strings.Compare(a.Flag, b.Flag) })
}

// origin says where it came from: labels that others rely on.
func (m *maker) origin() {
	labels := m.d.Config.Labels
	m.out.SystemdUnit = labels["PODMAN_SYSTEMD_UNIT"]
	if m.out.SystemdUnit == "" {
		for _, e := range m.d.Config.Env {
			if unit, ok := strings.CutPrefix(e, "PODMAN_SYSTEMD_UNIT="); ok {
				m.out.SystemdUnit = unit
			}
		}
	}
	m.out.ComposeProject = cmp.Or(labels["com.docker.compose.project"], labels["io.podman.compose.project"])
	m.out.ComposeService = cmp.Or(labels["com.docker.compose.service"], labels["io.podman.compose.service"])
}

// stopping is how it ends, and what happens then.
func (m *maker) stopping() {
	if t := m.out.StopTimeout; t != defaultStop {
		m.out.Container.StopTimeout = t
		if t == 0 {
			// The model's zero is Podman's default, and this one kills at once.
			m.set("stop-timeout", "0")
		}
	}
	standard := cmp.Or(m.imageStopSignal(), "SIGTERM")
	if m.d.Config.SystemdMode {
		standard = "SIGRTMIN+3"
	}
	if s := m.out.StopSignal; s != "" && signalName(s) != signalName(standard) {
		m.set("stop-signal", s)
	}
	if m.d.Config.Timeout > 0 {
		m.set("timeout", strconv.FormatUint(uint64(m.d.Config.Timeout), 10))
	}
	switch policy := m.d.HostConfig.RestartPolicy; policy.Name {
	case "always", "unless-stopped":
		m.out.Restart = "always"
	case "on-failure":
		m.out.Restart = "on-failure"
		m.out.RestartMost = int(min(policy.MaximumRetryCount, 1<<20))
	default:
		m.out.Restart = "no"
	}
	if m.out.AutoRemove {
		m.hint("rm", "", "it was to be removed when it stops (--rm): a unit's container always is, and the unit makes it anew")
	}
}

// defaultStop is containers.conf's stop_timeout.
const defaultStop = 10 * time.Second

func (m *maker) imageStopSignal() string {
	if m.image.Config == nil {
		return ""
	}
	return m.image.Config.StopSignal
}

// signalName makes one spelling of SIGINT, INT and 2.
func signalName(s string) string {
	if n, err := strconv.Atoi(s); err == nil {
		if name, ok := signals[n]; ok {
			return name
		}
	}
	return strings.TrimPrefix(strings.ToUpper(s), "SIG")
}

var signals = map[int]string{1: "HUP", 2: "INT", 3: "QUIT", 6: "ABRT", 9: "KILL", 10: "USR1", 12: "USR2", 15: "TERM", 28: "WINCH", 37: "RTMIN+3"}

// rest is what stands for itself.
func (m *maker) rest() {
	c, h := m.d.Config, m.d.HostConfig
	if h.Init {
		m.set("init", "true")
	}
	if c.Tty {
		m.set("tty", "true")
	}
	if c.OpenStdin {
		m.set("interactive", "true")
	}
	m.setIf("tz", c.Timezone)
	// Inspecting tells none as 0000.
	if _, given := m.cmd.last("umask"); c.Umask != "" && c.Umask != "0022" && (c.Umask != "0000" || given) {
		m.set("umask", c.Umask)
	}
	m.setAll("group-add", h.GroupAdd)
	if c.Annotations["run.oci.keep_original_groups"] == "1" {
		m.set("group-add", "keep-groups")
	}
	for _, key := range slices.Sorted(maps.Keys(c.Annotations)) {
		if value := c.Annotations[key]; !podmansOwn(key) && m.image.Annotations[key] != value {
			m.set("annotation", key+"="+value)
		}
	}
	m.setAll("chrootdirs", c.ChrootDirs)
	m.logging()
	m.systemd()
	m.recorded("http-proxy", "passwd-entry", "group-entry", "hostuser", "init-path", "personality", "rdt-class", "gpus", "shm-size-systemd", "blkio-weight-device")
	if m.d.OCIRuntime != "" && m.f.Runtime != "" && m.d.OCIRuntime != m.f.Runtime {
		m.lost("runtime", "it runs under %s, and the host's default is %s: a unit cannot choose", m.d.OCIRuntime, m.f.Runtime)
	}
	if c.Passwd != nil && !*c.Passwd {
		m.set("passwd", "false")
	}
	if m.d.Rootfs != "" {
		m.note(quadlet.Note{Level: quadlet.Stop, Field: "rootfs", Text: "it runs from the directory " + m.d.Rootfs + " and not from an image: keeper does not write such units"})
	}
}

func podmansOwn(annotation string) bool {
	for _, prefix := range []string{
		"io.podman.annotations.", "io.container.manager", "org.opencontainers.image.stopSignal", "org.systemd.property.",
		"io.kubernetes.cri-o.", "run.oci.keep_original_groups",
	} {
		if strings.HasPrefix(annotation, prefix) {
			return true
		}
	}
	return false
}

func (m *maker) logging() {
	log := m.d.HostConfig.LogConfig
	if log.Type != "" && log.Type != m.f.LogDriver {
		m.set("log-driver", log.Type)
	}
	// The path that Podman makes up lies beside the container.
	if log.Path != "" && !strings.HasPrefix(log.Path, strings.TrimSuffix(m.d.StaticDir, "/")+"/") {
		m.set("log-opt", "path="+log.Path)
	}
	if log.Size != "" && log.Size != "0B" {
		m.set("log-opt", "max-size="+strings.ToLower(log.Size))
	}
	if log.Tag != "" {
		m.set("log-opt", "tag="+log.Tag)
	}
}

// systemd is set only where Podman would not find out by itself: it looks at
// the command (container_create.go: useSystemdCommands).
func (m *maker) systemd() {
	argv := append(slices.Clone(m.d.Config.Entrypoint), m.d.Config.Cmd...)
	if len(argv) > 2 && argv[0] == "/bin/sh" && argv[1] == "-c" {
		argv = argv[2:]
	}
	var found bool
	if len(argv) > 0 {
		found = slices.Contains([]string{"/sbin/init", "/usr/sbin/init", "/usr/local/sbin/init"}, argv[0]) ||
			argv[0][strings.LastIndexByte(argv[0], '/')+1:] == "systemd"
	}
	switch {
	case m.d.Config.SystemdMode && !found:
		m.set("systemd", "always")
	case !m.d.Config.SystemdMode && found:
		m.set("systemd", "false")
	}
}

func (m *maker) dependencies() {
	for _, id := range m.d.Dependencies {
		if m.infra != nil && id == m.infra.ID {
			continue
		}
		name := id
		if c := m.byID[id]; c != nil {
			name = c.Name
			m.out.Needs = append(m.out.Needs, quadlet.Need{Unit: unitName(name)})
		}
		m.out.Deps = append(m.out.Deps, name)
	}
	for _, name := range m.composeDeps() {
		if !slices.Contains(m.out.Deps, name) {
			m.out.Deps = append(m.out.Deps, name)
			m.out.Needs = append(m.out.Needs, quadlet.Need{Unit: unitName(name)})
		}
	}
	slices.Sort(m.out.Deps)
	slices.SortFunc(m.out.Needs, func(a, b quadlet.Need) int { return strings.Compare(a.Unit, b.Unit) })
	m.out.Store = core.IsStore(m.d.ImageName)
}

// composeDeps are the containers of the services that docker compose notes
// here: db:service_healthy:false,cache:service_started:true.
func (m *maker) composeDeps() []string {
	var names []string
	for _, one := range strings.Split(m.d.Config.Labels["com.docker.compose.depends_on"], ",") {
		service, _, _ := strings.Cut(one, ":")
		for _, c := range m.f.Containers {
			l := c.Config.Labels
			if service != "" && c.ID != m.d.ID && l["com.docker.compose.service"] == service && l["com.docker.compose.project"] == m.out.ComposeProject {
				names = append(names, c.Name)
			}
		}
	}
	return names
}

// dialable is an address of this host that reaches a published port.
func dialable(ip, port string) string {
	switch ip {
	case "", "0.0.0.0":
		ip = "127.0.0.1"
	case "::":
		ip = "::1"
	}
	return net.JoinHostPort(ip, port)
}
