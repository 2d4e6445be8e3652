package probe

import (
	"context"
	"errors"
	"io"
	"net"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"keeper/internal/core"
)

// login logs in to a PostgreSQL server and runs a query.
func (p *Prober) login(ctx context.Context, t core.Target, user, database, word string) core.Outcome {
	begun := time.Now()
	ctx, cancel := context.WithDeadline(ctx, begun.Add(t.Timeout))
	defer cancel()
	cfg, err := loginConfig()
	if err != nil {
		return unknown(err.Error())
	}
	cfg = cfg.Copy()
	cfg.User, cfg.Database, cfg.Password = user, database, word
	var dialled, connected atomic.Bool
	cfg.DialFunc = func(ctx context.Context, _, _ string) (net.Conn, error) {
		// Once: pgconn would come back, after we left, to have the query cancelled.
		if dialled.Swap(true) {
			return nil, ErrCannotAsk
		}
		c, err := p.dial(ctx, t)
		if err != nil {
			return nil, err
		}
		connected.Store(true)
		return &bounded{Conn: c}, nil
	}
	c, err := pgconn.ConnectConfig(ctx, cfg)
	if err == nil {
		// By the simple protocol, which every pooler knows. Close says goodbye, and
		// waits for that to be heard no longer than the context lasts.
		_, err = c.Exec(ctx, "select 1").ReadAll()
		_ = c.Close(ctx)
	}
	var said *pgconn.PgError
	switch {
	case err == nil:
		return core.Outcome{Condition: core.ConditionReady}
	case errors.As(err, &said):
		out := refusedBy(said.Code, hide(said.Message, word))
		switch {
		case strings.HasPrefix(said.Code, "28"), said.Code == "3D000":
			out.Condition = core.ConditionAuthRefused
		case out.Condition == core.ConditionAlive:
			out.Condition = core.ConditionNotReady // it did not run the query
		}
		return out
	}
	out := trouble(ctx, err, connected.Load(), begun, t.Timeout)
	out.Detail = hide(out.Detail, word)
	return out
}

// loginConfig is a configuration with nothing in it of keeper's environment, which
// pgconn takes for one (PGOPTIONS, PGTARGETSESSIONATTRS).
var loginConfig = sync.OnceValues(func() (*pgconn.Config, error) {
	cfg, err := pgconn.ParseConfig("host=127.0.0.1 port=5432 user=x password=x dbname=x sslmode=disable")
	if err != nil {
		return nil, err
	}
	cfg.RuntimeParams = map[string]string{"application_name": "keeper"}
	cfg.ConnectTimeout, cfg.ValidateConnect = 0, nil
	cfg.BuildFrontend = func(r io.Reader, w io.Writer) *pgproto3.Frontend {
		f := pgproto3.NewFrontend(r, w)
		f.SetMaxBodyLen(maxMessage) // it makes room for what the length says
		return f
	}
	return cfg, nil
})

// hide takes the password out of a text that somebody else wrote.
func hide(text, word string) string {
	if word == "" {
		return text
	}
	return strings.ReplaceAll(text, word, "…")
}

// maxLogin is how much a server may have to say while keeper logs in.
const maxLogin = 64 << 10

// tooManyRounds is a server that would have a client hash its password a million
// times and more, which nothing but its end would interrupt. The usual is 4096.
var tooManyRounds = regexp.MustCompile(`,i=\+?[0-9]{7}`)

// bounded is a connection that brings so much and no more.
type bounded struct {
	net.Conn
	seen []byte
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.Conn.Read(p[:min(len(p), maxLogin)])
	b.seen = append(b.seen, p[:n]...)
	switch {
	case len(b.seen) > maxLogin:
		return 0, errors.New("it talks on and on")
	case tooManyRounds.Match(b.seen):
		return 0, errors.New("it asks for too many rounds of hashing")
	}
	return n, err
}
