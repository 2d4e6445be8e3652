package lab

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"
)

// Session is a login session of the account with a shell that waits for input.
type Session struct {
	// ID is logind's id of the session.
	ID   string
	in   io.WriteCloser
	done chan struct{}
}

// OpenSession logs in through PAM and returns when the shell is there. The
// session lasts until Close, or until somebody ends it.
func (h *Host) OpenSession(ctx context.Context) (*Session, error) {
	in, typed := io.Pipe()
	out, printed := io.Pipe()
	cmd, err := h.start(ctx, Exec{User: User, Login: true, Stdin: in, Stdout: printed}, "sh")
	if err != nil {
		return nil, err
	}
	s := &Session{in: typed, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		_ = cmd.Wait() // a session that is terminated has no status to speak of
		printed.Close()
		in.Close()
	}()
	if err := s.Type("echo session=$XDG_SESSION_ID"); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if id, ok := strings.CutPrefix(lines.Text(), "session="); ok && id != "" {
			s.ID = id
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return s, nil
		}
	}
	return nil, fmt.Errorf("the login of %s opened no session", User)
}

// Type types a line.
func (s *Session) Type(line string) error {
	if _, err := io.WriteString(s.in, line+"\n"); err != nil {
		return fmt.Errorf("cannot type into the session: %w", err)
	}
	return nil
}

// Close logs out and waits for the end of the session's shell.
func (s *Session) Close(ctx context.Context) error {
	_ = s.in.Close()
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("session %s does not end: %w", s.ID, ctx.Err())
	}
}
