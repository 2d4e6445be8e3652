// Package podman looks at the containers of an account through Podman's socket,
// makes a model of quadlet's of them, and does the few things to them that
// adoption needs. It is the only importer of the Podman bindings.
//
// Every call ends: with its context, after its own time limit, or with the
// first failure of the socket, whichever comes first. What comes from the socket
// is bounded and not trusted. No stream is ever opened, since an open one keeps
// a Podman process alive.
package podman

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"sync"
	"syscall"
	"time"

	"github.com/containers/podman/v5/pkg/bindings"

	"keeper/internal/quadlet"
)

const (
	// callLimit is how long one question may take. A Podman that pulls nothing and
	// runs nothing answers within a second, even on a busy disk.
	callLimit = 30 * time.Second
	// idleLimit closes connections that nobody uses: podman system service counts
	// the idle ones as well on some versions, and would not leave.
	idleLimit = 2 * time.Second
	// bodyLimit bounds an answer. Inspecting a container gives about 20 KB.
	bodyLimit   = 64 << 20
	headerLimit = 64 << 10
)

// Client is a connection to the Podman service of one account.
type Client struct {
	path    string
	release string
	version quadlet.Version
	conn    context.Context //nolint:containedctx // the bindings keep the connection in it
	cancel  context.CancelFunc
	idle    func()
	calls   sync.WaitGroup
	limit   time.Duration
}

// Dial connects to the service behind a unix socket and asks for its version.
// Call Close when done.
func Dial(ctx context.Context, socketPath string) (*Client, error) {
	return dial(ctx, socketPath, callLimit)
}

func dial(ctx context.Context, path string, limit time.Duration) (*Client, error) {
	c := &Client{path: path, limit: limit}
	base, cancel := context.WithCancel(context.WithoutCancel(ctx))
	c.conn, c.cancel = base, cancel
	if err := c.greet(ctx); err != nil {
		cancel()
		return nil, err
	}
	// The bindings ask for a URL, and the path may hold anything.
	uri := (&url.URL{Scheme: "unix", Path: path}).String()
	conn, err := ask(ctx, c, "connect", limit, func(ctx context.Context) (context.Context, error) {
		made, err := bindings.NewConnection(ctx, uri)
		if err != nil {
			return nil, err
		}
		connection, err := bindings.GetClient(made)
		if err != nil {
			return nil, err
		}
		// ctx ends with this call: only the values are of use.
		return keepConnection(base, made, connection, c), nil
	})
	if err != nil {
		c.Close()
		return nil, err
	}
	c.conn = conn
	return c, nil
}

// connected carries the connection of the bindings and the life of the client.
type connected struct {
	context.Context
	values context.Context //nolint:containedctx // see Value
}

// Value finds the connection, whose keys are private to the bindings.
func (c connected) Value(key any) any {
	if v := c.Context.Value(key); v != nil {
		return v
	}
	return c.values.Value(key)
}

func keepConnection(life, values context.Context, connection *bindings.Connection, c *Client) context.Context {
	next := connection.Client.Transport
	if t, ok := next.(*http.Transport); ok {
		t.IdleConnTimeout = idleLimit
		t.MaxResponseHeaderBytes = headerLimit
		c.idle = t.CloseIdleConnections
	}
	connection.Client.Transport = guard{next}
	return connected{life, values}
}

// greet finds out, with a plain request of its own, whether Podman is there at
// all: the bindings try a refused connection three times, and log a warning to
// stderr where somebody else answers.
func (c *Client) greet(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.limit)
	defer cancel()
	transport := &http.Transport{
		DisableKeepAlives:      true,
		MaxResponseHeaderBytes: headerLimit,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", c.path)
		},
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://d/_ping", http.NoBody)
	if err != nil {
		return err
	}
	response, err := transport.RoundTrip(request)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &Error{
			Text: "cannot reach Podman: there is no socket at " + c.path,
			Try:  "systemctl --user enable --now podman.socket", Err: err,
		}
	case errors.Is(err, syscall.ECONNREFUSED):
		return &Error{
			Text: "cannot reach Podman: nobody listens at " + c.path,
			Try:  "systemctl --user restart podman.socket", Err: err,
		}
	case err != nil:
		return c.explain(ctx, "connect", c.limit, err)
	}
	defer response.Body.Close()
	release := response.Header.Get("Libpod-API-Version")
	if response.StatusCode != http.StatusOK || release == "" {
		return c.nonsense(fmt.Errorf("%s to a ping, without the version of Podman", response.Status))
	}
	version, err := quadlet.ParseVersion(release)
	if err != nil {
		return c.nonsense(err)
	}
	c.release, c.version = release, version
	return nil
}

// Close ends what is under way and lets the Podman service go.
func (c *Client) Close() {
	c.cancel()
	c.calls.Wait()
	if c.idle != nil {
		c.idle()
	}
}

// Version is that of the service.
func (c *Client) Version() quadlet.Version { return c.version }

// Release is the version of the service in full.
func (c *Client) Release() string { return c.release }
