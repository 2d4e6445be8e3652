package probe

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"
)

// listen starts somebody who does this with each connection.
func listen(t *testing.T, network, address string, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Skipf("cannot listen here: %v", err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				serve(c)
			}()
		}
	}()
	return l.Addr().String()
}

// waits is a server that lets the client speak first, as PostgreSQL, Redis and
// HTTP do.
func waits(c net.Conn) { _, _ = io.Copy(io.Discard, c) }

func TestTCP(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		network, address string
		serve            func(net.Conn)
		want             bool
	}{
		"waits for us":       {"tcp4", "127.0.0.1:0", waits, true},
		"waits for us, IPv6": {"tcp6", "[::1]:0", waits, true},
		"speaks first":       {"tcp4", "127.0.0.1:0", func(c net.Conn) { _, _ = io.WriteString(c, "220 hello\r\n"); waits(c) }, true},
		"speaks and leaves":  {"tcp4", "127.0.0.1:0", func(c net.Conn) { _, _ = io.WriteString(c, "220 hello\r\n") }, true},
		// Podman's port forwarder, for a container that does not listen yet.
		"hangs up": {"tcp4", "127.0.0.1:0", func(net.Conn) {}, false},
		"hangs up after a moment": {"tcp4", "127.0.0.1:0", func(c net.Conn) {
			_ = c.SetReadDeadline(time.Now().Add(listenFor / 5))
			waits(c)
		}, false},
		"hangs up rudely": {"tcp4", "127.0.0.1:0", func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := listen(t, tt.network, tt.address, tt.serve)
			err := TCP(t.Context(), address)
			for range 10 {
				if tt.want || err != nil {
					break
				}
				err = TCP(t.Context(), address) // a busy machine may hang up too late
			}
			if (err == nil) != tt.want {
				t.Errorf("got %v, want an answer: %v", err, tt.want)
			}
		})
	}
}

// A probe sends nothing, and leaves no connection behind.
func TestTCPSendsNothing(t *testing.T) {
	t.Parallel()
	heard := make(chan int64, 1)
	address := listen(t, "tcp4", "127.0.0.1:0", func(c net.Conn) {
		n, err := io.Copy(io.Discard, c)
		if err != nil {
			n = -1
		}
		heard <- n
	})
	if err := TCP(t.Context(), address); err != nil {
		t.Fatal(err)
	}
	select {
	case n := <-heard:
		if n != 0 {
			t.Errorf("the server heard %d bytes, and then the end", n)
		}
	case <-time.After(20 * time.Second):
		t.Error("the connection was not closed")
	}
}

func TestTCPNobody(t *testing.T) {
	t.Parallel()
	// tcpmux: unlike a port that was just given back, nobody is given that.
	if err := TCP(t.Context(), "127.0.0.1:1"); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("got %v, want it to be refused", err)
	}
	for _, address := range []string{"", "127.0.0.1", "127.0.0.1:notaport", "127.0.0.1:99999"} {
		if err := TCP(t.Context(), address); err == nil {
			t.Errorf("%q: no error", address)
		}
	}
}

// Somebody whose queue is full neither accepts nor refuses: that ends too.
func TestTCPHangs(t *testing.T) {
	t.Parallel()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	sa, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	address := (&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: sa.(*syscall.SockaddrInet4).Port}).String()
	// Fill the queue; what is in it is kept open to the end.
	full := false
	for range 8 {
		c, err := net.DialTimeout("tcp", address, 200*time.Millisecond)
		if err != nil {
			full = true
			break
		}
		t.Cleanup(func() { _ = c.Close() })
	}
	if !full {
		t.Skip("the queue takes whatever comes here")
	}
	begun := time.Now()
	if err := TCP(t.Context(), address); err == nil {
		t.Error("no error")
	}
	if took := time.Since(begun); took < dialLimit/2 || took > dialLimit+5*time.Second {
		t.Errorf("it took %v, want about %v", took, dialLimit)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	begun = time.Now()
	if err := TCP(ctx, address); !errors.Is(err, context.Canceled) || time.Since(begun) > dialLimit {
		t.Errorf("with a context that has ended: %v after %v", err, time.Since(begun))
	}
}
