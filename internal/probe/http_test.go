package probe

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"keeper/internal/core"
)

// site is a web server that answers paths with a status.
func site(t *testing.T, kind core.ProbeKind, pages map[string]int) core.Target {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status, ok := pages[r.URL.RequestURI()]
		switch {
		case !ok:
			status = http.StatusNotFound
		case status == 0:
			<-r.Context().Done()
			return
		case status == 302:
			w.Header().Set("Location", "/elsewhere")
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "<p>because\x1b of\n rain</p>")
	}))
	t.Cleanup(s.Close)
	return core.Target{Supervision: core.Supervision{Probe: kind, Address: s.Listener.Addr().String(), Timeout: 20 * time.Second}}
}

func TestHTTP(t *testing.T) {
	t.Parallel()
	type pages = map[string]int
	for name, tt := range map[string]struct {
		pages       pages
		live, ready string
		want        core.Condition
		detail      string
	}{
		"any page":           {pages{"/": 200}, "", "", core.ConditionAlive, "/ answers 200"},
		"no such page":       {nil, "", "", core.ConditionAlive, "404"},
		"an error":           {pages{"/": 500}, "", "", core.ConditionNotReady, "500"},
		"live":               {pages{"/livez": 200}, "/livez", "", core.ConditionAlive, ""},
		"live, but 400":      {pages{"/livez": 400}, "/livez", "", core.ConditionAlive, "400"},
		"live, elsewhere":    {pages{"/livez": 302}, "/livez", "", core.ConditionAlive, "302"},
		"not live":           {pages{"/livez": 500}, "/livez", "", core.ConditionUnhealthy, "/livez answers 500: <p>because? of rain"},
		"not live, ready":    {pages{"/livez": 503, "/readyz": 200}, "/livez", "/readyz", core.ConditionUnhealthy, ""},
		"ready":              {pages{"/livez": 200, "/readyz?x=1": 204}, "/livez", "/readyz?x=1", core.ConditionReady, ""},
		"ready, elsewhere":   {pages{"/livez": 200, "/readyz": 302}, "/livez", "/readyz", core.ConditionReady, ""},
		"not ready":          {pages{"/livez": 200, "/readyz": 503}, "/livez", "/readyz", core.ConditionNotReady, "/readyz answers 503: <p>because? of rain"},
		"no such readiness":  {pages{"/livez": 200}, "/livez", "/readyz", core.ConditionNotReady, "404"},
		"locked":             {pages{"/livez": 200, "/readyz": 401}, "/livez", "/readyz", core.ConditionNotReady, "401"},
		"ready without live": {pages{"/": 500, "/readyz": 200}, "", "/readyz", core.ConditionReady, ""},
		"hangs at readiness": {pages{"/livez": 200, "/readyz": 0}, "/livez", "/readyz", core.ConditionNotReady, "/readyz: silent: no answer"},
		"hangs at life":      {pages{"/livez": 0, "/readyz": 200}, "/livez", "/readyz", core.ConditionSilent, ""},
		"no path":            {nil, "livez", "", core.ConditionUnknown, "no path"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			it := site(t, core.ProbeHTTP, tt.pages)
			it.Live, it.Ready = tt.live, tt.ready
			if strings.HasPrefix(name, "hangs") {
				it.Timeout = time.Second
			}
			want(t, (&Prober{}).Probe(t.Context(), it), tt.want, tt.detail)
		})
	}
}

func TestS3(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		live, ready int
		want        core.Condition
		detail      string
	}{
		"well":          {200, 200, core.ConditionReady, ""},
		"another store": {403, 200, core.ConditionReady, ""},
		"no quorum":     {200, 503, core.ConditionNotReady, "write quorum"},
		"odd":           {200, 302, core.ConditionNotReady, "302"},
		"ill":           {500, 200, core.ConditionUnhealthy, "500"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			it := site(t, core.ProbeS3, map[string]int{"/minio/health/live": tt.live, "/minio/health/cluster": tt.ready})
			it.Live, it.Ready = "/minio/health/live", "/minio/health/cluster"
			want(t, (&Prober{}).Probe(t.Context(), it), tt.want, tt.detail)
		})
	}
}

// The name goes along; the password only where it is needed.
func TestHTTPRequest(t *testing.T) {
	t.Parallel()
	const word = "s3cret-pass"
	var asked atomic.Int32
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		user, got, ok := r.BasicAuth()
		if r.Host != "shop.example" || !r.Close || r.Header.Get("User-Agent") != "keeper" || r.TLS == nil || r.TLS.ServerName != "shop.example" {
			t.Errorf("%q: %v", r.Host, r.Header)
		}
		if ready := r.URL.Path == "/readyz"; ready != ok || ready && (user != "me" || got != word) {
			t.Errorf("%s: user %q, password %q", r.URL, user, got)
		}
		if r.URL.Path == "/readyz" {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, r.Header.Get("Authorization")+word)
		}
	}))
	t.Cleanup(s.Close)
	it := withPassword(t, core.Target{Supervision: core.Supervision{
		Probe: core.ProbeHTTP, Address: s.Listener.Addr().String(), Live: "/livez", Ready: "/readyz",
		Host: "shop.example", TLS: true, User: "me", Timeout: 20 * time.Second,
	}}, word)
	got := (&Prober{}).Probe(t.Context(), it)
	want(t, got, core.ConditionAuthRefused, "401")
	if asked.Load() != 2 || strings.Contains(got.Detail, word) {
		t.Errorf("asked %d times: %s", asked.Load(), got.Detail)
	}

	plain := site(t, core.ProbeHTTP, nil)
	plain.TLS = true
	want(t, (&Prober{}).Probe(t.Context(), plain), core.ConditionWrong, "")
}

// To S3, a user and a password are no login: MinIO would answer 400.
func TestS3HasNoLogin(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			w.WriteHeader(http.StatusBadRequest)
		}
	}))
	t.Cleanup(s.Close)
	it := withPassword(t, core.Target{Supervision: core.Supervision{Probe: core.ProbeS3, Address: s.Listener.Addr().String(), Ready: "/r", User: "me"}}, "word")
	want(t, (&Prober{}).Probe(t.Context(), it), core.ConditionReady, "")
}

func TestHTTPHidesPassword(t *testing.T) {
	t.Parallel()
	const word = "s3cret-pass"
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = io.WriteString(w, r.Header.Get("Authorization")+" "+word+" no")
	}))
	t.Cleanup(s.Close)
	it := withPassword(t, core.Target{Supervision: core.Supervision{Probe: core.ProbeHTTP, Address: s.Listener.Addr().String(), Ready: "/r", User: "me"}}, word)
	want(t, (&Prober{}).Probe(t.Context(), it), core.ConditionNotReady, "/r answers 500: Basic … … no")
}

func TestHTTPMisspoken(t *testing.T) {
	t.Parallel()
	const head = "HTTP/1.1 500 Hm\r\nContent-Type: text/html\r\n"
	for name, tt := range map[string]struct {
		serve func(net.Conn)
		live  string
		want  core.Condition
	}{
		"an endless header":     {forEver("HTTP/1.1 200 OK\r\n", "A: b\r\n"), "", core.ConditionWrong},
		"an endless line":       {forEver("HTTP/1.1 200 OK\r\nA: ", "bbbb"), "", core.ConditionWrong},
		"an endless body":       {forEver(head+"\r\n", "bbbb"), "", core.ConditionNotReady},
		"endless chunks":        {forEver(head+"Transfer-Encoding: chunked\r\n\r\n", "1\r\nb\r\n"), "/", core.ConditionUnhealthy},
		"a huge length":         {says(head + "Content-Length: 9000000000000\r\n\r\n" + strings.Repeat("x", maxBody)), "/", core.ConditionUnhealthy},
		"two lengths":           {says(head + "Content-Length: 1\r\nContent-Length: 2\r\n\r\n"), "", core.ConditionWrong},
		"continue for ever":     {forEver("", "HTTP/1.1 100 Continue\r\n\r\n"), "", core.ConditionWrong},
		"continue, then answer": {says("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"), "", core.ConditionAlive},
		"an odd status":         {says("HTTP/1.1 999999 Hm\r\n\r\n"), "", core.ConditionWrong},
		"HTTP 1.0":              {says("HTTP/1.0 200 OK\r\n\r\n"), "", core.ConditionAlive},
		"HTTP 2":                {says("\x00\x00\x12\x04\x00\x00\x00\x00\x00\r\n\r\n"), "", core.ConditionWrong},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			it := target(t, core.ProbeHTTP, tt.serve)
			it.Live = tt.live
			begun := time.Now()
			want(t, (&Prober{}).Probe(t.Context(), it), tt.want, "")
			if took := time.Since(begun); took > 10*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}
