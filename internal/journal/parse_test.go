package journal

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"keeper/internal/core"
)

func names(uid string) string {
	return map[string]string{"0": "root", "1000": "flowstate", "1001": "boss"}[uid]
}

func record(t testing.TB, file string) []byte {
	t.Helper()
	out, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func said(list []core.Command) []string {
	var lines []string
	for _, c := range list {
		lines = append(lines, fmt.Sprintf("%s %s: %s", c.Source, c.User, c.Text))
	}
	return lines
}

// TestRecorded reads what journalctl said on hosts of both versions. The account and
// boss stopped the user manager in several ways; the account also forged lines.
func TestRecorded(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"systemd-252.json", "systemd-257.json"} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			list := commands(record(t, file), 1000, names)
			lines := said(list)
			for _, want := range []string{
				"sudo flowstate: PWD=/home/flowstate ; USER=root ; COMMAND=/usr/bin/id --password=*** x",
				"sudo root: PWD=/ ; USER=flowstate ; COMMAND=/usr/bin/true",
				"su root: (to flowstate) root on none",
				"su flowstate: FAILED SU (to root) flowstate on none",
				"sudo boss: PWD=/home/boss ; USER=root ; COMMAND=/usr/bin/loginctl terminate-user flowstate",
				"sudo boss: PWD=/home/boss ; USER=root ; COMMAND=/usr/bin/systemctl stop user@1000.service",
				"sudo boss: PWD=/home/boss ; USER=root ; COMMAND=/usr/bin/systemctl kill user-1000.slice",
				"systemd : Stopping user@1000.service - User Manager for UID 1000...",
				"systemd : user@1000.service: Main process exited, code=killed, status=9/KILL",
			} {
				if !slices.Contains(lines, want) {
					t.Errorf("not found: %s", want)
				}
			}
			for _, l := range lines {
				for _, never := range []string{"forged", "pts/9", "did it", "hunter2", "Started ", "pam_"} {
					if strings.Contains(l, never) {
						t.Errorf("believed or not wanted: %s", l)
					}
				}
			}
			if !slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, "systemd-logind flowstate: New session ") }) {
				t.Error("no session was opened")
			}
			if !slices.IsSortedFunc(list, func(a, b core.Command) int { return a.At.Compare(b.At) }) || list[0].At.Year() != 2026 {
				t.Errorf("out of order, or in another year: %v", list[0].At)
			}
			if t.Failed() {
				t.Log(strings.Join(lines, "\n"))
			}
		})
	}
}

// one is what becomes of a line with these fields, besides those of sudo's.
func one(t *testing.T, change map[string]any) []core.Command {
	t.Helper()
	l := map[string]any{
		"__REALTIME_TIMESTAMP": "1795593012168000", "_UID": "1001", "_PID": "77", "_COMM": "sudo", "_EXE": "/usr/bin/sudo",
		"MESSAGE": "boss : PWD=/ ; USER=root ; COMMAND=/usr/bin/true",
	}
	for k, v := range change {
		if v == nil {
			delete(l, k)
			continue
		}
		l[k] = v
	}
	raw, err := json.Marshal(l)
	if err != nil {
		t.Fatal(err)
	}
	return commands(append(raw, '\n'), 1000, names)
}

func TestWhatIsBelieved(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change map[string]any
		want   string // empty: nothing
	}{
		"sudo":                        {nil, "sudo boss: PWD=/ ; USER=root ; COMMAND=/usr/bin/true"},
		"in the name of another":      {map[string]any{"MESSAGE": "root : COMMAND=x"}, "sudo boss: COMMAND=x"},
		"sudo as root":                {map[string]any{"_UID": "0"}, "sudo boss: PWD=/ ; USER=root ; COMMAND=/usr/bin/true"},
		"a program that ended":        {map[string]any{"_EXE": nil}, ""},
		"somebody's own sudo":         {map[string]any{"_EXE": "/home/x/usr/bin/sudo"}, ""},
		"somebody's own sudo, nearer": {map[string]any{"_EXE": "/usr/bin/../../home/x/sudo"}, ""},
		"no uid":                      {map[string]any{"_UID": nil}, ""},
		"several uids":                {map[string]any{"_UID": []string{"1001", "0"}}, "sudo boss: PWD=/ ; USER=root ; COMMAND=/usr/bin/true"},
		"no time":                     {map[string]any{"__REALTIME_TIMESTAMP": "soon"}, ""},
		"no text":                     {map[string]any{"MESSAGE": nil}, ""},
		"too long a text":             {map[string]any{"MESSAGE": json.RawMessage("null")}, ""},
		"bytes":                       {map[string]any{"MESSAGE": []int{67, 79, 77, 77, 65, 78, 68, 61, 255, 27, 91, 65}}, "sudo boss: COMMAND=??[A"},
		"no bytes":                    {map[string]any{"MESSAGE": []int{67, 300}}, ""},
		"two texts":                   {map[string]any{"MESSAGE": []string{"COMMAND=a", "COMMAND=b"}}, "sudo boss: COMMAND=a"},
		"an object":                   {map[string]any{"MESSAGE": map[string]int{"a": 1}}, ""},
		"a terminal's":                {map[string]any{"MESSAGE": "COMMAND=a\x1b[2J\nb\u202e"}, "sudo boss: COMMAND=a?[2J b?"},
		"somebody's logind":           {map[string]any{"_COMM": "systemd-logind", "_EXE": "/home/x/systemd-logind", "MESSAGE": "New session 1 of user x."}, ""},
		"somebody's PID 1": {map[string]any{"_PID": "1", "_COMM": "systemd", "_EXE": "/usr/lib/systemd/systemd", "UNIT": "user@1000.service",
			"JOB_TYPE": "stop", "MESSAGE": "Stopping user@1000.service"}, ""},
		"PID 1": {map[string]any{"_UID": "0", "_PID": "1", "UNIT": "user@1000.service", "JOB_TYPE": "stop", "MESSAGE": "Stopping user@1000.service"},
			"systemd : Stopping user@1000.service"},
		"PID 1 about another": {map[string]any{"_UID": "0", "_PID": "1", "UNIT": "user@1001.service", "JOB_TYPE": "stop", "MESSAGE": "Stopping user@1001.service"}, ""},
		"PID 1 about a session": {map[string]any{"_UID": "0", "_PID": "1", "UNIT": "session-c7.scope", "MESSAGE": "session-c7.scope: Killing process 263 (loginctl) with signal SIGTERM."},
			"systemd : session-c7.scope: Killing process 263 (loginctl) with signal SIGTERM."},
		"sshd": {map[string]any{"_UID": "0", "_COMM": "sshd-session", "MESSAGE": "Accepted publickey for boss from 192.0.2.7 port 50022 ssh2: ED25519 SHA256:abc"},
			"sshd boss: Accepted publickey for boss from 192.0.2.7 port 50022 ssh2: ED25519 SHA256:abc"},
		"sshd, refused": {map[string]any{"_UID": "0", "_COMM": "sshd", "MESSAGE": "Failed password for boss from 192.0.2.7 port 50022 ssh2"}, ""},
		"polkit": {map[string]any{"_UID": "998", "_COMM": "polkitd", "_SYSTEMD_UNIT": "polkit.service",
			"MESSAGE": "Operator of unix-session:5 successfully authenticated as unix-user:boss to gain ONE-SHOT authorization for action org.freedesktop.login1.manage for system-bus-name::1.9 [loginctl terminate-user flowstate]"},
			"polkit : Operator of unix-session:5 successfully authenticated as unix-user:boss to gain ONE-SHOT authorization for action org.freedesktop.login1.manage for system-bus-name::1.9 [loginctl terminate-user flowstate]"},
		"pkexec": {map[string]any{"_COMM": "pkexec", "_EXE": "/usr/bin/pkexec", "MESSAGE": "boss: Executing command [USER=root] [TTY=/dev/pts/0] [CWD=/] [COMMAND=/usr/bin/true]"},
			"pkexec boss: Executing command [USER=root] [TTY=/dev/pts/0] [CWD=/] [COMMAND=/usr/bin/true]"},
	} {
		got := strings.Join(said(one(t, c.change)), "\n")
		if got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, c.want)
		}
	}
}

func TestLongLines(t *testing.T) {
	t.Parallel()
	list := one(t, map[string]any{"MESSAGE": "COMMAND=" + strings.Repeat("ä", 1<<20)})
	if len(list) != 1 || len(list[0].Text) > maxText || !strings.HasSuffix(list[0].Text, "…") {
		t.Errorf("got %d lines, the first of %d bytes", len(list), len(list[0].Text))
	}
	many := strings.Repeat(`{"__REALTIME_TIMESTAMP":"1","_UID":"1","_EXE":"/usr/bin/su","MESSAGE":"(to root) x"}`+"\n", 3*maxLines)
	if list := commands([]byte(many), 1000, names); len(list) != maxLines {
		t.Errorf("%d lines", len(list))
	}
}

func FuzzCommands(f *testing.F) {
	for _, file := range []string{"systemd-252.json", "systemd-257.json"} {
		for l := range strings.Lines(string(record(f, file))) {
			f.Add([]byte(l))
		}
	}
	f.Add([]byte(`{"__REALTIME_TIMESTAMP":["1",2],"MESSAGE":[1,2,[3]],"_UID":null}`))
	f.Fuzz(func(t *testing.T, out []byte) {
		for _, c := range commands(out, 1000, names) {
			for _, s := range []string{c.Text, c.User, c.Source} {
				if len(s) > maxText || !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
					t.Errorf("%q", s)
				}
			}
			if c.Source == "" || c.At.Location() != time.UTC {
				t.Errorf("%+v", c)
			}
		}
	})
}
