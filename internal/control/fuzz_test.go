package control

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode"

	"keeper/internal/core"
)

// FuzzRequest asks the daemon whatever somebody in the account may ask.
func FuzzRequest(f *testing.F) {
	f.Add("POST", "/v1/services/db.service/restart", []byte(nil))
	f.Add("POST", "/v1/services/..%2f..%2fx/resume", []byte("{}"))
	f.Add("POST", "/v1/drill", []byte(`{"id":"20260105-173002","name":"kill-user","began":"2026-01-05T17:30:02Z"}`))
	f.Add("POST", "/v1/drill", []byte(`{"id":"20260105-173002","name":"x","service":"a/b.service","began":"2026-01-05T17:30:02Z","ended":"2026-01-05T17:30:02Z","outcome":"held","why":"\u001b[2J","outage_ms":-1}`))
	f.Add("GET", "/v1/status", []byte(nil))
	f.Fuzz(func(t *testing.T, method, path string, body []byte) {
		if !strings.HasPrefix(path, "/") {
			return
		}
		r, err := http.NewRequest(method, "http://keeper"+path, bytes.NewReader(body))
		if err != nil {
			return
		}
		named := func(_ context.Context, unit string) error {
			if !strings.HasSuffix(unit, ".service") || strings.ContainsAny(unit, "/\x00\n\x1b ") || len(unit) > 255 {
				t.Errorf("%q is taken for a service", unit)
			}
			return nil
		}
		s := Server{Status: fine, Restart: named, Resume: named, Drill: func(_ context.Context, d core.Drill) error {
			if !drillID.MatchString(d.ID) || !drillName.MatchString(d.Name) || d.Outage < 0 || d.Outage > mostOutage || len([]rune(d.Why)) > maxLine ||
				strings.ContainsFunc(d.Why, func(r rune) bool { return !unicode.IsPrint(r) }) || d.Ended.IsZero() != (d.Outcome == "") || len(body) > maxDrill {
				t.Errorf("%q is taken for a drill: %+v", body, d)
			}
			return nil
		}}
		w := httptest.NewRecorder()
		s.handler().ServeHTTP(w, r)
		if w.Code == http.StatusOK && w.Header().Get("Content-Type") == "application/json" && !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s %s: %q is no JSON", method, path, w.Body)
		}
	})
}

// FuzzReply reads whatever may come instead of a daemon's answer.
func FuzzReply(f *testing.F) {
	f.Add(200, []byte(`{"version":1}`))
	f.Add(409, []byte(`{"error":"no"}`))
	f.Add(503, []byte("no\x1b[2J"))
	f.Add(200, []byte("{}\n{\n{}\n"))
	f.Fuzz(func(t *testing.T, code int, body []byte) {
		if code < 200 || code > 599 {
			return
		}
		path := socketPath(t)
		srv := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(code)
			_, _ = w.Write(body)
		})}
		l := listen(t, path)
		go func() { _ = srv.Serve(l) }()
		defer srv.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if _, err := Get(ctx, path); err == nil && (code != http.StatusOK || !json.Valid(body)) {
			t.Errorf("%d, %q is a status", code, body)
		}
		if err := Restart(ctx, path, "db.service"); err == nil && code != http.StatusOK {
			t.Errorf("%d, %q: restarted", code, body)
		}
		seen := 0
		err := Watch(ctx, path, func(Status) error { seen++; return nil })
		if err == nil || seen > bytes.Count(body, []byte("\n"))+1 {
			t.Errorf("%d, %q: %d seen, %v", code, body, seen, err)
		}
		if ctx.Err() != nil {
			t.Error(fmt.Errorf("%d, %q: it hangs", code, body))
		}
	})
}
