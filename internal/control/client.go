package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// ErrUnreachable is returned when no daemon answers on the socket.
var ErrUnreachable = errors.New("the daemon does not answer")

// maxAnswer bounds what is read of an answer.
const maxAnswer = 4 << 20

// Get asks the daemon for its status.
func Get(ctx context.Context, socket string) (Status, error) {
	var st Status
	body, err := get(ctx, socket, "/v1/status", "")
	if err != nil {
		return st, err
	}
	if err := json.Unmarshal(body, &st); err != nil {
		return st, fmt.Errorf("cannot read the daemon's answer: %w", err)
	}
	return st, nil
}

// Metrics asks the daemon for its metrics, in OpenMetrics.
func Metrics(ctx context.Context, socket string) ([]byte, error) {
	return get(ctx, socket, "/metrics", "application/openmetrics-text; version=1.0.0")
}

func get(ctx context.Context, socket, path, accept string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", socket)
		},
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://keeper"+path, nil)
	if err != nil {
		return nil, err
	}
	if accept != "" {
		req.Header.Set("Accept", accept)
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	case len(body) > maxAnswer:
		return nil, fmt.Errorf("cannot read the daemon's answer: it is longer than %d bytes", maxAnswer)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%w: it says %s: %s", ErrUnreachable, resp.Status, strings.TrimSpace(string(body)))
	}
	return body, nil
}
