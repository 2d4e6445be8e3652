package probe

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"
	"unicode"

	"keeper/internal/core"
)

// FuzzHTTP asks a server that answers whatever it likes.
func FuzzHTTP(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "HTTP/1.1 503 no\r\n\r\n\x1b[2J s3cret-word", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 401 no\r\n\r\n",
		"", "HTTP/1.1 999999999999 x\r\n\r\n", "HTTP/1.0 500 x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n", "SSH-2.0-OpenSSH\r\n",
	} {
		f.Add([]byte(s), false)
		f.Add([]byte(s), true)
	}
	f.Fuzz(func(t *testing.T, data []byte, s3 bool) {
		p := Prober{Dial: func(context.Context, core.Target) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go func() {
				defer theirs.Close()
				go func() { _, _ = io.Copy(io.Discard, theirs) }()
				_, _ = theirs.Write(data)
			}()
			return ours, nil
		}}
		it := core.Target{Unit: "web.service", Supervision: core.Supervision{Probe: core.ProbeHTTP, Live: "/livez", Ready: "/readyz", Port: 1, Timeout: time.Second}}
		if s3 {
			it.Probe = core.ProbeS3
		}
		got := p.Probe(t.Context(), it)
		if len(got.Detail) > maxDetail+100 || strings.ContainsFunc(got.Detail, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%q: %d bytes, %q", data, len(got.Detail), got.Detail)
		}
		if got.Condition == core.ConditionReady && !strings.HasPrefix(string(data), "HTTP/") {
			t.Errorf("%q is ready", data)
		}
	})
}
