package guard

import (
	"slices"
	"strings"
)

// terminal is tmux and screen: what is typed into one, and what is run in one.
func (s *shell) terminal(c *call) {
	inner := s.child(c.name)
	inner.stdin = nil
	if c.name == "screen" {
		o := parseOptions(c.args, "S X c e h p s t T", true)
		if x := o.value("X"); x == "stuff" || x == "exec" || x == "screen" || x == "eval" {
			inner.judgeText(typed(o.words, c.name == "screen"), input{})
			return
		}
		inner.program(o.words, input{}, nil)
		return
	}
	o := parseOptions(c.args, "L S f c T", true)
	verb := o.word(0)
	rest := o.rest(1)
	switch verb {
	case "send-keys", "send", "send-prefix", "set-buffer", "setb":
		inner.through[len(inner.through)-1] = "tmux " + verb
		o = parseOptions(rest, "t N b n", true)
		inner.judgeText(typed(o.words, c.name == "screen"), input{})
	case "new-session", "new", "new-window", "neww", "split-window", "splitw", "respawn-pane", "respawnp", "respawn-window", "respawnw", "run-shell", "run", "if-shell", "if", "display-popup", "popup", "pipe-pane", "pipep":
		inner.through[len(inner.through)-1] = "tmux " + verb
		takes := "t n s c e F f x y l"
		if strings.HasSuffix(verb, "popup") {
			takes += " h w d T S b"
		}
		o = parseOptions(rest, takes, true)
		if len(o.words) == 1 || strings.HasPrefix(verb, "if") || strings.HasPrefix(verb, "run") {
			for _, w := range o.words {
				inner.judgeText(w, input{})
			}
			return
		}
		inner.program(o.words, input{}, nil)
	}
	// tmux takes several commands, with ; between them.
	if i := slices.IndexFunc(rest, func(w string) bool { return w == ";" || w == "\\;" }); i >= 0 {
		again := *c
		again.args = rest[i+1:]
		if s.depth < maxDepth-2 {
			s.sub().terminal(&again)
		}
	}
}

// typed is what keys make: words in a row, a new line at Enter. screen(1) knows escapes
// in them.
func typed(keys []string, escapes bool) string {
	var b strings.Builder
	for _, k := range keys {
		switch k {
		case "Enter", "C-m", "C-j", "KPEnter":
			b.WriteByte('\n')
		case "Space":
			b.WriteByte(' ')
		case ";", "\\;":
			return b.String()
		default:
			if !escapes {
				b.WriteString(k)
				continue
			}
			b.WriteString(strings.NewReplacer(`\n`, "\n", `\r`, "\n", "\r", "\n", `\015`, "\n", `\012`, "\n", "^M", "\n", "^J", "\n").Replace(k))
		}
	}
	return b.String()
}
