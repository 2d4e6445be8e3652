package app

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"keeper/internal/core"
)

// outcome is what one connect returns.
type outcome struct {
	good bool
	err  error
	// lasts is how long the connection held.
	lasts time.Duration
}

// keptUp is what keepUp did with a list of outcomes; the context ends with the
// last of them.
type keptUp struct {
	waits []time.Duration // before each connect but the first
	told  []error
}

func keepUpWith(t *testing.T, list []outcome) keptUp {
	t.Helper()
	var k keptUp
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := time.Now()
	i := -1
	keepUp(ctx, func() (bool, error) {
		i++
		if i > 0 {
			k.waits = append(k.waits, time.Since(ended))
		}
		if i == len(list) {
			cancel()
			return false, errors.New("the test is over")
		}
		time.Sleep(list[i].lasts) // of the bubble
		ended = time.Now()
		return list[i].good, list[i].err
	}, func(err error) { k.told = append(k.told, err) })
	return k
}

func TestKeepUpBacksOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		bad := outcome{err: errors.New("refused")}
		k := keepUpWith(t, slices.Repeat([]outcome{bad}, 10))
		want := []time.Duration{
			100 * time.Millisecond, 200 * time.Millisecond, 400 * time.Millisecond, 800 * time.Millisecond,
			1600 * time.Millisecond, 3200 * time.Millisecond, 6400 * time.Millisecond, 10 * time.Second, 10 * time.Second, 10 * time.Second,
		}
		if !reflect.DeepEqual(k.waits, want) {
			t.Errorf("waited %v\nwant   %v", k.waits, want)
		}
		if len(k.told) != 1 || k.told[0] != bad.err {
			t.Errorf("told %v, want the first failure of the row and no other", k.told)
		}
	})
}

// A connection that was good for a while begins a new row of failures.
func TestKeepUpBeginsAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		first, second, broke := errors.New("first"), errors.New("second"), errors.New("it broke")
		k := keepUpWith(t, []outcome{
			{err: first}, {err: second}, {err: second},
			{good: true, err: broke, lasts: time.Hour},
			{err: second}, {err: second},
			{good: true, err: broke, lasts: time.Hour},
		})
		ms := time.Millisecond
		want := []time.Duration{100 * ms, 200 * ms, 400 * ms, 100 * ms, 200 * ms, 400 * ms, 100 * ms}
		if !reflect.DeepEqual(k.waits, want) {
			t.Errorf("waited %v\nwant   %v", k.waits, want)
		}
		if want := []error{first, broke, broke}; !reflect.DeepEqual(k.told, want) {
			t.Errorf("told %v, want %v: the end of a good connection, and no failure behind it", k.told, want)
		}
	})
}

func TestKeepUpEndsWithItsContext(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(ctx context.Context, cancel context.CancelFunc){
		// Far into the longest wait.
		"while it waits": func(ctx context.Context, cancel context.CancelFunc) {
			time.Sleep(time.Minute + 3*time.Second)
			cancel()
		},
		"before it begins": func(ctx context.Context, cancel context.CancelFunc) { cancel() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					keepUp(ctx, func() (bool, error) { return false, errors.New("refused") }, func(error) {})
				}()
				end(ctx, cancel)
				begun := time.Now()
				<-ended // a deadlock, and so a failure, if it does not
				if took := time.Since(begun); took != 0 {
					t.Errorf("it took %s to end", took)
				}
			})
		})
	}
}

// Where the connection ended because everything ends, nothing has failed.
func TestKeepUpIsSilentAtTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var told []error
		connects := 0
		keepUp(ctx, func() (bool, error) {
			connects++
			cancel()
			return true, ctx.Err()
		}, func(err error) { told = append(told, err) })
		if connects != 1 || told != nil {
			t.Errorf("%d connects, told %v", connects, told)
		}
	})
}

// An edge without a connection says so, and does nothing.
func TestLinksWithoutAConnection(t *testing.T) {
	t.Parallel()
	l := &logindLink{uid: 1000}
	if denied, err := l.SetLinger(t.Context()); denied || !errors.Is(err, errNoLogind) {
		t.Errorf("SetLinger: %v, %v", denied, err)
	}
	if seen := l.Linger(t.Context()); seen != (core.LingerSeen{Err: errNoLogind.Error()}) {
		t.Errorf("Linger: %+v", seen)
	}
	if e := (&unitsLink{}).Look(t.Context()); e.Err != errNoManager.Error() || e.Units != nil || e.Armed {
		t.Errorf("Look: %+v", e)
	}
}
