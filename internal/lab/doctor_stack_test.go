package lab

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"keeper/internal/core"
)

//go:embed testdata/frail.sh
var frailStack string

// TestDoctorStack provokes each finding about the stack's own files and units, and those
// about keeper that the account can mend, and has them mended where that is offered:
// nothing is stopped by that, and no file of a person's changed.
func TestDoctorStack(t *testing.T) {
	t.Parallel()
	h := testHost(t, Options{Name: "stackdoc", Images: true})
	installRoot(t, h, rootHow(t))
	sh(t, h, "echo API_TOKEN=hunter3 >/srv/open.env; chmod 644 /srv/open.env")
	if out, err := h.UserOutput(within(t, time.Minute), "sh", "-euc", frailStack); err != nil {
		t.Fatal(out, err)
	}
	await(t, 10*time.Second, "keeper has a copy of what is to be lost", func(ctx context.Context) bool {
		return holds(ctx, h, "ls $home/.local/state/keeper/quadlets | grep lost.container")
	})
	t.Run("services", func(t *testing.T) { frailServices(t, h) })
	t.Run("keeper", func(t *testing.T) { frailKeeper(t, h) })
	t.Run("runtime", func(t *testing.T) { frailRuntime(t, h) })
}

// seen is a finding that is to be there: its severity and id, a part of what it says,
// and whether keeper doctor --fix mends it.
type seen struct {
	what, says string
	mends      bool
}

func frailServices(t *testing.T, h *Host) {
	files := filesOf(t, h)
	sh(t, h, "rm /home/"+User+"/.config/containers/systemd/lost.container")
	want := []seen{
		{"bad not-loaded", "typo.container is not loaded: [Container] has no key PublihsPort", false},
		{"bad not-loaded", "sound.container is not loaded: there is another file of that name", false},
		{"warn not-loaded", "fresh.container is not loaded: systemd has not read it yet", true},
		{"warn not-loaded", "changed.container is not in force as it stands", true},
		{"bad anonymous-volume", "store: /data", false},
		{"bad anonymous-volume", "bare: /data", false},
		{"warn restart-policy", "unrestarted.service has Restart=no", true},
		{"info start-limit", "gives up on limited after", false},
		{"warn stop-timeout", "hasty: its container may take 20s", true},
		{"warn stop-manager", "late may take 5m", false},
		{"warn stop-chain", "second, first stop one after the other, which may take 2m20s", false},
		{"warn secret", "secret: a password stands in plain text in /home/" + User + "/.config/containers/systemd/secret.container (API_TOKEN)", false},
		{"warn secret", "in /srv/open.env (API_TOKEN), which every account of this host can read", false},
		{"bad port-conflict", "one and two both publish port 8081/tcp", false},
		{"warn without-unit", "hand runs without a unit, and nothing carries out its --restart=always", false},
		{"warn not-running", "off is to run (--restart=always), and does not", false},
		{"warn wanted", "unwanted.service is not started by anything", true},
		{"warn order", "app is not ordered after store", true},
		{"bad lost", "lost.container was deleted or emptied", true},
	}
	mended(t, h, want)
	if now := filesOf(t, h); now != files {
		t.Errorf("files of a person's changed, or did not come back:\n%s\nbefore:\n%s", now, files)
	}
}

func frailKeeper(t *testing.T, h *Host) {
	sh(t, h, "touch /home/"+User+"/.config/systemd/user/keeper-session.service")
	mended(t, h, []seen{{"warn rearm", "changed on disk", true}})
	// Now nobody mends it but the doctor. With root's armor the account lives on.
	const alone = "account systemctl --user disable --now keeper\n"
	struck(t, h, alone+"loginctl terminate-user "+User+"\npkill -KILL -u "+User+" -x aardvark-dns")
	await(t, 10*time.Second, "logind believes that the account ends", func(ctx context.Context) bool {
		return holds(ctx, h, "[ $(loginctl show-user "+User+" --property=State --value) = closing ]")
	})
	down := []seen{{"bad rearm", "not enabled and active", true}, {"warn daemon", "not enabled", true}}
	mended(t, h, append(down, seen{"warn closing", "on the way out", true}, seen{"warn network", "aardvark-dns should run and does not", true}))
	struck(t, h, alone+"loginctl disable-linger "+User)
	mended(t, h, append(down, seen{"bad linger", "linger is off", true}))
}

// frailRuntime leaves Podman's runtime state behind, and nothing that lives.
func frailRuntime(t *testing.T, h *Host) {
	configure(t, h, "adopt = \"off\"\n") // which asks Podman, and that would clear it up
	await(t, 10*time.Second, "keeper has taken the settings", func(context.Context) bool { return status(t, h).Settings.Adopt == core.AdoptOff })
	struck(t, h, `account podman rm --force --time 0 hand off >/dev/null
account systemctl --user stop '*.container' $(cd $home/.config/containers/systemd && ls *.container | sed 's/container$/service/' | grep -v typo)
pkill -KILL -u `+User+` -x catatonit || true`)
	mended(t, h, []seen{{"warn runtime", "nothing of the containers lives", true}})
}

// mended looks for the findings, has keeper doctor mend what it can, and sees that those
// are gone, that the others are not, and that all containers run on.
func mended(t *testing.T, h *Host, want []seen) {
	t.Helper()
	before := frailLives(t, h)
	list := doctorSays(t, h)
	for _, w := range want {
		f, ok := w.in(list)
		if !ok {
			t.Errorf("not found: %+v", w)
		} else if (f.Repair != nil) != w.mends {
			t.Errorf("mends %v: %+v", w.mends, f)
		}
	}
	if t.Failed() {
		t.Fatalf("found:\n%s", told(list))
	}
	list = doctorSays(t, h, "--fix", "--yes")
	for _, w := range want {
		if _, still := w.in(list); still == w.mends {
			t.Errorf("after --fix it is there: %v; %+v", still, w)
		}
	}
	for _, f := range list {
		if f.Repair != nil {
			t.Errorf("it would mend that again: %+v", f)
		}
	}
	if after := frailLives(t, h); after != before {
		t.Errorf("containers were stopped or started: %s\nbefore: %s", after, before)
	}
	if t.Failed() {
		t.Fatalf("found:\n%s", told(list))
	}
}

func (s seen) in(list []core.Finding) (core.Finding, bool) {
	for _, f := range list {
		if fmt.Sprint(f.Severity, " ", f.ID) == s.what && strings.Contains(f.What, s.says) {
			return f, true
		}
	}
	return core.Finding{}, false
}

func told(list []core.Finding) string {
	var b strings.Builder
	for _, f := range list {
		fmt.Fprintf(&b, "%s %s: %s\n", f.Severity, f.ID, f.What)
	}
	return b.String()
}

// doctorSays runs keeper doctor, whose exit code is for people.
func doctorSays(t *testing.T, h *Host, args ...string) []core.Finding {
	t.Helper()
	out, _ := h.UserOutput(within(t, time.Minute), append([]string{"sh", "-c", `exec .local/bin/keeper doctor --json "$@" 2>.doctor-said`, "sh"}, args...)...)
	var said struct {
		Findings []core.Finding
		Repairs  []struct{ ID, Error string }
	}
	if err := json.Unmarshal([]byte(out), &said); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if strings.Contains(out, "hunter") {
		t.Errorf("a password is told: %s", out)
	}
	for _, r := range said.Repairs {
		if r.Error != "" {
			t.Errorf("%s was not mended: %s", r.ID, r.Error)
		}
	}
	return said.Findings
}

// frailLives are the containers that run, each with when it was started.
func frailLives(t *testing.T, h *Host) string {
	t.Helper()
	out, err := h.UserOutput(within(t, 30*time.Second), "systemctl", "--user", "show", "--property=Id,MainPID,InvocationID", "--", "sound", "changed", "lost", "unrestarted", "hasty", "late", "first", "second", "secret", "bare", "unwanted", "app", "store")
	if err != nil {
		t.Fatal(out, err)
	}
	hand, _ := h.Output(within(t, 10*time.Second), "pgrep", "-u", User, "-f", "conmon.*-n hand ")
	return out + hand
}

// filesOf are the hashes of all files of units that are not keeper's own.
func filesOf(t *testing.T, h *Host) string {
	t.Helper()
	out, err := h.UserOutput(within(t, 10*time.Second), "sh", "-ec",
		`find .config/containers .config/systemd -type f ! -name '50-keeper*' -exec sha256sum {} + | sort -k 2`)
	if err != nil {
		t.Fatal(out, err)
	}
	lines := strings.Split(out, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}
