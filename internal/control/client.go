package control

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

var (
	// ErrUnreachable is returned when no daemon answers on the socket.
	ErrUnreachable = errors.New("the daemon does not answer")
	// ErrOld is returned when the daemon that answers does not know what it is asked.
	ErrOld = errors.New("the daemon is older than this command, and does not know it; type: systemctl --user restart keeper")
)

// maxAnswer bounds what is read of an answer, or of one line of it.
const maxAnswer = 4 << 20

// askLimit is how long the daemon has for an answer.
const askLimit = 5 * time.Second

// dial connects to the account's own daemon, and to nobody else: what answers on the
// socket is believed, and told what to do.
func dial(ctx context.Context, socket string) (net.Conn, error) {
	d := net.Dialer{Timeout: askLimit}
	c, err := d.DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, err
	}
	switch uid, err := peerUID(c); {
	case err != nil:
		c.Close()
		return nil, fmt.Errorf("cannot tell who listens on %s: %w", socket, err)
	case int(uid) != os.Getuid():
		c.Close()
		return nil, stranger(socket, uid, os.Getuid())
	}
	return c, nil
}

// stranger says that the socket is not the account's own.
func stranger(socket string, uid uint32, own int) error {
	way := "look at HOME and XDG_RUNTIME_DIR, which are to be the account's own"
	if own == 0 {
		way = "as root, type: keeper status --all-users"
	}
	return fmt.Errorf("who listens on %s is uid %d, and not uid %d, which asks; %s", socket, uid, own, way)
}

// request sends one request. The caller closes the body of the answer.
func request(ctx context.Context, socket, method, path string, body []byte) (*http.Response, error) {
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives:     true,
		ResponseHeaderTimeout: askLimit,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dial(ctx, socket)
		},
	}}
	req, err := http.NewRequestWithContext(ctx, method, "http://keeper"+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json, application/openmetrics-text; version=1.0.0")
	resp, err := client.Do(req)
	if err != nil {
		// The address that it was asked at is none that a person could use.
		if asked := new(url.Error); errors.As(err, &asked) {
			err = asked.Err
		}
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	return resp, nil
}

// Get asks the daemon for its status.
func Get(ctx context.Context, socket string) (Status, error) {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	var st Status
	resp, err := request(ctx, socket, http.MethodGet, "/v1/status", nil)
	if err != nil {
		return st, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return st, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	if resp.StatusCode != http.StatusOK {
		return st, fmt.Errorf("%w: it says %s: %s", ErrUnreachable, resp.Status, strings.TrimSpace(string(body)))
	}
	if err := json.Unmarshal(body, &st); err != nil {
		return st, fmt.Errorf("cannot read the daemon's answer: %w", err)
	}
	return st, nil
}

// Metrics asks the daemon for its metrics, in OpenMetrics.
func Metrics(ctx context.Context, socket string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	resp, err := request(ctx, socket, http.MethodGet, "/metrics", nil)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case resp.StatusCode == http.StatusNotFound:
		return nil, ErrOld
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("%w: it says %s: %s", ErrUnreachable, resp.Status, strings.TrimSpace(string(body)))
	case len(body) > maxAnswer:
		return nil, fmt.Errorf("cannot read the daemon's answer: it is longer than %d bytes", maxAnswer)
	}
	return body, nil
}

// Watch calls seen with the daemon's status, and again whenever that changes.
// It returns when the context ends, when seen returns an error, or when the
// daemon ends the answer, which is an ErrUnreachable.
func Watch(ctx context.Context, socket string, seen func(Status) error) error {
	resp, err := request(ctx, socket, http.MethodGet, "/v1/watch", nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound:
		return ErrOld
	default:
		body, _ := io.ReadAll(io.LimitReader(resp.Body, maxBody)) // whatever of it came
		said := strings.TrimSpace(string(body))
		if resp.StatusCode == http.StatusTooManyRequests {
			return fmt.Errorf("cannot follow the state: %s", said)
		}
		return fmt.Errorf("%w: it says %s: %s", ErrUnreachable, resp.Status, said)
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, maxAnswer)
	for lines.Scan() {
		var st Status
		if err := json.Unmarshal(lines.Bytes(), &st); err != nil {
			if !lines.Scan() {
				break // it died in the midst of this line
			}
			return fmt.Errorf("cannot read the daemon's answer: %w", err)
		}
		if err := seen(st); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%w any more: %w", ErrUnreachable, err)
	}
	return fmt.Errorf("%w any more", ErrUnreachable)
}

// Restart asks the daemon to restart the service. It does not wait for that.
func Restart(ctx context.Context, socket, service string) error {
	return tell(ctx, socket, service, "restart")
}

// Resume asks the daemon to start afresh with the service.
func Resume(ctx context.Context, socket, service string) error {
	return tell(ctx, socket, service, "resume")
}

// refusal is a no of the daemon's, in its own words.
type refusal struct {
	kind  error
	words string
}

func (r refusal) Error() string { return r.words }
func (r refusal) Unwrap() error { return r.kind }

func tell(ctx context.Context, socket, service, what string) error {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	return post(ctx, socket, "/v1/services/"+url.PathEscape(service)+"/"+what, nil)
}

// post tells the daemon something, and returns its no as an error.
func post(ctx context.Context, socket, path string, body []byte) error {
	resp, err := request(ctx, socket, http.MethodPost, path, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var a answer
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(&a); err != nil {
		if resp.StatusCode == http.StatusNotFound {
			return ErrOld // its words, if it knew any, would be JSON
		}
		return fmt.Errorf("%w: it says %s", ErrUnreachable, resp.Status)
	}
	switch resp.StatusCode {
	case http.StatusOK:
		return nil
	case http.StatusNotFound:
		return refusal{ErrNoService, a.Error}
	case http.StatusConflict:
		return refusal{ErrRefused, a.Error}
	}
	return fmt.Errorf("%w: it says %s: %s", ErrUnreachable, resp.Status, a.Error)
}
