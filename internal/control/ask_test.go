package control

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// asked is a daemon that knows the service db, and refuses to restart web.
func asked(t *testing.T) (path string, did chan string) {
	t.Helper()
	path, did = socketPath(t), make(chan string, 10)
	do := func(what string) func(context.Context, string) error {
		return func(_ context.Context, unit string) error {
			switch unit {
			case "db.service":
				did <- what + " " + unit
				return nil
			case "web.service":
				return fmt.Errorf("%w: the machine goes down", ErrRefused)
			case "stuck.service":
				return errors.New("the main loop does not answer")
			}
			return fmt.Errorf("%w as %s", ErrNoService, unit)
		}
	}
	l := listen(t, path)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- Server{UID: os.Getuid(), Status: fine, Restart: do("restart"), Resume: do("resume")}.Serve(ctx, l)
	}()
	t.Cleanup(func() { cancel(); <-ended })
	return path, did
}

func TestTell(t *testing.T) {
	t.Parallel()
	path, did := asked(t)
	for _, tt := range []struct {
		name, service string
		tell          func(context.Context, string, string) error
		did           string
		err           error
		words         string
	}{
		{"restart", "db.service", Restart, "restart db.service", nil, ""},
		{"by its short name", "db", Restart, "restart db.service", nil, ""},
		{"resume", "db.service", Resume, "resume db.service", nil, ""},
		{"unknown", "no.service", Restart, "", ErrNoService, "there is no such service as no.service"},
		{"refused", "web.service", Resume, "", ErrRefused, "keeper does not do that now: the machine goes down"},
		{"stuck", "stuck.service", Restart, "", ErrUnreachable, "the main loop does not answer"},
		{"no name of a unit", "a/b", Restart, "", ErrNoService, "there is no such service"},
		{"a way out", "../../status", Restart, "", ErrNoService, "there is no such service"},
		{"a line break", "db\nX: y", Restart, "", ErrNoService, "there is no such service"},
		{"too long", strings.Repeat("x", 300), Restart, "", ErrNoService, "there is no such service"},
	} {
		err := tt.tell(t.Context(), path, tt.service)
		if (tt.err == nil) != (err == nil) || !errors.Is(err, tt.err) || err != nil && !strings.Contains(err.Error(), tt.words) {
			t.Errorf("%s: %v, want %v and %q", tt.name, err, tt.err, tt.words)
		}
		select {
		case d := <-did:
			if d != tt.did {
				t.Errorf("%s: did %q, want %q", tt.name, d, tt.did)
			}
		default:
			if tt.did != "" {
				t.Errorf("%s: nothing was done", tt.name)
			}
		}
	}
	if err := Restart(t.Context(), socketPath(t), "db"); !errors.Is(err, ErrUnreachable) {
		t.Errorf("without a daemon: %v", err)
	}
	old := socketPath(t)
	serve(t, listen(t, old), fine)
	if err := Restart(t.Context(), old, "db"); !errors.Is(err, ErrOld) {
		t.Errorf("a daemon that does not know of it: %v", err)
	}
}

// Nothing is done for a request that is not what it should be.
func TestHostileRequests(t *testing.T) {
	t.Parallel()
	path, did := asked(t)
	const ok = "POST /v1/services/db/restart HTTP/1.1\r\nHost: keeper\r\n"
	for name, tt := range map[string]struct {
		request string
		want    int // 0: no answer at all
	}{
		"GET":                 {"GET /v1/services/db/restart HTTP/1.1\r\nHost: keeper\r\n\r\n", http.StatusMethodNotAllowed},
		"PUT":                 {"PUT /v1/services/db/restart HTTP/1.1\r\nHost: keeper\r\n\r\n", http.StatusMethodNotAllowed},
		"another verb":        {"POST /v1/services/db/stop HTTP/1.1\r\nHost: keeper\r\n\r\n", http.StatusNotFound},
		"no name":             {"POST /v1/services//restart HTTP/1.1\r\nHost: keeper\r\n\r\n", http.StatusTemporaryRedirect},
		"a name of escapes":   {"POST /v1/services/%00/restart HTTP/1.1\r\nHost: keeper\r\n\r\n", http.StatusNotFound},
		"a way out":           {"POST /v1/services/..%2f..%2fdb/restart HTTP/1.1\r\nHost: keeper\r\n\r\n", http.StatusNotFound},
		"a body too long":     {ok + "Content-Length: 100000\r\n\r\n" + strings.Repeat("x", 100000), http.StatusRequestEntityTooLarge},
		"a body that says so": {ok + "Content-Length: 9000000000000\r\n\r\n" + strings.Repeat("x", 2000), http.StatusRequestEntityTooLarge},
		"chunks without end":  {ok + "Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat("100\r\n"+strings.Repeat("x", 256)+"\r\n", 50), http.StatusRequestEntityTooLarge},
		"a broken body":       {ok + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", http.StatusBadRequest},
		"two lengths":         {ok + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nx", http.StatusBadRequest},
		"headers without end": {ok + strings.Repeat("X: "+strings.Repeat("y", 1000)+"\r\n", 40), http.StatusRequestHeaderFieldsTooLarge},
		"no HTTP":             {"\x00\x01\x02\r\n\r\n", http.StatusBadRequest},
	} {
		if got := raw(t, path, tt.request); got != tt.want {
			t.Errorf("%s: %d, want %d", name, got, tt.want)
		}
	}
	select {
	case d := <-did:
		t.Errorf("did %q", d)
	default:
	}
	if got := raw(t, path, ok+"\r\n"); got != http.StatusOK {
		t.Errorf("a good request after all these: %d", got)
	}
}

// A body that never comes ends with the time for reading.
func TestBodyThatNeverComes(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for the limit of the server")
	}
	t.Parallel()
	path, did := asked(t)
	if got := raw(t, path, "POST /v1/services/db/restart HTTP/1.1\r\nHost: keeper\r\nContent-Length: 5\r\n\r\n"); got == http.StatusOK || len(did) > 0 {
		t.Errorf("%d, and %d restarts", got, len(did))
	}
}

// raw sends these bytes, and returns the code of the answer.
func raw(t *testing.T, path, bytes string) int {
	t.Helper()
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	// It may be refused before all is sent, which the answer shows.
	_, _ = io.WriteString(c, bytes)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0
	}
	resp.Body.Close()
	return resp.StatusCode
}
