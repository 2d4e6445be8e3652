package probe

import (
	"context"
	"errors"
	"net"
	"os"
	"time"
)

const (
	dialLimit = time.Second
	// listenFor is how long a connection must last. Podman's port forwarder
	// accepts for a container that does not listen yet, and then hangs up.
	listenFor = 150 * time.Millisecond
)

// TCP says whether somebody accepts a connection at the address and keeps it.
// It sends nothing.
func TCP(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, dialLimit)
	defer cancel()
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer c.Close()
	return keeps(c)
}

// keeps returns nil if the other side speaks, or waits for us to speak.
func keeps(c net.Conn) error {
	if err := c.SetReadDeadline(time.Now().Add(listenFor)); err != nil {
		return err
	}
	_, err := c.Read(make([]byte, 1))
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil // it waits for us to speak
	}
	return err
}
