package app

import (
	"path/filepath"
	"strings"

	"keeper/internal/config"
	"keeper/internal/core"
)

// serviceControllers are the settings of systemd.resource-control(5) that need a controller.
var serviceControllers = map[string]string{
	"CPUQuota": "cpu", "CPUWeight": "cpu", "StartupCPUWeight": "cpu",
	"AllowedCPUs": "cpuset", "StartupAllowedCPUs": "cpuset", "AllowedMemoryNodes": "cpuset", "StartupAllowedMemoryNodes": "cpuset",
	"IOWeight": "io", "StartupIOWeight": "io", "IODeviceWeight": "io", "IODeviceLatencyTargetSec": "io",
	"IOReadBandwidthMax": "io", "IOWriteBandwidthMax": "io", "IOReadIOPSMax": "io", "IOWriteIOPSMax": "io",
	"MemoryMin": "memory", "MemoryLow": "memory", "MemoryHigh": "memory", "MemoryMax": "memory", "MemorySwapMax": "memory",
	"TasksMax": "pids",
}

// podmanControllers are the options of podman-run(1) that need one.
var podmanControllers = map[string]string{
	"--cpus": "cpu", "--cpu-quota": "cpu", "--cpu-period": "cpu", "--cpu-shares": "cpu", "-c": "cpu",
	"--cpuset-cpus": "cpuset", "--cpuset-mems": "cpuset",
	"--blkio-weight": "io", "--device-read-bps": "io", "--device-write-bps": "io", "--device-read-iops": "io", "--device-write-iops": "io",
	"--memory": "memory", "-m": "memory", "--memory-reservation": "memory", "--memory-swap": "memory",
	"--pids-limit": "pids",
}

// controllerUses are the lines of a Quadlet file that need a cgroup controller. Without it
// crun refuses the container, and systemd passes the line over.
func controllerUses(source string, container, service []config.UnitLine) (list []core.ControllerUse) {
	for _, l := range container {
		use := core.ControllerUse{File: source, Fatal: true}
		switch l.Key {
		case "Memory":
			use.Controller, use.Setting = "memory", "Memory="
		case "PidsLimit":
			use.Controller, use.Setting = "pids", "PidsLimit="
		case "PodmanArgs":
			for _, word := range strings.Fields(l.Value) {
				option, _, _ := strings.Cut(strings.Trim(word, `"'`), "=")
				if c := podmanControllers[option]; c != "" {
					list = append(list, core.ControllerUse{File: source, Setting: "PodmanArgs=" + option, Controller: c, Fatal: true})
				}
			}
		}
		if use.Controller != "" && l.Value != "" {
			list = append(list, use)
		}
	}
	for _, l := range service {
		if c := serviceControllers[l.Key]; c != "" && l.Value != "" {
			list = append(list, core.ControllerUse{File: source, Setting: l.Key + "=", Controller: c})
		}
	}
	return list
}

// unlabelledMounts are the paths of the host that a container has mounted without having
// Podman label them for SELinux (podman-run(1), Labeling Volume Mounts).
func unlabelledMounts(source string, lines []config.UnitLine, home, runtime string) (list []string) {
	for _, l := range lines {
		switch {
		case l.Key == "SecurityLabelDisable" && l.Value == "true",
			l.Key == "SecurityLabelType" && l.Value != "",
			l.Key == "PodmanArgs" && strings.Contains(l.Value, "label="):
			return nil // SELinux does not confine it, or not as it does others
		}
	}
	for _, l := range lines {
		path, relabelled := "", true
		switch l.Key {
		case "Volume":
			path, relabelled = readVolume(l.Value)
		case "Mount":
			path, relabelled = readMount(l.Value)
		}
		if path = hostPath(source, path, home, runtime); path != "" && !relabelled {
			list = append(list, path)
		}
	}
	return list
}

// readVolume reads SOURCE:TARGET:OPTIONS.
func readVolume(value string) (path string, relabelled bool) {
	parts := strings.SplitN(strings.Trim(value, `"'`), ":", 3)
	if len(parts) < 2 {
		return "", false // a volume without a name
	}
	if len(parts) == 3 {
		for option := range strings.SplitSeq(parts[2], ",") {
			relabelled = relabelled || option == "z" || option == "Z" || option == "O" // an overlay has a label of its own
		}
	}
	return parts[0], relabelled
}

// readMount reads type=bind,source=…,relabel=….
func readMount(value string) (path string, relabelled bool) {
	bind := false
	for option := range strings.SplitSeq(strings.Trim(value, `"'`), ",") {
		key, v, _ := strings.Cut(option, "=")
		switch key {
		case "type":
			bind = v == "bind"
		case "source", "src":
			path = v
		case "relabel", "z", "Z":
			relabelled = true
		}
	}
	if !bind {
		return "", relabelled
	}
	return path, relabelled
}

// hostPath is a path of the host as a Quadlet file says it: with specifiers
// (systemd.unit(5)), or beginning with a dot. Names of volumes, and what it cannot tell,
// are no path.
func hostPath(source, path, home, runtime string) string {
	path = strings.NewReplacer("%h", home, "%t", runtime, "%%", "%").Replace(path)
	if strings.HasPrefix(path, ".") {
		path = filepath.Join(filepath.Dir(source), path)
	}
	if !filepath.IsAbs(path) || strings.ContainsRune(path, '%') {
		return ""
	}
	return filepath.Clean(path)
}
