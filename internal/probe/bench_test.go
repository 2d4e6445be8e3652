package probe

import (
	"context"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"keeper/internal/core"
)

// benchServer answers each read with this.
func benchServer(b *testing.B, kind core.ProbeKind, text string) core.Target {
	b.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = l.Close() })
	go func() {
		buffer := make([]byte, 4096)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Read(buffer)
			_, _ = io.WriteString(c, text)
			_, _ = c.Read(buffer)
			_ = c.Close()
		}
	}()
	return core.Target{Supervision: core.Supervision{Probe: kind, Address: l.Addr().String(), Timeout: 3 * time.Second}}
}

// cpu is the processor time that this process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkProbe is one probe, with the server's side of it in the same process.
func BenchmarkProbe(b *testing.B) {
	for _, tt := range []struct {
		kind core.ProbeKind
		text string
	}{
		{core.ProbePostgres, "R\x00\x00\x00\x17\x00\x00\x00\x0aSCRAM-SHA-256\x00\x00"},
		{core.ProbeRedis, "+PONG\r\n"},
		{core.ProbeHTTP, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"},
	} {
		b.Run(string(tt.kind), func(b *testing.B) {
			it := benchServer(b, tt.kind, tt.text)
			var p Prober
			b.ReportAllocs()
			begun := cpu()
			for b.Loop() {
				if out := p.Probe(context.Background(), it); !out.Condition.Ready() {
					b.Fatal(out)
				}
			}
			b.ReportMetric(float64((cpu()-begun).Nanoseconds())/float64(b.N), "cpu-ns/op")
		})
	}
}

// BenchmarkScheduler is what the schedule of 400 targets costs for one probe.
func BenchmarkScheduler(b *testing.B) {
	var targets []core.Target
	for i := range 400 {
		it := plan(fmt.Sprint(i))[0]
		it.Interval = 10 * time.Millisecond // as fast as it goes
		targets = append(targets, it)
	}
	probes, enough := 0, make(chan struct{})
	sch := newScheduler(func(context.Context, core.Target, bool) core.Outcome {
		return core.Outcome{Condition: core.ConditionReady}
	})
	ctx, cancel := context.WithCancel(context.Background())
	sch.probe = func() func(context.Context, core.Target, bool) core.Outcome {
		count := make(chan struct{}, 1)
		count <- struct{}{}
		return func(context.Context, core.Target, bool) core.Outcome {
			<-count
			if probes++; probes == b.N {
				close(enough)
			}
			count <- struct{}{}
			return core.Outcome{Condition: core.ConditionReady}
		}
	}()
	sch.Set(targets)
	b.ReportAllocs()
	b.ResetTimer()
	begun := cpu()
	done := make(chan struct{})
	go func() { sch.Run(ctx, func(core.Event) {}); close(done) }()
	<-enough
	b.ReportMetric(float64((cpu()-begun).Nanoseconds())/float64(b.N), "cpu-ns/op")
	cancel()
	<-done
}
