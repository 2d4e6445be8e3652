package podman

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/containers/podman/v5/pkg/errorhandling"
)

// Error is what went wrong between keeper and Podman.
type Error struct {
	Text string
	// Try is what to type.
	Try string
	Err error
}

func (e *Error) Error() string {
	if e.Try == "" {
		return e.Text
	}
	return e.Text + ": " + e.Try
}

func (e *Error) Unwrap() error { return e.Err }

var (
	// ErrNotFound is wrapped by errors about things that Podman does not have.
	ErrNotFound = errors.New("there is no such thing")
	// ErrUnsupported is wrapped by errors about what this Podman cannot do.
	ErrUnsupported = errors.New("this Podman cannot do that")
)

// call is one question to the bindings. Its first failure is the answer: the
// bindings would try again, up to three times, and sleep in between.
type call struct {
	once   sync.Once
	failed chan struct{}
	err    error
}

type callKey struct{}

func (c *call) fail(err error) {
	c.once.Do(func() { c.err = err; close(c.failed) })
}

// ask runs one call of the bindings in a goroutine of its own, since they are
// deaf to cancelling while they wait to try again. Close waits for it.
func ask[T any](ctx context.Context, c *Client, doing string, limit time.Duration, do func(context.Context) (T, error)) (T, error) {
	var none T
	state := &call{failed: make(chan struct{})}
	inner, cancel := context.WithTimeout(context.WithValue(c.conn, callKey{}, state), limit)
	defer cancel()
	// A caller that leaves takes the request along.
	defer context.AfterFunc(ctx, cancel)()

	type answer struct {
		value T
		err   error
	}
	done := make(chan answer, 1)
	c.calls.Go(func() {
		// The bindings look into what they are sent without asking whether it is
		// there: null in place of an object is a panic.
		defer func() {
			if r := recover(); r != nil {
				done <- answer{err: malformed{fmt.Errorf("%v", r)}}
			}
		}()
		value, err := do(inner)
		done <- answer{value, err}
	})
	select {
	case a := <-done:
		if a.err == nil {
			return a.value, nil
		}
		select {
		case <-state.failed:
			return none, c.explain(ctx, doing, limit, state.err)
		default:
			return none, c.explain(ctx, doing, limit, a.err)
		}
	case <-state.failed:
		return none, c.explain(ctx, doing, limit, state.err)
	case <-inner.Done():
		return none, c.explain(ctx, doing, limit, inner.Err())
	}
}

// tell is ask where there is nothing to be said but that it was done.
func (c *Client) tell(ctx context.Context, doing string, limit time.Duration, do func(context.Context) error) error {
	_, err := ask(ctx, c, doing, limit, func(ctx context.Context) (struct{}, error) { return struct{}{}, do(ctx) })
	return err
}

// malformed says that an answer was there, and that it was not Podman's.
type malformed struct{ error }

func (m malformed) Unwrap() error { return m.error }

// explain makes one clear error of whatever happened.
func (c *Client) explain(ctx context.Context, doing string, limit time.Duration, err error) error {
	var (
		bad   malformed
		model *errorhandling.ErrorModel
		known *Error
	)
	switch {
	case ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("cannot %s: %w", doing, ctx.Err())
	case errors.As(err, &known):
		return err
	case errors.Is(err, context.DeadlineExceeded), ctx.Err() != nil:
		return &Error{
			Text: fmt.Sprintf("cannot %s: the Podman service at %s did not answer within %s", doing, c.path, limit),
			Try:  "see: journalctl --user -u podman -n 20", Err: context.DeadlineExceeded,
		}
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("cannot %s: the connection to Podman is closed: %w", doing, err)
	case errors.As(err, &bad):
		return c.nonsense(bad.error)
	case errors.As(err, &model):
		// Podman's own errors are JSON with a cause; anything else is a text that
		// somebody put there.
		if model.Because == "" {
			return c.nonsense(fmt.Errorf("status %d, %s", model.ResponseCode, excerpt(model.Message)))
		}
		if model.ResponseCode == http.StatusNotFound {
			return &Error{Text: fmt.Sprintf("cannot %s: %s", doing, oneLine(model.Message)), Err: ErrNotFound}
		}
		return fmt.Errorf("cannot %s: %s", doing, oneLine(model.Message))
	case strings.HasPrefix(err.Error(), "unmarshalling "), strings.Contains(err.Error(), "unmarshal"):
		// The bindings quote the whole answer, all 64 MiB of it, and its Go type.
		return c.nonsense(errors.New("not the JSON that Podman sends"))
	case errors.Is(err, errTooLong):
		return c.nonsense(errTooLong)
	}
	return c.nonsense(err)
}

func (c *Client) nonsense(err error) error {
	return &Error{
		Text: fmt.Sprintf("the Podman service at %s answered nonsense: %s", c.path, excerpt(err.Error())),
		Try:  "see: journalctl --user -u podman -n 20", Err: err,
	}
}

// excerpt is short enough for a line, and shows what cannot be printed.
func excerpt(s string) string {
	const most = 120
	s = oneLine(s)
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

// oneLine keeps control characters away from the terminal.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	return strings.TrimSpace(s)
}

// guard stands between the bindings and the socket.
type guard struct{ next http.RoundTripper }

var errTooLong = fmt.Errorf("more than %d MiB", bodyLimit>>20)

// RoundTrip lets the first failure of a call be its only one, and bounds what
// comes back.
func (g guard) RoundTrip(request *http.Request) (*http.Response, error) {
	state, ok := request.Context().Value(callKey{}).(*call)
	if ok {
		select {
		case <-state.failed:
			return nil, state.err
		default:
		}
	}
	response, err := g.next.RoundTrip(request)
	if err != nil {
		if ok {
			state.fail(err)
		}
		return nil, err
	}
	response.Body = &bounded{ReadCloser: response.Body, left: bodyLimit}
	return response, nil
}

// bounded is a body of which no more than a part is read.
type bounded struct {
	io.ReadCloser
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooLong
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.ReadCloser.Read(p)
	b.left -= int64(n)
	return n, err
}
