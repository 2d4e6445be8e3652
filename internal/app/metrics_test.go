package app

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"keeper/internal/core"
	"keeper/internal/metrics"
)

// eventually waits for what other goroutines bring about.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after 20s still not: %s", what)
		}
	}
}

func takenPort(t *testing.T) (net.Listener, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l, l.Addr().String()
}

// The port and the file follow the settings; a port that is taken is waited for.
func TestMeter(t *testing.T) {
	t.Parallel()
	source := func(context.Context) (metrics.Snapshot, error) { return metrics.Snapshot{}, nil }
	var said lockedBuffer
	m := newMeter(source, slog.New(slog.NewTextHandler(&said, nil)))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { m.run(ctx); close(ended) }()

	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answers := func(addr string) bool {
		resp, err := client.Get("http://" + addr + "/metrics")
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return strings.Contains(string(body), "keeper_well")
	}
	l, first := takenPort(t)
	file := filepath.Join(t.TempDir(), "keeper.prom")
	there := func() bool { _, err := os.Stat(file); return err == nil }

	m.follow(core.Metrics{})
	m.follow(core.Metrics{Listen: first, Textfile: file})
	eventually(t, "a port that is taken is told of", func() bool { return strings.Contains(said.String(), "address already in use") })
	if p := m.problems(); len(p) != 1 || !strings.Contains(p[0].What, "address already in use") || !strings.Contains(p[0].Try, "metrics.listen") {
		t.Errorf("the problems are %+v", p)
	}
	eventually(t, "the file is there", there)
	l.Close()
	eventually(t, "the port answers once it is free", func() bool { return answers(first) })
	if p := m.problems(); len(p) > 0 {
		t.Errorf("there is still %+v", p)
	}

	other, second := takenPort(t)
	other.Close()
	m.follow(core.Metrics{Listen: second})
	eventually(t, "the other port answers", func() bool { return answers(second) })
	if answers(first) {
		t.Error("the first port still answers")
	}
	eventually(t, "the file is gone", func() bool { return !there() })
	m.follow(core.Metrics{Textfile: file})
	eventually(t, "the file is there again", there)
	eventually(t, "no port answers", func() bool { return !answers(second) })

	cancel()
	<-ended
	if there() {
		t.Error("the daemon ended, and its file stays")
	}
}

// lockedBuffer may be written and read at once.
type lockedBuffer struct {
	mu  sync.Mutex
	buf strings.Builder
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
