package core

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// goodHost is a host that gives all that a stack needs.
func goodHost() HostFacts {
	all := slices.Clone(Controllers)
	ids := SubIDs{Known: true, From: "/etc/subuid", Own: []IDRange{{"app", 100000, 65536}}, Others: []IDRange{{"other", 165536, 65536}}}
	groups := ids
	groups.From = "/etc/subgid"
	return HostFacts{
		CGroup:    CGroupFacts{Version: CGroup2, Manager: true, Delegated: all, Offered: all},
		SubIDs:    SubIDFacts{Users: ids, Groups: groups},
		Runtime:   RuntimeFacts{Want: "/run/user/1000", There: true, Owner: 1000, Env: "/run/user/1000", EnvOwner: 1000},
		Podman:    PodmanFacts{Known: true, Version: "5.4.2", GraphRoot: Place{"/home/app/s", KindOther}, Database: "sqlite"},
		Logind:    LogindPolicy{Known: true, KillExclude: []string{}},
		PortFloor: 1024,
		SELinux:   SELinuxFacts{Enforcing: true, Mounts: []LabelledMount{{"/q/db.container", "/srv/db", "container_file_t"}}},
		Disks:     []Disk{{"/home/app", "Podman's storage and keeper's state", 50 * gib, 100 * gib, 900, 1000}},
		Journal:   JournalFacts{Known: true, Persistent: true, Storage: "auto"},
		Clock:     ClockFacts{Known: true, Synced: true, Service: "chronyd", Up: time.Hour},
	}
}

// hostFindings are those of the host alone.
func hostFindings(h Health) []Finding {
	var d diagnosis
	d.host(h)
	return d
}

func TestDiagnoseGoodHost(t *testing.T) {
	t.Parallel()
	h := healthy()
	h.Host = goodHost()
	list := hostFindings(h)
	want := []string{"good delegation", "good subids", "good runtime-dir", "good podman", "good disk", "good journal"}
	if got := found(list); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	for _, f := range list {
		if f.What == "" || f.Means != "" || f.Fix != "" {
			t.Errorf("what is well says what it is and no more: %+v", f)
		}
	}
	// Nothing is known: nothing is said.
	h.Host = HostFacts{}
	if got := hostFindings(h); got != nil {
		t.Errorf("of an unknown host: %v", got)
	}
}

func TestDiagnoseHost(t *testing.T) {
	t.Parallel()
	type change = func(h *Health, f *HostFacts)
	port := func(active string, ports ...string) change {
		return func(h *Health, _ *HostFacts) { h.Units[1].Active, h.Units[1].Ports = active, ports }
	}
	podman := func(version, database string) change {
		return func(_ *Health, f *HostFacts) { f.Podman.Version, f.Podman.Database = version, database }
	}
	disk := func(d Disk) change { return func(_ *Health, f *HostFacts) { f.Disks = append(f.Disks, d) } }
	lacking := func(uses ...ControllerUse) change {
		return func(_ *Health, f *HostFacts) {
			f.CGroup.Delegated, f.CGroup.Uses = []string{"memory", "pids"}, uses
		}
	}
	label := func(typ string) change {
		return func(_ *Health, f *HostFacts) { f.SELinux.Mounts[0].Type = typ }
	}
	policy := func(change func(p *LogindPolicy)) change {
		return func(_ *Health, f *HostFacts) { change(&f.Logind) }
	}
	for name, tt := range map[string]struct {
		change change
		// want are the findings that are not good, each with a part of what it says, of
		// what that means and of the fix; "-" for nothing.
		want [][4]string
	}{
		"all is well": {func(*Health, *HostFacts) {}, nil},

		"cgroup v1 of Red Hat": {func(_ *Health, f *HostFacts) { f.CGroup, f.RedHat = CGroupFacts{Version: CGroup1}, true },
			[][4]string{{"bad cgroup", "cgroup v1", "Quadlet", "grubby --update-kernel=ALL --args=systemd.unified_cgroup_hierarchy=1 && systemctl reboot"}}},
		"cgroup v1 of Debian": {func(_ *Health, f *HostFacts) { f.CGroup, f.Debian = CGroupFacts{Version: CGroupHybrid}, true },
			[][4]string{{"bad cgroup", "cgroup hybrid", "Quadlet", "GRUB_CMDLINE_LINUX in /etc/default/grub"}}},
		"cgroup v1 of somebody": {func(_ *Health, f *HostFacts) { f.CGroup = CGroupFacts{Version: CGroup1} },
			[][4]string{{"bad cgroup", "", "", "kernel argument systemd.unified_cgroup_hierarchy=1"}}},

		"controllers are missing": {lacking(), [][4]string{{"info delegation", "user@1000.service does not have the cgroup controllers cpu, cpuset, io", "nothing here asks for one", "Delegate=cpu cpuset io memory pids"}}},
		"they are given without ending anything": {lacking(), [][4]string{{"info delegation", "", "",
			"systemctl daemon-reload. Once this finding is gone, as the account: systemctl --user daemon-reexec"}}},
		"and one that is there is asked for": {lacking(ControllerUse{File: "/q/a.container", Setting: "MemoryMax=", Controller: "memory"}),
			[][4]string{{"info delegation", "", "nothing here asks", ""}}},
		"and one is asked for": {lacking(ControllerUse{File: "/q/a.container", Setting: "CPUQuota=", Controller: "cpu"}),
			[][4]string{{"warn delegation", "cpuset", "/q/a.container has CPUQuota=, which needs cpu and does not count", "daemon-reexec"}}},
		"and one is needed": {lacking(ControllerUse{File: "/q/a.container", Setting: "CPUQuota=", Controller: "cpu"}, ControllerUse{File: "/q/b.container", Setting: "PodmanArgs=--cpus", Controller: "cpu", Fatal: true}),
			[][4]string{{"warn delegation", "", "/q/b.container has PodmanArgs=--cpus, which needs cpu: its container does not start", ""}}},
		"the machine has none": {func(_ *Health, f *HostFacts) { f.CGroup.Offered, f.CGroup.Delegated = nil, nil },
			[][4]string{{"info delegation", "no controller to give", "no limits", "-"}}},
		"the machine has few": {func(_ *Health, f *HostFacts) {
			f.CGroup.Offered, f.CGroup.Delegated = []string{"pids"}, []string{"pids"}
		}, nil},
		"there is no such cgroup": {func(_ *Health, f *HostFacts) { f.CGroup.Manager = false }, nil},

		"no subordinate ids": {func(_ *Health, f *HostFacts) { f.SubIDs.Users.Own = nil },
			[][4]string{{"bad subids", "app has no subordinate user ids (/etc/subuid)", "does not start", "usermod --add-subuids 231072-296607 app"}}},
		"no subordinate ids in a directory": {func(_ *Health, f *HostFacts) { f.SubIDs.Users = SubIDs{Known: true, From: "getsubids app"} },
			[][4]string{{"bad subids", "app has no subordinate user ids (getsubids app)", "does not start", "directory service"}}},
		"no subordinate groups": {func(_ *Health, f *HostFacts) { f.SubIDs.Groups = SubIDs{Known: true, From: "/etc/subgid"} },
			[][4]string{{"bad subids", "no subordinate group ids (/etc/subgid)", "", "usermod --add-subgids 100000-165535 app"}}},
		"too few": {func(_ *Health, f *HostFacts) { f.SubIDs.Users.Own = []IDRange{{"app", 100000, 65535}} },
			[][4]string{{"warn subids", "65535 subordinate user ids", "higher ids", "podman system migrate"}}},
		"enough in two": {func(_ *Health, f *HostFacts) {
			f.SubIDs.Users.Own = []IDRange{{"app", 100000, 65535}, {"1000", 400000, 1}}
		}, nil},
		"another has them too": {func(_ *Health, f *HostFacts) { f.SubIDs.Users.Others = []IDRange{{"other", 165535, 10}} },
			[][4]string{{"warn subids", "subordinate user ids of app (100000-165535) are also other's (165535-165544) in /etc/subuid", "read and kill", "another range in /etc/subuid"}}},
		"nobody can tell the ids": {func(_ *Health, f *HostFacts) { f.SubIDs.Users = SubIDs{} }, nil},
		"no tools": {func(_ *Health, f *HostFacts) {
			f.SubIDs.Tools, f.Debian = []string{"newuidmap is not in the PATH"}, true
		},
			[][4]string{{"bad subids", "newuidmap is not in the PATH", "none starts", "apt install --reinstall uidmap"}}},
		"bare tools": {func(_ *Health, f *HostFacts) {
			f.SubIDs.Tools, f.RedHat = []string{"/usr/bin/newgidmap has neither"}, true
		},
			[][4]string{{"bad subids", "newgidmap", "", "shadow-utils"}}},

		"no runtime directory": {func(_ *Health, f *HostFacts) { f.Runtime.There, f.Runtime.Owner = false, -1 },
			[][4]string{{"bad runtime-dir", "/run/user/1000 is not there", "no place", "systemctl start user@1000"}}},
		"another's runtime directory": {func(_ *Health, f *HostFacts) { f.Runtime.Owner = 0 },
			[][4]string{{"bad runtime-dir", "/run/user/1000 belongs to uid 0", "refuses", "chown 1000 /run/user/1000"}}},
		"XDG_RUNTIME_DIR is missing": {func(_ *Health, f *HostFacts) { f.Runtime.Env, f.Runtime.EnvOwner = "", -1 },
			[][4]string{{"warn runtime-dir", "is not set", "do not find", "export XDG_RUNTIME_DIR=/run/user/1000"}}},
		"the trap of su": {func(_ *Health, f *HostFacts) { f.Runtime.Env, f.Runtime.EnvOwner = "/run/user/0", 0 },
			[][4]string{{"warn runtime-dir", "is /run/user/0, which is uid 0's", "su", "machinectl shell app@"}}},
		"XDG_RUNTIME_DIR is elsewhere": {func(_ *Health, f *HostFacts) { f.Runtime.Env, f.Runtime.EnvOwner = "/tmp/x", 1000 },
			[][4]string{{"warn runtime-dir", "is /tmp/x, and not /run/user/1000", "second state", "export XDG_RUNTIME_DIR"}}},
		"XDG_RUNTIME_DIR is nowhere": {func(_ *Health, f *HostFacts) { f.Runtime.Env, f.Runtime.EnvOwner = "/tmp/x", -1 },
			[][4]string{{"warn runtime-dir", "is /tmp/x", "", ""}}},
		"no user bus": {func(_ *Health, f *HostFacts) { f.Runtime.BusErr, f.Debian = "there is no such socket", true },
			[][4]string{{"bad user-bus", "/run/user/1000/bus does not answer: there is no such socket", "none starts", "apt install dbus-user-session"}}},
		"no user bus on Red Hat": {func(_ *Health, f *HostFacts) { f.Runtime.BusErr, f.RedHat = "x", true },
			[][4]string{{"bad user-bus", "", "", "dnf install dbus-daemon"}}},

		"no Podman":            {func(_ *Health, f *HostFacts) { f.Podman = PodmanFacts{Known: true, Missing: true}; f.RedHat = true }, [][4]string{{"bad podman", "no podman", "no container", "dnf install podman"}}},
		"Podman fails":         {func(_ *Health, f *HostFacts) { f.Podman.Version, f.Podman.Err = "", "permission denied" }, [][4]string{{"warn podman", "permission denied", "", "podman info"}}},
		"Podman of Debian 12":  {podman("4.3.1", ""), [][4]string{{"bad podman", "Podman 4.3.1 knows no Quadlet", "not brought back", "upgrade"}}},
		"Podman 3":             {podman("3.4.4", ""), [][4]string{{"bad podman", "3.4.4", "", ""}}},
		"Podman 4.4":           {podman("4.4.0", "sqlite"), [][4]string{{"info podman", "keeper adopt needs 4.9", "", "upgrade"}}},
		"Podman 4.9":           {podman("4.9.4-rhel", "sqlite"), nil},
		"Podman 6":             {podman("6.0.0", "sqlite"), nil},
		"Podman of tomorrow":   {podman("next", ""), [][4]string{{"info podman", "next", "-", "-"}}},
		"BoltDB of Podman 4":   {podman("4.9.4", "boltdb"), [][4]string{{"info podman-database", "BoltDB", "", "5.8"}}},
		"BoltDB of Podman 5":   {podman("5.4.2", "boltdb"), [][4]string{{"warn podman-database", "Podman 6 cannot read", "not see", "by way of Podman 5.8"}}},
		"BoltDB of Podman 5.8": {podman("5.8.4", "boltdb"), [][4]string{{"warn podman-database", "", "", "podman system migrate --migrate-db, and start them"}}},
		"BoltDB of Podman 6":   {podman("6.0.1", "boltdb"), [][4]string{{"bad podman-database", "cannot read", "does not see", "5.8 again"}}},
		"no database yet":      {podman("5.4.2", ""), nil},
		"a file of Podman's is broken": {func(_ *Health, f *HostFacts) { f.Podman.Mistakes = []string{"/c/storage.conf: line 3"} },
			[][4]string{{"warn podman-config", "/c/storage.conf: line 3", "cannot read", "mend the file"}}},
		"storage in memory": {func(_ *Health, f *HostFacts) { f.Podman.GraphRoot = Place{"/tmp/s", KindTmpfs} },
			[][4]string{{"bad podman-storage", "/tmp/s, is in memory", "gone after a boot", "graphroot"}}},
		"storage on NFS": {func(_ *Health, f *HostFacts) { f.Podman.GraphRoot.Kind = KindNFS },
			[][4]string{{"bad podman-storage", "on NFS", "locks", "graphroot"}}},
		"run root on a disk": {func(_ *Health, f *HostFacts) { f.Podman.RunRoot = Place{"/home/app/run", KindOther} },
			[][4]string{{"warn podman-storage", "/home/app/run (runroot of storage.conf) is not in memory", "power cut", "take the line out"}}},
		"tmp_dir on a disk": {func(_ *Health, f *HostFacts) { f.Podman.TmpDir = Place{"/home/app/tmp", KindOther} },
			[][4]string{{"warn podman-storage", "/home/app/tmp (tmp_dir of containers.conf)", "", ""}}},
		"both in memory": {func(_ *Health, f *HostFacts) {
			f.Podman.RunRoot, f.Podman.TmpDir = Place{"/run/user/1000/r", KindTmpfs}, Place{"/x", ""}
		}, nil},

		"KillUserProcesses": {policy(func(p *LogindPolicy) { p.KillUserProcesses = true }),
			[][4]string{{"warn kill-user-processes", "KillUserProcesses=yes", "by hand", "KillExcludeUsers=root app"}}},
		"KillUserProcesses, others spared": {policy(func(p *LogindPolicy) { p.KillUserProcesses, p.KillExclude = true, []string{"root", "b"} }),
			[][4]string{{"warn kill-user-processes", "", "", "KillExcludeUsers=root b app"}}},
		"KillUserProcesses, but not here":   {policy(func(p *LogindPolicy) { p.KillUserProcesses, p.KillExclude = true, []string{"app"} }), nil},
		"KillUserProcesses, of others only": {policy(func(p *LogindPolicy) { p.KillUserProcesses, p.KillOnly = true, []string{"b"} }), nil},
		"KillOnlyUsers": {policy(func(p *LogindPolicy) { p.KillOnly = []string{"b", "app"} }),
			[][4]string{{"warn kill-user-processes", "KillOnlyUsers=", "", ""}}},
		"RemoveIPC": {policy(func(p *LogindPolicy) { p.RemoveIPC = true }),
			[][4]string{{"info remove-ipc", "RemoveIPC=yes", "linger keeps", "RemoveIPC=no"}}},
		"RemoveIPC without linger": {func(h *Health, f *HostFacts) { f.Logind.RemoveIPC, h.Linger = true, false },
			[][4]string{{"warn remove-ipc", "", "each last logout", ""}}},
		"logind says nothing": {policy(func(p *LogindPolicy) { *p = LogindPolicy{RemoveIPC: true, KillUserProcesses: true} }), nil},

		"a port is too low": {port("failed", "127.0.0.1:8080", "127.0.0.1:443", "127.0.0.1:80"),
			[][4]string{{"bad low-port", "web.service publishes port 80, below net.ipv4.ip_unprivileged_port_start (1024)", "does not start", "ip_unprivileged_port_start=80 >/etc/sysctl.d/50-keeper-ports.conf"}}},
		"a low port of UDP": {func(h *Health, _ *HostFacts) {
			h.Units[1].Active = "failed"
			h.Stack.Ports = []PublishedPort{{Unit: "web.service", First: 53, Last: 53, Protocol: "udp"}, {Unit: "web.service", First: 8053, Last: 8053, Protocol: "udp"}}
		}, [][4]string{{"bad low-port", "web.service publishes port 53, below", "does not start", "ip_unprivileged_port_start=53 >"}}},
		"it runs all the same": {port("active", "[::1]:1023"), [][4]string{{"warn low-port", "port 1023", "may not come back", ""}}},
		"a port is just right": {port("active", "127.0.0.1:1024", "127.0.0.1:0", "nonsense"), nil},
		"the floor is low":     {func(h *Health, f *HostFacts) { f.PortFloor, h.Units[1].Ports = 80, []string{"127.0.0.1:80"} }, nil},
		"no floor":             {func(h *Health, f *HostFacts) { f.PortFloor, h.Units[1].Ports = 0, []string{"127.0.0.1:1"} }, nil},

		"a label is wrong": {label("user_home_t"),
			[][4]string{{"warn selinux", "/q/db.container mounts /srv/db, whose SELinux label is user_home_t and not container_file_t", "denied", ":Z"}}},
		"a label for reading":    {label("container_ro_file_t"), nil},
		"a label of NFS":         {label("nfs_t"), nil},
		"no label":               {label(""), nil},
		"SELinux does not force": {func(_ *Health, f *HostFacts) { f.SELinux.Enforcing, f.SELinux.Mounts[0].Type = false, "user_home_t" }, nil},

		"a disk is rather full": {disk(Disk{Path: "/d", What: "x", Free: 3 * gib, Size: 31 * gib}), [][4]string{{"warn disk", "/d (x) has 3.0 GiB free, 10 %", "stop", "podman system df"}}},
		"a disk is full":        {disk(Disk{Path: "/d", What: "x", Free: gib / 2, Size: 31 * gib}), [][4]string{{"bad disk", "512 MiB free", "", ""}}},
		"a small disk":          {disk(Disk{Path: "/d", What: "x", Free: 2*gib - 1, Size: 3 * gib}), [][4]string{{"warn disk", "", "", ""}}},
		"a large disk":          {disk(Disk{Path: "/d", What: "x", Free: 60 * gib, Size: 9000 * gib}), nil},
		"no disk at all":        {disk(Disk{Path: "/d", What: "x"}), nil},
		"inodes are few":        {disk(Disk{Path: "/d", What: "x", Free: 1, FreeInodes: 9, Inodes: 100}), [][4]string{{"warn disk", "9 files (inodes) left", "though bytes are free", ""}}},
		"inodes are gone":       {disk(Disk{Path: "/d", What: "x", FreeInodes: 1, Inodes: 100}), [][4]string{{"bad disk", "", "", ""}}},

		"the journal is in memory": {func(_ *Health, f *HostFacts) { f.Journal.Persistent = false },
			[][4]string{{"info journal", "/var/log/journal", "after a reboot", "mkdir -p /var/log/journal"}}},
		"the journal is told to be": {func(_ *Health, f *HostFacts) { f.Journal.Persistent, f.Journal.Storage = false, "volatile" },
			[][4]string{{"warn journal", "Storage=volatile", "", "Storage=persistent"}}},
		"the clock is nobody's":   {func(_ *Health, f *HostFacts) { f.Clock.Synced, f.Clock.Service = false, "" }, [][4]string{{"info clock", "nothing is known", "certificates", "chrony"}}},
		"the clock is new":        {func(_ *Health, f *HostFacts) { f.Clock.Synced, f.Clock.Up = false, time.Minute }, [][4]string{{"info clock", "not synchronised the clock yet", "", ""}}},
		"the clock is lost":       {func(_ *Health, f *HostFacts) { f.Clock.Synced = false }, [][4]string{{"warn clock", "chronyd runs", "", "chronyc tracking"}}},
		"no journal, right clock": {func(_ *Health, f *HostFacts) { f.Journal = JournalFacts{} }, nil},
	} {
		h := healthy()
		h.Host = goodHost()
		tt.change(&h, &h.Host)
		var bad []Finding
		for _, f := range hostFindings(h) {
			if f.Severity != Good {
				bad = append(bad, f)
			}
		}
		if len(bad) != len(tt.want) {
			t.Errorf("%s: got %v, want %v", name, bad, tt.want)
			continue
		}
		for i, w := range tt.want {
			f := bad[i]
			if found([]Finding{f})[0] != w[0] || !says(f.What, w[1]) || !says(f.Means, w[2]) || !says(f.Fix, w[3]) {
				t.Errorf("%s: got %+v, want %v", name, f, w)
			}
		}
	}
}

// No finding of the host is without its line in the reference, and none of the lines
// without its finding above.
func TestChecksOfHost(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	for _, c := range checksOfHost() {
		if known[c.ID] || c.Looks == "" || c.Why == "" || strings.HasSuffix(c.Looks, ".") {
			t.Errorf("%+v", c)
		}
		known[c.ID] = true
		if c.Fixes != (c.ID == "user-bus") {
			t.Errorf("%s: fixes is %v", c.ID, c.Fixes)
		}
	}
	h := healthy()
	h.Host = goodHost()
	for _, f := range hostFindings(h) {
		if !known[f.ID] {
			t.Errorf("%s is not in the reference", f.ID)
		}
	}
	h.Host = HostFacts{
		CGroup: CGroupFacts{Version: CGroup1}, Runtime: RuntimeFacts{Want: "/run/user/1000", There: true, Owner: 1000, BusErr: "x"},
		Podman: PodmanFacts{Known: true, Version: "5.0.0", Database: "boltdb", Mistakes: []string{"x"}, GraphRoot: Place{"/", KindNFS}},
		Logind: LogindPolicy{Known: true, KillUserProcesses: true, RemoveIPC: true}, PortFloor: 1024,
		SELinux: SELinuxFacts{Enforcing: true, Mounts: []LabelledMount{{Type: "var_t"}}}, Clock: ClockFacts{Known: true},
	}
	h.Units[0].Ports = []string{"127.0.0.1:80"}
	seen := map[string]bool{"delegation": true, "subids": true, "disk": true, "journal": true, "podman": true}
	for _, f := range hostFindings(h) {
		if fixes := f.Repair != nil; fixes != (f.ID == "user-bus") {
			t.Errorf("keeper doctor --fix mends %s: %v", f.ID, fixes)
		}
		if seen[f.ID] = true; !known[f.ID] {
			t.Errorf("%s is not in the reference", f.ID)
		}
	}
	for id := range known {
		if !seen[id] {
			t.Errorf("nothing is found by %s", id)
		}
	}
}
