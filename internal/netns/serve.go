package netns

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// Serve is the helper: it reads what is asked for from the socket fd, answers and
// returns. The thread that it runs on is of no use to anything else afterwards:
// the process is to end.
func Serve(fd int) error {
	f := os.NewFile(uintptr(fd), "the daemon's socket")
	if f == nil {
		return errors.New("cannot make sockets: there is no such file")
	}
	c, err := conn(f)
	if err != nil {
		return fmt.Errorf("cannot make sockets: keeper.service runs this, nobody else can: %w", err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(runLimit)); err != nil {
		return err
	}
	if err := serve(c); err != nil {
		return fmt.Errorf("cannot make sockets: %w", err)
	}
	return nil
}

// asked is a namespace, and how many sockets of it.
type asked struct{ ns, count int }

func serve(c *net.UnixConn) error {
	var all []asked
	// All is read before anything is sent: neither end waits for the other.
	for {
		data, fds, err := receive(c)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		counts, err := parseRequest(data, len(fds))
		if err != nil {
			closeAll(fds)
			return err
		}
		for i, n := range counts {
			all = append(all, asked{ns: fds[i], count: int(n)})
		}
		if len(all) > namespacesMost {
			return errors.New("too much is asked")
		}
	}
	runtime.LockOSThread() // for good: the thread is left in the last namespace
	for i, a := range all {
		sockets, err := makeSockets(a)
		why := ""
		if err != nil {
			why = err.Error()
		}
		err = send(c, answer(i, why), sockets)
		closeAll(sockets)
		_ = unix.Close(a.ns)
		if errors.Is(err, unix.ETOOMANYREFS) {
			err = send(c, answer(i, "too many descriptors are on their way: "+err.Error()), nil)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// makeSockets takes this thread into the namespace and makes sockets there. The
// kernel refuses what is no network namespace (setns(2), nstype); it is asked
// before as well, for an ioctl means something else to other files.
func makeSockets(a asked) ([]int, error) {
	var fs unix.Statfs_t
	if err := unix.Fstatfs(a.ns, &fs); err != nil || fs.Type != unix.NSFS_MAGIC {
		return nil, errors.New("that is no namespace")
	}
	if kind, err := unix.IoctlRetInt(a.ns, unix.NS_GET_NSTYPE); err != nil || kind != unix.CLONE_NEWNET {
		return nil, errors.New("that is no network namespace")
	}
	if err := unix.Setns(a.ns, unix.CLONE_NEWNET); err != nil {
		return nil, os.NewSyscallError("setns", err)
	}
	var sockets []int
	for range min(a.count, fdsMost) {
		fd, err := socket()
		if err != nil {
			closeAll(sockets)
			return nil, err
		}
		sockets = append(sockets, fd)
	}
	return sockets, nil
}
