package probe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
	"unicode"

	"keeper/internal/core"
)

// target is a service of a kind that does this with each connection.
func target(t *testing.T, kind core.ProbeKind, serve func(net.Conn)) core.Target {
	t.Helper()
	return core.Target{Unit: "it.service", Invocation: "1", Supervision: core.Supervision{
		Probe: kind, Address: listen(t, "tcp4", "127.0.0.1:0", serve), Timeout: 20 * time.Second,
	}}
}

// says is a server that reads once, says this, and waits.
func says(text string) func(net.Conn) {
	return func(c net.Conn) {
		_, _ = c.Read(make([]byte, 4096))
		_, _ = io.WriteString(c, text)
		waits(c)
	}
}

// forEver is a server that reads once, and then says this again and again.
func forEver(first, again string) func(net.Conn) {
	return func(c net.Conn) {
		_, _ = c.Read(make([]byte, 4096))
		_, err := io.WriteString(c, first)
		for err == nil {
			_, err = io.WriteString(c, again)
		}
	}
}

// want compares, and holds the detail to its rules.
func want(t *testing.T, got core.Outcome, condition core.Condition, detail string) {
	t.Helper()
	if got.Condition != condition || !strings.Contains(got.Detail, detail) {
		t.Errorf("got %s (%s), want %s (%s)", got.Condition, got.Detail, condition, detail)
	}
	if len(got.Detail) > maxDetail+8 || strings.ContainsFunc(got.Detail, func(r rune) bool { return !unicode.IsPrint(r) }) {
		t.Errorf("the detail is no short line: %q", got.Detail)
	}
}

var kindsOnTheNet = []core.ProbeKind{core.ProbePostgres, core.ProbeRedis, core.ProbeS3, core.ProbeHTTP}

// What goes wrong in the same way whatever the service is.
func TestTrouble(t *testing.T) {
	t.Parallel()
	for _, kind := range kindsOnTheNet {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			for name, tt := range map[string]struct {
				serve func(net.Conn)
				limit time.Duration
				want  core.Condition
			}{
				"silent":         {waits, 500 * time.Millisecond, core.ConditionSilent},
				"hangs up":       {func(c net.Conn) { _, _ = c.Read(make([]byte, 4096)) }, 0, core.ConditionWrong},
				"hangs up first": {func(net.Conn) {}, 0, core.ConditionWrong},
				"resets":         {func(c net.Conn) { _, _ = c.Read(make([]byte, 1)); _ = c.(*net.TCPConn).SetLinger(0) }, 0, core.ConditionWrong},
				"garbage":        {says("\x00\xff\x1b[2J garbage \r\n\r\n"), 0, core.ConditionWrong},
				"another":        {says("SSH-2.0-OpenSSH_9.6\r\n"), 0, core.ConditionWrong},
				"endless":        {forEver("", strings.Repeat("A", 4096)), 0, core.ConditionWrong},
				"drips": {func(c net.Conn) {
					text := map[core.ProbeKind]string{core.ProbePostgres: "N\x00\x00\x10\x00", core.ProbeRedis: "-ERR "}[kind]
					if text == "" {
						text = "HTTP/1.1 200 OK\r\nA: "
					}
					_, err := io.WriteString(c, text)
					for err == nil {
						time.Sleep(5 * time.Millisecond)
						_, err = io.WriteString(c, "a")
					}
				}, 500 * time.Millisecond, core.ConditionSilent},
			} {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					it := target(t, kind, tt.serve)
					if tt.limit != 0 {
						it.Timeout = tt.limit
					}
					begun := time.Now()
					got := (&Prober{}).Probe(t.Context(), it)
					if got.Condition == core.ConditionUnknown && strings.Contains(got.Detail, "too busy") {
						t.Skip("this machine is too busy to tell")
					}
					want(t, got, tt.want, "")
					if took := time.Since(begun); took > 10*time.Second || got.Took > took {
						t.Errorf("it took %v and says %v", took, got.Took)
					}
				})
			}
		})
	}
}

// What is keeper's or the host's trouble is nobody's illness.
func TestUnknown(t *testing.T) {
	t.Parallel()
	dial := func(err error) *Prober {
		return &Prober{Dial: func(context.Context, core.Target) (net.Conn, error) { return nil, err }}
	}
	port := core.Supervision{Port: 1}
	for name, tt := range map[string]struct {
		p    *Prober
		s    core.Supervision
		want core.Condition
	}{
		"no way in":            {&Prober{}, port, core.ConditionUnknown},
		"no address":           {&Prober{}, core.Supervision{}, core.ConditionUnknown},
		"the wiring's trouble": {dial(fmt.Errorf("no helper: %w: %w", ErrCannotAsk, syscall.ECONNREFUSED)), port, core.ConditionUnknown},
		"no descriptors":       {dial(syscall.EMFILE), port, core.ConditionUnknown},
		"no network":           {dial(syscall.ENETUNREACH), port, core.ConditionUnknown},
		"anything else":        {dial(errors.New("it rains")), port, core.ConditionUnknown},
		"no such name":         {&Prober{}, core.Supervision{Address: "no.such.host.invalid:1"}, core.ConditionUnknown},
		"no such address":      {&Prober{}, core.Supervision{Address: "127.0.0.1:notaport"}, core.ConditionUnknown},
		"a slow name":          {dial(&net.DNSError{IsTimeout: true}), port, core.ConditionUnknown},
		"refused":              {dial(&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}), port, core.ConditionRefused},
		"reset":                {dial(syscall.ECONNRESET), port, core.ConditionWrong},
		"no answer":            {dial(syscall.ETIMEDOUT), port, core.ConditionSilent},
		"nobody there":         {&Prober{}, core.Supervision{Address: "127.0.0.1:1"}, core.ConditionRefused},
	} {
		for _, kind := range append(kindsOnTheNet, core.ProbeTCP) {
			t.Run(name+"/"+string(kind), func(t *testing.T) {
				t.Parallel()
				s := tt.s
				s.Probe, s.Timeout = kind, 20*time.Second
				want(t, tt.p.Probe(t.Context(), core.Target{Supervision: s}), tt.want, "")
			})
		}
	}
}

func TestCalledOff(t *testing.T) {
	t.Parallel()
	for _, kind := range kindsOnTheNet {
		ctx, cancel := context.WithCancel(t.Context())
		it := target(t, kind, func(c net.Conn) { cancel(); waits(c) })
		want(t, (&Prober{}).Probe(ctx, it), core.ConditionUnknown, "called off")
	}
}

// A limit that was noticed much too late says something of this machine alone.
func TestTooBusyToTell(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, tt := range []struct {
			late time.Duration
			want core.Condition
		}{{0, core.ConditionSilent}, {time.Second, core.ConditionSilent}, {1600 * time.Millisecond, core.ConditionUnknown}, {time.Hour, core.ConditionUnknown}} {
			p := Prober{Dial: func(ctx context.Context, _ core.Target) (net.Conn, error) {
				<-ctx.Done()
				time.Sleep(tt.late)
				return nil, ctx.Err()
			}}
			it := core.Target{Supervision: core.Supervision{Probe: core.ProbeRedis, Port: 1, Timeout: 3 * time.Second}}
			want(t, p.Probe(t.Context(), it), tt.want, "")
		}
	})
}

func TestTCPKind(t *testing.T) {
	t.Parallel()
	want(t, (&Prober{}).Probe(t.Context(), target(t, core.ProbeTCP, waits)), core.ConditionAlive, "")
	var got core.Outcome
	for range 10 {
		if got = (&Prober{}).Probe(t.Context(), target(t, core.ProbeTCP, func(net.Conn) {})); got.Condition == core.ConditionWrong {
			break // a busy machine may hang up too late
		}
	}
	want(t, got, core.ConditionWrong, "hangs up")
}

// Whose main process cannot answer is not asked.
func TestProcess(t *testing.T) {
	t.Parallel()
	for _, kind := range core.ProbeKinds {
		for _, state := range []core.Condition{core.ConditionStopped, core.ConditionFrozen, core.ConditionUnknown, ""} {
			asked := false
			p := Prober{
				Process: func(pid int) (core.Condition, string) {
					if pid != 42 {
						t.Errorf("asked for %d", pid)
					}
					return state, "by\x00SIGSTOP"
				},
				Dial: func(context.Context, core.Target) (net.Conn, error) { asked = true; return nil, syscall.ECONNREFUSED },
				Exec: func(context.Context, string, []string) (int, string, error) { asked = true; return 0, "", nil },
				PodmanHealth: func(string, int) (string, int, time.Time, string, error) {
					asked = true
					return "healthy", 0, time.Now(), "", nil
				},
			}
			got := p.Probe(t.Context(), core.Target{MainPID: 42, Supervision: core.Supervision{Probe: kind, Port: 1, Command: []string{"true"}}})
			switch {
			case kind == core.ProbeNone:
				want(t, got, core.ConditionUnknown, "")
			case state != "":
				want(t, got, state, "by?SIGSTOP")
			case kind == core.ProbeProcess:
				want(t, got, core.ConditionAlive, "")
			}
			if asks := state == "" && kind != core.ProbeProcess && kind != core.ProbeNone; asks != asked {
				t.Errorf("%s, %q: asked: %v", kind, state, asked)
			}
		}
	}
	want(t, (&Prober{}).Probe(t.Context(), core.Target{Supervision: core.Supervision{Probe: core.ProbeProcess}}), core.ConditionUnknown, "main process")
	want(t, (&Prober{}).Probe(t.Context(), core.Target{Supervision: core.Supervision{Probe: "gopher"}}), core.ConditionUnknown, "gopher")
}

func TestExec(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		exit   int
		output string
		err    error
		hang   bool
		want   core.Condition
		detail string
	}{
		"well":   {0, "fine", nil, false, core.ConditionReady, ""},
		"ill":    {3, strings.Repeat("noise ", 200) + "\x1b[1mno \n\nroute", nil, false, core.ConditionUnhealthy, "exit status 3: …"},
		"tail":   {1, strings.Repeat("ü", 200) + " disk is full\n", nil, false, core.ConditionUnhealthy, "disk is full"},
		"cannot": {0, "", errors.New("no such container"), false, core.ConditionUnknown, "no such container"},
		"hangs":  {0, "", nil, true, core.ConditionUnknown, "did not end"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := Prober{Exec: func(ctx context.Context, container string, command []string) (int, string, error) {
				if container != "db" || len(command) != 2 {
					t.Errorf("ran %q in %q", command, container)
				}
				if tt.hang {
					<-ctx.Done()
					return 0, "", ctx.Err()
				}
				return tt.exit, tt.output, tt.err
			}}
			it := core.Target{Container: "db", Supervision: core.Supervision{Probe: core.ProbeExec, Command: []string{"check", "me"}, Timeout: 50 * time.Millisecond}}
			want(t, p.Probe(t.Context(), it), tt.want, tt.detail)
		})
	}
	want(t, (&Prober{}).Probe(t.Context(), core.Target{Supervision: core.Supervision{Probe: core.ProbeExec}}), core.ConditionUnknown, "")
}

func TestPodman(t *testing.T) {
	t.Parallel()
	for state, tt := range map[string]struct {
		err    error
		want   core.Condition
		detail string
	}{
		"healthy":   {nil, core.ConditionReady, ""},
		"unhealthy": {nil, core.ConditionUnhealthy, "failed 4 times: curl: (7)"},
		"starting":  {nil, core.ConditionStarting, ""},
		"stale":     {nil, core.ConditionUnknown, "1m0s ago"},
		"":          {nil, core.ConditionUnknown, "no check"},
		"missing":   {nil, core.ConditionUnknown, "no check"},
		"odd\n":     {nil, core.ConditionUnknown, "odd"},
		"x":         {errors.New("cannot read it"), core.ConditionUnknown, "cannot read it"},
	} {
		p := Prober{PodmanHealth: func(string, int) (string, int, time.Time, string, error) {
			return state, 4, time.Now().Add(-time.Minute), "curl:\n(7)", tt.err
		}}
		want(t, p.Probe(t.Context(), core.Target{Supervision: core.Supervision{Probe: core.ProbePodman}}), tt.want, tt.detail)
	}
	want(t, (&Prober{}).Probe(t.Context(), core.Target{Supervision: core.Supervision{Probe: core.ProbePodman}}), core.ConditionUnknown, "")
}

func TestPrintable(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                        "",
		" a\r\n\tb  c ":           "a b c",
		"\x1b[31mred\x00\xff":     "?[31mred??",
		"Grüße\u202e!":            "Grüße?!",
		strings.Repeat("x", 1000): strings.Repeat("x", maxDetail-1) + "…",
	} {
		if got := printable(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
	if got := tail(strings.Repeat("a", 500) + "end"); !strings.HasSuffix(got, "end") || !bytes.HasPrefix([]byte(got), []byte("…")) {
		t.Errorf("got %q", got)
	}
}
