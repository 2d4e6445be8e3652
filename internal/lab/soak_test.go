package lab

import (
	"slices"
	"strings"
	"testing"
)

// TestSoak strikes a few times in a row and looks for what is left over;
// keeper-lab killmatrix --revivals 100 does it for long.
func TestSoak(t *testing.T) {
	t.Parallel()
	h := testHost(t, Options{Name: "soak", Stack: true})
	s := soak{bench: &bench{Host: h, mode: ModeRoot, binary: testKeeper(t)}, say: t.Logf}
	if err := h.Install(t.Context(), s.mode.install(s.binary), t.Output()); err != nil {
		t.Fatal(err)
	}
	report, err := s.run(t.Context(), 3, 2)
	t.Log(report)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range report.Left() {
		t.Errorf("left over: %s", l)
	}
	if t.Failed() {
		return
	}
	// And it does see what is left over. Podman's namespace has the mount, too.
	before := report[len(report)-1].After
	ctx := t.Context()
	const leave = `touch /run/user/1000/left-1
		systemd-run --quiet --unit=left-2 sleep 600
		systemd-run --quiet --unit=left-3 --property=PrivateMounts=yes sleep 600
		systemd-run --quiet --wait --unit=left-4 false || true
		mount -t tmpfs left-5 /mnt`
	if out, err := h.Output(ctx, "sh", "-ec", leave); err != nil {
		t.Fatal(err, out)
	}
	after, err := s.footprint(ctx)
	if err != nil {
		t.Fatal(err)
	}
	left := after.more(before)
	for _, want := range []string{
		"1 × /run/user: /run/user/N/left-N",
		"2 × process: sleep",
		"2 × mount: /mnt tmpfs",
		"1 × mount: namespace",
		"2 × unit: left-N.service",
		"1 × unit: left-N.service failed",
		"2 × cgroup: /sys/fs/cgroup/system.slice/left-N.service",
	} {
		if !slices.Contains(left, want) {
			t.Errorf("%s is not seen in:\n%s", want, strings.Join(left, "\n"))
		}
	}
}

func TestFootprint(t *testing.T) {
	t.Parallel()
	before := Footprint{Things: map[string]int{"process: conmon": 4, "mount: /run": 1}, RSS: 20000, Anon: 9000, FDs: 12, Threads: 8}
	after := Footprint{Things: map[string]int{"process: conmon": 5, "/dev/shm: /dev/shm/x": 1}, RSS: 20000 + rssSlack, Anon: 9000 + anonSlack, FDs: 12, Threads: 8 + threadSlack}
	got := strings.Join(after.more(before), "; ")
	if got != "1 × /dev/shm: /dev/shm/x; 1 × process: conmon" {
		t.Error(got)
	}
	after.RSS++
	after.Anon++
	after.FDs++
	after.Threads++
	got = strings.Join(after.more(before), "; ")
	for _, want := range []string{"4097 KiB of memory", "2049 KiB of anonymous memory", "1 descriptors", "5 threads"} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is not in %s", want, got)
		}
	}
	if more := before.more(before); len(more) != 0 {
		t.Error(more)
	}
	if name := nameOf("  /run/user/1000/libpod/tmp/exits/4f00aa1122bbccdd 7"); name != "/run/user/N/libpod/tmp/exits/ID N" {
		t.Error(name)
	}
	if name := nameOf("netns-0a1b2c3d-1a2b-3c4d-5e6f-a1b2c3d4e5f6"); name != "netns-ID" {
		t.Error(name)
	}
}
