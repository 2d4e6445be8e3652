package containers

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
)

// FuzzProcess reads what /proc says of a process whose name, groups and cgroups somebody
// in a container chose.
func FuzzProcess(f *testing.F) {
	for _, s := range []string{
		"Name:\tconmon\nState:\tS (sleeping)\nUid:\t1000\t1000\t1000\t1000\nNSpid:\t5\n",
		"Name:\tx\x1b[2J\nState:\tZ\nUid:\t1\t100000\t1\t1\nNSpid:\t5\t1\n",
		"Uid:\t0\t99999999999999999999\n", "", "Name:\nUid:\n",
	} {
		f.Add([]byte(s), []byte("0::/user.slice/user-1000.slice/user@1000.service/app.slice/db.service/libpod-payload-ab\n"), []byte("5 (a) b) S 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 77 1"), []byte("conmon\x00-c\x00id\x00-u\x00id\x00"))
	}
	dir := f.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "5"), 0o700); err != nil {
		f.Fatal(err)
	}
	v := View{Proc: dir, Runtime: dir, UID: 1000, Subordinate: []Range{{100000, 65536}}}
	f.Fuzz(func(t *testing.T, status, cgroup, stat, cmdline []byte) {
		for name, data := range map[string][]byte{"status": status, "cgroup": cgroup, "stat": stat, "cmdline": cmdline} {
			if err := os.WriteFile(filepath.Join(dir, "5", name), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		p, ok := v.process(5, 0)
		if ok && p.Role == Pause {
			t.Errorf("it is no pause process: %+v", p)
		}
		if strings.ContainsFunc(p.Name, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("the name is %q", p.Name)
		}
		if p.Unit != "" && (!strings.HasSuffix(p.Unit, ".service") || strings.Contains(p.Unit, "/") || !strings.Contains(p.CGroup, p.Unit)) {
			t.Errorf("the unit is %q, of %q", p.Unit, p.CGroup)
		}
		if d := v.startedAt(5); d < 0 {
			t.Errorf("it began %v after the boot", d)
		}
		if dir := v.persistDir(5); dir != "" && !filepath.IsAbs(dir) {
			t.Errorf("its directory is %q", dir)
		}
	})
}

// FuzzMount has a mount that somebody in a container named written as the kernel does, and
// read.
func FuzzMount(f *testing.F) {
	f.Add("/volumes/db/_data", "/var/lib/db", "rw,nosuid")
	f.Add("/a b\n", "/\\040 \t", "ro")
	f.Add("", "x", "")
	escape := strings.NewReplacer(" ", `\040`, "\t", `\011`, "\n", `\012`, `\`, `\134`)
	f.Fuzz(func(t *testing.T, root, point, options string) {
		_, _ = parseMount(point) // whatever that is
		line := "36 35 98:0 " + escape.Replace("/"+root) + " " + escape.Replace("/"+point) + " " + escape.Replace("r"+options) + " - ext3 x y\n"
		if strings.ContainsAny(root+point+options, "\v\f\r\u0085\u00a0") || len(strings.Fields(line)) != 10 {
			return // strings.Fields takes these for spaces as well
		}
		m, ok := parseMount(line)
		if !ok || m.root != "/"+root || m.point != "/"+point {
			t.Errorf("%q is %+v, %v", line, m, ok)
		}
		if m.writable && !strings.HasPrefix("r"+options, "rw") {
			t.Errorf("%q is writable", line)
		}
	})
}

// FuzzSubordinate reads subuid(5).
func FuzzSubordinate(f *testing.F) {
	f.Add([]byte("app:100000:65536\n1000:5:1\nother:1:1\n"))
	f.Add([]byte("app:4294967295:4294967295\napp:-1:3\n"))
	file := filepath.Join(f.TempDir(), "subuid")
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, r := range subordinate(file, 1000, "app") {
			if r.First+r.Count < r.First || r.has(r.First-1) || r.Count > 0 && !r.has(r.First) {
				t.Errorf("%q has %+v", data, r)
			}
		}
	})
}
