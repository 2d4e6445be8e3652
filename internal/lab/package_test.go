package lab

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// format is a kind of package, and how an administrator of such a system puts one on
// and takes it off. There is no repository on a host: apt has what keeper depends on
// in the root file system; rpm is a guest on Debian, and knows of no dependencies.
type format struct {
	ext, install, remove string
}

var (
	debFormat = format{"deb", "DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --allow-downgrades /root/keeper.deb",
		"DEBIAN_FRONTEND=noninteractive apt-get remove --yes --quiet keeper"}
	rpmFormat = format{"rpm", "rpm --nodeps --oldpackage -U /root/keeper.rpm",
		"rpm --nodeps -e keeper"}
)

// makePackages returns the directory with the packages of this tree, which make test
// has built before; where they are not there, or something is newer, they are built
// here.
var makePackages = sync.OnceValues(func() (string, error) {
	root, err := filepath.Abs("../..")
	if err != nil {
		return "", err
	}
	// The last to be made. go build touches a program that it leaves as it is, so of
	// those the content counts.
	fresh := `set -- dist/*.rpm; [ $# -eq 1 ] && [ -f "$1" ] && [ -z "$(find deploy systemd Makefile -newer "$1")" ]
for program in keeper keeper-adopt keeper-guard; do cmp -s "bin/$program" "bin/package/stage/bin/$program"; done`
	cmd := exec.Command("sh", "-ec", fresh)
	if cmd.Dir = root; cmd.Run() != nil {
		err = quiet(exec.Command("make", "-C", root, "packages"))
	}
	return filepath.Join(root, "dist"), err
})

// makeEarlier returns the directory with the packages of the commit before, built as
// whoever has its source tarball builds them; or, where that commit knows no packages
// or there is no git, with this tree's under a lower version.
var makeEarlier = sync.OnceValues(func() (string, error) {
	root, err := filepath.Abs("../..")
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "keeper-earlier")
	if err != nil {
		return "", err
	}
	earlier = dir
	commit := "HEAD~1"
	if exec.Command("git", "-C", root, "cat-file", "-e", commit+":deploy/nfpm.yaml").Run() == nil {
		if err := quiet(exec.Command("sh", "-c", `git -C "$1" archive "$2" | tar -xf - -C "$3"`, "sh", root, commit, dir)); err != nil {
			return "", err
		}
		fmt.Fprintln(os.Stderr, "lab: upgrades are from the package of the previous commit")
		return filepath.Join(dir, "dist"), quiet(exec.Command("make", "-C", dir, "packages"))
	}
	fmt.Fprintln(os.Stderr, "lab: the previous commit has no packages; upgrades are from this tree's, with a lower version")
	script := `cp -R "$1/." "$2"; rm -rf "$2/.git" "$2/dist"; rm -f "$2/deploy/package/commit"; : >"$2/deploy/package/commit"; make -C "$2" packages`
	return filepath.Join(dir, "dist"), quiet(exec.Command("sh", "-ec", script, "sh", root, dir))
})

// earlier is removed when the tests end.
var earlier string

// packaged is a host that gets packages.
type packaged struct {
	*Host
	t *testing.T
	format
}

// put installs the package of a directory, or upgrades to it.
func (p packaged) put(dir string) string {
	p.t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "*."+p.ext))
	if err != nil || len(found) != 1 {
		p.t.Fatalf("there is not one .%s in %s: %q %v", p.ext, dir, found, err)
	}
	file, err := os.Open(found[0])
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	var out bytes.Buffer
	if err := p.Run(within(p.t, time.Minute), Exec{Stdin: file, Stderr: &out}, "sh", "-c", "cat >/root/keeper."+p.ext); err != nil {
		p.t.Fatalf("%v: %s", err, out.String())
	}
	said := p.root(p.install)
	p.t.Logf("%s\n%s", filepath.Base(found[0]), tail(said, 3))
	return said
}

func (p packaged) root(line string) string {
	p.t.Helper()
	return must[string](p.t)(p.Output(within(p.t, 2*time.Minute), "sh", "-ec", line))
}

func (p packaged) user(line string) string {
	p.t.Helper()
	return must[string](p.t)(p.UserOutput(within(p.t, time.Minute), "sh", "-ec", line))
}

// lives are those of the stack, and of the unit of the last act.
func (p packaged) lives() map[string]string {
	p.t.Helper()
	lives := must[map[string]string](p.t)(p.Invocations(within(p.t, time.Minute)))
	lives["keeper-session"] = p.user("systemctl --user show --property=ActiveState,InvocationID keeper-session.service")
	return lives
}

// same compares the lives that still must be what they were.
func (p packaged) same(when string, before map[string]string, but ...string) {
	p.t.Helper()
	now := p.lives()
	for _, name := range but {
		delete(now, name)
	}
	for name, id := range now {
		if before[name] != id {
			p.t.Errorf("%s, %s has another life: was %s, is %s", when, name, before[name], id)
		}
	}
	if err := p.Ready(within(p.t, time.Minute)); err != nil {
		p.t.Errorf("%s, the stack does not answer: %v", when, err)
	}
}

// wellAgain waits until keeper says that all is well.
func (p packaged) wellAgain() {
	p.t.Helper()
	var last string
	defer func() {
		if p.t.Failed() {
			p.t.Log(last)
		}
	}()
	await(p.t, 40*time.Second, "keeper status says that all is well", func(ctx context.Context) bool {
		var err error
		last, err = p.Keeper(ctx, "status")
		return err == nil
	})
}

// nothingFails looks for units that failed, of the system and of the account.
func (p packaged) nothingFails(when string) {
	p.t.Helper()
	if out := p.root("systemctl --failed --no-legend --plain") + p.user("systemctl --user --failed --no-legend --plain"); out != "" {
		p.t.Errorf("%s, units failed: %s", when, out)
	}
}

// files are what is outside of homes and of the package managers' own records. Of the
// directories of others, such as those of manual pages, a host has not all.
func (p packaged) files() string {
	p.t.Helper()
	return p.root(`find /usr /etc /run/keeper /var/lib/systemd \( ! -type d -o -path '*keeper*' -o -name '*.scope.d' \) ! -path '/usr/lib/sysimage/*' 2>/dev/null | sort || :`)
}

// upgrade goes from the earlier package to this tree's: another daemon, and nothing
// else is another.
func (p packaged) upgrade(dist string) {
	p.t.Helper()
	before, daemon := p.lives(), p.user("systemctl --user show --property=MainPID --value keeper.service")
	p.put(dist)
	if now := p.user("systemctl --user show --property=MainPID --value keeper.service"); now == daemon || now == "0\n" {
		p.t.Errorf("after the upgrade the daemon's process is %s as before, or none", now)
	}
	if exe := p.user("readlink /proc/$(systemctl --user show --property=MainPID --value keeper.service)/exe"); exe != "/usr/bin/keeper\n" {
		p.t.Errorf("after the upgrade the daemon runs %q", exe)
	}
	p.same("after the upgrade", before)
	p.wellAgain()
	p.nothingFails("after the upgrade")
}

// strike strikes rows of the kill table.
func (p packaged) strike(m Mode, ids ...string) {
	p.t.Helper()
	table := must[[]Blow](p.t)(Pick(Blows(), ids, nil))
	b := &bench{Host: p.Host, mode: m, binary: testKeeper(p.t)}
	for _, blow := range table {
		p.t.Run(blow.ID, func(t *testing.T) { judged(t, b.strike(t.Context(), blow)) })
	}
}

// takeOff removes the package: nothing of it is left but what accounts have, nothing
// of it runs, and the stack does not notice.
func (p packaged) takeOff(files string) string {
	p.t.Helper()
	before := p.lives()
	home := homeListing(p.t, p.Host)
	said := p.root(p.remove + " 2>&1")
	p.same("after the removal", before, "keeper-session")
	if now := homeListing(p.t, p.Host); now != home {
		p.t.Errorf("the removal changed the account's files:\nbefore:\n%s\nafter:\n%s", home, now)
	}
	if out, err := p.Output(within(p.t, time.Minute), "pgrep", "-a", "-x", "keeper.*"); err == nil {
		p.t.Errorf("after the removal there still runs: %s", out)
	}
	if left := diffLines(files, p.files()); left != "" {
		p.t.Errorf("after the removal other files are there than before the installation:\n%s", left)
	}
	// What the account enabled leads nowhere, and that must not matter.
	p.user("systemctl --user daemon-reload; systemctl --user start default.target")
	if out := p.user("systemctl --user is-system-running"); out != "running\n" {
		p.t.Errorf("after the removal the user manager is %s", out)
	}
	p.nothingFails("after the removal")
	return said
}

// diffLines are the lines that one of the two has and the other has not.
func diffLines(before, after string) string {
	var b strings.Builder
	only := func(sign, one, other string) {
		has := map[string]bool{}
		for _, line := range strings.Split(other, "\n") {
			has[line] = true
		}
		for _, line := range strings.Split(one, "\n") {
			if !has[line] {
				b.WriteString(sign + line + "\n")
			}
		}
	}
	only("-", before, after)
	only("+", after, before)
	return b.String()
}

// TestDeb: keeper by apt, enabled as an account does it, with nothing of root's.
func TestDeb(t *testing.T) {
	t.Parallel()
	p := packaged{testHost(t, Options{Name: "deb", Stack: true}), t, debFormat}
	dist := must[string](t)(makePackages())
	files := p.files()
	p.put(must[string](t)(makeEarlier()))
	if out := p.user("systemctl --user is-enabled keeper.service || :; loginctl show-user --property=Linger " + User); !strings.HasPrefix(out, "disabled") {
		t.Errorf("the package enables keeper for an account that did not ask: %s", out)
	}
	p.user("systemctl --user enable --now keeper")
	p.wellAgain()
	p.upgrade(dist)
	version := strings.Fields(p.user("keeper version"))
	if installed := p.root("dpkg-query --show --showformat '${Version}' keeper"); len(version) < 2 || version[1] != installed {
		t.Errorf("keeper version says %q, and the package is %s", version, installed)
	}
	p.strike(ModeUser, "terminate-user", "kill-user", "user-exit", "disable-linger-logout", "container-kill")

	// What needs another program finds it where the package has it.
	if out := p.user("keeper guard install claude >/dev/null 2>&1; grep '/keeper-guard' .claude/settings.json"); strings.Count(out, "/keeper-guard") != strings.Count(out, `\"/usr/libexec/keeper/keeper-guard\"`) {
		t.Errorf("the guard is put before an agent as another program: %s", out)
	}
	if out, err := p.Keeper(within(t, time.Minute), "adopt"); err != nil {
		t.Errorf("keeper adopt: %v %s", err, out)
	}

	said := p.takeOff(files)
	if !strings.Contains(said, User+" has AI agents behind keeper-guard") {
		t.Errorf("the removal does not say that an agent is left without its guard:\n%s", said)
	}

	// The account enabled it, and has it again with the package.
	p.put(dist)
	p.wellAgain()
	p.user("keeper guard uninstall --all")
	home := homeListing(t, p.Host)
	p.root(strings.Replace(p.remove, "remove", "purge", 1))
	if now := homeListing(t, p.Host); now != home {
		t.Errorf("the purge changed the account's files:\nbefore:\n%s\nafter:\n%s", home, now)
	}
	if err := p.Ready(within(t, time.Minute)); err != nil {
		t.Errorf("after the purge: %v", err)
	}
}

// TestRpm: keeper by rpm, with root's part by the package's own installer. Beside the
// account there is one whose user manager hangs, which must not matter.
func TestRpm(t *testing.T) {
	t.Parallel()
	p := packaged{testHost(t, Options{Name: "rpm", Stack: true}), t, rpmFormat}
	dist := must[string](t)(makePackages())
	p.root("rpm --initdb; useradd --create-home ill; loginctl enable-linger ill")
	files := p.files()
	p.put(must[string](t)(makeEarlier()))
	p.root("sh /usr/libexec/keeper/install.sh --yes --user " + User + " 2>&1")
	if out := p.user("find .local/bin .config/systemd/user -type f 2>/dev/null || :"); out != "" {
		t.Errorf("beside the package there are copies in the home: %s", out)
	}
	p.wellAgain()

	main := strings.TrimSpace(p.root("systemctl show --property=MainPID --value user@$(id -u ill).service"))
	p.root("kill -STOP " + main)
	began := time.Now()
	p.upgrade(dist)
	if took := time.Since(began); took > time.Minute {
		t.Errorf("with one user manager that hangs the upgrade took %s", took)
	}
	p.root("kill -CONT " + main)

	p.strike(ModeRoot, "terminate-user", "keeper-kill", "manager-kill", "stop-slice", "power-cut")
	p.takeOff(files)
	if out := p.root(fmt.Sprintf("systemctl show --property=RefuseManualStop --value user@%d.service; systemctl list-unit-files --no-legend 'keeper*' || :", UID)); out != "no\n" {
		t.Errorf("root's part stayed without the package: %s", out)
	}
}

// TestDebOnBookworm: the package on the systemd of Oracle Linux 9, set up by its
// own installer.
func TestDebOnBookworm(t *testing.T) {
	t.Parallel()
	p := packaged{testHost(t, Options{Name: "debold", Suite: "bookworm"}), t, debFormat}
	p.put(must[string](t)(makePackages()))
	p.root("sh /usr/libexec/keeper/install.sh --yes --user " + User + " 2>&1")
	p.wellAgain()
	life := p.user("systemctl --user show --property=InvocationID keeper.service")
	p.root("loginctl terminate-user " + User)
	p.wellAgain()
	if now := p.user("systemctl --user show --property=InvocationID keeper.service"); now != life {
		t.Errorf("with root's part, terminate-user ended %s", life)
	}
	p.root(p.remove)
	p.nothingFails("after the removal")
}

var versionRule = regexp.MustCompile(`^[0-9][A-Za-z0-9.+~]* [0-9]+\n$`)

// TestVersion: a version that deb and rpm take, here and where there is no git.
func TestVersion(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "deploy", "package")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	script := must[[]byte](t)(os.ReadFile("../../deploy/package/version"))
	if err := os.WriteFile(filepath.Join(dir, "version"), script, 0o755); err != nil {
		t.Fatal(err)
	}
	for commit, want := range map[string]string{
		"$Format:%H %ct %(describe:tags=true)$":                        "0.0.0+unknown 0\n",
		"0123456789abcdef0123 1767634200 ":                             "0.0.0+20260105173000.g0123456789ab 1767634200\n",
		"0123456789abcdef0123 1767634200 %(describe:tags=true)":        "0.0.0+20260105173000.g0123456789ab 1767634200\n",
		"0123456789abcdef0123 1767634200 v1.2.3":                       "1.2.3 1767634200\n",
		"0123456789abcdef0123 1767634200 v1.2.3-4-g0123456789ab":       "1.2.3+4.g0123456789ab 1767634200\n",
		"0123456789abcdef0123 1767634200 v1.2.3-rc-1":                  "1.2.3~rc.1 1767634200\n",
		"0123456789abcdef0123 1767634200 v1.2.3-rc1-14-g0123456789ab ": "1.2.3~rc1+14.g0123456789ab 1767634200\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, "commit"), []byte(commit+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		got, err := exec.Command(filepath.Join(dir, "version")).CombinedOutput()
		if string(got) != want || err != nil || !versionRule.Match(got) {
			t.Errorf("%q: %s %v, want %s", commit, got, err, want)
		}
	}
	if got, err := exec.Command("../../deploy/package/version").CombinedOutput(); err != nil || !versionRule.Match(got) {
		t.Errorf("of this tree: %s %v", got, err)
	}
}
