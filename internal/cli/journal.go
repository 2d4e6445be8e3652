package cli

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"sync"
)

// prefixed writes each record as one line that begins with its priority.
type prefixed struct {
	w     io.Writer
	opts  *slog.HandlerOptions
	attrs []slog.Attr
	mu    sync.Mutex
}

var priority = map[slog.Level]string{slog.LevelDebug: "<7>", slog.LevelInfo: "<6>", slog.LevelWarn: "<4>", slog.LevelError: "<3>"}

func (p *prefixed) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelInfo }

func (p *prefixed) Handle(ctx context.Context, r slog.Record) error {
	var b bytes.Buffer
	b.WriteString(priority[r.Level])
	h := slog.NewTextHandler(&b, p.opts).WithAttrs(p.attrs)
	if err := h.Handle(ctx, r); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	_, err := p.w.Write(b.Bytes())
	return err
}

func (p *prefixed) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &prefixed{w: p.w, opts: p.opts, attrs: append(p.attrs[:len(p.attrs):len(p.attrs)], attrs...)}
}

// WithGroup is not used by keeper: its log keys are flat.
func (p *prefixed) WithGroup(string) slog.Handler { return p }
