package adopt

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// faults is what goes wrong in one life of the program: at the n-th of all calls
// to the outside, counted from 1.
type faults struct {
	w *world

	mu sync.Mutex
	// at says what happens at which call.
	at map[int]fault
	// every, if set, is asked at each call, by what it does; one at a time.
	every func(call string) error
	// choose, if set, is asked in place of at.
	choose func(call string) fault
	calls  []string
	fired  int
	hit    string // the call that it happened to, the last one
	// cancel ends the caller's context.
	cancel context.CancelFunc
	// dead is where the calls of a life that was ended wait, for ever. It must be
	// made in the bubble.
	dead chan struct{}
	died bool
}

type fault string

const (
	// before: it is not done, and an error comes back.
	before fault = "fails"
	// after: it is done, and an error comes back, as where the answer is lost.
	after fault = "fails after the fact"
	// cancelled: somebody ends the context, and the call notices before it is done;
	// or after.
	cancelled     fault = "is cancelled"
	cancelledLate fault = "is cancelled after the fact"
	// delayed: the caller is gone before it is done, and then it is done.
	delayed fault = "is left alone"
	// crashed: the program ends before the call is done; or after.
	crashed     fault = "is the last"
	crashedLate fault = "is the last, and is done"
)

var errInjected = errors.New("the disk is on fire")

// call carries out one call to the outside.
func (f *faults) call(ctx context.Context, name string, do func() error) error {
	f.mu.Lock()
	if f.died {
		f.mu.Unlock()
		<-f.dead
		return errInjected
	}
	f.calls = append(f.calls, name)
	kind, hit := f.at[len(f.calls)]
	if f.choose != nil {
		kind = f.choose(name)
		hit = kind != ""
	}
	if hit {
		f.fired++
		f.hit = name
	}
	if kind == crashed || kind == crashedLate {
		f.died = true
	}
	var err error
	if f.every != nil {
		err = f.every(name)
	}
	f.mu.Unlock()
	if err != nil {
		return err
	}
	failed := fmt.Errorf("cannot %s: %w", name, errInjected)
	switch kind {
	case before:
		return failed
	case cancelled:
		f.cancel()
	case crashed:
		<-f.dead
		return failed
	case delayed:
		f.cancel()
		time.AfterFunc(2*time.Second, func() {
			f.w.mu.Lock()
			defer f.w.mu.Unlock()
			_ = do()
		})
		return ctx.Err()
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	f.w.mu.Lock()
	err = do()
	f.w.mu.Unlock()
	switch kind {
	case after:
		return errors.Join(failed, err)
	case cancelledLate:
		f.cancel()
		return ctx.Err()
	case crashedLate:
		<-f.dead
	}
	return err
}

// count is how many calls there were.
func (f *faults) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.calls)
}

func (f *faults) answers(ctx context.Context, address string) error {
	return f.call(ctx, "dial "+address, func() error { return nil })
}

// index returns which call was the first of its kind, or -1.
func (f *faults) index(prefix string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, c := range f.calls {
		if strings.HasPrefix(c, prefix) {
			return i
		}
	}
	return -1
}

// last returns which call was the last of its kind, or -1.
func (f *faults) last(prefix string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	at := -1
	for i, c := range f.calls {
		if strings.HasPrefix(c, prefix) {
			at = i
		}
	}
	return at
}
