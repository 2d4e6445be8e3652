package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"keeper/internal/core"
)

// Server answers on the socket.
type Server struct {
	// UID is the account; it and root may ask.
	UID int
	// Status returns the status, or an error if the main loop does not answer.
	Status func(ctx context.Context) (Status, error)
	// Metrics answers GET /metrics, if it is set.
	Metrics http.Handler
	// Changes is told whenever the status may have changed; without it nobody can
	// follow the status.
	Changes *Changes
	// Restart and Resume are a person's word about a service, given by the name of
	// its unit: to restart it, and to start afresh with it. They return when keeper
	// knows of it, and not when it is done. Errors that wrap ErrNoService or
	// ErrRefused say why not.
	Restart, Resume func(ctx context.Context, unit string) error
	// Drill is a person's word that a drill begins or, with Ended set, that it is over.
	// It returns when that is on disk: the daemon may be what is struck next. An
	// error that wraps ErrRefused says why not.
	Drill func(ctx context.Context, d core.Drill) error
}

// Listen makes the socket, 0600 in a directory 0700. A socket that a daemon
// before left behind is replaced; one that still answers is an error.
func Listen(path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("cannot make the socket's directory: %w", err)
	}
	c, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		_ = c.Close()
	}
	// Only these two say that nobody listens there.
	if !errors.Is(err, unix.ECONNREFUSED) && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("another keeper has %s; see: systemctl --user status keeper", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("cannot replace the old socket: %w", err)
	}
	// Nobody else gets into the directory meanwhile.
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w", path, err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot listen on %s: %w", path, err), l.Close())
	}
	return l, nil
}

// Serve answers until the context ends.
func (s Server) Serve(ctx context.Context, l net.Listener) error {
	srv := &http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: 2 * time.Second,
		ReadTimeout:       5 * time.Second,
		WriteTimeout:      10 * time.Second,
		MaxHeaderBytes:    16 << 10,
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	closed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(closed)
		// Handlers end with the context; they are waited for, but not for long.
		sctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if srv.Shutdown(sctx) != nil {
			_ = srv.Close()
		}
	})
	err := srv.Serve(peers{Listener: l, uid: s.UID})
	if !stop() {
		<-closed
		return nil
	}
	return err
}

// handler answers requests, whoever asks.
func (s Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", s.status)
	if s.Metrics != nil {
		mux.Handle("GET /metrics", s.Metrics)
	}
	if s.Changes != nil {
		mux.HandleFunc("GET /v1/watch", s.watch)
	}
	for what, do := range map[string]func(context.Context, string) error{"restart": s.Restart, "resume": s.Resume} {
		if do != nil {
			mux.HandleFunc("POST /v1/services/{name}/"+what, s.about(do))
		}
	}
	if s.Drill != nil {
		mux.HandleFunc("POST /v1/drill", s.drill)
	}
	return mux
}

func (s Server) status(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), statusLimit)
	defer cancel()
	st, err := s.Status(ctx)
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(st) // the client is gone if this fails
}

// peers accepts the account itself and root (SO_PEERCRED of unix(7)), and
// closes on everybody else.
type peers struct {
	net.Listener
	uid int
}

func (p peers) Accept() (net.Conn, error) {
	for {
		c, err := p.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if uid, err := peerUID(c); err == nil && (uid == 0 || int(uid) == p.uid) {
			return c, nil
		}
		c.Close()
	}
}

func peerUID(c net.Conn) (uint32, error) {
	uc, ok := c.(*net.UnixConn)
	if !ok {
		return 0, errors.New("not a unix socket")
	}
	raw, err := uc.SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *unix.Ucred
	var cerr error
	if err := raw.Control(func(fd uintptr) {
		cred, cerr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return 0, err
	}
	if cerr != nil {
		return 0, cerr
	}
	return cred.Uid, nil
}
