package lab

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// documented reads the table of docs/reference/sandbox.md: the figure of each unit on the
// systemd of each suite, now.
func documented(t *testing.T) map[string]map[string]float64 {
	t.Helper()
	text := string(must[[]byte](t)(os.ReadFile("../../docs/reference/sandbox.md")))
	figures := map[string]map[string]float64{"trixie": {}, "bookworm": {}}
	row := regexp.MustCompile("(?m)^\\| `([a-z-]+@?)\\.service` \\| [0-9.]+ \\| ([0-9.]+) \\| [0-9.]+ \\| ([0-9.]+) \\|$")
	for _, m := range row.FindAllStringSubmatch(text, -1) {
		for i, suite := range []string{"trixie", "bookworm"} {
			figures[suite][m[1]] = must[float64](t)(strconv.ParseFloat(m[2+i], 64))
		}
	}
	if len(figures["trixie"]) != 3 {
		t.Fatalf("the table has %v", figures)
	}
	return figures
}

// TestSandbox compares what systemd says of the units with what is documented, and sees
// that what needs more than the daemon's sandbox has it.
func TestSandbox(t *testing.T) {
	t.Parallel()
	figures := documented(t)
	for suite, units := range figures {
		t.Run(suite, func(t *testing.T) {
			t.Parallel()
			h := testHost(t, Options{Name: "sandbox-" + suite, Suite: suite})
			installRoot(t, h, rootHow(t))
			ctx := within(t, 2*time.Minute)
			for unit, most := range units {
				ask, name := h.UserOutput, []string{"systemd-analyze", "--user", "--no-pager", "security", unit + ".service"}
				if strings.HasSuffix(unit, "@") {
					ask, name = h.Output, []string{"systemd-analyze", "--no-pager", "security", fmt.Sprintf("%s%d.service", unit, UID)}
				}
				out, err := ask(ctx, name...)
				_, said, ok := strings.Cut(out, "Overall exposure level for ")
				if err != nil || !ok {
					t.Fatalf("%s: %v\n%s", unit, err, out)
				}
				_, said, _ = strings.Cut(said, ": ")
				got, err := strconv.ParseFloat(strings.Fields(said)[0], 64)
				if err != nil || got > most {
					t.Errorf("%s: exposure %v (%v), documented is %v", unit, got, err, most)
				}
			}
			// It is in force, and not only written.
			pid := strings.TrimSpace(must[string](t)(h.UserOutput(ctx, "systemctl", "--user", "show", "--property=MainPID", "--value", "keeper")))
			status := must[string](t)(h.Output(ctx, "cat", "/proc/"+pid+"/status"))
			if !strings.Contains(status, "NoNewPrivs:\t1") || !strings.Contains(status, "Seccomp:\t2") {
				t.Errorf("the daemon's sandbox is not in force:\n%s", status)
			}
			// passwd(1) is set-uid, and the daemon has its answer.
			locked := sh(t, h, "usermod --lock "+User+"; loginctl disable-linger "+User)
			await(t, 20*time.Second, "keeper knows that the account was locked"+locked, func(ctx context.Context) bool {
				out, _ := keeper(ctx, h, "status")
				return strings.Contains(out, "was locked")
			})
		})
	}
}
