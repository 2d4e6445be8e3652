package netns

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// helper starts the helper where there is no other user namespace, and returns the
// daemon's end.
func helper(t *testing.T) (*net.UnixConn, *bytes.Buffer, func() error) {
	t.Helper()
	ours, theirs, err := pair()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe", "sockets")
	cmd.ExtraFiles = []*os.File{theirs}
	said := &bytes.Buffer{}
	cmd.Stderr = said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = theirs.Close()
	t.Cleanup(func() { _ = ours.Close(); _ = cmd.Process.Kill() })
	_ = ours.SetDeadline(time.Now().Add(10 * time.Second))
	return ours, said, cmd.Wait
}

func TestServeRefuses(t *testing.T) {
	t.Parallel()
	open := func(path string) int {
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = unix.Close(fd) })
		return fd
	}
	// What is no network namespace is told, and the next is looked at all the same.
	ours, said, wait := helper(t)
	if err := send(ours, request([]byte{3, 3, 3}), []int{open("/proc/self/ns/user"), open("/dev/null"), open("/proc/self/ns/mnt")}); err != nil {
		t.Fatal(err)
	}
	_ = ours.CloseWrite()
	for i, want := range []string{"no network namespace", "no namespace", "no network namespace"} {
		data, fds, err := receive(ours)
		if err != nil {
			t.Fatal(err, said)
		}
		if index, why, err := parseAnswer(data); err != nil || index != i || !strings.Contains(why, want) || len(fds) != 0 {
			t.Errorf("%d, %q, %v, %v", index, why, fds, err)
		}
	}
	if _, _, err := receive(ours); !errors.Is(err, io.EOF) {
		t.Errorf("more came: %v", err)
	}
	if err := wait(); err != nil {
		t.Errorf("%v: %s", err, said)
	}
	// What is no request ends it.
	for name, tt := range map[string]struct {
		data []byte
		fds  int
	}{
		"of another keeper":     {[]byte("KNS2\x01"), 1},
		"of nothing":            {[]byte(magic), 0},
		"more than is attached": {request([]byte{1, 1}), 1},
		"less than is attached": {request([]byte{1}), 2},
		"rubbish":               {[]byte{0}, 0},
	} {
		ours, said, wait := helper(t)
		var fds []int
		for range tt.fds {
			fds = append(fds, open("/proc/self/ns/net"))
		}
		if err := send(ours, tt.data, fds); err != nil {
			t.Fatal(err)
		}
		_ = ours.CloseWrite()
		if data, _, err := receive(ours); err == nil {
			t.Errorf("%s: it answers %q", name, data)
		}
		if err := wait(); err == nil || !strings.Contains(said.String(), "cannot make sockets: ") {
			t.Errorf("%s: %v, %q", name, err, said)
		}
	}
}

// Somebody may run it by hand.
func TestServeAlone(t *testing.T) {
	t.Parallel()
	for _, fd := range []int{-1, 987} {
		if err := Serve(fd); err == nil || !strings.Contains(err.Error(), "cannot make sockets") {
			t.Errorf("%d: %v", fd, err)
		}
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	fd, err := unix.FcntlInt(r.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	_ = r.Close()
	if err != nil {
		t.Fatal(err)
	}
	if err := Serve(fd); err == nil || !strings.Contains(err.Error(), "nobody else can") {
		t.Errorf("a pipe: %v", err)
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add(answer(0, ""))
	f.Add(answer(65535, "no\x1b[2J way"))
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, data []byte) {
		index, why, err := parseAnswer(data)
		if err == nil && (index < 0 || index > 65535 || len(why) > 2*whyMost || strings.ContainsAny(why, "\x1b\n")) {
			t.Errorf("%q: %d, %q", data, index, why)
		}
	})
}

// Answers that do not fit what was asked are taken for a helper gone wrong, and
// nothing of them stays open.
func TestExchangeRefuses(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		answers [][]byte
		fds     int
		want    string
	}{
		"of nobody":            {[][]byte{answer(7, "")}, 1, "nobody asked"},
		"more than was asked":  {[][]byte{answer(0, "")}, 3, "nobody asked"},
		"twice":                {[][]byte{answer(0, ""), answer(0, "")}, 1, "nobody asked"},
		"rubbish":              {[][]byte{{1}}, 0, "of 1 bytes"},
		"longer than they get": {[][]byte{bytes.Repeat([]byte("x"), 3000)}, 1, "cut short"},
		"fewer than asked":     {[][]byte{answer(0, "")}, 1, "too early"},
	} {
		ours, theirs, err := pair()
		if err != nil {
			t.Fatal(err)
		}
		other, err := conn(theirs)
		if err != nil {
			t.Fatal(err)
		}
		group := []*want{{count: 2}, {count: 2}}
		for _, w := range group {
			if w.ns, err = openNS(os.Getpid(), "net"); err != nil {
				t.Fatal(err)
			}
		}
		for _, a := range tt.answers {
			var fds []int
			for range tt.fds {
				fds = append(fds, group[0].ns)
			}
			if err := send(other, a, fds); err != nil {
				t.Fatal(err)
			}
		}
		_ = other.CloseWrite()
		_ = ours.SetDeadline(time.Now().Add(10 * time.Second))
		if err := exchange(ours, group); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
		_, _ = ours.Close(), other.Close()
		for _, w := range group {
			closeAll(w.sockets)
			w.close(&w.ns)
		}
	}
}
