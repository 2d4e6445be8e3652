package logind

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
)

// patience bounds what is waited for and must come; it is long because the
// machine may be busy, and costs nothing where all is well.
const patience = 20 * time.Second

// needs skips the test where the program is not installed, unless
// KEEPER_TEST_REQUIRE, a list with commas, names the feature.
func needs(t *testing.T, feature, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err == nil {
		return
	}
	if slices.Contains(strings.Split(os.Getenv("KEEPER_TEST_REQUIRE"), ","), feature) {
		t.Fatalf("%s is not installed, and KEEPER_TEST_REQUIRE names %s", program, feature)
	}
	t.Skipf("%s is not installed, so nothing that needs a bus can be tested here", program)
}

// everybody may do everything: it is the client that has to be careful.
const busConfig = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path=%s</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
`

// bus is a dbus-daemon of the test's own.
type bus struct {
	address string
	cmd     *exec.Cmd
}

func startBus(t *testing.T) *bus {
	t.Helper()
	needs(t, "dbus", "dbus-daemon")
	// The name of a test's own directory may be too long for a socket.
	dir, err := os.MkdirTemp("", "keeper-bus")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	config := filepath.Join(dir, "bus.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, busConfig, filepath.Join(dir, "bus")), 0o600); err != nil {
		t.Fatal(err)
	}
	b := &bus{cmd: exec.Command("dbus-daemon", "--config-file="+config, "--nofork", "--nopidfile", "--print-address")}
	var said bytes.Buffer
	b.cmd.Stderr = &said
	out, err := b.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := b.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		b.kill()
		if t.Failed() {
			t.Logf("dbus-daemon said:\n%s", &said)
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("dbus-daemon did not print its address: %v", err)
	}
	b.address = strings.TrimSpace(line)
	return b
}

// kill ends the daemon; to do so twice is harmless.
func (b *bus) kill() {
	_ = b.cmd.Process.Kill()
	_ = b.cmd.Wait() // killed, or waited for before
}

// peer is another connection to the bus.
func (b *bus) peer(t *testing.T) *dbus.Conn {
	t.Helper()
	c, err := dbus.Connect(b.address)
	if err != nil {
		t.Fatalf("a peer cannot connect to the bus: %v", err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// dial is the connection under test.
func (b *bus) dial(t *testing.T) *Conn {
	t.Helper()
	c, err := Dial(t.Context(), b.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// own makes the peer the owner of the name, whoever has it now.
func own(t *testing.T, c *dbus.Conn, name string) {
	t.Helper()
	r, err := c.RequestName(name, dbus.NameFlagAllowReplacement|dbus.NameFlagReplaceExisting|dbus.NameFlagDoNotQueue)
	if err != nil || r != dbus.RequestNameReplyPrimaryOwner {
		t.Fatalf("cannot own %s: %v, reply %d", name, err, r)
	}
}

// routed returns when the bus has dealt with all that the peer sent before.
func routed(t *testing.T, c *dbus.Conn) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := c.BusObject().CallWithContext(ctx, "org.freedesktop.DBus.GetId", 0).Err; err != nil {
		t.Fatalf("the bus does not answer: %v", err)
	}
}

// unicast sends a signal to one connection alone, past all match rules.
func unicast(t *testing.T, from *dbus.Conn, to string, path dbus.ObjectPath, iface, member string, body ...any) {
	t.Helper()
	call := from.Send(&dbus.Message{
		Type: dbus.TypeSignal,
		Headers: map[dbus.HeaderField]dbus.Variant{
			dbus.FieldDestination: dbus.MakeVariant(to),
			dbus.FieldPath:        dbus.MakeVariant(path),
			dbus.FieldInterface:   dbus.MakeVariant(iface),
			dbus.FieldMember:      dbus.MakeVariant(member),
			dbus.FieldSignature:   dbus.MakeVariant(dbus.SignatureOf(body...)),
		},
		Body: body,
	}, nil)
	if call != nil && call.Err != nil {
		t.Fatalf("cannot send a signal to %s: %v", to, call.Err)
	}
}
