package probe

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"

	"keeper/internal/core"
)

// maxReply is how long a reply of Redis may be; INFO persistence has a kilobyte.
const maxReply = 32 << 10

var errNotRedis = errors.New("it does not speak the protocol of Redis")

// redis asks by PING. With a password it also asks whether what is in memory is, and
// will be, on disk.
func (p *Prober) redis(ctx context.Context, t core.Target) core.Outcome {
	word, err := password(t.Supervision)
	if err != nil {
		return withoutPassword(p.ask(ctx, t, ping), err)
	} else if word == "" {
		return p.ask(ctx, t, ping)
	}
	return p.ask(ctx, t, func(_ context.Context, c net.Conn) (core.Outcome, error) {
		r := bufio.NewReaderSize(c, 1024)
		auth := []string{"AUTH", t.User, word}
		if t.User == "" {
			auth = []string{"AUTH", word}
		}
		reply, err := say(c, r, auth...)
		switch {
		case err != nil:
			return core.Outcome{}, err
		case strings.HasPrefix(reply, "+"):
		case strings.HasPrefix(reply, "-ERR AUTH"), strings.HasPrefix(reply, "-ERR Client sent AUTH"):
			// It has no password, and says so. That is no reason to ask no further.
		case strings.HasPrefix(reply, "-WRONGPASS"), strings.HasPrefix(reply, "-ERR invalid password"):
			// Not a word of its own text: it may repeat what it was told.
			return core.Outcome{Condition: core.ConditionAuthRefused, Detail: "it refuses the password"}, nil
		default:
			out, err := pinged(reply)
			if err == nil && out.Detail != "" {
				out.Detail = "it refuses AUTH: " + errorWord(reply)
			}
			return out, err
		}
		reply, err = say(c, r, "PING")
		if err != nil {
			return core.Outcome{}, err
		}
		out, err := pinged(reply)
		if err != nil || out.Condition != core.ConditionReady {
			return out, err
		}
		out = notReady("it answers PING, but not INFO")
		reply, err = say(c, r, "INFO", "persistence")
		if err != nil {
			return out, err
		}
		return persists(reply), nil
	})
}

// ping is the question that everybody may ask.
func ping(_ context.Context, c net.Conn) (core.Outcome, error) {
	reply, err := say(c, bufio.NewReaderSize(c, 256), "PING")
	if err != nil {
		return core.Outcome{}, err
	}
	return pinged(reply)
}

// say sends a command, an array of bulk strings, and returns the reply with the byte
// that says of which kind it is.
func say(c io.Writer, r *bufio.Reader, words ...string) (string, error) {
	b := fmt.Appendf(nil, "*%d\r\n", len(words))
	for _, w := range words {
		b = fmt.Appendf(b, "$%d\r\n%s\r\n", len(w), w)
	}
	if _, err := c.Write(b); err != nil {
		return "", err
	}
	return readReply(r)
}

// readReply reads one reply of RESP: a line (+ - :), or a bulk string.
func readReply(r *bufio.Reader) (string, error) {
	var line []byte
	for {
		b, err := r.ReadByte()
		switch {
		case err != nil:
			return "", err
		case b == '\n' && len(line) > 1 && line[len(line)-1] == '\r':
		case len(line) == 0 && !strings.ContainsRune("+-:$", rune(b)), len(line) > 1024, b == '\n', b == 0:
			return "", errNotRedis
		default:
			line = append(line, b)
			continue
		}
		break
	}
	text := string(line[:len(line)-1])
	if text[0] != '$' {
		return text, nil
	}
	n, err := strconv.Atoi(text[1:])
	if err != nil || n < 0 || n > maxReply {
		return "", errNotRedis
	}
	body := make([]byte, n+2)
	if _, err := io.ReadFull(r, body); err != nil {
		return "", err
	}
	if string(body[n:]) != "\r\n" {
		return "", errNotRedis
	}
	return "$" + string(body[:n]), nil
}

// pinged tells the condition by the reply to PING.
func pinged(reply string) (core.Outcome, error) {
	if reply == "+PONG" {
		return core.Outcome{Condition: core.ConditionReady}, nil
	}
	word := errorWord(reply)
	if word == "" {
		return core.Outcome{}, errNotRedis
	}
	out := core.Outcome{Condition: core.ConditionAlive, Detail: printable("it answers: " + reply[1:])}
	switch word {
	case "NOAUTH":
		out.Detail = "it tells how it is only who has its password"
	case "LOADING":
		out.Condition = core.ConditionLoading
	case "BUSY":
		out.Condition = core.ConditionBusy // with a script
	case "MASTERDOWN":
		out.Condition = core.ConditionNotReady
	case "MISCONF":
		out.Condition, out.Detail = core.ConditionNotReady, printable("it takes no writes, because it cannot save (is the disk full?): "+reply[1:])
	case "ERR":
		if strings.Contains(reply, "max number of clients") {
			out.Condition = core.ConditionBusy
		}
	}
	return out, nil
}

// errorWord is the first word of an error, by which its kind is known: "The first
// upper-case word after the -, up to the first space or newline".
func errorWord(reply string) string {
	if !strings.HasPrefix(reply, "-") {
		return ""
	}
	word, _, _ := strings.Cut(reply[1:], " ")
	if word == "" || len(word) > 32 || strings.Trim(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return ""
	}
	return word
}

// persists tells by INFO persistence whether what Redis has is on disk.
func persists(reply string) core.Outcome {
	if word := errorWord(reply); word != "" {
		return core.Outcome{Condition: core.ConditionAlive, Detail: "it answers PING, but not INFO: " + word}
	}
	values := map[string]string{}
	for line := range strings.Lines(strings.TrimPrefix(reply, "$")) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			values[key] = value
		}
	}
	switch loading := values["loading"]; {
	case loading == "":
		return core.Outcome{Condition: core.ConditionAlive, Detail: "it does not tell of its persistence"}
	case loading != "0":
		out := core.Outcome{Condition: core.ConditionLoading}
		if done := values["loading_loaded_perc"]; done != "" {
			out.Detail = printable("it has loaded " + done + " %")
		}
		return out
	}
	for _, key := range []string{"rdb_last_bgsave_status", "aof_last_write_status"} {
		// Its kin do not tell all of it.
		if value, ok := values[key]; ok && value != "ok" {
			return notReady(fmt.Sprintf("%s:%s: what it has is not safe on disk", key, value))
		}
	}
	return core.Outcome{Condition: core.ConditionReady}
}
