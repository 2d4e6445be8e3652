package probe

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"

	"keeper/internal/core"
)

const (
	// maxResponse bounds a response with its header, maxBody what is read of the body.
	maxResponse = 64 << 10
	maxBody     = 1 << 10
)

// page is what a web server answered.
type page struct {
	status int
	body   string // the beginning of it, if it is an error
}

// web asks a web server whether it lives, and then whether it is ready.
func (p *Prober) web(ctx context.Context, t core.Target) core.Outcome {
	var word string
	var unread error
	if t.Probe == core.ProbeHTTP { // MinIO answers 400 to who logs in so
		word, unread = password(t.Supervision)
	}
	live := t.Live
	if live == "" {
		live = "/"
	}
	var alive page
	out := p.ask(ctx, t, get(t, live, "", &alive))
	if !out.Condition.Alive() {
		return out
	}
	out.Condition, out.Detail = core.ConditionAlive, answered(live, alive)
	switch {
	case alive.status >= 500 && t.Live != "":
		return unhealthy(answered(live, alive), alive.body)
	case t.Ready == "" && alive.status >= 500:
		return notReady(answered(live, alive))
	case t.Ready == "":
		return out
	case unread != nil:
		return withoutPassword(out, unread)
	}
	var ready page
	out = p.ask(ctx, t, get(t, t.Ready, word, &ready))
	what := answered(t.Ready, ready)
	switch {
	case out.Condition == core.ConditionUnknown:
		return out
	case !out.Condition.Alive():
		return notReady(fmt.Sprintf("%s: %s: %s", t.Ready, out.Condition, hide(out.Detail, word)))
	case ready.status == http.StatusUnauthorized && word != "":
		return core.Outcome{Condition: core.ConditionAuthRefused, Detail: what}
	case t.Probe == core.ProbeS3 && ready.status == http.StatusServiceUnavailable:
		return notReady(what + ": no write quorum")
	case t.Probe == core.ProbeS3 && ready.status != http.StatusOK, ready.status < 200, ready.status >= 400:
		body := hide(ready.body, word)
		if word != "" {
			body = hide(body, base64.StdEncoding.EncodeToString([]byte(t.User+":"+word)))
		}
		if text := head(body); text != "" {
			what += ": " + text
		}
		return notReady(what)
	}
	return core.Outcome{Condition: core.ConditionReady}
}

func answered(path string, got page) string {
	return printable(fmt.Sprintf("%s answers %d", path, got.status))
}

// get asks for a page. It is net/http without its transport: one request on one
// connection needs no pool and no goroutines, and here each byte is counted.
func get(t core.Target, path, word string, got *page) question {
	return func(ctx context.Context, c net.Conn) (core.Outcome, error) {
		where, err := url.ParseRequestURI(path)
		if err != nil {
			return core.Outcome{}, fmt.Errorf("%w: %q is no path", ErrCannotAsk, path)
		}
		host := t.Host
		if host == "" {
			if host = t.Address; host == "" {
				host = net.JoinHostPort("127.0.0.1", strconv.Itoa(int(t.Port)))
			}
		}
		if t.TLS {
			name := host
			if h, _, err := net.SplitHostPort(host); err == nil {
				name = h
			}
			secure := tls.Client(c, &tls.Config{ServerName: name, InsecureSkipVerify: true}) //nolint:gosec // core.Supervision says so: it is the service next door
			if err := secure.HandshakeContext(ctx); err != nil {
				return core.Outcome{}, err
			}
			c = secure
		}
		req := &http.Request{
			Method: http.MethodGet, URL: where, Host: host, Close: true,
			Header: http.Header{"User-Agent": {"keeper"}, "Accept": {"*/*"}},
		}
		if word != "" {
			req.SetBasicAuth(t.User, word)
		}
		if err := req.Write(c); err != nil {
			return core.Outcome{}, err
		}
		r := bufio.NewReaderSize(io.LimitReader(c, maxResponse), 2048)
		for range 5 {
			// The body is not closed: that would read it to its end, and there need be none.
			resp, err := http.ReadResponse(r, req) //nolint:bodyclose // as said
			if err != nil {
				return core.Outcome{}, err
			}
			if resp.StatusCode < 200 && resp.StatusCode != http.StatusSwitchingProtocols {
				continue // 100 Continue and its like: the answer is to come
			}
			got.status = resp.StatusCode
			if resp.StatusCode >= 400 {
				// What there is of it by the deadline will do.
				body, _ := io.ReadAll(io.LimitReader(resp.Body, maxBody))
				got.body = string(body)
			}
			return core.Outcome{Condition: core.ConditionAlive}, nil
		}
		return wrong("it never comes to an answer"), nil
	}
}
