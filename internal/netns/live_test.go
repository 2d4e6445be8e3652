//go:build live

package netns

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"keeper/internal/containers"
	"keeper/internal/core"
)

// TestNetnsLive of internal/lab runs these on a host with the images of the demo
// stack, as its account, with the program that KEEPER_PROGRAM names as the helper.
const redisImage = "docker.io/library/redis:8"

func podman(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "podman", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("podman %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// redis starts a server and returns its key.
func redis(t *testing.T, name string, options ...string) Key {
	t.Helper()
	args := append([]string{"run", "-d", "--rm", "--name", name, "--entrypoint", "redis-server"}, options...)
	podman(t, append(args, redisImage, "--save", "", "--protected-mode", "no")...)
	t.Cleanup(func() { _ = exec.Command("podman", "rm", "-f", "-t", "0", name).Run() })
	return keyOf(t, name)
}

func keyOf(t *testing.T, name string) Key {
	t.Helper()
	conmon, err := strconv.Atoi(podman(t, "inspect", "-f", "{{.State.ConmonPid}}", name))
	if err != nil {
		t.Fatal(err)
	}
	return Key{Conmon: conmon, Unit: name}
}

func view(t *testing.T) containers.View {
	t.Helper()
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	return containers.Open(os.Getuid(), me.Username, os.Getenv("XDG_RUNTIME_DIR"), me.HomeDir+"/.local/share/containers/storage")
}

func livePool(t *testing.T) *Pool {
	t.Helper()
	v := view(t)
	p := New(func(k Key) (int, bool) { return v.Main(k.Conmon) })
	if program := os.Getenv("KEEPER_PROGRAM"); program != "" {
		p.helper = program
	}
	t.Cleanup(p.Close)
	return p
}

// pings waits until the server at the port says who it is.
func pings(t *testing.T, p *Pool, key Key, port uint16) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		said, err := ping(ctx, p, key, port)
		if err == nil && said == "$"+strconv.Itoa(len(key.Unit))+key.Unit {
			return
		}
		if err == nil || errors.Is(err, ErrCannotAsk) || ctx.Err() != nil {
			t.Fatalf("%s: %q, %v", key.Unit, said, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// ping has the server say its own name, which it is told once.
func ping(ctx context.Context, p *Pool, key Key, port uint16) (string, error) {
	c, err := p.Dial(ctx, key, port)
	if err != nil {
		return "", err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	fmt.Fprintf(c, "SET name %s NX\r\nGET name\r\n", key.Unit)
	in := bufio.NewReader(c)
	var said string
	for range 3 {
		line, err := in.ReadString('\n')
		if err != nil {
			return "", err
		}
		if line = strings.TrimSpace(line); line != "+OK" && line != "$-1" {
			said += line
		}
		if len(said) > 1 && !strings.HasPrefix(line, "$") && line != "+OK" {
			break
		}
	}
	return said, nil
}

// Every network that Podman knows, and every user namespace.
func TestLiveNetworks(t *testing.T) {
	p := livePool(t)
	podman(t, "network", "create", "--ignore", "live")
	t.Cleanup(func() { _ = exec.Command("podman", "network", "rm", "-f", "live").Run() })
	podman(t, "pod", "create", "--replace", "--name", "livepod")
	t.Cleanup(func() { _ = exec.Command("podman", "pod", "rm", "-f", "-t", "0", "livepod").Run() })
	options := map[string][]string{
		"bridge": {"--network", "live"}, "default": nil, "none": {"--network", "none"}, "host": {"--network", "host"},
		"pod": {"--pod", "livepod"}, "keepid": {"--userns", "keep-id"}, "auto": {"--userns", "auto:size=1024"},
		"nomap": {"--userns", "nomap"}, "keepidbridge": {"--userns", "keep-id", "--network", "live"}, "init": {"--init"},
		"limited": {"--cap-drop", "all", "--security-opt", "no-new-privileges", "--read-only", "--user", "999", "--workdir", "/tmp"},
		"split":   {"--cgroups", "disabled"}, "container": {"--network", "container:bridge2"}, "bridge2": {"--network", "live"},
	}
	if _, err := exec.LookPath("slirp4netns"); err == nil {
		options["slirp"] = []string{"--network", "slirp4netns"}
	}
	var keys []Key
	ports := map[Key]uint16{}
	for i, name := range []string{"auto", "bridge", "default", "none", "host", "pod", "keepid", "nomap", "keepidbridge", "init", "limited", "split", "bridge2", "container", "slirp"} {
		opts, ok := options[name]
		if !ok {
			continue
		}
		port := uint16(7000 + i)
		args := append([]string{"run", "-d", "--rm", "--name", name, "--entrypoint", "redis-server"}, opts...)
		args = append(args, redisImage, "--save", "", "--port", strconv.Itoa(int(port)), "--bind", "127.0.0.1")
		if out, err := exec.Command("podman", args...).CombinedOutput(); err != nil {
			t.Errorf("%s cannot be tried: %v: %s", name, err, out)
			continue
		}
		t.Cleanup(func() { _ = exec.Command("podman", "rm", "-f", "-t", "0", name).Run() })
		key := keyOf(t, name)
		keys, ports[key] = append(keys, key), port
	}
	p.Keep(keys)
	for _, key := range keys {
		t.Run(key.Unit, func(t *testing.T) {
			pings(t, p, key, ports[key])
			if condition, detail := view(t).ProcessCondition(key.Conmon); condition != "" {
				t.Errorf("it is %s: %s", condition, detail)
			}
			// Nobody listens at another's port, but where they share a network.
			if _, err := ping(t.Context(), p, key, 6999); !errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, ErrCannotAsk) {
				t.Errorf("nobody listens there: %v", err)
			}
		})
	}
	// Their end is told as such, and no network stays for a socket of keeper's.
	podman(t, "rm", "-f", "-t", "0", keys[0].Unit)
	if _, ok := view(t).Main(keys[0].Conmon); ok {
		t.Error("the container that was removed has a main process")
	}
	fds := func() int {
		list, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	before := fds()
	p.Keep(nil)
	if after := fds(); after >= before-50 {
		t.Errorf("%d files open before, %d after", before, after)
	}
	if _, err := p.Dial(t.Context(), keys[0], 80); !errors.Is(err, ErrCannotAsk) {
		t.Errorf("a container that is gone: %v", err)
	}
}

// What stops a container's process is seen and undone.
func TestLiveConditions(t *testing.T) {
	v := view(t)
	for name, options := range map[string][]string{"plain": nil, "inited": {"--init"}, "alone": {"--cgroups", "disabled"}} {
		t.Run(name, func(t *testing.T) {
			key := redis(t, name, options...)
			condition := func(want core.Condition) {
				t.Helper()
				var got core.Condition
				var detail string
				for range 200 {
					if got, detail = v.ProcessCondition(key.Conmon); got == want {
						return
					}
					time.Sleep(10 * time.Millisecond)
				}
				t.Fatalf("%s, %s; want %q", got, detail, want)
			}
			condition("")
			began := time.Now()
			for range 1000 {
				v.ProcessCondition(key.Conmon)
			}
			t.Logf("a look takes %s", time.Since(began)/1000)
			main, ok := v.Main(key.Conmon)
			if !ok || strconv.Itoa(main) != podman(t, "inspect", "-f", "{{.State.Pid}}", name) {
				t.Fatalf("the main process is %d, %v", main, ok)
			}
			if err := syscall.Kill(main, syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			condition(core.ConditionStopped)
			if err := v.Continue(key.Conmon); err != nil {
				t.Fatal(err)
			}
			condition("")
			if name == "alone" {
				return // Podman cannot pause it either
			}
			podman(t, "kill", "-s", "STOP", name)
			condition(core.ConditionStopped)
			if err := v.Continue(key.Conmon); err != nil {
				t.Fatal(err)
			}
			condition("")
			podman(t, "pause", name)
			condition(core.ConditionFrozen)
			podman(t, "unpause", name)
			condition("")
		})
	}
}

func TestLiveHealth(t *testing.T) {
	v := view(t)
	wait := func(t *testing.T, key Key, want string) (int, string) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
			state, failing, last, output, err := v.PodmanHealth(key.Conmon)
			if err == nil && state == want && time.Since(last) < time.Minute {
				return failing, output
			}
			if time.Now().After(deadline) {
				t.Fatalf("%q, %d, %s, %q, %v; want %s", state, failing, last, output, err, want)
			}
		}
	}
	key := redis(t, "well", "--health-cmd", "redis-cli ping", "--health-interval", "1s")
	if failing, output := wait(t, key, "healthy"); failing != 0 || output != "PONG" {
		t.Errorf("%d, %q", failing, output)
	}
	key = redis(t, "ill", "--health-cmd", "echo no; exit 1", "--health-interval", "1s", "--health-retries", "2")
	if failing, output := wait(t, key, "unhealthy"); failing < 2 || output != "no" {
		t.Errorf("%d, %q", failing, output)
	}
	key = redis(t, "elsewhere", "--health-cmd", "redis-cli ping", "--health-interval", "1s", "--health-log-destination", t.TempDir())
	key2 := redis(t, "unchecked")
	if state, _, _, _, err := v.PodmanHealth(key.Conmon); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s: %q, %v", key.Unit, state, err)
	}
	// Podman 5.4 writes "reset" there even if there is nothing to check.
	if state, _, _, _, err := v.PodmanHealth(key2.Conmon); state != "" || err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s: %q, %v", key2.Unit, state, err)
	}
	key = redis(t, "events", "--health-cmd", "redis-cli ping", "--health-interval", "1s", "--health-log-destination", "events_logger")
	wait(t, key, "healthy")
}

// What a refill costs, for a few containers and for many. It is told, and must be
// a matter of milliseconds.
func TestLiveCost(t *testing.T) {
	sizes := []int{4}
	if !testing.Short() {
		sizes = append(sizes, 100) // a minute of starting containers
	}
	for _, n := range sizes {
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			var keys []Key
			for i := range n {
				name := fmt.Sprintf("cost%d", i)
				podman(t, "run", "-d", "--rm", "--name", name, "--network", "none", "--entrypoint", "sleep", "docker.io/library/debian:trixie-slim", "1000")
				t.Cleanup(func() { _ = exec.Command("podman", "rm", "-f", "-t", "0", name).Run() })
				keys = append(keys, keyOf(t, name))
			}
			var best, all time.Duration
			const rounds = 10
			for range rounds {
				p := livePool(t)
				p.Keep(keys)
				began := time.Now()
				if _, err := p.Dial(t.Context(), keys[0], 80); !errors.Is(err, syscall.ECONNREFUSED) {
					t.Fatal(err)
				}
				took := time.Since(began)
				if all += took; best == 0 || took < best {
					best = took
				}
				var sockets int
				for _, s := range p.slots {
					sockets += len(s.sockets)
				}
				if sockets < n*shareLeast-1 {
					t.Fatalf("%d sockets for %d containers", sockets, n)
				}
				if best == took {
					t.Logf("%d containers: %d sockets in %s", n, sockets, took)
				}
				p.Close()
			}
			t.Logf("%d containers: a refill takes %s, at best %s", n, all/rounds, best)
			if best > time.Second {
				t.Errorf("a refill takes %s", best)
			}
		})
	}
}
