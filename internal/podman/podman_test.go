package podman

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// socket serves on a unix socket of its own, whose name is short enough.
func socket(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "kp")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "p.sock")
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				serve(conn)
			}()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
		os.RemoveAll(dir)
	})
	return path
}

// service answers pings as Podman does, and everything else with a handler.
func service(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "kp")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "p.sock")
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/_ping") {
			w.Header().Set("Libpod-API-Version", "5.4.2")
			_, _ = io.WriteString(w, "OK")
			return
		}
		handler(w, r)
	})}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() {
		server.Close()
		os.RemoveAll(dir)
	})
	return path
}

func connect(t *testing.T, path string, limit time.Duration) *Client {
	t.Helper()
	c, err := dial(t.Context(), path, limit)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestDialNobody(t *testing.T) {
	t.Parallel()
	dead := filepath.Join(t.TempDir(), "dead.sock")
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", dead)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	for path, want := range map[string]string{
		filepath.Join(t.TempDir(), "none 100%.sock"): "systemctl --user enable --now podman.socket",
		dead: "nobody listens",
	} {
		began := time.Now()
		_, err := Dial(t.Context(), path)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
		if took := time.Since(began); took > 500*time.Millisecond {
			t.Errorf("%s took %s", path, took)
		}
	}
}

func TestDialNonsense(t *testing.T) {
	t.Parallel()
	http200 := func(headers, body string) func(net.Conn) {
		return func(c net.Conn) {
			_, _ = bufio.NewReader(c).ReadString('\n')
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n%s", headers, len(body), body)
		}
	}
	for name, serve := range map[string]func(net.Conn){
		"hangs up":           func(net.Conn) {},
		"ssh":                func(c net.Conn) { _, _ = io.WriteString(c, "SSH-2.0-OpenSSH_9.9\r\n\x1b[31m") },
		"html":               http200("Content-Type: text/html\r\n", "<html>It works!</html>"),
		"no version":         http200("", "OK"),
		"docker":             http200("Api-Version: 1.44\r\n", "OK"),
		"a strange version":  http200("Libpod-API-Version: yes\r\n", "OK"),
		"an endless header":  func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n"); flood(c, "X: y\r\n") },
		"an endless nothing": func(c net.Conn) { flood(c, "\x00") },
		"500":                func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := socket(t, serve)
			began := time.Now()
			c, err := dial(t.Context(), path, 10*time.Second)
			if err == nil {
				c.Close()
				t.Fatal("it was taken for Podman")
			}
			nonsensical(t, err, path)
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
}

func flood(w io.Writer, s string) {
	for {
		if _, err := io.WriteString(w, s); err != nil {
			return
		}
	}
}

// nonsensical wants the one clear error.
func nonsensical(t *testing.T, err error, path string) {
	t.Helper()
	text := err.Error()
	for _, want := range []string{path, "nonsense", "journalctl --user -u podman -n 20"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q does not say %q", text, want)
		}
	}
	if len(text) > 400 || strings.ContainsAny(text, "\n\r\x1b\x00") {
		t.Errorf("the error is not fit for a line: %.500q", text)
	}
}

func TestSilence(t *testing.T) {
	t.Parallel()
	began := time.Now()
	silent := socket(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	_, err := dial(t.Context(), silent, 100*time.Millisecond)
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), silent) || !strings.Contains(err.Error(), "100ms") {
		t.Errorf("dial: %v", err)
	}
	// One that goes silent later, with half an answer.
	path := service(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, `[{"Id":`)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	c := connect(t, path, 200*time.Millisecond)
	_, err = c.Survey(t.Context())
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "did not answer within 200ms") {
		t.Errorf("survey: %v", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("took %s", took)
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{}, 10)
	c := connect(t, service(t, func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-r.Context().Done()
	}), time.Minute)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	began := time.Now()
	_, err := c.State(ctx, "x")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("took %s", took)
	}
}

func TestNonsenseLater(t *testing.T) {
	t.Parallel()
	write := func(status int, contentType, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	for name, handler := range map[string]http.HandlerFunc{
		"html":          write(200, "text/html", "<html>\x1b[31mIt works!"),
		"truncated":     write(200, "application/json", `{"Id":"abc","Name`),
		"a wrong type":  write(200, "application/json", `[1,2,3]`),
		"a wrong field": write(200, "application/json", `{"Id":"a","Name":"b","Config":{"Entrypoint":7}}`),
		"null":          write(200, "application/json", `null`),
		"nothing in it": write(200, "application/json", `{}`),
		"no config":     write(200, "application/json", `{"Id":"a","Name":"b"}`),
		"empty":         write(200, "application/json", ``),
		"500 in html":   write(500, "text/html", "<html>"+strings.Repeat("Internal error\n", 1000)),
		"500 of nobody": write(500, "application/json", `{"hello":"world"}`),
		"500 in pieces": write(500, "application/json", `{"cause":`),
		"404 of nginx":  write(404, "text/html", "<html>404</html>"),
		"a redirect":    func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path+"x", http.StatusFound) },
		"hangs up":      func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"hangs up later": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "{")
			panic(http.ErrAbortHandler)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := service(t, handler)
			c := connect(t, path, 10*time.Second)
			began := time.Now()
			if _, err := c.State(t.Context(), "abc"); err == nil {
				t.Fatal("it was believed")
			} else {
				nonsensical(t, err, path)
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
}

func TestEndlessAnswer(t *testing.T) {
	t.Parallel()
	chunk := []byte(strings.Repeat(" ", 1<<20))
	path := service(t, func(w http.ResponseWriter, _ *http.Request) {
		for {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	})
	c := connect(t, path, time.Minute)
	_, err := c.State(t.Context(), "abc")
	if err == nil || !strings.Contains(err.Error(), "64 MiB") {
		t.Fatalf("%v", err)
	}
	nonsensical(t, err, path)
}

// What was not answered may still have been done: nothing is asked twice.
func TestAskedOnce(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	c := connect(t, service(t, func(http.ResponseWriter, *http.Request) {
		asked.Add(1)
		panic(http.ErrAbortHandler)
	}), 10*time.Second)
	if err := c.Rename(t.Context(), "abc", "new"); err == nil {
		t.Error("no error")
	}
	c.Close() // waits for the bindings, which would try again until then
	if n := asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

func TestPodmansErrors(t *testing.T) {
	t.Parallel()
	c := connect(t, service(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if strings.Contains(r.URL.Path, "gone") {
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `{"cause":"no such container","message":"no container with name or ID \"gone\" found: no such container","response":404}`)
			return
		}
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = io.WriteString(w, `{"cause":"disk","message":"no space left\non device","response":500}`)
	}), 10*time.Second)
	_, err := c.State(t.Context(), "gone")
	if !errors.Is(err, ErrNotFound) || err.Error() != `cannot inspect container gone: no container with name or ID "gone" found: no such container` {
		t.Errorf("%v", err)
	}
	_, err = c.State(t.Context(), "there")
	if errors.Is(err, ErrNotFound) || err == nil || err.Error() != "cannot inspect container there: no space left on device" {
		t.Errorf("%v", err)
	}
	if _, ok, err := c.VolumeInfo(t.Context(), "gone"); ok || err != nil {
		t.Errorf("a volume that is gone: %v, %v", ok, err)
	}
}

func TestTooOld(t *testing.T) {
	t.Parallel()
	path := socket(t, func(c net.Conn) {
		_, _ = bufio.NewReader(c).ReadString('\n')
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nLibpod-API-Version: 3.4.4\r\nContent-Length: 2\r\n\r\nOK")
	})
	_, err := dial(t.Context(), path, 10*time.Second)
	if err == nil || !strings.Contains(err.Error(), "3.4.4") {
		t.Errorf("%v", err)
	}
	old := &Client{release: "4.9.4-rhel"}
	old.version.Major, old.version.Minor = 4, 9
	if err := old.SetRestart(t.Context(), "x", "no"); !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), "4.9.4-rhel") {
		t.Errorf("%v", err)
	}
}
