package app

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/coreos/go-systemd/v22/dbus"
	godbus "github.com/godbus/dbus/v5"

	"keeper/internal/units"
)

// userManager is one on its private socket that tells about units and
// takes orders; internal/units has a better one for what is asked how.
type userManager struct {
	t *testing.T
	// runtime is $XDG_RUNTIME_DIR.
	runtime string
	socket  net.Listener
	conns   sync.WaitGroup

	mu    sync.Mutex
	peers []net.Conn
	state string
	units map[string]map[string]any // of both interfaces, Unit and Service
	// orders are the calls that change something, as "StopUnit db.service".
	orders []string
}

// execRow is one of Service.ExecStart: (sasbttttuii).
type execRow struct {
	Path                                   string
	Argv                                   []string
	Ignore                                 bool
	Started, StartedMono, Ended, EndedMono uint64
	PID                                    uint32
	Code, Status                           int32
}

// startManager listens below a runtime directory until the test ends.
func startManager(t *testing.T, runtime string) *userManager {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(runtime, "systemd"), 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(runtime, "systemd", "private"))
	if err != nil {
		t.Fatal(err)
	}
	m := &userManager{t: t, runtime: runtime, socket: l, state: "starting", units: map[string]map[string]any{}}
	m.conns.Go(m.accept)
	t.Cleanup(func() {
		_ = l.Close()
		m.mu.Lock()
		for _, c := range m.peers {
			_ = c.Close()
		}
		m.mu.Unlock()
		m.conns.Wait()
	})
	return m
}

// container is a unit as Quadlet makes it.
func (m *userManager) container(name, active, podman string, props map[string]any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	argv := strings.Fields(podman)
	u := map[string]any{
		"LoadState": "loaded", "ActiveState": active, "SubState": active, "SourcePath": "/q/" + strings.TrimSuffix(name, ".service") + ".container",
		"ExecStart": []execRow{{Path: argv[0], Argv: argv}}, "Result": "success", "NRestarts": uint32(0),
	}
	maps.Copy(u, props)
	m.units[name] = u
}

// with changes anything else.
func (m *userManager) with(change func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change()
}

// connect gives the link a connection, as run does, until stop is called.
func (m *userManager) connect(l *unitsLink) (stop func()) {
	m.t.Helper()
	c, err := units.Dial(m.t.Context(), m.runtime)
	if err != nil {
		m.t.Fatal(err)
	}
	l.set(c)
	return c.Close
}

func (m *userManager) ordered() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.orders)
}

func (m *userManager) accept() {
	for {
		c, err := m.socket.Accept()
		if err != nil {
			return
		}
		m.mu.Lock()
		m.peers = append(m.peers, c)
		m.mu.Unlock()
		m.conns.Go(func() {
			defer c.Close()
			if in := bufio.NewReader(c); authenticate(c, in) {
				m.serve(c, in)
			}
		})
	}
}

// authenticate lets everybody in ("Authentication Protocol" in the D-Bus
// specification).
func authenticate(c io.Writer, in *bufio.Reader) bool {
	if _, err := in.ReadByte(); err != nil {
		return false
	}
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return false
		}
		answer := "OK 0123456789abcdef0123456789abcdef"
		switch {
		case strings.HasPrefix(line, "BEGIN"):
			return true
		case strings.TrimSpace(line) == "AUTH":
			answer = "REJECTED EXTERNAL"
		case strings.HasPrefix(line, "NEGOTIATE_UNIX_FD"):
			answer = "AGREE_UNIX_FD"
		}
		if _, err := io.WriteString(c, answer+"\r\n"); err != nil {
			return false
		}
	}
}

func (m *userManager) serve(c io.Writer, in *bufio.Reader) {
	for serial := uint32(1); ; serial++ {
		msg, err := godbus.DecodeMessage(in)
		if err != nil {
			return
		}
		path, _ := msg.Headers[godbus.FieldPath].Value().(godbus.ObjectPath)
		member, _ := msg.Headers[godbus.FieldMember].Value().(string)
		body := m.answer(path, member, msg.Body)
		if msg.Flags&godbus.FlagNoReplyExpected != 0 {
			continue
		}
		reply := &godbus.Message{Type: godbus.TypeMethodReply, Body: body, Headers: map[godbus.HeaderField]godbus.Variant{
			godbus.FieldReplySerial: godbus.MakeVariant(msg.Serial()),
		}}
		if len(body) > 0 {
			reply.Headers[godbus.FieldSignature] = godbus.MakeVariant(godbus.SignatureOf(body...))
		}
		var b bytes.Buffer
		if err := reply.EncodeTo(&b, binary.LittleEndian); err != nil {
			m.t.Errorf("the fake cannot say what it should: %v", err)
			return
		}
		binary.LittleEndian.PutUint32(b.Bytes()[8:], serial)
		if _, err := c.Write(b.Bytes()); err != nil {
			return // the client may be gone
		}
	}
}

func (m *userManager) answer(path godbus.ObjectPath, member string, args []any) []any {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch member {
	case "Get": // SystemState
		return []any{godbus.MakeVariant(m.state)}
	case "ListUnitFilesByPatterns":
		type file struct{ Path, State string }
		list := []file{}
		for _, name := range slices.Sorted(maps.Keys(m.units)) {
			list = append(list, file{"/run/generator/" + name, "generated"})
		}
		return []any{list}
	case "GetAll":
		all := map[string]godbus.Variant{}
		for name, u := range m.units {
			if path == godbus.ObjectPath("/org/freedesktop/systemd1/unit/"+dbus.PathBusEscape(name)) {
				for k, v := range u {
					all[k] = godbus.MakeVariant(v)
				}
			}
		}
		return []any{all}
	case "StartUnit", "StopUnit", "RestartUnit", "TryRestartUnit", "ResetFailedUnit":
		m.orders = append(m.orders, fmt.Sprint(member, " ", args[0]))
		if member == "ResetFailedUnit" {
			return nil
		}
		return []any{godbus.ObjectPath("/org/freedesktop/systemd1/job/1")}
	}
	return nil // Subscribe, AddMatch
}
