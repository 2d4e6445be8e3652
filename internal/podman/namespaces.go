package podman

import (
	"slices"
	"strings"

	"github.com/containers/podman/v5/libpod/define"
)

// namespaces are those that it shares with the host or with others. What it
// shares with its pod is the pod's matter.
func (m *maker) namespaces() {
	h := m.d.HostConfig
	if mode := m.shared(h.PidMode); mode != "" && mode != "private" {
		m.set("pid", mode)
	}
	// Podman tells its default as shareable.
	if mode := m.shared(h.IpcMode); mode != "" && mode != "shareable" {
		m.set("ipc", mode)
	}
	if mode := m.shared(h.UTSMode); mode != "" && mode != "private" {
		m.set("uts", mode)
	}
	// private is the default on cgroup v2, host on v1.
	standard := "private"
	if m.f.CGroups == "v1" {
		standard = "host"
	}
	if mode := m.shared(h.CgroupMode); mode != "" && mode != standard {
		m.set("cgroupns", mode)
	}
	// Quadlet runs every container with --cgroups=split, so that its processes are
	// the unit's; the other modes but this one are about where they are instead.
	if h.Cgroups == "disabled" {
		m.set("cgroups", "disabled")
	}
	if p := h.CgroupParent; p != "" && p != "user.slice" && p != "/libpod_parent" && m.d.Pod == "" {
		m.lost("cgroup-parent", "it was put below the cgroup %s: a unit says Slice= for that", p)
	}
	m.users()
}

// shared is a namespace by the name of its owner; empty for that of the pod.
func (m *maker) shared(mode string) string {
	id, ok := strings.CutPrefix(mode, "container:")
	if !ok {
		return mode
	}
	if m.infra != nil && id == m.infra.ID {
		return ""
	}
	if c := m.byID[id]; c != nil {
		return "container:" + c.Name
	}
	return mode
}

// users is the user namespace: as it was asked for where an annotation tells
// (from Podman 4.8 or so), and else as it looks.
func (m *maker) users() {
	mode := m.shared(m.d.HostConfig.UsernsMode)
	if m.infra != nil && m.infra != m.d && m.d.HostConfig.UsernsMode == "container:"+m.infra.ID {
		return
	}
	for _, s := range usernsSettings(m.d, mode) {
		m.set(s[0], s[1])
	}
}

func usernsSettings(d *define.InspectContainerData, mode string) [][2]string {
	asked := d.Config.Annotations["io.podman.annotations.userns"]
	if asked == "" {
		asked = d.HostConfig.Annotations["io.podman.annotations.userns"]
	}
	mappings := d.HostConfig.IDMappings
	switch uid, gid, keep := keepID(mappings); {
	case asked != "" && asked != "private" && asked != "host":
		return [][2]string{{"userns", asked}}
	case strings.HasPrefix(mode, "container:"), strings.HasPrefix(mode, "ns:"):
		return [][2]string{{"userns", mode}}
	case asked == "" && keep:
		return [][2]string{{"userns", "keep-id:uid=" + uid + ",gid=" + gid}}
	case mappings == nil || mode == "" || mode == "host":
		return nil
	default:
		var list [][2]string
		for _, u := range mappings.UIDMap {
			list = append(list, [2]string{"uidmap", u})
		}
		for _, g := range mappings.GIDMap {
			list = append(list, [2]string{"gidmap", g})
		}
		return list
	}
}

// keepID reads 0:1:UID UID:0:1 UID+1:UID+1:…, which is what keep-id makes.
func keepID(mappings *define.InspectIDMappings) (uid, gid string, ok bool) {
	if mappings == nil {
		return "", "", false
	}
	own := func(list []string) (string, bool) {
		i := slices.IndexFunc(list, func(s string) bool { return strings.HasSuffix(s, ":0:1") })
		if i < 0 || len(list) > 3 {
			return "", false
		}
		id := strings.TrimSuffix(list[i], ":0:1")
		return id, id != "0"
	}
	uid, ok1 := own(mappings.UIDMap)
	gid, ok2 := own(mappings.GIDMap)
	return uid, gid, ok1 && ok2
}
