package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode/utf8"

	"keeper/internal/control"
	"keeper/internal/term"
)

// reconnectAfter are the waits before each further try to reach the daemon; the
// last one holds for all that follow.
var reconnectAfter = []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 5 * time.Second}

// seen is a status as it came, or the last known one and why the daemon does not
// answer.
type seen struct {
	status control.Status
	err    error
}

// follow calls show with every status until the context ends or show returns an
// error. While the daemon does not answer it says so once, with the last known
// state, and tries again.
func follow(ctx context.Context, show func(seen) error) error {
	p, marks, err := here()
	if err != nil {
		return err
	}
	for fails := 0; ; {
		var showErr error
		err := control.Watch(ctx, p.Socket, func(st control.Status) error {
			fails = 0
			showErr = show(seen{status: st})
			return showErr
		})
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case showErr != nil || !errors.Is(err, control.ErrUnreachable):
			return err
		}
		if fails == 0 {
			st, err := lastKnown(ctx, p, marks, err)
			if err := show(seen{status: st, err: err}); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(reconnectAfter[min(fails, len(reconnectAfter)-1)]):
		}
		fails++
	}
}

// watchStatus shows the status until somebody ends it.
func watchStatus(ctx context.Context, to term.IO, asJSON bool) error {
	if asJSON {
		enc := json.NewEncoder(to.Out)
		return untilEnded(ctx, follow(ctx, func(s seen) error { return enc.Encode(s.status) }))
	}
	if _, _, ok := term.Size(to.Out); !ok {
		return term.Exit{Code: term.ExitUsage, Err: errors.New("--watch redraws a terminal, and this is none; for a program: keeper status --watch --json, and for once: keeper status")}
	}
	// Whatever ends this must leave the terminal as it was.
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGHUP, syscall.SIGQUIT)
	defer stop()
	fctx, cancel := context.WithCancel(ctx)
	coming, ended := make(chan seen), make(chan error, 1)
	var follower sync.WaitGroup
	follower.Go(func() {
		ended <- follow(fctx, func(s seen) error {
			select {
			case coming <- s:
				return nil
			case <-fctx.Done():
				return fctx.Err()
			}
		})
	})
	err := newScreen(to.Out).run(coming, ended)
	cancel()
	follower.Wait()
	return untilEnded(ctx, err)
}

// untilEnded is err, unless the end of the context is why: that was asked for.
func untilEnded(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}

// The control sequences of a terminal (console_codes(4), and xterm's for the
// alternate screen). Lines are broken at the width here: where that is counted
// wrong, for wide letters, the terminal is not to break them once more.
const (
	enterScreen = "\x1b[?1049h\x1b[?25l\x1b[?7l"
	leaveScreen = "\x1b[?7h\x1b[?25h\x1b[?1049l"
	cursorHome  = "\x1b[H"
	clearToEOL  = "\x1b[K"
	clearBelow  = "\x1b[J"
	noColour    = "\x1b[0m"
)

// screen draws the status over itself.
type screen struct {
	w     io.Writer
	paint bool
	size  func() (width, height int)
	now   func() time.Time
}

func newScreen(w io.Writer) screen {
	return screen{w: w, paint: term.Colours(w), now: time.Now, size: func() (int, int) {
		width, height, ok := term.Size(w)
		if !ok {
			return 80, 24
		}
		return width, height
	}}
}

// run draws what comes until there is no more. Ages go on by the clock here: the
// daemon is not asked for them.
func (s screen) run(coming <-chan seen, ended <-chan error) (err error) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGWINCH, syscall.SIGTSTP)
	defer signal.Stop(signals)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	if _, err := io.WriteString(s.w, enterScreen); err != nil {
		return err
	}
	defer func() { _, werr := io.WriteString(s.w, leaveScreen); err = errors.Join(err, werr) }()
	var last seen
	var have bool
	for {
		select {
		case err := <-ended:
			return err
		case last = <-coming:
			have = true
		case <-tick.C:
		case sig := <-signals:
			if sig == syscall.SIGTSTP {
				if err := s.sleep(); err != nil {
					return err
				}
			}
		}
		if !have {
			continue
		}
		width, height := s.size()
		text := renderer{now: s.now(), paint: s.paint}.page(last.status, last.err != nil)
		if _, err := io.WriteString(s.w, frame(text, width, height)); err != nil {
			return err
		}
	}
}

// sleep stops the process, as ^Z asks for, with the terminal as it was.
func (s screen) sleep() error {
	if _, err := io.WriteString(s.w, leaveScreen); err != nil {
		return err
	}
	goesOn := make(chan os.Signal, 1)
	signal.Notify(goesOn, syscall.SIGCONT)
	defer signal.Stop(goesOn)
	if err := syscall.Kill(os.Getpid(), syscall.SIGSTOP); err != nil {
		return err
	}
	// Another thread may take the signal: until all are stopped, this one goes on.
	<-goesOn
	_, err := io.WriteString(s.w, enterScreen)
	return err
}

// frame is what draws a text over the one before: nothing is cleared that is not
// written in the same breath, and so nothing flickers. What is below the last
// line of the window is counted there.
func frame(text string, width, height int) string {
	var rows []string
	// In the last column, clearing to the end of the line would take the letter.
	width = max(1, width-1)
	for l := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		rows = append(rows, wrap(l, width)...)
	}
	if len(rows) > height {
		hidden := len(rows) - height + 1
		last := fmt.Sprintf("… %d more lines; a taller window, or: keeper status", hidden)
		rows = append(rows[:height-1], noColour+wrap(last, width)[0])
	}
	var b strings.Builder
	b.WriteString(cursorHome)
	for i, row := range rows {
		if i > 0 {
			b.WriteString("\r\n")
		}
		b.WriteString(row + clearToEOL)
	}
	b.WriteString(clearBelow)
	return b.String()
}

// wrap breaks a line into rows of that width. Colours (CSI … m) have none, and go
// on over the break.
func wrap(s string, width int) []string {
	var rows []string
	var row strings.Builder
	for n := 0; s != ""; {
		if rest, ok := strings.CutPrefix(s, "\x1b["); ok {
			if end := strings.IndexByte(rest, 'm'); end >= 0 {
				row.WriteString(s[:2+end+1])
				s = rest[end+1:]
				continue
			}
		}
		if n == width {
			rows = append(rows, row.String())
			row.Reset()
			n = 0
		}
		c, size := utf8.DecodeRuneInString(s)
		s = s[size:]
		if c < ' ' || c == 0x7f {
			c = ' ' // it would move the cursor
		}
		row.WriteRune(c)
		n++
	}
	return append(rows, row.String())
}
