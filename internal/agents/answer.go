package agents

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"

	"keeper/internal/guard"
)

// The words of the agents' contracts.
const (
	allow = "allow"
	ask   = "ask"
	deny  = "deny"
)

// Answer is what the agent is told of a verdict: what to write to standard output and
// to standard error, and the exit code. It is silent where the guard has no opinion,
// so that the agent's own permissions hold.
func (a Agent) Answer(v guard.Verdict, ev Event) (stdout []byte, stderr string, code int) {
	switch v.Decision {
	case guard.Deny:
		return a.tell(deny, Reason(v))
	case guard.Ask:
		if a.asks {
			return a.tell(ask, Reason(v))
		}
		return a.tell(deny, Reason(v)+"\n"+a.Title+" cannot ask for that here: it stays refused until somebody has typed: "+wayOut(ev))
	case guard.Allow:
		if v.Passed != "" {
			return a.tell(allow, "keeper guard: "+clean(v.Passed, 100)+" let this pass, once")
		}
	}
	return nil, "", 0
}

// Failure is what the agent is told when the guard itself failed: it refuses.
func (a Agent) Failure(reason string) (stdout []byte, stderr string, code int) {
	return a.tell(deny, "keeper guard could not judge this, so it must not run: "+clean(reason, 400)+
		"\nIt is not your doing: tell the person you work for, who finds out more with keeper doctor.")
}

func (a Agent) tell(decision, reason string) ([]byte, string, int) {
	said := a.say(decision, reason)
	if said == nil {
		return nil, "", 0
	}
	text, err := encode(said, "", "")
	if err != nil {
		// Exit code 2 refuses with all of them, and the reason is on standard error.
		return nil, reason + "\n", 2
	}
	return append(text, '\n'), "", 0
}

// Refused reads an answer as the agent does: whether it refuses, and why.
func (a Agent) Refused(stdout []byte, stderr string, code int) (refused bool, reason string) {
	return a.hear(strings.TrimSpace(string(stdout)), strings.TrimSpace(stderr), code)
}

// most is how many findings a reason tells of.
const most = 3

// Reason is what the model is told: what is refused, why, and the safer way.
func Reason(v guard.Verdict) string {
	var b strings.Builder
	verb := "refuses this"
	if v.Decision == guard.Ask {
		verb = "leaves this to a person"
	}
	b.WriteString("keeper guard " + verb + ".")
	if v.Failed != "" {
		b.WriteString(" It could not read the line: " + clean(v.Failed, 200) + ".")
	}
	told := 0
	for _, f := range v.Findings {
		if f.Decision < guard.Ask {
			continue
		}
		if told++; told > most {
			continue
		}
		b.WriteString("\n- " + clean(f.Command, 200))
		if len(f.Through) > 0 {
			b.WriteString(" (in " + clean(strings.Join(f.Through, ", "), 100) + ")")
		}
		b.WriteString(": " + f.Reason)
		if f.Detail != "" {
			b.WriteString(" (" + clean(f.Detail, 200) + ")")
		}
		b.WriteString(".")
		if f.Unsure {
			b.WriteString(" Part of it is not known before it runs.")
		}
		if f.Safer != "" {
			b.WriteString(" Instead: " + f.Safer + ".")
		}
		b.WriteString(" [" + clean(f.ID, 60) + "]")
	}
	if told > most {
		fmt.Fprintf(&b, "\n- and %d more", told-most)
	}
	if v.Decision == guard.Deny {
		b.WriteString("\nDo not do the same in another way. If it has to be, say so to the person you work for, who can let it pass in a terminal of their own: keeper guard allow-once -- COMMAND")
	}
	return b.String()
}

// wayOut is what a person types to let an event pass.
func wayOut(ev Event) string {
	if ev.Command == "" || strings.ContainsAny(ev.Command, "\r\n") || len(ev.Command) > 200 {
		return "keeper guard allow-once -- COMMAND"
	}
	return "keeper guard allow-once -- " + clean(ev.Command, 200)
}

// clean is text that can be shown: one line, printable, not too long.
func clean(text string, limit int) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case r == unicode.ReplacementChar || !unicode.IsPrint(r):
			return '?'
		}
		return r
	}, text)
	if runes := []rune(text); len(runes) > limit {
		text = string(runes[:limit]) + "…"
	}
	return text
}

// encode is v as JSON, as JSON.stringify has it: without the escapes for HTML.
func encode(v any, prefix, indent string) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent(prefix, indent)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// Sample is what the agent would say for a command line.
func (a Agent) Sample(line, dir string) ([]byte, error) { return encode(a.send(line, dir), "", "") }
