// Package journal reads the system's journal for what may tell who did it. It changes
// nothing, and follows nothing: it is read when an incident asks for it.
package journal

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	"unicode"

	"keeper/internal/core"
	"keeper/internal/redact"
)

const (
	// limit bounds the time, mostLines the lines and mostBytes all that is read.
	limit     = 5 * time.Second
	mostLines = 200
	mostBytes = 2 << 20
	maxText   = 300
)

// ErrUnreadable is returned where the account may not read the system's journal: it sees
// its own messages then, and these tell nothing of others.
var ErrUnreadable = errors.New("the account may not read the system's journal; as root: usermod -aG systemd-journal USER, which counts from the next start of its user manager")

// matches are what is asked for. Fields that begin with _ are journald's own and cannot
// be made up by whoever writes (systemd.journal-fields(7)); an identifier can.
var matches = []string{
	"_EXE=/usr/bin/sudo", "+", "_EXE=/bin/sudo", "+", "_EXE=/usr/bin/su", "+", "_EXE=/bin/su", "+", "_EXE=/usr/bin/pkexec", "+",
	"_EXE=/usr/bin/doas", "+", "_SYSTEMD_UNIT=systemd-logind.service",
}

// places are where the system's journal is (systemd-journald.service(8)).
var places = []string{"/var/log/journal/*/system.journal", "/run/log/journal/*/system.journal"}

// readable says whether the account can read the system's journal.
func readable() bool {
	for _, p := range places {
		files, _ := filepath.Glob(p)
		for _, file := range files {
			if f, err := os.Open(file); err == nil {
				_ = f.Close()
				return true
			}
		}
	}
	return false
}

// Commands returns what sudo and its kin, and logind, wrote between two times. The error
// is ErrUnreadable where that cannot be had.
func Commands(ctx context.Context, from, to time.Time) ([]core.Command, error) {
	if !readable() {
		return nil, ErrUnreadable
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	stamp := func(t time.Time) string { return fmt.Sprintf("@%d.%06d", t.Unix(), t.Nanosecond()/1000) }
	args := append([]string{"--system", "--output=json", "--no-pager", "--quiet", "--lines=" + strconv.Itoa(mostLines),
		"--since=" + stamp(from), "--until=" + stamp(to)}, matches...)
	cmd := exec.CommandContext(ctx, "journalctl", args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.WaitDelay = time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("cannot read the journal: %w", err)
	}
	list := parse(io.LimitReader(out, mostBytes))
	_, _ = io.Copy(io.Discard, io.LimitReader(out, mostBytes))
	if err := cmd.Wait(); err != nil && len(list) == 0 {
		return nil, fmt.Errorf("cannot read the journal: %w", err)
	}
	return list, nil
}

// record is a line of journalctl --output=json. A field is a string, an array of bytes
// where it is no UTF-8, or null where it is too long.
type record struct {
	Message json.RawMessage `json:"MESSAGE"`
	Time    string          `json:"__REALTIME_TIMESTAMP"`
	Comm    json.RawMessage `json:"_COMM"`
	Unit    json.RawMessage `json:"_SYSTEMD_UNIT"`
}

func parse(r io.Reader) []core.Command {
	var list []core.Command
	sc := bufio.NewScanner(r)
	sc.Buffer(nil, 256<<10)
	for sc.Scan() && len(list) < mostLines {
		var rec record
		if json.Unmarshal(sc.Bytes(), &rec) != nil {
			continue
		}
		us, err := strconv.ParseInt(rec.Time, 10, 64)
		if err != nil {
			continue
		}
		c := core.Command{At: time.UnixMicro(us), Source: text(rec.Comm)}
		message := text(rec.Message)
		if strings.HasPrefix(text(rec.Unit), "systemd-logind") {
			if strings.HasPrefix(message, "New session ") || strings.HasPrefix(message, "Removed session ") || message == "" {
				continue // sessions are told by logind itself, and better
			}
			c.Source, c.Text = "systemd-logind", message
			list = append(list, c)
			continue
		}
		if c = command(c, message); c.Text != "" {
			list = append(list, c)
		}
	}
	return list
}

// command takes a message of sudo's apart: who : TTY=… ; PWD=… ; USER=… ; COMMAND=….
// What else it says, as that a session was opened, is of no use.
func command(c core.Command, message string) core.Command {
	who, rest, ok := strings.Cut(message, " : ")
	_, line, found := strings.Cut(rest, "COMMAND=")
	if !ok || !found {
		if c.Source != "sudo" && !strings.HasPrefix(message, "pam_unix") {
			c.Text = message
		}
		return c
	}
	c.User, c.Text = strings.TrimSpace(who), redact.Command(line)
	if _, as, ok := strings.Cut(rest, "USER="); ok {
		as, _, _ = strings.Cut(as, " ;")
		if as != "" && as != "root" {
			c.Text += " (as " + strings.TrimSpace(as) + ")"
		}
	}
	return c
}

// text is a field as a line that a terminal can stand.
func text(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		var b []byte
		var numbers []int
		if json.Unmarshal(raw, &numbers) != nil {
			return ""
		}
		for _, n := range numbers {
			b = append(b, byte(n))
		}
		s = string(bytes.ToValidUTF8(b, nil))
	}
	r := []rune(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s))
	return strings.TrimSpace(string(r[:min(len(r), maxText)]))
}
