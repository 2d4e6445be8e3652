package compose

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

// confine is what a container may do and see.
func (s *service) confine() {
	in := s.in
	s.setAll("cap-add", in.CapAdd)
	s.setAll("cap-drop", in.CapDrop)
	s.flag("privileged", in.Privileged)
	s.flag("read-only", in.ReadOnly)
	for _, o := range in.SecurityOpt {
		s.securityOption(o)
	}
	for _, h := range hosts(in.ExtraHosts) {
		s.set("add-host", h)
	}
	s.setAll("dns", in.DNS)
	s.setAll("dns-option", in.DNSOpts)
	s.setAll("dns-search", in.DNSSearch)
	s.setMap("sysctl", in.Sysctls)
	for _, d := range in.Devices {
		s.set("device", device(d))
	}
	for flag, value := range pairsOf("pid", in.Pid, "ipc", in.Ipc, "uts", in.Uts) {
		if other, ok := s.shared(flag, value); ok {
			if flag == "uts" {
				s.lose(flag, fmt.Sprintf("%s shares no host name with %s: podman run --uts takes that of a container only in a pod", in.Name, other), "hostname: of its own")
				continue
			}
			value = "container:" + other
		}
		s.setIf(flag, value)
	}
	s.setIf("cgroupns", in.Cgroup)
	s.setIf("userns", in.UserNSMode)
	s.requests("gpus", in.Gpus, true)
}

// pairsOf goes through flags and values in the order given.
func pairsOf(list ...string) func(func(flag, value string) bool) {
	return func(yield func(flag, value string) bool) {
		for i := 0; i+1 < len(list); i += 2 {
			if !yield(list[i], list[i+1]) {
				return
			}
		}
	}
}

func device(d types.DeviceMapping) string {
	permissions := d.Permissions
	if permissions == "rwm" {
		permissions = ""
	}
	text := d.Source
	if d.Target != "" && d.Target != d.Source || permissions != "" {
		target := d.Target
		if target == "" {
			target = d.Source
		}
		text += ":" + target
	}
	if permissions != "" {
		text += ":" + permissions
	}
	return text
}

// securityOption translates Docker's spelling, KEY:VALUE, to Podman's.
func (s *service) securityOption(option string) {
	key, value, _ := strings.Cut(option, "=")
	if i := strings.IndexAny(option, "=:"); i >= 0 {
		key, value = option[:i], option[i+1:]
	}
	switch key {
	case "no-new-privileges":
		if on, err := strconv.ParseBool(value); err == nil && !on {
			return
		}
		s.set("security-opt", "no-new-privileges")
	case "seccomp":
		if value != "unconfined" && value != "builtin" && value != "" && !filepath.IsAbs(value) {
			value = filepath.Join(s.dir, value)
		}
		if value == "builtin" {
			return
		}
		s.set("security-opt", "seccomp="+value)
	case "label", "apparmor", "mask", "unmask", "proc-opts":
		s.set("security-opt", key+"="+value)
	case "systempaths":
		if value == "unconfined" {
			s.set("security-opt", "unmask=ALL")
			return
		}
		fallthrough
	default:
		s.lose("security_opt", fmt.Sprintf("Podman does not know the security option %s", option), "podman-run(1), --security-opt, has those it knows")
	}
}

// limits are those of resources, which deploy: says in other words.
func (s *service) limits() {
	in := s.in
	cpus, memory, reserved, pids := "", in.MemLimit, in.MemReservation, in.PidsLimit
	if in.CPUS > 0 {
		cpus = strconv.FormatFloat(float64(in.CPUS), 'f', -1, 32)
	}
	if in.Deploy != nil {
		if l := in.Deploy.Resources.Limits; l != nil {
			if cpus == "" && l.NanoCPUs > 0 {
				cpus = strconv.FormatFloat(float64(l.NanoCPUs), 'f', -1, 32)
			}
			if memory == 0 {
				memory = l.MemoryBytes
			}
			if pids == 0 {
				pids = l.Pids
			}
		}
		if r := in.Deploy.Resources.Reservations; r != nil {
			if reserved == 0 {
				reserved = r.MemoryBytes
			}
			s.requests("deploy.resources.reservations.devices", r.Devices, false)
		}
		if mode := in.Deploy.Mode; mode != "" && mode != "replicated" {
			s.lose("deploy.mode", fmt.Sprintf("%s runs once, on this host (mode %s)", in.Name, mode), "")
		}
	}
	s.size("memory", memory)
	s.size("memory-reservation", reserved)
	s.size("memory-swap", in.MemSwapLimit)
	s.size("shm-size", in.ShmSize)
	s.setIf("cpus", cpus)
	s.setIf("cpuset-cpus", in.CPUSet)
	s.number("cpu-shares", in.CPUShares)
	s.number("cpu-quota", in.CPUQuota)
	s.number("cpu-period", in.CPUPeriod)
	s.number("pids-limit", pids)
	s.number("oom-score-adj", in.OomScoreAdj)
	if cpus != "" && (in.CPUQuota != 0 || in.CPUPeriod != 0) {
		s.halt("cpus", "", fmt.Sprintf("%s has cpus and cpu_quota or cpu_period, and Podman takes one way alone", in.Name), "strike one of them")
	}
	s.setAll("ulimit", ulimits(in.Ulimits))
	b := in.BlkioConfig
	if b == nil {
		return
	}
	s.number("blkio-weight", int64(b.Weight))
	for _, d := range b.WeightDevice {
		s.set("blkio-weight-device", fmt.Sprintf("%s:%d", d.Path, d.Weight))
	}
	for _, x := range []struct {
		flag string
		list []types.ThrottleDevice
	}{{"device-read-bps", b.DeviceReadBps}, {"device-write-bps", b.DeviceWriteBps}, {"device-read-iops", b.DeviceReadIOps}, {"device-write-iops", b.DeviceWriteIOps}} {
		for _, d := range x.list {
			s.set(x.flag, fmt.Sprintf("%s:%d", d.Path, d.Rate))
		}
	}
}

func (s *service) size(flag string, n types.UnitBytes) { s.number(flag, int64(n)) }

// number leaves out 0, which stands for what is not said.
func (s *service) number(flag string, n int64) {
	if n != 0 {
		s.set(flag, strconv.FormatInt(n, 10))
	}
}

// requests are devices by what they can do. Podman knows them by CDI's names.
func (s *service) requests(field string, list []types.DeviceRequest, gpu bool) {
	for _, r := range list {
		nvidia := r.Driver == "nvidia" || r.Driver == "" && (gpu || slices.Contains(r.Capabilities, "gpu"))
		switch {
		case r.Driver == "cdi":
			s.setAll("device", r.IDs)
		case nvidia && len(r.IDs) > 0:
			for _, id := range r.IDs {
				s.set("device", "nvidia.com/gpu="+id)
			}
		case nvidia && r.Count > 0 && r.Count < 64:
			for i := range int64(r.Count) {
				s.set("device", fmt.Sprintf("nvidia.com/gpu=%d", i))
			}
		case nvidia:
			s.set("device", "nvidia.com/gpu=all")
		default:
			s.lose(field, fmt.Sprintf("Podman does not know the driver %q of the devices that %s reserves", r.Driver, s.in.Name), "devices: with the devices themselves, or their names of CDI")
			continue
		}
		if nvidia {
			s.hint(field, fmt.Sprintf("%s gets its GPUs by CDI, which must know them", s.in.Name), "nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml, as root")
		}
		if len(r.Options) > 0 {
			s.lose(field, fmt.Sprintf("CDI takes no options (%s)", strings.Join(slices.Sorted(maps.Keys(r.Options)), ", ")), "")
		}
	}
}

// log is where the output goes. Podman's default is the journal; Compose's is
// files of JSON, with options of their own.
func (s *service) log() {
	l := s.in.Logging
	if l == nil {
		return
	}
	driver := l.Driver
	switch driver {
	case "json-file", "local":
		driver = "k8s-file"
	case "", "journald", "k8s-file", "none", "passthrough", "passthrough-tty":
	default:
		s.lose("logging.driver", fmt.Sprintf("Podman has no log driver %s, and the output of %s goes to the journal", driver, s.in.Name), "what forwards the journal there")
		return
	}
	if driver == "" && l.Options["max-size"] != "" {
		driver = "k8s-file"
	}
	s.setIf("log-driver", driver)
	for _, k := range slices.Sorted(maps.Keys(l.Options)) {
		switch {
		case k == "max-size" && driver == "k8s-file", k == "path" && driver == "k8s-file", k == "tag":
			s.set("log-opt", k+"="+l.Options[k])
		case k == "max-file" && driver == "k8s-file":
			s.lose("logging.options.max-file", fmt.Sprintf("Podman keeps one file of the output of %s, of at most max-size", s.in.Name), "logging: {driver: journald}, which keeps as much as journald.conf says")
		default:
			s.lose("logging.options."+k, fmt.Sprintf("Podman's log driver does not know the option %s", k), "podman-run(1), --log-opt, has those it knows")
		}
	}
}
