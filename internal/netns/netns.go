// Package netns makes TCP connections from within containers' own network
// namespaces, without root, and with no process that stays.
//
// A socket belongs for ever to the network namespace that it was made in
// (network_namespaces(7)), whoever holds it. So a helper, `keeper sockets`, enters
// Podman's user namespace, in which the account may enter the network of each
// container (setns(2)), makes a few sockets in each, sends them back (unix(7),
// SCM_RIGHTS) and ends. The daemon connects them by itself, one a probe. It never
// enters a namespace, and the helper never connects or listens.
package netns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// ErrCannotAsk is wrapped by what keeps a container from being asked and says
// nothing of the server in it: a helper that fails, a container that is gone, a
// network that is down.
var ErrCannotAsk = errors.New("cannot be asked from within its own network")

func cannotAsk(key Key, why error) error { return fmt.Errorf("%s %w: %w", key.Unit, ErrCannotAsk, why) }

var (
	errEnded = errors.New("keeper ends")
	// errLate hides that a deadline passed: it was not the container that let it.
	errLate = errors.New("no socket was there in time")
)

// Key is a container in one life of its unit.
type Key struct {
	Conmon           int
	Unit, Invocation string
}

const (
	// socketsMost is about how many sockets the pools hold in all; the share of
	// each container is between the other two.
	socketsMost = 1024
	shareMost   = 32
	shareLeast  = 4
	// runLimit is how long a run of the helper may take: it is a matter of
	// milliseconds on a host that is not overloaded.
	runLimit = 5 * time.Second
	// retryAfter is how long a failure stands before it is tried again.
	retryAfter = 2 * time.Second
)

// Pool has sockets of the containers that are asked. Its methods may be called by
// many at once.
type Pool struct {
	main    func(Key) (pid int, ok bool)
	program func() (string, error) // finds nsenter
	helper  string                 // what it runs
	ctx     context.Context
	cancel  context.CancelFunc
	runs    sync.WaitGroup

	mu    sync.Mutex
	slots map[Key]*slot
	run   chan struct{} // closed at the end of the run that is under way; nil without one
}

// slot is what there is for one container.
type slot struct {
	sockets []int
	host    bool // it has the host's own network
	err     error
	failed  time.Time
}

// New returns an empty pool. main tells the process id of the container's main
// process, or not ok if the key's process is no conmon of the account any more, or
// that of another unit: ids are used again.
func New(main func(Key) (pid int, ok bool)) *Pool {
	ctx, cancel := context.WithCancel(context.Background())
	return &Pool{main: main, program: nsenter, helper: "/proc/self/exe", ctx: ctx, cancel: cancel, slots: map[Key]*slot{}}
}

// Dial connects to 127.0.0.1:port as the container sees it. An error that wraps
// ErrCannotAsk says nothing of who listens there; any other is what net.Dial would
// say: refused, or no answer before the context ended.
func (p *Pool) Dial(ctx context.Context, key Key, port uint16) (net.Conn, error) {
	fd, host, err := p.take(ctx, key)
	if err != nil {
		return nil, err
	}
	if host {
		if fd, err = socket(); err != nil {
			return nil, cannotAsk(key, err)
		}
	}
	return connect(ctx, key, fd, port)
}

// take takes a socket out of the pool, and has it filled first if it is empty.
func (p *Pool) take(ctx context.Context, key Key) (fd int, host bool, err error) {
	for {
		p.mu.Lock()
		s := p.slots[key]
		if s == nil {
			s = &slot{}
			p.slots[key] = s
		}
		switch n := len(s.sockets); {
		case p.ctx.Err() != nil:
			p.mu.Unlock()
			return 0, false, cannotAsk(key, errEnded)
		case s.host:
			p.mu.Unlock()
			return 0, true, nil
		case n > 0:
			fd, s.sockets = s.sockets[n-1], s.sockets[:n-1]
			p.mu.Unlock()
			return fd, false, nil
		case s.err != nil && time.Since(s.failed) < retryAfter:
			err = s.err
			p.mu.Unlock()
			return 0, false, err
		}
		done := p.fill() //nolint:contextcheck // a run is for all who wait for it, and outlives each
		p.mu.Unlock()
		select {
		case <-done:
		case <-ctx.Done():
			return 0, false, cannotAsk(key, errLate)
		}
	}
}

// Keep drops what is there for other containers: a socket keeps the network that
// it belongs to alive. Those of the keys are filled together, the first time that
// one of them is asked.
func (p *Pool) Keep(keys []Key) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ctx.Err() != nil {
		return
	}
	wanted := make(map[Key]bool, len(keys))
	for _, key := range keys {
		wanted[key] = true
	}
	for key, s := range p.slots {
		if !wanted[key] {
			s.drop()
			delete(p.slots, key)
		}
	}
	for _, key := range keys {
		if p.slots[key] == nil {
			p.slots[key] = &slot{}
		}
	}
}

// Close ends a run that is under way and drops all sockets. Connections that were
// made live on.
func (p *Pool) Close() {
	p.cancel()
	p.runs.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.slots {
		s.drop()
	}
	p.slots = map[Key]*slot{}
}

func (s *slot) drop() {
	closeAll(s.sockets)
	s.sockets = nil
}

func closeAll(fds []int) {
	for _, fd := range fds {
		_ = unix.Close(fd)
	}
}

// share is how many sockets each of n containers has, of limit open files.
func share(n int, limit uint64) int {
	n = max(n, 1)
	half := int(min(limit, 1<<20)) / 2 // the other half is for all else
	each := min(max(socketsMost/n, shareLeast), shareMost)
	return max(1, min(each, half/n))
}
