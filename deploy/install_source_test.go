package deploy

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// tarball writes one of the checkout, with these entries besides, and returns its sum.
func (h *host) tarball(name string, more ...tar.Header) string {
	h.t.Helper()
	var buf bytes.Buffer
	zip := gzip.NewWriter(&buf)
	w := tar.NewWriter(zip)
	for _, dir := range []string{"bin", "systemd"} {
		h.must(filepath.WalkDir(h.path("root/keeper/"+dir), func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			data, err := os.ReadFile(path)
			h.must(err)
			rel, err := filepath.Rel(h.path("root/keeper"), path)
			h.must(err)
			h.must(w.WriteHeader(&tar.Header{Name: "keeper-1-linux-amd64/" + rel, Mode: 0o777, Uid: 1000, Size: int64(len(data))}))
			_, err = w.Write(data)
			return err
		}))
	}
	for _, header := range more {
		h.must(w.WriteHeader(&header))
	}
	h.must(w.Close())
	h.must(zip.Close())
	h.write(name, buf.String())
	return fmt.Sprintf("%x", sha256.Sum256(buf.Bytes()))
}

// TestTarball installs from one, if its check sum is right and nothing leads out of it.
func TestTarball(t *testing.T) {
	t.Parallel()
	h := newHost(t, releases["ol9"])
	sum := h.tarball("root/keeper.tar.gz")
	// The script alone, with nothing beside it.
	h.dirs("root/alone/deploy")
	h.write("root/alone/deploy/install.sh", h.read("root/keeper/deploy/install.sh"))
	run := func(args ...string) func() result {
		return func() result {
			return h.runAs(0, "root/alone", append([]string{"--user", "app", "--tarball", "/root/keeper.tar.gz"}, args...)...)
		}
	}
	h.refused("is not installed without its check sum", run())
	h.refused("should have 0000", run("--sha256", strings.Repeat("0", 64)))
	h.refused("there is no file", func() result { return h.run("--user", "app", "--tarball", "/root/none.tar.gz") })

	h.write("root/SHA256SUMS", strings.Repeat("0", 64)+"  keeper.tar.gz\n"+sum+"  other.tar.gz\n")
	h.refused("should have 0000", run())
	h.write("root/SHA256SUMS", sum+"  keeper.tar.gz.asc\n")
	h.refused("does not name keeper.tar.gz", run())
	h.must(os.Chown(h.path("root/SHA256SUMS"), 1000, 1000))
	h.refused("SHA256SUMS is not root's alone", run())
	h.must(os.Remove(h.path("root/SHA256SUMS")))

	for _, entry := range []tar.Header{
		{Name: "/etc/oops", Typeflag: tar.TypeReg},
		{Name: "keeper-1/../../etc/oops", Typeflag: tar.TypeReg},
		{Name: "..", Typeflag: tar.TypeDir},
		{Name: "bin/link", Linkname: "/etc", Typeflag: tar.TypeSymlink},
		{Name: "bin/hard", Linkname: "/etc/passwd", Typeflag: tar.TypeLink},
		{Name: "bin/pipe", Typeflag: tar.TypeFifo},
	} {
		h.refused("is refused", run("--sha256", h.tarball("root/keeper.tar.gz", entry)))
	}
	h.write("root/keeper.tar.gz", "no tarball")
	h.refused("cannot be read", run("--sha256", fmt.Sprintf("%x", sha256.Sum256([]byte("no tarball")))))

	sum = h.tarball("root/keeper.tar.gz")
	h.write("root/SHA256SUMS", strings.Repeat("0", 64)+"  other.tar.gz\n"+sum+"  keeper.tar.gz\n")
	before := h.tree()
	if r := run("--dry-run")(); r.code != 0 || h.tree() != before {
		t.Errorf("a dry run changed something: %d\n%s", r.code, r.out)
	}
	if r := run()(); r.code != 0 || h.read("home/app/.local/bin/keeper") != h.read("root/keeper/bin/keeper") {
		t.Fatalf("it ended with %d\n%s", r.code, r.out)
	}
	before = h.tree()
	if r := run("--sha256", strings.ToUpper(sum))(); r.code != 0 || len(r.changes()) > 0 || h.tree() != before {
		t.Errorf("a second run changed something: %d %q\n%s", r.code, r.changes(), r.out)
	}
}

// packageOn makes what a package brings, which the stubs of dnf and apt-get put there.
func (h *host) packageOn(dir string) {
	for name, from := range map[string]string{
		"usr/bin/keeper": "bin/keeper", "usr/libexec/keeper/keeper-adopt": "bin/keeper-adopt", "usr/libexec/keeper/keeper-guard": "bin/keeper-guard",
		"usr/libexec/keeper/install.sh": "deploy/install.sh", "usr/libexec/keeper/revive": "systemd/system/revive",
		"usr/lib/systemd/user/keeper.service":                            "systemd/keeper.service",
		"usr/lib/systemd/user/keeper-session.service":                    "systemd/keeper-session.service",
		"usr/lib/systemd/system/keeper-revive@.service":                  "systemd/system/keeper-revive@.service",
		"usr/share/keeper/systemd/system/user@.service.conf":             "systemd/system/user@.service.conf",
		"usr/share/keeper/systemd/system/user-runtime-dir@.service.conf": "systemd/system/user-runtime-dir@.service.conf",
	} {
		h.dirs(filepath.Dir(dir + "/" + name))
		h.write(dir+"/"+name, h.read("root/keeper/"+from))
		h.must(os.Chmod(h.path(dir+"/"+name), 0o755))
	}
}

// TestPackage: the package's programs and units are used, by dnf or apt-get, and what
// the script wrote before makes way for them.
func TestPackage(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"ol10":     "dnf --assumeyes install container-tools /root/keeper.rpm",
		"debian13": apt + "podman /root/keeper.deb",
	} {
		file := "/root/keeper" + want[len(want)-4:]
		h := newHost(t, releases[name], "usr/bin/podman")
		h.packageOn("package")
		h.write(file, "")
		h.refused("without a terminal", func() result { return h.run("--user", "app", "--package", file) })
		h.refused("As root:\n  ", func() result { return h.runAs(1000, "root/keeper", "--package", file) })
		before := h.tree()
		if r := h.installs("--user", "app", "--package", file, "--dry-run"); h.tree() != before || !strings.Contains(r.out, "would run: ") {
			t.Errorf("a dry run changed something, or said nothing:\n%s", r.out)
		}
		if r := h.installs("--user", "app", "--package", file, "--yes"); !slices.Equal(r.managers(), []string{want}) {
			t.Errorf("asked for %q", r.managers())
		}
		for path, there := range map[string]bool{
			"home/app/.local/bin": false, "home/app/.config/systemd/user/keeper.service": false, "etc/systemd/system/keeper-revive@.service": false,
			"etc/systemd/system/user@1000.service.d/50-keeper.conf": true, "state/active": true, "state/linger": true, "state/revive": true,
		} {
			if h.has(path) != there {
				t.Errorf("%s: %v", path, h.has(path))
			}
		}
		before = h.tree()
		again := h.installs("--user", "app")
		if len(again.changes()) > 0 || h.tree() != before {
			t.Errorf("a second run changed something: %q\n%s", again.changes(), again.out)
		}
		h.refused("keeper is here as a package", func() result { return h.run("--user", "app", "--binary", "/root/keeper/bin/keeper") })

		h.installs("--uninstall", "--user", "app")
		for path, there := range map[string]bool{
			"usr/bin/keeper": true, "usr/libexec/keeper/revive": true, "usr/lib/systemd/user/keeper.service": true,
			"etc/keeper": false, "etc/systemd": false, "home/app/.local": false, "state/linger": false, "state/revive": false,
		} {
			if h.has(path) != there {
				t.Errorf("after the removal, %s: %v", path, h.has(path))
			}
		}
	}
}

// TestPackageAfterScript: copies of the script's own would go before the package's.
func TestPackageAfterScript(t *testing.T) {
	t.Parallel()
	h := newHost(t, releases["ol9"])
	h.installs("--user", "app")
	// As enable does it, and a hook of an agent that names the old program.
	h.must(os.Symlink("/home/app/.config/systemd/user/keeper.service", h.path("home/app/.config/systemd/user/default.target.wants/keeper.service")))
	h.must(os.Symlink("/usr/lib/systemd/user/other.service", h.path("home/app/.config/systemd/user/default.target.wants/other.service")))
	h.write("home/app/.local/bin/keeper-guard", stub("keeper-guard", `[ "$*" != "uninstall claude --dry-run" ] || echo would`))
	h.write("home/app/.local/state/keeper/installed", strings.ReplaceAll(h.read("home/app/.local/state/keeper/installed"),
		fmt.Sprintf("%x", sha256.Sum256([]byte(h.read("root/keeper/bin/keeper-guard")))), fmt.Sprintf("%x", sha256.Sum256([]byte(h.read("home/app/.local/bin/keeper-guard"))))))
	h.packageOn("")
	h.write("usr/libexec/keeper/revive", "#!/bin/sh\n# the package's\n")

	const unit = "home/app/.config/systemd/user/keeper.service"
	kept := h.read(unit)
	h.write(unit, kept+"# mine\n")
	h.refused("keeper.service was edited, and goes before", func() result { return h.run("--user", "app") })
	h.write(unit, kept)

	r := h.installs("--user", "app")
	for path, there := range map[string]bool{
		"home/app/.local/bin": true, "home/app/.local/bin/keeper": false, unit: false, "home/app/.config/systemd/user/run-.scope.d/50-keeper.conf": false,
		"home/app/.config/systemd/user/default.target.wants/keeper.service": false, "home/app/.config/systemd/user/default.target.wants/other.service": true,
		"etc/systemd/system/keeper-revive@.service": false, "usr/libexec/keeper/revive": true,
	} {
		if h.has(path) != there {
			t.Errorf("%s: %v", path, h.has(path))
		}
	}
	for _, line := range []string{"keeper-guard uninstall claude", "keeper-guard install claude", "systemctl --user daemon-reload", "systemctl --user try-restart keeper.service", "systemctl daemon-reload"} {
		if !slices.Contains(r.log, line) {
			t.Errorf("%s was not run, but\n%s", line, strings.Join(r.changes(), "\n"))
		}
	}
	if slices.Contains(r.log, "keeper-guard install codex") {
		t.Error("an agent that had no guard got one")
	}
	before := h.tree()
	if again := h.installs("--user", "app"); len(again.changes()) > 0 || h.tree() != before {
		t.Errorf("a second run changed something: %q\n%s", again.changes(), again.out)
	}
	h.installs("--uninstall", "--user", "app")
	if h.read("usr/libexec/keeper/revive") != "#!/bin/sh\n# the package's\n" || h.has("etc/keeper") {
		t.Error("the removal took the package's helper, or left root's part")
	}
}

// TestSource builds where there are no programs, with a Go that is new enough.
func TestSource(t *testing.T) {
	t.Parallel()
	h := newHost(t, releases["ol9"])
	h.must(os.Rename(h.path("root/keeper/bin"), h.path("root/built")))
	h.refused("no program at /root/keeper/bin/keeper; give --package, --tarball or --binary", func() result { return h.run("--user", "app") })
	h.write("root/keeper/go.mod", "module keeper\n\ngo 1.26\n")
	h.write("root/keeper/Makefile", "")
	h.program("make", `cp -R /root/built "$2/bin"`)
	h.refused("needs make and Go 1.26 or later (here: no Go)", func() result { return h.run("--user", "app") })
	h.program("go", "echo go version go1.9.7 linux/amd64")
	h.refused("needs make and Go 1.26 or later (here: 1.9.7)", func() result { return h.run("--user", "app") })
	h.program("go", "echo go version go1.26.8 linux/amd64")

	h.must(os.Chown(h.path("root/keeper/go.mod"), 1000, 1000))
	h.refused("root does not build where others can write (/root/keeper/go.mod)", func() result { return h.run("--user", "app") })
	h.must(os.Chown(h.path("root/keeper/go.mod"), 0, 0))
	before := h.tree()
	if r := h.installs("--user", "app", "--dry-run"); h.tree() != before || !strings.Contains(r.out, "would run: make -C /root/keeper build\n") ||
		!strings.Contains(r.out, "would write /home/app/.local/bin/keeper\n") {
		t.Errorf("a dry run changed something, or did not say all:\n%s", r.out)
	}
	if r := h.installs("--user", "app"); !slices.Contains(r.log, "make -C /root/keeper build") || !h.has("home/app/.local/bin/keeper") {
		t.Errorf("it was not built:\n%s", r.out)
	}
	if r := h.installs("--user", "app"); len(r.changes()) > 0 {
		t.Errorf("a second run changed something: %q", r.changes())
	}
}

// TestSubordinateIDs: what is given is nobody's, and what is there is left alone.
func TestSubordinateIDs(t *testing.T) {
	t.Parallel()
	const both = "--add-subuids %[1]s --add-subgids %[1]s app"
	for name, c := range map[string]struct{ uids, gids, passwd, defs, want string }{
		"none there":              {want: fmt.Sprintf(both, "100000-165535")},
		"behind others":           {uids: "a:100000:65536\nb:165536:65536\n", gids: "a:100000:65536\n", want: fmt.Sprintf(both, "231072-296607")},
		"behind other gids":       {gids: "a:100000:65536\n", want: fmt.Sprintf(both, "165536-231071")},
		"overlapping a little":    {uids: "a:165535:1\n", want: fmt.Sprintf(both, "165536-231071")},
		"into a gap":              {uids: "b:400000:65536\na:100000:65536\n", want: fmt.Sprintf(both, "165536-231071")},
		"not into a small gap":    {uids: "b:200000:65536\na:100000:65536\n", want: fmt.Sprintf(both, "265536-331071")},
		"as login.defs has it":    {defs: "SUB_UID_MIN\t\t   524288\n#SUB_GID_MIN 1\n", want: fmt.Sprintf(both, "524288-589823")},
		"past accounts":           {passwd: "far:x:120000:120000::/:/bin/sh\n", want: fmt.Sprintf(both, "120001-185536")},
		"past nonsense":           {uids: "x:y:z\n:::\na:99999999999999999999:1\nb:100000:\n", want: fmt.Sprintf(both, "100000-165535")},
		"only the gids lack":      {uids: "app:100000:65536\n", want: "--add-subgids 165536-231071 app"},
		"by uid":                  {uids: "1000:100000:65536\n", gids: "1000:100000:65536\n"},
		"there":                   {uids: "app:200000:65536\n", gids: "app:300000:65536\n"},
		"somebody of like a name": {uids: "apple:100000:65536\n", gids: "a.p:100000:65536\n", want: fmt.Sprintf(both, "165536-231071")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t, releases["ol9"])
			h.write("etc/subuid", c.uids)
			h.write("etc/subgid", c.gids)
			h.write("etc/passwd", h.read("etc/passwd")+c.passwd)
			if c.defs != "" {
				h.write("etc/login.defs", c.defs)
			}
			got := ""
			for line := range strings.Lines(h.installs("--user", "app", "--no-root", "--dry-run").out) {
				if _, options, is := strings.Cut(line, "would run: usermod "); is {
					got = strings.TrimSuffix(options, "\n")
				}
			}
			if got != c.want {
				t.Errorf("usermod %s; want %s", got, c.want)
			}
		})
	}
}

// TestRunningContainers: what gives the containers their new ids stops them, and is
// left to a person.
func TestRunningContainers(t *testing.T) {
	t.Parallel()
	h := newHost(t, releases["ol9"])
	h.dirs("run/user/1000/libpod/tmp")
	h.write("run/user/1000/libpod/tmp/pause.pid", "1")
	r := h.installs("--user", "app")
	if !strings.Contains(r.out, "podman system migrate. That stops every container") || strings.Contains(strings.Join(r.log, "\n"), "podman ") {
		t.Errorf("podman was run, or nothing said:\n%s\n%q", r.out, r.log)
	}
}

// TestAsks: on a terminal it asks, and takes no for an answer.
func TestAsks(t *testing.T) {
	t.Parallel()
	h := newHost(t, releases["ol9"], "usr/bin/podman")
	for _, c := range []struct {
		answer string
		code   int
	}{{"\n", 1}, {"n\n", 1}, {"\x04", 1}, {"y\n", 0}} {
		before := h.tree()
		ours, theirs := pty(t)
		h.write("log", "")
		cmd := h.command(0, "root/keeper", "--user", "app")
		cmd.Stdin = theirs
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		_, err := io.WriteString(ours, c.answer)
		h.must(err)
		_ = cmd.Run()
		if code := cmd.ProcessState.ExitCode(); code != c.code || !strings.Contains(out.String(), "  dnf --assumeyes install container-tools\n") || c.code != 0 && h.tree() != before {
			t.Errorf("%q: it ended with %d:\n%s", c.answer, code, out.String())
		}
	}
	if !h.has("usr/bin/podman") {
		t.Error("yes was no yes")
	}
}

// pty is a terminal, from both ends.
func pty(t *testing.T) (ours, theirs *os.File) {
	t.Helper()
	ours, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		cannot(t, "no terminal can be made: %v", err)
	}
	t.Cleanup(func() { _ = ours.Close() })
	n, err := unix.IoctlGetInt(int(ours.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(ours.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		theirs, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|syscall.O_NOCTTY, 0)
	}
	if err != nil {
		cannot(t, "no terminal can be made: %v", err)
	}
	t.Cleanup(func() { _ = theirs.Close() })
	return ours, theirs
}

// TestStoppedHalfWay kills the script where it puts a file in its place, at the first
// and then at every third, and runs it again: it ends as if nothing had been.
func TestStoppedHalfWay(t *testing.T) {
	t.Parallel()
	whole := newHost(t, releases["ol9"])
	whole.installs("--user", "app")
	good := whole.tree()
	cuts := 0
	for nth := 1; ; nth += 3 {
		h := newHost(t, releases["ol9"])
		h.must(os.Rename(h.path("usr/bin/mv"), h.path("real/mv")))
		h.write("state/left", strconv.Itoa(nth))
		h.must(os.Chmod(h.path("state/left"), 0o666))
		h.write("usr/bin/mv", "#!/bin/sh\nn=$(($(cat /state/left) - 1)); echo $n >/state/left\n[ $n -ne 0 ] || { kill -KILL $PPID; exit 1; }\nexec /real/mv \"$@\"\n")
		h.must(os.Chmod(h.path("usr/bin/mv"), 0o755))
		cut := h.run("--user", "app")
		if cut.code == 0 {
			break // it is not run that often
		}
		cuts++
		h.must(os.Rename(h.path("real/mv"), h.path("usr/bin/mv")))
		h.must(os.Remove(h.path("state/left")))
		h.installs("--user", "app")
		if diff := difference(without(h.tree(), "/tmp/"), without(good, "/tmp/")); diff != "" {
			t.Errorf("stopped at the %d. file, it did not get to the same end:\n%s", nth, diff)
		}
	}
	if cuts < 5 {
		t.Errorf("it was stopped %d times, and there are 13 files", cuts)
	}
}

func without(tree, dir string) string {
	return strings.Join(slices.DeleteFunc(strings.SplitAfter(tree, "\n"), func(line string) bool { return strings.HasPrefix(line, dir) }), "")
}

func difference(a, b string) string {
	var diff []string
	for _, line := range strings.Split(a, "\n") {
		if !strings.Contains(b, line+"\n") && line != "" {
			diff = append(diff, "+ "+line)
		}
	}
	for _, line := range strings.Split(b, "\n") {
		if !strings.Contains(a, line+"\n") && line != "" {
			diff = append(diff, "- "+line)
		}
	}
	return strings.Join(diff, "\n")
}
