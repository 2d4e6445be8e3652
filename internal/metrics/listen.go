package metrics

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// maxConns bounds the connections to the port: every account of the host can
// make some.
const maxConns = 16

// checkListen says what is wrong with an address to listen on: it must be one of
// the loopback, with a port. Names are not taken, for they can mean anything; but
// for localhost, which is 127.0.0.1 here whatever a file says.
func checkListen(addr string) error {
	a, err := netip.ParseAddrPort(numeric(addr))
	if err != nil || a.Port() == 0 || !a.Addr().Unmap().IsLoopback() {
		return fmt.Errorf("cannot serve the metrics on %q: it must be an address of the loopback and a port, such as 127.0.0.1:9742", addr)
	}
	return nil
}

func numeric(addr string) string {
	if port, ok := strings.CutPrefix(addr, "localhost:"); ok {
		return "127.0.0.1:" + port
	}
	return addr
}

// Serve answers GET /metrics on the address until the context ends; up hears that
// it does. An error says why it cannot, or no more.
func Serve(ctx context.Context, addr string, h http.Handler, up func()) error {
	if err := checkListen(addr); err != nil {
		return err
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", numeric(addr))
	if err != nil {
		return fmt.Errorf("cannot serve the metrics on %s: %w; free the port or set another in keeper.toml", addr, err)
	}
	up()
	return serve(ctx, l, h)
}

func serve(ctx context.Context, l net.Listener, h http.Handler) error {
	if a, ok := l.Addr().(*net.TCPAddr); !ok || !a.IP.IsLoopback() {
		return errors.Join(fmt.Errorf("cannot serve the metrics on %s: it is no loopback address", l.Addr()), l.Close())
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", h)
	srv := &http.Server{
		Handler:           local(mux),
		ReadHeaderTimeout: 2 * time.Second,
		ReadTimeout:       5 * time.Second,
		WriteTimeout:      10 * time.Second,
		IdleTimeout:       2 * time.Minute, // Prometheus keeps its connection between two scrapes
		MaxHeaderBytes:    16 << 10,
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	closed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(closed)
		sctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if srv.Shutdown(sctx) != nil {
			_ = srv.Close()
		}
	})
	err := srv.Serve(&few{Listener: l, free: make(chan struct{}, maxConns)})
	if !stop() {
		<-closed
		return nil
	}
	return fmt.Errorf("cannot serve the metrics on %s any more: %w", l.Addr(), err)
}

// local turns away who asks by a name that is not the loopback's: a web page in
// a browser on this host could point its own name here (DNS rebinding).
func local(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			http.Error(w, "ask for the loopback address", http.StatusForbidden)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// few accepts as many connections at a time as there is room for in free, and
// closes what comes above that: they must not take the daemon's descriptors.
type few struct {
	net.Listener
	free chan struct{}
}

func (f *few) Accept() (net.Conn, error) {
	for {
		c, err := f.Listener.Accept()
		if err != nil {
			return nil, err
		}
		select {
		case f.free <- struct{}{}:
			return &leaving{Conn: c, leave: sync.OnceFunc(func() { <-f.free })}, nil
		default:
			c.Close()
		}
	}
}

type leaving struct {
	net.Conn
	leave func()
}

func (l *leaving) Close() error {
	defer l.leave()
	return l.Conn.Close()
}
