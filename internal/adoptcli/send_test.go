package adoptcli

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"keeper/internal/alert"
)

// The library sends, and an address that is none is told apart from a receiver that fails.
func TestShout(t *testing.T) {
	t.Parallel()
	var got string
	code := http.StatusOK
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = r.Method + " " + r.URL.Path + " " + r.Header.Get("Title") + " " + string(body)
		w.WriteHeader(code)
		_, _ = io.WriteString(w, `{"id":"1","event":"message"}`)
	}))
	defer s.Close()
	host := strings.TrimPrefix(s.URL, "http://")
	r := alert.ShoutRequest{URL: "ntfy://" + host + "/keeper?scheme=http", Title: "the stack is down", Text: "since noon"}
	if a := shout(r); !a.OK || !strings.Contains(got, "/keeper") || !strings.Contains(got, "since noon") {
		t.Errorf("%+v, and it got %q", a, got)
	}
	code = http.StatusInternalServerError
	if a := shout(r); a.OK || a.Wrong || a.Err == "" {
		t.Errorf("a receiver that fails: %+v", a)
	}
	r.URL = "pigeon://coop"
	if a := shout(r); a.OK || !a.Wrong {
		t.Errorf("no address: %+v", a)
	}
}
