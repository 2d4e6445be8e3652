package podman

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/containers/podman/v5/libpod/define"
)

// Podman's own defaults (containers.conf(5)): shm_size 65536k, in the units of
// go-units, and pids_limit.
const (
	defaultShm  = 65536 * 1000
	defaultShm2 = 64 << 20
	defaultPids = 2048
)

// limits are what it may use of the host.
func (m *maker) limits() {
	h := m.d.HostConfig
	number := func(flag string, n int64) {
		if n != 0 {
			m.set(flag, strconv.FormatInt(n, 10))
		}
	}
	number("memory", h.Memory)
	switch {
	case h.Memory <= 0:
	case h.MemorySwap <= 0:
		// Twice the memory is what podman run would make of nothing; this has no limit.
		m.set("memory-swap", "-1")
	case h.MemorySwap != 2*h.Memory:
		number("memory-swap", h.MemorySwap)
	}
	number("memory-reservation", h.MemoryReservation)
	if h.MemorySwappiness > 0 {
		number("memory-swappiness", h.MemorySwappiness)
	}
	if h.OomKillDisable {
		m.set("oom-kill-disable", "true")
	}
	number("oom-score-adj", int64(h.OomScoreAdj))
	m.cpu(number)
	m.blkio(number)
	if p := h.PidsLimit; p != 0 && p != defaultPids {
		number("pids-limit", p)
	}
	if s := h.ShmSize; s > 0 && s != defaultShm && s != defaultShm2 && !strings.HasPrefix(h.IpcMode, "container:") && h.IpcMode != "host" && h.IpcMode != "none" {
		number("shm-size", s)
	}
	for _, key := range slices.Sorted(maps.Keys(h.CgroupConf)) {
		m.set("cgroup-conf", key+"="+h.CgroupConf[key])
	}
	m.ulimits()
	for _, d := range h.Devices {
		value := d.PathOnHost
		if d.PathInContainer != d.PathOnHost || d.CgroupPermissions != "" && d.CgroupPermissions != "rwm" {
			value += ":" + d.PathInContainer
		}
		if d.CgroupPermissions != "" && d.CgroupPermissions != "rwm" {
			value += ":" + d.CgroupPermissions
		}
		m.set("device", value)
	}
	if len(h.Devices) == 0 {
		// Without root, devices are mounts that inspecting leaves out.
		m.recorded("device")
	}
	m.recorded("device-cgroup-rule", "sysctl")
}

func (m *maker) cpu(number func(string, int64)) {
	h := m.d.HostConfig
	if h.CpuPeriod == 100000 && h.CpuQuota > 0 {
		m.set("cpus", strconv.FormatFloat(float64(h.CpuQuota)/float64(h.CpuPeriod), 'f', -1, 64))
	} else {
		number("cpu-period", int64(h.CpuPeriod))
		number("cpu-quota", h.CpuQuota)
	}
	number("cpu-shares", int64(h.CpuShares))
	number("cpu-rt-period", int64(h.CpuRealtimePeriod))
	number("cpu-rt-runtime", h.CpuRealtimeRuntime)
	m.setIf("cpuset-cpus", h.CpusetCpus)
	m.setIf("cpuset-mems", h.CpusetMems)
}

func (m *maker) blkio(number func(string, int64)) {
	h := m.d.HostConfig
	number("blkio-weight", int64(h.BlkioWeight))
	for flag, devices := range map[string][]define.InspectBlkioThrottleDevice{
		"device-read-bps": h.BlkioDeviceReadBps, "device-write-bps": h.BlkioDeviceWriteBps,
		"device-read-iops": h.BlkioDeviceReadIOps, "device-write-iops": h.BlkioDeviceWriteIOps,
	} {
		for _, d := range devices {
			m.set(flag, d.Path+":"+strconv.FormatUint(d.Rate, 10))
		}
	}
}

// ulimits are taken from the command line, if there is one: of a container that
// was started, inspecting gives those of the runtime, among them the limits of
// the process that started it.
func (m *maker) ulimits() {
	if m.cmd.known {
		m.recorded("ulimit")
		return
	}
	started := m.d.State.Status != "created" && m.d.State.Status != "configured"
	for _, u := range m.d.HostConfig.Ulimits {
		name := strings.ToLower(strings.TrimPrefix(u.Name, "RLIMIT_"))
		if started && (name == "nofile" || name == "nproc") {
			if m.f.usualUlimit(u) {
				continue
			}
			m.hint("ulimit", "", "%s=%d may be its own or that of the process that started it: the unit sets it", name, u.Hard)
		}
		m.set("ulimit", name+"="+strconv.FormatInt(u.Soft, 10)+":"+strconv.FormatInt(u.Hard, 10))
	}
}

// usualUlimit says that a process of the account has the same hard limit, or
// that a container whose command line asked for nothing of the kind does: then
// it is the host's.
func (f *facts) usualUlimit(u define.InspectUlimit) bool {
	if u.Name == "RLIMIT_NOFILE" && u.Hard == f.NoFile || u.Name == "RLIMIT_NPROC" && u.Hard == f.NProc {
		return true
	}
	for _, c := range f.Containers {
		cmd := parseCommand(c.Config.CreateCommand)
		if cmd.known && len(cmd.all("ulimit")) == 0 && slices.Contains(c.HostConfig.Ulimits, u) {
			return true
		}
	}
	return false
}

// security is what it may do.
func (m *maker) security() {
	h := m.d.HostConfig
	if h.Privileged {
		m.set("privileged", "true")
	}
	m.capabilities()
	seen := map[string]bool{}
	option := func(o string) {
		if !seen[o] {
			seen[o] = true
			m.set("security-opt", o)
		}
	}
	for _, o := range h.SecurityOpt {
		// Several labels come as one: label=type:a,label=level:b.
		for i, one := range strings.Split(o, ",label=") {
			if i > 0 {
				one = "label=" + one
			}
			if one == "unmask=all" && h.Privileged {
				continue
			}
			if one == "unmask=all" {
				one = "unmask=ALL"
			}
			option(one)
		}
	}
	// Of these inspecting tells nothing.
	for _, o := range m.cmd.all("security-opt") {
		if key, value, _ := strings.Cut(strings.Replace(o, ":", "=", 1), "="); (key == "mask" || key == "unmask" || key == "proc-opts") && !strings.EqualFold(value, "all") {
			option(o)
		}
	}
	if h.ReadonlyRootfs {
		m.set("read-only", "true")
		if v, ok := m.cmd.last("read-only-tmpfs"); ok && v == "false" {
			m.set("read-only-tmpfs", "false")
		} else if !m.cmd.known {
			m.lost("read-only-tmpfs", "whether /tmp, /run and the like can be written to in the read-only container is not recorded: in the unit they can")
		}
	}
}

// capabilities are told as a difference to the host's defaults.
func (m *maker) capabilities() {
	h := m.d.HostConfig
	add, drop := slices.Clone(h.CapAdd), slices.Clone(h.CapDrop)
	name := func(c string) string { return strings.TrimPrefix(strings.ToUpper(c), "CAP_") }
	switch _, all := m.allCaps("cap-drop"); {
	case h.Privileged:
	case all || len(drop) > 0 && len(m.d.BoundingCaps) == 0:
		// What remains is clearer than what is missing, and stays that when a later
		// Podman adds to its defaults.
		drop, add = []string{"ALL"}, slices.Clone(m.d.BoundingCaps)
	case len(m.d.BoundingCaps) >= 38:
		// The kernel has 41; a host may hold some back.
		add = []string{"ALL"}
	}
	if h.Privileged {
		// It has all of them. Those that the host itself lacks are told as dropped.
		add = nil
		if m.cmd.known && len(m.cmd.all("cap-drop")) == 0 {
			drop = nil
		}
	}
	slices.Sort(add)
	slices.Sort(drop)
	for _, c := range add {
		m.set("cap-add", cmp.Or(name(c), c))
	}
	for _, c := range drop {
		m.set("cap-drop", cmp.Or(name(c), c))
	}
}

func (m *maker) allCaps(flag string) (string, bool) {
	for _, v := range m.cmd.all(flag) {
		for _, one := range strings.Split(v, ",") {
			if strings.EqualFold(one, "all") {
				return one, true
			}
		}
	}
	return "", false
}
