package units

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
	"strings"
	"sync"
	"testing"

	"github.com/godbus/dbus/v5"
)

// manager is a user manager on its private socket, as far as keeper asks it:
// a peer and no bus, so that godbus has no server for it.
type manager struct {
	t *testing.T
	// runtime is what Dial is given.
	runtime string
	socket  net.Listener
	conns   sync.WaitGroup

	mu     sync.Mutex
	peers  []*peer
	target map[string]any // what there is to say of default.target
	state  string
	// files are the generated unit files, units what is loaded of them.
	files []string
	// scopes are what ListUnitsByPatterns tells.
	scopes []string
	units  map[dbus.ObjectPath]*unit
	// asked counts the calls: "Subscribe", "GetAll Unit redis.service", …
	asked map[string]int
	// mute are the methods, by member, that get no answer.
	mute map[string]bool
	// deny are the methods that get an error; with the name of a unit behind it,
	// for that unit alone.
	deny map[string]bool
	// log is the order of the calls, jobs the types of those there are, results
	// how the jobs of a unit end: empty means never, none means done.
	log     []string
	modes   map[string]string // the mode of the last start of each unit
	jobs    map[dbus.ObjectPath]string
	results map[string]string
	// transient is what StartTransientUnit was called with.
	transient []any
	started   uint64
}

// unit has the properties of the interfaces Unit and Service.
type unit struct {
	name          string
	unit, service map[string]any
}

type peer struct {
	conn   net.Conn
	write  sync.Mutex
	serial uint32
}

// startManager listens until the test ends.
func startManager(t *testing.T) *manager {
	t.Helper()
	// The name of a test's own directory may be too long for a socket.
	dir, err := os.MkdirTemp("", "keeper-units")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Mkdir(filepath.Join(dir, "systemd"), 0o700); err != nil {
		t.Fatal(err)
	}
	m := &manager{
		t: t, runtime: dir, state: "running", units: map[dbus.ObjectPath]*unit{},
		asked: map[string]int{}, mute: map[string]bool{}, deny: map[string]bool{},
		jobs: map[dbus.ObjectPath]string{}, results: map[string]string{}, modes: map[string]string{},
		target: map[string]any{"ActiveState": "active"},
	}
	if m.socket, err = net.Listen("unix", filepath.Join(dir, "systemd", "private")); err != nil {
		t.Fatal(err)
	}
	m.conns.Go(m.accept)
	t.Cleanup(m.close)
	return m
}

// close goes away, with all connections.
func (m *manager) close() {
	_ = m.socket.Close()
	m.mu.Lock()
	for _, p := range m.peers {
		_ = p.conn.Close()
	}
	m.mu.Unlock()
	m.conns.Wait()
}

func (m *manager) accept() {
	for {
		c, err := m.socket.Accept()
		if err != nil {
			return
		}
		p := &peer{conn: c}
		m.mu.Lock()
		m.peers = append(m.peers, p)
		m.mu.Unlock()
		m.conns.Go(func() {
			defer c.Close()
			in := bufio.NewReader(c)
			if m.handshake(p, in) {
				m.serve(p, in)
			}
		})
	}
}

// handshake is the server's side of "Authentication Protocol" in the D-Bus
// specification. It says whether the client came to BEGIN.
func (m *manager) handshake(p *peer, in *bufio.Reader) bool {
	if zero, err := in.ReadByte(); err != nil || zero != 0 {
		return false
	}
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return false
		}
		if m.count(line, "AUTH") {
			continue
		}
		answer := "ERROR"
		switch words := strings.Fields(line); {
		case words[0] == "AUTH" && len(words) == 3 && words[1] == "EXTERNAL":
			answer = "OK 0123456789abcdef0123456789abcdef"
		case words[0] == "AUTH" && len(words) == 2 && words[1] == "EXTERNAL":
			answer = "DATA"
		case words[0] == "DATA":
			answer = "OK 0123456789abcdef0123456789abcdef"
		case words[0] == "AUTH":
			answer = "REJECTED EXTERNAL"
		case words[0] == "NEGOTIATE_UNIX_FD":
			answer = "AGREE_UNIX_FD"
		case words[0] == "BEGIN":
			return true
		}
		if _, err := io.WriteString(p.conn, answer+"\r\n"); err != nil {
			return false
		}
	}
}

// count counts the call and says whether it is to get no answer.
func (m *manager) count(call, member string) (mute bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked[call]++
	m.log = append(m.log, call)
	return m.mute[member]
}

func (m *manager) serve(p *peer, in *bufio.Reader) {
	for {
		msg, err := dbus.DecodeMessage(in)
		if err != nil {
			return
		}
		if msg.Type != dbus.TypeMethodCall {
			continue
		}
		path, _ := msg.Headers[dbus.FieldPath].Value().(dbus.ObjectPath)
		member, _ := msg.Headers[dbus.FieldMember].Value().(string)
		body, failed := m.answer(path, member, msg.Body)
		if m.count(m.name(path, member, msg.Body), member) || msg.Flags&dbus.FlagNoReplyExpected != 0 {
			continue
		}
		reply := &dbus.Message{Type: dbus.TypeMethodReply, Headers: map[dbus.HeaderField]dbus.Variant{
			dbus.FieldReplySerial: dbus.MakeVariant(msg.Serial()),
		}}
		if failed != "" {
			reply.Type, body = dbus.TypeError, []any{"no luck"}
			reply.Headers[dbus.FieldErrorName] = dbus.MakeVariant(failed)
		}
		m.send(p, reply, body...)
		if job, ok := firstPath(body); ok && failed == "" {
			m.ended(job, msg.Body[0].(string))
		}
	}
}

// firstPath is the job that a call has queued, if that is what it answers.
func firstPath(body []any) (dbus.ObjectPath, bool) {
	if len(body) != 1 {
		return "", false
	}
	job, ok := body[0].(dbus.ObjectPath)
	return job, ok
}

// ended says that the job of a unit has ended, as its result has it.
func (m *manager) ended(job dbus.ObjectPath, unit string) {
	m.mu.Lock()
	result, ok := m.results[unit]
	if !ok && strings.HasPrefix(unit, "keeper-command-") { // which nobody can foretell
		result, ok = m.results["keeper-command-"]
	}
	m.mu.Unlock()
	if !ok {
		result = "done"
	}
	if result != "" {
		m.signal(1, "/org/freedesktop/systemd1", managerIf, "JobRemoved", uint32(1), job, unit, result)
	}
}

// name is how a call is counted.
func (m *manager) name(path dbus.ObjectPath, member string, args []any) string {
	switch member {
	case "StartUnit", "StopUnit", "RestartUnit", "TryRestartUnit", "ResetFailedUnit", "StartTransientUnit":
		return fmt.Sprint(member, " ", args[0])
	}
	if member != "GetAll" || len(args) == 0 {
		return member
	}
	iface, _ := args[0].(string)
	m.mu.Lock()
	defer m.mu.Unlock()
	name := string(path)
	if u := m.units[path]; u != nil {
		name = u.name
	}
	return member + " " + strings.TrimPrefix(iface, "org.freedesktop.systemd1.") + " " + name
}

// answer returns the body of the reply, or the name of an error.
func (m *manager) answer(path dbus.ObjectPath, member string, args []any) (body []any, failed string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.deny[member] || len(args) > 0 && m.deny[fmt.Sprint(member, " ", args[0])] {
		return nil, "org.freedesktop.DBus.Error.Failed"
	}
	switch member {
	case "Subscribe", "AddMatch":
		return nil, ""
	case "ListUnitFilesByPatterns":
		type file struct{ Path, State string }
		list := []file{}
		for _, f := range m.files {
			list = append(list, file{f, "generated"})
		}
		return []any{list}, ""
	case "ListUnitsByPatterns":
		// a(ssssssouso)
		type row struct {
			Name, Description, Load, Active, Sub, Followed string
			Path                                           dbus.ObjectPath
			JobID                                          uint32
			JobType                                        string
			JobPath                                        dbus.ObjectPath
		}
		list := []row{}
		if fmt.Sprint(args) == "[[active] [*.scope]]" {
			for _, name := range m.scopes {
				list = append(list, row{Name: name, Load: "loaded", Active: "active", Path: unitPath(name), JobPath: "/"})
			}
		}
		return []any{list}, ""
	case "ResetFailed":
		return nil, ""
	case "ResetFailedUnit":
		if m.units[unitPath(args[0].(string))] == nil {
			return nil, "org.freedesktop.systemd1.NoSuchUnit"
		}
		return nil, ""
	case "StartTransientUnit":
		m.transient = args
		fallthrough
	case "StartUnit", "StopUnit", "RestartUnit", "TryRestartUnit":
		m.modes[args[0].(string)], _ = args[1].(string)
		return []any{dbus.ObjectPath(fmt.Sprint("/org/freedesktop/systemd1/job/", len(m.log)+1))}, ""
	case "Get":
		switch {
		case len(args) == 2 && args[1] == "SystemState":
			return []any{dbus.MakeVariant(m.state)}, ""
		case len(args) == 2 && args[1] == "UserspaceTimestampMonotonic":
			return []any{dbus.MakeVariant(m.started)}, ""
		case len(args) == 2 && args[1] == "JobType" && m.jobs[path] != "":
			return []any{dbus.MakeVariant(m.jobs[path])}, ""
		case len(args) == 2 && args[1] == "JobType":
			return nil, "org.freedesktop.DBus.Error.UnknownObject"
		}
	case "GetAll":
		// systemd answers for a unit that does not exist, too.
		props := map[string]any{"LoadState": "not-found", "ActiveState": "inactive"}
		if path == unitPath(defaultTarget) && m.target != nil {
			props = m.target
		}
		u := m.units[path]
		if u == nil && strings.HasPrefix(string(path), string(unitPath("keeper-command-"))) {
			u = m.units["keeper-command-"]
		}
		if u != nil {
			props = u.unit
			if args[0] == "org.freedesktop.systemd1.Service" {
				props = u.service
			}
		}
		all := map[string]dbus.Variant{}
		for k, v := range props {
			all[k] = dbus.MakeVariant(v)
		}
		return []any{all}, ""
	}
	return nil, "org.freedesktop.DBus.Error.UnknownMethod"
}

func (m *manager) send(p *peer, msg *dbus.Message, body ...any) {
	p.write.Lock()
	defer p.write.Unlock()
	_, _ = p.conn.Write(p.encode(m.t, msg, body...)) // the client may be gone
}

func (p *peer) encode(t *testing.T, msg *dbus.Message, body ...any) []byte {
	if len(body) > 0 {
		msg.Headers[dbus.FieldSignature] = dbus.MakeVariant(dbus.SignatureOf(body...))
		msg.Body = body
	}
	var b bytes.Buffer
	if err := msg.EncodeTo(&b, binary.LittleEndian); err != nil {
		t.Errorf("the fake cannot say what it should: %v", err)
	}
	p.serial++
	binary.LittleEndian.PutUint32(b.Bytes()[8:], p.serial)
	return b.Bytes()
}

// signal is sent to every connection n times, in one piece.
func (m *manager) signal(n int, path dbus.ObjectPath, iface, member string, body ...any) {
	m.mu.Lock()
	peers := m.peers
	m.mu.Unlock()
	for _, p := range peers {
		var all []byte
		p.write.Lock()
		for range n {
			all = append(all, p.encode(m.t, &dbus.Message{Type: dbus.TypeSignal, Headers: map[dbus.HeaderField]dbus.Variant{
				dbus.FieldPath: dbus.MakeVariant(path), dbus.FieldInterface: dbus.MakeVariant(iface), dbus.FieldMember: dbus.MakeVariant(member),
			}}, body...)...)
		}
		_, _ = p.conn.Write(all) // the client may be gone
		p.write.Unlock()
	}
}

// changed says n times that something about the unit changed.
func (m *manager) changed(n int, name string) {
	m.signal(n, unitPath(name), "org.freedesktop.DBus.Properties", "PropertiesChanged",
		"org.freedesktop.systemd1.Unit", map[string]dbus.Variant{}, []string{"ActiveState"})
}

// put makes or changes a unit. Properties that are not named keep their value.
func (m *manager) put(name string, props map[string]any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	u := m.units[unitPath(name)]
	if u == nil {
		u = &unit{name: name, unit: map[string]any{"LoadState": "loaded", "ActiveState": "active", "SubState": "running"},
			service: map[string]any{"Result": "success", "NRestarts": uint32(0)}}
		m.units[unitPath(name)] = u
	}
	fresh := maps.Clone(u.unit)
	maps.Copy(fresh, props)
	u.unit = fresh
}

// with changes anything else.
func (m *manager) with(change func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change()
}

func (m *manager) calls(call string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.asked[call]
}
