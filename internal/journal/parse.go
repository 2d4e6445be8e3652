package journal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"keeper/internal/core"
	"keeper/internal/redact"
)

const (
	maxText = 400
	maxName = 64
)

// field is one of journalctl's JSON: a string, or numbers where that is no text, null
// where it is too long, or an array of these where there are several (journalctl(1),
// --output=json). Of several the first counts.
type field string

func (f *field) UnmarshalJSON(b []byte) error {
	*f = ""
	var text string
	var list []json.RawMessage
	switch {
	case is(b, &text):
		*f = field(text)
	case !is(b, &list) || len(list) == 0:
	case is(list[0], &text):
		*f = field(text)
	default:
		*f = field(octets(list))
	}
	return nil
}

// is says whether the JSON is of v's type, and then fills it in.
func is(b []byte, v any) bool { return json.Unmarshal(b, v) == nil }

// octets is the text that the numbers are, or nothing where one is no octet.
func octets(list []json.RawMessage) []byte {
	text := make([]byte, 0, len(list))
	for _, raw := range list {
		n, err := strconv.ParseUint(string(raw), 10, 8)
		if err != nil {
			return nil
		}
		text = append(text, byte(n))
	}
	return text
}

// line is what is used of a line.
type line struct {
	At      field `json:"__REALTIME_TIMESTAMP"`
	UID     field `json:"_UID"`
	PID     field `json:"_PID"`
	Comm    field `json:"_COMM"`
	Exe     field `json:"_EXE"`
	System  field `json:"_SYSTEMD_UNIT"`
	Unit    field `json:"UNIT"`
	Job     field `json:"JOB_TYPE"`
	Result  field `json:"JOB_RESULT"`
	User    field `json:"USER_ID"`
	Message field `json:"MESSAGE"`
}

// commands reads what journalctl wrote. What cannot be read is left out.
func commands(out []byte, uid int, name func(string) string) []core.Command {
	var list []core.Command
	for raw := range bytes.Lines(out) {
		var l line
		if json.Unmarshal(raw, &l) != nil || len(l.Message) == 0 {
			continue
		}
		us, err := strconv.ParseInt(string(l.At), 10, 64)
		if err != nil {
			continue
		}
		c, tells := l.command(uid, name)
		if !tells {
			continue
		}
		c.At = time.UnixMicro(us).UTC()
		c.User = printable(c.User, maxName)
		c.Text = printable(redact.String(c.Text), maxText)
		list = append(list, c)
	}
	// Several files of the journal may be out of step.
	slices.SortStableFunc(list, func(a, b core.Command) int { return a.At.Compare(b.At) })
	return list[max(0, len(list)-maxLines):]
}

// command is the line as one, and whether it tells of something that a person did.
func (l line) command(uid int, name func(string) string) (core.Command, bool) {
	c := core.Command{Text: strings.TrimSpace(string(l.Message))}
	root := l.UID == "0"
	switch {
	case l.PID == "1" && root:
		c.Source = "systemd"
		return c, l.ofManager(uid)
	case root && l.Comm == "systemd-logind":
		c.Source, c.User = "systemd-logind", string(l.User)
		return c, begins(c.Text, "New session ", "Removed session ", "Session ", "System is ", "The system will ")
	case root && (l.Comm == "sshd" || l.Comm == "sshd-session"):
		c.Source = "sshd"
		if !begins(c.Text, "Accepted ") {
			return c, false
		}
		if _, rest, ok := strings.Cut(c.Text, " for "); ok {
			c.User, _, _ = strings.Cut(rest, " ")
		}
		return c, true
	case l.System == "polkit.service":
		c.Source = "polkit"
		return c, strings.Contains(c.Text, " to gain ")
	}
	return l.setuid(c, name)
}

// setuid is command for the programs that are.
func (l line) setuid(c core.Command, name func(string) string) (core.Command, bool) {
	program := filepath.Base(string(l.Exe))
	if dir := filepath.Dir(string(l.Exe)); dir != "/usr/bin" && dir != "/bin" {
		return c, false
	}
	c.Source = program
	switch program {
	case "sudo":
		if !strings.Contains(c.Text, "COMMAND=") {
			return c, false
		}
	case "pkexec":
		if !strings.Contains(c.Text, "Executing command") {
			return c, false
		}
	case "su":
		if !begins(c.Text, "(to ", "FAILED SU ") {
			return c, false
		}
	default:
		return c, false
	}
	if _, err := strconv.ParseUint(string(l.UID), 10, 32); err != nil {
		return c, false
	}
	c.User = name(string(l.UID))
	if between := map[string]string{"sudo": " : ", "pkexec": ": "}[program]; between != "" {
		// The name that the line begins with is root's word, or nobody's.
		if by, rest, ok := strings.Cut(c.Text, between); ok && !strings.Contains(by, "COMMAND=") {
			c.Text = rest
			if l.UID == "0" {
				c.User = by
			}
		}
	}
	return c, true
}

// ofManager says whether a line of PID 1 tells of an end of the account's user manager,
// or of what was killed in a session.
func (l line) ofManager(uid int) bool {
	unit, text := string(l.Unit), string(l.Message)
	session := begins(unit, "session-") && strings.HasSuffix(unit, ".scope")
	if session {
		return strings.Contains(text, "Killing process ")
	}
	if unit != fmt.Sprintf("user@%d.service", uid) && unit != fmt.Sprintf("user-%d.slice", uid) {
		return false
	}
	return l.Job == "stop" && l.Result == "" || strings.Contains(text, " on client request") ||
		strings.Contains(text, "Killing process ") || strings.Contains(text, "Main process exited") || strings.Contains(text, "Failed with result")
}

func begins(text string, with ...string) bool {
	return slices.ContainsFunc(with, func(w string) bool { return strings.HasPrefix(text, w) })
}

// printable is text that a terminal takes for text, in one line, and most bytes long.
func printable(text string, most int) string {
	var b strings.Builder
	for _, r := range text {
		if unicode.IsSpace(r) {
			r = ' '
		} else if r == utf8.RuneError || !unicode.IsPrint(r) {
			r = '?'
		}
		if b.Len()+utf8.RuneLen(r)+len("…") > most {
			return b.String() + "…"
		}
		b.WriteRune(r)
	}
	return b.String()
}
