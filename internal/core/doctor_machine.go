package core

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// lowPorts tells of ports that the account may not listen on.
func (d *diagnosis) lowPorts(h Health, floor int) {
	lowest := floor
	for _, u := range h.Units {
		lowest = min(lowest, lowPort(u, h.Stack.Ports, floor))
	}
	for _, u := range h.Units {
		port := lowPort(u, h.Stack.Ports, floor)
		if port == floor {
			continue
		}
		s, means := Bad, "the account may not listen there, so its container does not start"
		if u.Active == "active" {
			s, means = Warn, "it runs, but the account may not listen there: it may not come back"
		}
		const conf = "/etc/sysctl.d/50-keeper-ports.conf"
		d.add("low-port", s, fmt.Sprintf("%s publishes port %d, below net.ipv4.ip_unprivileged_port_start (%d)", u.Name, port, floor), means,
			fmt.Sprintf("publish a port from %d on; or as root: echo net.ipv4.ip_unprivileged_port_start=%d >%s && sysctl -p %s", floor, lowest, conf, conf))
	}
}

// lowPort is the lowest port below the floor that the service publishes, or the floor. What
// the unit has is TCP alone, what its file says the rest.
func lowPort(u Unit, said []PublishedPort, floor int) int {
	lowest := floor
	if !u.IsService() {
		return lowest
	}
	for _, a := range u.Ports {
		if port, err := strconv.Atoi(a[strings.LastIndexByte(a, ':')+1:]); err == nil && port > 0 {
			lowest = min(lowest, port)
		}
	}
	for _, p := range said {
		if p.Unit == u.Name && p.First > 0 {
			lowest = min(lowest, p.First)
		}
	}
	return lowest
}

// unlabelled says whether a container may not use what has a label of this type. Types
// that some policy lets containers have, and those of file systems without labels, are
// let be: container_selinux(8).
func unlabelled(label string) bool {
	switch label {
	case "", "container_share_t", "nfs_t", "cifs_t", "fusefs_t", "cephfs_t", "locale_t", "cert_t", "usr_t", "etc_t", "fonts_t", "sysfs_t", "proc_t", "device_t", "container_runtime_tmpfs_t":
		return false
	}
	return !strings.HasPrefix(label, "container_") || !strings.HasSuffix(label, "file_t")
}

func (d *diagnosis) labels(s SELinuxFacts) {
	if !s.Enforcing {
		return
	}
	for _, m := range s.Mounts {
		if unlabelled(m.Type) {
			d.add("selinux", Warn, fmt.Sprintf("%s mounts %s, whose SELinux label is %s and not container_file_t", m.File, m.Path, m.Type),
				"SELinux is enforcing: the container is most likely denied what is in there",
				"in "+m.File+" add :Z to that Volume= (:z if several containers have it), unless it is a directory that others on this host need too; then systemctl --user daemon-reload, and restart the service when it suits")
		}
	}
}

const (
	gib = 1 << 30
	// A large disk that has this much left is not full, whatever part of it that is.
	plentyFree = 50 * gib
)

func (d *diagnosis) disks(list []Disk) {
	well := true
	for _, v := range list {
		if v.Size > 0 {
			percent := float64(v.Free) / float64(v.Size) * 100
			what := fmt.Sprintf("%s (%s) has %s free, %.0f %%", v.Path, v.What, bytesText(v.Free), percent)
			switch {
			case percent < 2 && v.Free < plentyFree:
				d.add("disk", Bad, what, "databases stop, and Podman starts nothing, when it is full", diskFix)
				well = false
			case percent < 10 && v.Free < plentyFree, v.Free < 2*gib:
				d.add("disk", Warn, what, "databases stop, and Podman starts nothing, when it is full", diskFix)
				well = false
			}
		}
		if v.Inodes > 0 {
			percent := float64(v.FreeInodes) / float64(v.Inodes) * 100
			if percent < 10 {
				s := Warn
				if percent < 2 {
					s = Bad
				}
				d.add("disk", s, fmt.Sprintf("%s (%s) has %d files (inodes) left, %.0f %%", v.Path, v.What, v.FreeInodes, percent),
					"no file can be made when there are none, though bytes are free", diskFix)
				well = false
			}
		}
	}
	if well && len(list) > 0 {
		d.add("disk", Good, "the disks of Podman's storage and keeper's state have room", "", "")
	}
}

// diskFix shows what there is to free, and frees nothing.
const diskFix = "podman system df; podman image prune (removes images that nothing uses); or a larger disk"

func bytesText(n uint64) string {
	switch {
	case n >= gib:
		return fmt.Sprintf("%.1f GiB", float64(n)/gib)
	default:
		return fmt.Sprintf("%.0f MiB", float64(n)/(1<<20))
	}
}

// journal tells of the clock as well where both are right.
func (d *diagnosis) journal(j JournalFacts, clock bool) {
	switch {
	case !j.Known:
	case j.Persistent:
		what := "systemd's journal is kept over a boot"
		if clock {
			what += ", and the clock is synchronised"
		}
		d.add("journal", Good, what, "", "")
	case j.Storage == "none" || j.Storage == "volatile":
		d.add("journal", Warn, "systemd's journal is not kept over a boot (Storage="+j.Storage+" in journald.conf)",
			"after a reboot nobody can tell who or what brought the stack down",
			"as root: in /etc/systemd/journald.conf.d/50-keeper.conf, under [Journal]: Storage=persistent; then systemctl restart systemd-journald && journalctl --flush")
	default: // as the RHEL family comes
		d.add("journal", Info, "systemd's journal is not kept over a boot (there is no /var/log/journal)",
			"after a reboot nobody can tell who or what brought the stack down",
			"as root: mkdir -p /var/log/journal && systemd-tmpfiles --create --prefix /var/log/journal && systemctl restart systemd-journald && journalctl --flush")
	}
}

// clockGrace is how long a time service may take after a boot.
const clockGrace = 10 * time.Minute

func (d *diagnosis) clock(c ClockFacts, told bool) {
	const means = "object stores refuse requests, and certificates look expired, once it is off by minutes; incidents get wrong times"
	switch {
	case !c.Known:
	case c.Synced:
		if !told {
			d.add("clock", Good, "the clock is synchronised", "", "")
		}
	case c.Service == "":
		d.add("clock", Info, "nothing is known to synchronise the clock of this machine", means, "as root: install and enable chrony, if the machine's host does not set its clock")
	case c.Up < clockGrace:
		d.add("clock", Info, c.Service+" has not synchronised the clock yet, since the boot", means, "timedatectl")
	default:
		d.add("clock", Warn, c.Service+" runs, and the clock is not synchronised", means, "timedatectl; chronyc tracking, or timedatectl timesync-status: it may reach none of its servers")
	}
}
