package netns

import (
	"context"
	"errors"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

var loopback = [4]byte{127, 0, 0, 1}

// socket makes a socket in the network of this thread.
func socket() (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	return fd, os.NewSyscallError("socket", err)
}

// connect connects the socket, which is its own from here on.
func connect(ctx context.Context, key Key, fd int, port uint16) (net.Conn, error) {
	fail := func(err error) error {
		return &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IP(loopback[:]), Port: int(port)}, Err: err}
	}
	err := unix.Connect(fd, &unix.SockaddrInet4{Port: int(port), Addr: loopback})
	// Not before: the poller would hear of a hang-up, which is how a socket that was
	// never connected looks to it.
	f := os.NewFile(uintptr(fd), "tcp")
	defer f.Close()
	if errors.Is(err, unix.EINPROGRESS) || errors.Is(err, unix.EINTR) {
		err = established(ctx, f)
	}
	switch {
	case err == nil || errors.Is(err, unix.EISCONN):
	case ctx.Err() != nil:
		return nil, fail(ctx.Err())
	case errors.Is(err, unix.ECONNREFUSED), errors.Is(err, unix.ETIMEDOUT), errors.Is(err, unix.ECONNRESET):
		return nil, fail(os.NewSyscallError("connect", err))
	default:
		// ENETUNREACH, ENETDOWN: its loopback is down. EADDRNOTAVAIL, EPERM: it has no
		// port left, or a filter of its own.
		return nil, cannotAsk(key, fail(os.NewSyscallError("connect", err)))
	}
	c, err := net.FileConn(f)
	if err != nil {
		return nil, cannotAsk(key, fail(err))
	}
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetNoDelay(true) // as net.Dial does
	}
	return c, nil
}

// established waits for the outcome of a connect(2) that is in progress.
func established(ctx context.Context, f *os.File) error {
	stop := context.AfterFunc(ctx, func() { _ = f.SetWriteDeadline(time.Unix(1, 0)) })
	defer stop()
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var outcome error
	err = raw.Write(func(fd uintptr) bool {
		code, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
		switch {
		case err != nil:
			outcome = err
		case code != 0:
			outcome = unix.Errno(code)
		default:
			// No error and no peer: woken for nothing, or not yet woken at all.
			_, err = unix.Getpeername(int(fd))
			if errors.Is(err, unix.ENOTCONN) {
				return false
			}
			outcome = err
		}
		return true
	})
	if err != nil {
		return err
	}
	return outcome
}
