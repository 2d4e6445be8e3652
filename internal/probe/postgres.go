package probe

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"keeper/internal/core"
)

const (
	// maxMessage and maxMessages bound what is read of a server before it has said
	// how it is. An ErrorResponse has some hundred bytes.
	maxMessage  = 8 << 10
	maxMessages = 100
	// refusedFor is how long a server that refuses keeper's start-up message is not
	// sent another one.
	refusedFor = 10 * time.Minute
)

// refusal is what a life of a server said to a start-up message.
type refusal struct {
	invocation, user, database, detail string
	until                              time.Time
}

// postgres asks as pg_isready does: a server that has an answer to a start-up message
// takes connections. With a password it logs in and runs a query instead, and asks
// without only if that goes wrong.
func (p *Prober) postgres(ctx context.Context, t core.Target, thorough bool) core.Outcome {
	user := t.User
	if user == "" {
		user = "postgres"
	}
	database := t.Database
	if database == "" {
		database = user
	}
	word, err := password(t.Supervision)
	switch {
	case err != nil:
		return withoutPassword(p.startUp(ctx, t, user, database, thorough), err)
	case word == "":
		return p.startUp(ctx, t, user, database, thorough)
	}
	deep := p.login(ctx, t, user, database, word)
	if deep.Condition.Alive() || deep.Condition == core.ConditionRefused {
		return deep
	}
	// It may live all the same, and have no room for a query.
	plain := p.startUp(ctx, t, user, database, true)
	if plain.Condition.Ready() && deep.Condition != core.ConditionUnknown {
		return notReady("it takes connections, but a query fails: " + deep.Detail)
	} else if plain.Condition.Ready() {
		return deep
	}
	return plain
}

// startUp sends the start-up message. A server logs each that it refuses because of
// the user or the database (FATAL: role "postgres" does not exist): unless the
// question is to be thorough, such a server is asked for encryption instead for a
// while, which it answers one way or the other before it looks at who asks, and
// without a word in its log.
func (p *Prober) startUp(ctx context.Context, t core.Target, user, database string, thorough bool) core.Outcome {
	said := refusal{invocation: t.Invocation, user: user, database: database}
	p.mu.Lock()
	last, known := p.refusals[t.Unit]
	p.mu.Unlock()
	same := known && last.invocation == t.Invocation && last.user == user && last.database == database
	if same && !thorough && time.Now().Before(last.until) {
		return p.ask(ctx, t, func(_ context.Context, c net.Conn) (core.Outcome, error) {
			if err := askForTLS(c); err != nil {
				return core.Outcome{}, err
			}
			return core.Outcome{Condition: core.ConditionAlive, Detail: last.detail}, nil
		})
	}
	refused := false
	out := p.ask(ctx, t, func(_ context.Context, c net.Conn) (core.Outcome, error) {
		if _, err := c.Write(startUpMessage(user, database)); err != nil {
			return core.Outcome{}, err
		}
		answer, err := readStartUp(bufio.NewReaderSize(c, 1024))
		refused = answer.refused
		if answer.open {
			// Terminate: "X", and the length of it. Not while it waits for a password:
			// it would log that as a breach of the protocol, and says nothing about
			// a client that just leaves.
			_, _ = c.Write([]byte{'X', 0, 0, 0, 4})
		}
		return answer.Outcome, err
	})
	if refused != known || refused {
		said.detail, said.until = out.Detail, time.Now().Add(refusedFor)
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.refusals, t.Unit)
		if refused {
			if p.refusals == nil {
				p.refusals = map[string]refusal{}
			}
			p.refusals[t.Unit] = said
		}
	}
	return out
}

// startUpMessage is a StartupMessage of protocol 3.0: the length of all of it, the
// version, and pairs of strings with a zero byte after each and after all.
func startUpMessage(user, database string) []byte {
	b := []byte{0, 0, 0, 0, 0, 3, 0, 0}
	for _, s := range []string{"user", user, "database", database, "application_name", "keeper"} {
		b = append(append(b, strings.ReplaceAll(s, "\x00", "")...), 0)
	}
	b = append(b, 0)
	binary.BigEndian.PutUint32(b, uint32(len(b)))
	return b
}

// askForTLS sends an SSLRequest. "The server then responds with a single byte
// containing S or N"; E is an error of a server that cannot fork.
func askForTLS(c net.Conn) error {
	if _, err := c.Write([]byte{0, 0, 0, 8, 4, 210, 22, 47}); err != nil {
		return err
	}
	var b [1]byte
	if _, err := io.ReadFull(c, b[:]); err != nil {
		return err
	}
	if b[0] != 'S' && b[0] != 'N' && b[0] != 'E' {
		return errors.New("it does not speak the protocol of PostgreSQL")
	}
	return nil
}

// answer is what a server has to say to a start-up message.
type answer struct {
	core.Outcome
	refused bool // because of the user or the database
	open    bool // a session is
}

// readStartUp reads messages until one says how the server is.
func readStartUp(r *bufio.Reader) (answer, error) {
	var let answer // what holds once it let us in
	for range maxMessages {
		kind, err := r.ReadByte()
		if err != nil {
			return let, err
		}
		if kind == 'E' {
			// Where it can start no process for us, the postmaster itself sends an
			// error of protocol 2: E, a text ("could not fork …"), a zero.
			if text, err := r.Peek(4); err == nil && string(text) == "coul" {
				return answer{Outcome: core.Outcome{Condition: core.ConditionBusy, Detail: "it cannot start a process for another connection"}}, nil
			}
		}
		body, err := readMessage(r)
		if err != nil {
			return let, err
		}
		switch kind {
		case 'R': // Authentication…
			if len(body) < 4 || binary.BigEndian.Uint32(body) > 12 {
				return let, errGarbage
			}
			if binary.BigEndian.Uint32(body) != 0 {
				// It asks who we are, which it does once it takes connections.
				return answer{Outcome: core.Outcome{Condition: core.ConditionReady}}, nil
			}
			let.Condition, let.Detail = core.ConditionNotReady, "it lets keeper in, and then begins no session"
		case 'E': // ErrorResponse
			fields := errorFields(body)
			code := fields['C']
			if !isCode(code) {
				return let, errGarbage
			}
			return answer{Outcome: refusedBy(code, fields['M']), refused: strings.HasPrefix(code, "28") || code == "3D000"}, nil
		case 'Z': // ReadyForQuery
			if let.Condition == "" || len(body) != 1 {
				return let, errGarbage
			}
			return answer{Outcome: core.Outcome{Condition: core.ConditionReady}, open: true}, nil
		case 'N', 'S', 'K', 'v': // NoticeResponse, ParameterStatus, BackendKeyData, NegotiateProtocolVersion
		default:
			return let, errGarbage
		}
	}
	return let, errors.New("it talks on and on")
}

var errGarbage = errors.New("it does not speak the protocol of PostgreSQL")

// readMessage returns what follows the type of a message: the length, which counts
// itself, and the rest.
func readMessage(r io.Reader) ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(length[:])
	if n < 4 || n > maxMessage {
		return nil, errGarbage
	}
	body := make([]byte, n-4)
	_, err := io.ReadFull(r, body)
	return body, err
}

// errorFields takes an ErrorResponse apart: fields of a letter, a text and a zero
// byte, and one more zero byte.
func errorFields(body []byte) map[byte]string {
	fields := map[byte]string{}
	for len(body) > 1 && body[0] != 0 {
		text, rest, ok := strings.Cut(string(body[1:]), "\x00")
		if !ok {
			break
		}
		fields[body[0]] = text
		body = []byte(rest)
	}
	return fields
}

// isCode says whether it is a SQLSTATE: "five characters, digits or upper-case
// letters".
func isCode(s string) bool {
	return len(s) == 5 && strings.Trim(s, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

// refusedBy tells the condition by the error that a server has for a client. Its
// text is in the server's language (lc_messages); the code is not.
func refusedBy(code, message string) core.Outcome {
	out := core.Outcome{Condition: core.ConditionAlive, Detail: printable(message)}
	text := strings.ToLower(message)
	switch {
	case code == "57P03": // cannot_connect_now
		switch {
		case strings.Contains(text, "shutting down"):
			out.Condition = core.ConditionStopping
		case strings.Contains(text, "starting up"):
			out.Condition = core.ConditionStarting
		default: // "in recovery mode", "not yet accepting connections", or a text that nobody here can read
			out.Condition = core.ConditionRecovering
		}
	case code == "57P01": // admin_shutdown
		out.Condition = core.ConditionStopping
	case code == "57P02": // crash_shutdown: another process of it died
		out.Condition = core.ConditionRecovering
	case code == "53300": // too_many_connections
		out.Condition = core.ConditionBusy
	case strings.HasPrefix(code, "53"), strings.HasPrefix(code, "58"), strings.HasPrefix(code, "XX"):
		// Out of memory or disk; the system's errors; its own.
		out.Condition = core.ConditionNotReady
	default:
		// Refused for who we are, say, and that by somebody who lives.
		out.Detail = printable(fmt.Sprintf("it answers: %s (SQLSTATE %s)", message, code))
	}
	return out
}
