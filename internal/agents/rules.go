package agents

import (
	"bytes"
	"errors"
)

// The marks of the block in a file of instructions. As comments of HTML they are not
// shown, and Claude Code does not even give them to the model.
const (
	beginMark = "<!-- keeper guard: begin -->"
	endMark   = "<!-- keeper guard: end -->"
)

// rules are what an agent is told beforehand, so that the hook has little to refuse.
const rules = beginMark + `
## This host keeps services running: rules of conduct

Databases and other services run here in rootless Podman containers, inside the systemd
user session of this account. What ends that session ends all of them at once: it has
happened, by one command that was meant as a reload. So:

1. Never end a session: no ` + "`loginctl terminate-*`, no `loginctl kill-*`, no `loginctl disable-linger`" + `,
   no stopping of ` + "`user@UID.service`" + `, no reboot, not through D-Bus or sudo either. Nothing has
   to be ended for settings to take effect: ` + "`systemctl --user daemon-reload`" + `, then
   ` + "`systemctl --user restart UNIT`" + ` for the one service.
2. Never ` + "`rm -rf`" + ` a home, a system directory, ` + "`/run/user`" + `, container storage, a volume, a
   Quadlet, or a path that you have not looked at with ` + "`ls`" + ` first. No ` + "`podman system reset`" + ` or
   ` + "`prune`" + `, no ` + "`podman volume rm`" + `, no ` + "`compose down -v`" + `.
3. Never ` + "`git push --force`" + `; commits of others are taken back with ` + "`git revert`" + `.
4. Never drop, truncate, flush or empty a database, a cache or a bucket, and never delete
   without a condition. Reading is always free.
5. Never stop, pause or take off keeper or its guard, and do not change their files.
6. When the guard refuses a command, it says why and what to do instead. Do that. Do not try
   the same in another way. If it has to be this command, stop, and ask the person you work
   for: only they can let it pass, in a terminal of their own, with ` + "`keeper guard allow-once -- COMMAND`" + `.
7. When something is down, look before you act: ` + "`keeper status`, `keeper incident`" + `,
   ` + "`systemctl --user status UNIT`, `podman ps`" + `. keeper brings services back by itself.
` + endMark

// MergeRules puts the rules of conduct at the end of a file of instructions, or in the
// place of those that are there.
func MergeRules(before []byte) (after []byte, changed bool, err error) {
	from, to, nl, err := block(before)
	if err != nil {
		return nil, false, err
	}
	if from < to {
		text := bytes.ReplaceAll([]byte(rules), []byte("\n"), nl)
		if bytes.Equal(before[from:to], text) {
			return before, false, nil
		}
		return bytes.Join([][]byte{before[:from], text, before[to:]}, nil), true, nil
	}
	nl = []byte(newline(before))
	text := bytes.ReplaceAll([]byte(rules), []byte("\n"), nl)
	if len(before) == 0 {
		return append(text, nl...), true, nil
	}
	return bytes.Join([][]byte{before, nl, text, nl}, nil), true, nil
}

// RemoveRules takes the block out again. Nothing but it is touched: without anything
// left, the file was made by MergeRules.
func RemoveRules(before []byte) (after []byte, changed bool, err error) {
	from, to, nl, err := block(before)
	if err != nil || from == to {
		return before, false, err
	}
	head, tail := before[:from], before[to:]
	if len(head) > 0 {
		head = bytes.TrimSuffix(head, nl)
	}
	tail = bytes.TrimPrefix(tail, nl)
	return bytes.Join([][]byte{head, tail}, nil), true, nil
}

// HasRules says that the rules are there, as they are now.
func HasRules(text []byte) bool {
	from, to, nl, err := block(text)
	return err == nil && from < to && bytes.Equal(text[from:to], bytes.ReplaceAll([]byte(rules), []byte("\n"), nl))
}

// block is where the block is, and how its lines end. Marks stand on lines of their
// own.
func block(text []byte) (from, to int, nl []byte, err error) {
	from = mark(text, beginMark)
	end := mark(text, endMark)
	switch {
	case from < 0 && end < 0:
		return 0, 0, nil, nil
	case from < 0 || end < from:
		return 0, 0, nil, errors.New("the marks of keeper guard do not come in a pair, begin and end: mend the file by hand, nothing was changed")
	}
	nl = []byte("\n")
	if bytes.HasPrefix(text[from+len(beginMark):], []byte("\r\n")) {
		nl = []byte("\r\n")
	}
	return from, end + len(endMark), nl, nil
}

// mark is where a line starts that is this, -1 if there is none.
func mark(text []byte, want string) int {
	at := 0
	for line := range bytes.Lines(text) {
		if string(bytes.TrimRight(line, "\r\n")) == want {
			return at
		}
		at += len(line)
	}
	return -1
}
