package lab

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestPodmanLive runs on a host the tests of internal/podman that need a real
// Podman. They are built as a program, and run there as the account.
func TestPodmanLive(t *testing.T) {
	t.Parallel()
	h := testHost(t, Options{Name: "podman", Images: true})
	ctx := within(t, 5*time.Minute)
	if err := h.Linger(ctx); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "podman.test")
	build := exec.CommandContext(ctx, "go", "test", "-c", "-o", program,
		"-tags=remote,containers_image_openpgp,exclude_graphdriver_btrfs,btrfs_noversion,live", "keeper/internal/podman")
	build.Env = append(build.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := h.copyFile(ctx, program, "/home/"+User+"/podman.test"); err != nil {
		t.Fatal(err)
	}
	out, err := h.UserOutput(ctx, "bash", "-ec", `systemctl --user start podman.socket
		KEEPER_PODMAN_SOCKET=$XDG_RUNTIME_DIR/podman/podman.sock ./podman.test -test.v -test.run '^TestLive'`)
	if err != nil || !strings.Contains(out, "--- PASS: TestLivePrime") || strings.Contains(out, "--- SKIP") {
		t.Fatalf("%v: %s", err, out)
	}
	t.Log(out)
}
