package lab

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestNetnsLive runs on a host the tests that need real containers: those of
// internal/netns, which also look at the conditions and the health that
// internal/containers sees. They are built as a program, and run there as the
// account.
func TestNetnsLive(t *testing.T) {
	t.Parallel()
	h := testHost(t, Options{Name: "sockets", Images: true})
	ctx := within(t, 5*time.Minute)
	if err := h.Linger(ctx); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "netns.test")
	build := exec.CommandContext(ctx, "go", "test", "-c", "-o", program,
		"-tags=remote,containers_image_openpgp,exclude_graphdriver_btrfs,btrfs_noversion,live", "keeper/internal/netns")
	build.Env = append(build.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := h.copyFile(ctx, program, "/home/"+User+"/netns.test"); err != nil {
		t.Fatal(err)
	}
	if err := h.copyFile(ctx, "../../bin/keeper", "/home/"+User+"/keeper"); err != nil {
		t.Fatal(err)
	}
	out, err := h.UserOutput(ctx, "bash", "-ec", "KEEPER_PROGRAM=$PWD/keeper ./netns.test -test.short -test.v -test.run '^TestLive'")
	if err != nil || !strings.Contains(out, "--- PASS: TestLiveNetworks") {
		t.Fatalf("%v: %s", err, out)
	}
	t.Log(out)
}
