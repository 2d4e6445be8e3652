package podman

import (
	"slices"
	"testing"

	"github.com/containers/podman/v5/pkg/specgenutil"

	"keeper/internal/quadlet"
)

// What Podman makes of --health-cmd must be the test that there was.
func TestHealthCommand(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		test []string
		want string
	}{
		{[]string{"CMD-SHELL", "curl -f x || exit 1"}, "curl -f x || exit 1"},
		{[]string{"CMD-SHELL", `["a"]`}, `["CMD-SHELL","[\"a\"]"]`},
		{[]string{"CMD-SHELL", "none such"}, `["CMD-SHELL","none such"]`},
		{[]string{"CMD-SHELL", "cmd x"}, `["CMD-SHELL","cmd x"]`},
		{[]string{"CMD", "a b", "c && d"}, `["a b","c && d"]`},
		// An image of one program has no shell to give it to.
		{[]string{"CMD", "/check"}, "CMD /check"},
	} {
		got := quadlet.HealthCommand(c.test)
		if got != c.want {
			t.Errorf("%q becomes %s", c.test, got)
		}
		made, err := specgenutil.MakeHealthCheckFromCli(got, "30s", 3, "30s", "0s", false)
		if err != nil || !slices.Equal(made.Test, c.test) {
			t.Errorf("%s is %+v to Podman (%v), want %q", got, made, err, c.test)
		}
	}
	for test, want := range map[string]string{"CMD": "CMD CMD", "/check": "CMD /check", "CMD-SHELL": "CMD CMD-SHELL"} {
		if got := quadlet.HealthCommand([]string{test}); got != want {
			t.Errorf("%q alone becomes %s", test, got)
		}
	}
	if got, want := quadlet.HealthCommand([]string{"CMD", "/my check"}), `["CMD-SHELL","exec '/my check'"]`; got != want {
		t.Errorf("a path with a space becomes %s", got)
	}
}
