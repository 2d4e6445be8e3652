package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// HTTP returns a client whose connections are made inside the host. It keeps
// none open: the host may die under it.
func (h *Host) HTTP() *http.Client {
	return &http.Client{
		Timeout: 10 * time.Second,
		Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				return h.dial(ctx, network, addr)
			},
		},
	}
}

// dial connects from within the host's network namespace.
func (h *Host) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	return inside(h, func() (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, addr)
	})
}

// listen listens within the host's network namespace.
func (h *Host) listen(ctx context.Context, network, addr string) (net.Listener, error) {
	return inside(h, func() (net.Listener, error) {
		var l net.ListenConfig
		return l.Listen(ctx, network, addr)
	})
}

// inside makes a socket in the host's network namespace. A socket belongs to
// the namespace it was made in, so only its making needs the switch; it is
// done on a thread that is thrown away.
func inside[T any](h *Host, makeSocket func() (T, error)) (T, error) {
	type result struct {
		made T
		err  error
	}
	done := make(chan result, 1)
	go func() {
		runtime.LockOSThread()
		var r result
		r.err = h.enterNetwork()
		if r.err == nil {
			r.made, r.err = makeSocket()
		}
		done <- r
	}()
	r := <-done
	return r.made, r.err
}

// enterNetwork takes the calling thread into the host's network namespace.
func (h *Host) enterNetwork() error {
	leader, err := h.leader()
	if err != nil {
		return err
	}
	ns, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", leader))
	if err != nil {
		return err
	}
	defer ns.Close()
	return unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET)
}

const app = "http://127.0.0.1:8000"

// Ready asks /readyz once; nil means that the whole stack answers.
func (h *Host) Ready(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, app+"/readyz", nil)
	if err != nil {
		return err
	}
	resp, err := h.HTTP().Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 4096))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("readyz: %s: %s", resp.Status, body)
	}
	return nil
}

// WaitReady waits until the whole stack answers.
func (h *Host) WaitReady(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		err := h.Ready(ctx)
		if err == nil {
			return nil
		}
		if perr := pause(ctx, 20*time.Millisecond); perr != nil {
			return fmt.Errorf("the stack does not answer: %w", err)
		}
	}
}

// Entry is one entry of the ledger.
type Entry struct {
	Number int64  `json:"number,omitempty"`
	Text   string `json:"text"`
}

// Post stores the entry and returns its number once it is acknowledged. After
// a failure the number may be known all the same; then the entry is to be
// posted again under it.
func (h *Host) Post(ctx context.Context, e Entry) (int64, error) {
	body, err := json.Marshal(e)
	if err != nil {
		return 0, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, app+"/ledger", bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := h.HTTP().Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	var answer struct {
		Number int64  `json:"number"`
		Error  string `json:"error"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 4096)).Decode(&answer); err != nil {
		return 0, fmt.Errorf("POST /ledger: %s: %w", resp.Status, err)
	}
	if resp.StatusCode != http.StatusCreated {
		return answer.Number, fmt.Errorf("POST /ledger: %s: %s", resp.Status, answer.Error)
	}
	return answer.Number, nil
}

// Ledger returns the numbers that each store holds.
func (h *Host) Ledger(ctx context.Context) (map[string][]int64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, app+"/ledger", nil)
	if err != nil {
		return nil, err
	}
	resp, err := h.HTTP().Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("GET /ledger: %s", resp.Status)
	}
	var held map[string][]int64
	err = json.NewDecoder(resp.Body).Decode(&held)
	return held, err
}

// Writer posts to the ledger without pause and remembers what was acknowledged.
type Writer struct {
	stop context.CancelFunc
	done chan struct{}

	mu    sync.Mutex
	acked []int64
	// failed counts the requests that were not acknowledged.
	failed int
}

// StartWriter starts posting. Stop ends it.
func (h *Host) StartWriter(ctx context.Context) *Writer {
	ctx, cancel := context.WithCancel(ctx)
	w := &Writer{stop: cancel, done: make(chan struct{})}
	go func() {
		defer close(w.done)
		for i := 0; ctx.Err() == nil; i++ {
			n, err := h.Post(ctx, Entry{Text: fmt.Sprintf("entry %d", i)})
			w.mu.Lock()
			switch {
			case err == nil:
				w.acked = append(w.acked, n)
			case ctx.Err() == nil:
				w.failed++
			}
			w.mu.Unlock()
			if pause(ctx, 10*time.Millisecond) != nil {
				return
			}
		}
	}()
	return w
}

// WaitAcked waits until n entries were acknowledged.
func (w *Writer) WaitAcked(ctx context.Context, n int) error {
	for {
		w.mu.Lock()
		have := len(w.acked)
		w.mu.Unlock()
		if have >= n {
			return nil
		}
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			return fmt.Errorf("only %d entries were acknowledged: %w", have, err)
		}
	}
}

// Stop ends the writer and returns the acknowledged numbers and how many
// requests failed.
func (w *Writer) Stop() (acked []int64, failed int) {
	w.stop()
	<-w.done
	return w.acked, w.failed
}

// Lost returns, for each store, the acknowledged numbers it does not hold.
func Lost(acked []int64, held map[string][]int64) (map[string][]int64, error) {
	if len(acked) == 0 {
		return nil, errors.New("nothing was acknowledged: the check would prove nothing")
	}
	lost := map[string][]int64{}
	for _, store := range []string{"postgres", "redis", "minio"} {
		has := map[int64]bool{}
		for _, n := range held[store] {
			has[n] = true
		}
		for _, n := range acked {
			if !has[n] {
				lost[store] = append(lost[store], n)
			}
		}
	}
	return lost, nil
}
