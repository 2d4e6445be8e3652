package netns

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// fill starts a run that fills what is low, or joins the one that is under way;
// what it returns is closed at its end. The lock is held.
func (p *Pool) fill() <-chan struct{} {
	if p.run != nil {
		return p.run
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		limit.Cur = socketsMost
	}
	n := share(len(p.slots), limit.Cur)
	var low []*want
	for key, s := range p.slots {
		// One that has more than half is left for the next time.
		if have := len(s.sockets); !s.host && have <= n/2 && (s.err == nil || time.Since(s.failed) >= retryAfter) {
			low = append(low, &want{key: key, slot: s, count: n - have})
		}
	}
	done := make(chan struct{})
	p.run = done
	p.runs.Go(func() {
		p.fetch(low)
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, w := range low {
			w.settle(p.slots[w.key] == w.slot)
		}
		p.run = nil
		close(done)
	})
	return done
}

// want is a container whose sockets are to be fetched, and what came of it.
type want struct {
	key   Key
	slot  *slot
	count int

	ns, user int // its network namespace, and its conmon's user namespace; open unless 0
	userID   fileID
	host     bool
	sockets  []int
	err      error
}

// settle hands over what came, unless nobody wants it any more. The lock is held.
func (w *want) settle(wanted bool) {
	if !wanted {
		closeAll(w.sockets)
		return
	}
	s := w.slot
	s.sockets, s.host, s.err = append(s.sockets, w.sockets...), w.host, nil
	if w.err != nil {
		s.err, s.failed = cannotAsk(w.key, w.err), time.Now()
		if len(w.sockets) == 0 {
			// Those that it had are of a network that may be gone.
			s.drop()
		}
	}
}

// fetch fetches what is wanted, with one run of the helper for each user
// namespace: there is one, unless Podman's was made anew while containers ran.
func (p *Pool) fetch(low []*want) {
	ctx, cancel := context.WithTimeout(p.ctx, runLimit)
	defer cancel()
	own, err := identify("/proc/self/ns/net")
	groups := map[fileID][]*want{}
	for _, w := range low {
		if w.err = err; err != nil {
			continue
		}
		if w.err = p.open(w, own); w.err == nil && !w.host {
			if len(groups[w.userID]) > 0 {
				w.close(&w.user) // the first's will do
			}
			groups[w.userID] = append(groups[w.userID], w)
		}
	}
	for _, group := range groups {
		err := p.ask(ctx, group)
		for _, w := range group {
			w.close(&w.ns)
			w.close(&w.user)
			switch {
			case len(w.sockets) > 0 || w.err != nil:
			case err != nil:
				w.err = err
			default:
				w.err = errEarly
			}
		}
	}
}

// open opens the namespaces. What is open cannot become another's; that it is the
// container's is looked at before and after.
func (p *Pool) open(w *want, own fileID) (err error) {
	pid, ok := p.main(w.key)
	if !ok {
		return errGone
	}
	defer func() {
		if again, ok := p.main(w.key); err == nil && (!ok || again != pid) {
			err = errGone
		}
		if err != nil || w.host {
			w.close(&w.ns)
			w.close(&w.user)
		}
	}()
	if w.ns, err = openNS(pid, "net"); err != nil {
		return err
	}
	id, err := identifyFD(w.ns)
	if w.host = err == nil && id == own; err != nil || w.host {
		return err
	}
	if w.user, err = openNS(w.key.Conmon, "user"); err != nil {
		return err
	}
	w.userID, err = identifyFD(w.user)
	return err
}

var errGone = errors.New("the container is gone")

func (w *want) close(fd *int) {
	if *fd != 0 {
		_ = unix.Close(*fd)
		*fd = 0
	}
}

func openNS(pid int, kind string) (int, error) {
	path := "/proc/" + strconv.Itoa(pid) + "/ns/" + kind
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return fd, nil
}

// fileID tells one namespace from another (namespaces(7), "st_dev and st_ino").
type fileID struct{ device, inode uint64 }

func identify(path string) (fileID, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return fileID{}, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	return fileID{uint64(st.Dev), st.Ino}, nil //nolint:unconvert // Dev is 32 bits wide on some architectures
}

func identifyFD(fd int) (fileID, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return fileID{}, os.NewSyscallError("fstat", err)
	}
	return fileID{uint64(st.Dev), st.Ino}, nil //nolint:unconvert // Dev is 32 bits wide on some architectures
}

// nsenter finds nsenter(1). A program in Go cannot enter a user namespace by
// itself: that is for a process with a single thread (setns(2)).
func nsenter() (string, error) {
	path, err := exec.LookPath("nsenter")
	if err != nil {
		if path, err = exec.LookPath("/usr/bin/nsenter"); err != nil {
			return "", errors.New("nsenter is missing: install util-linux")
		}
	}
	return path, nil
}

// ask runs the helper for containers that share a user namespace.
func (p *Pool) ask(ctx context.Context, group []*want) error {
	program, err := p.program()
	if err != nil {
		return err
	}
	// By descriptor: the file that this program was started from may be gone or
	// another by now.
	exe, err := os.Open(p.helper)
	if err != nil {
		return err
	}
	defer exe.Close()
	user, err := unix.FcntlInt(uintptr(group[0].user), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("fcntl", err)
	}
	userFile := os.NewFile(uintptr(user), "user namespace")
	defer userFile.Close()
	ours, theirs, err := pair()
	if err != nil {
		return err
	}
	defer ours.Close()
	// In the helper these are 3, 4 and 5. --preserve-credentials: the account is
	// root in there, and setgroups(2) is denied to it.
	cmd := exec.CommandContext(ctx, program, "--user=/proc/self/fd/4", "--preserve-credentials", "--", "/proc/self/fd/5", "sockets")
	cmd.ExtraFiles = []*os.File{theirs, userFile, exe}
	cmd.Env = []string{"LC_ALL=C", "GOMAXPROCS=1", "GOTRACEBACK=none"}
	said := &head{}
	cmd.Stderr = said
	cmd.WaitDelay = time.Second
	err = cmd.Start()
	_ = theirs.Close()
	if err != nil {
		return fmt.Errorf("cannot run %s: %w", program, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = ours.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	err = exchange(ours, group)
	_ = ours.Close() // a helper that still speaks has nobody to speak to
	werr := cmd.Wait()
	switch {
	case ctx.Err() != nil:
		return errors.New("the helper took too long")
	case werr != nil && said.Len() > 0:
		return fmt.Errorf("the helper failed: %s", oneLine(said.String()))
	case werr != nil:
		return fmt.Errorf("the helper failed: %w", werr)
	}
	return err
}

// exchange asks for the sockets and takes them in.
func exchange(c *net.UnixConn, group []*want) error {
	for i := 0; i < len(group); i += fdsMost {
		var counts []byte
		var fds []int
		for _, w := range group[i:min(i+fdsMost, len(group))] {
			counts, fds = append(counts, byte(w.count)), append(fds, w.ns)
		}
		if err := send(c, request(counts), fds); errors.Is(err, unix.EPIPE) {
			return errEarly
		} else if err != nil {
			return err
		}
	}
	if err := c.CloseWrite(); err != nil {
		return err
	}
	for range group {
		data, fds, err := receive(c)
		if errors.Is(err, io.EOF) || errors.Is(err, unix.ECONNRESET) {
			return errEarly
		}
		if err != nil {
			return err
		}
		index, why, err := parseAnswer(data)
		switch {
		case err == nil && (index >= len(group) || len(group[index].sockets) > 0 || len(fds) > group[index].count):
			err = errors.New("an answer that nobody asked for")
			fallthrough
		case err != nil:
			closeAll(fds)
			return err
		}
		w := group[index]
		w.sockets = fds
		if why != "" {
			w.err = errors.New(why)
		}
	}
	return nil
}

var errEarly = errors.New("the helper ended too early")

// head keeps the beginning of what is written.
type head struct{ bytes.Buffer }

func (h *head) Write(b []byte) (int, error) {
	if room := 1024 - h.Len(); room > 0 {
		h.Buffer.Write(b[:min(len(b), room)])
	}
	return len(b), nil
}
