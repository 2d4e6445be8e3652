package guardcli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"keeper/internal/agents"
	"keeper/internal/guard"
	"keeper/internal/guardhost"
	"keeper/internal/term"
)

// patience is how long one judgement may take, reading included. Agents wait for 10 s
// and let the command run then: that must not be.
const patience = 5 * time.Second

// hook judges what an agent is about to do. Whatever goes wrong in here, something
// guarded is never let through for it.
func hook(args []string, in io.Reader, to term.IO) int {
	if len(args) != 1 {
		fmt.Fprintln(to.Err, "keeper guard: hook needs the name of an agent:", strings.Join(agents.Names(), ", "))
		return term.ExitUsage // which refuses, to every agent
	}
	agent, ok := agents.Of(args[0])
	if !ok {
		fmt.Fprintf(to.Err, "keeper guard: there is no agent %q; there are: %s\n", args[0], strings.Join(agents.Names(), ", "))
		return term.ExitUsage
	}
	h := &hooked{agent: agent, to: to}
	late := time.AfterFunc(patience, func() {
		os.Exit(h.fail(fmt.Sprintf("it took longer than %s", patience)))
	})
	defer late.Stop()
	return h.judge(in)
}

// hooked is one run of the hook.
type hooked struct {
	agent agents.Agent
	to    term.IO
	// text is what is known of what the agent is about to do, for the case that it
	// cannot be judged.
	text atomic.Pointer[string]
	once sync.Once
}

func (h *hooked) judge(in io.Reader) (code int) {
	defer func() {
		if r := recover(); r != nil {
			code = h.fail(fmt.Sprintf("it failed: %v", r))
		}
	}()
	raw, err := io.ReadAll(io.LimitReader(in, agents.MaxInput+1))
	text := string(raw)
	h.text.Store(&text)
	if err != nil {
		return h.fail(fmt.Sprintf("its standard input cannot be read: %v", err))
	}
	if len(raw) > agents.MaxInput {
		// What stands behind the cut nobody has seen.
		return h.answer(h.agent.Failure(fmt.Sprintf("it is longer than %d MiB", agents.MaxInput>>20)))
	}
	ev, err := h.agent.Parse(raw)
	if err != nil {
		return h.fail(err.Error())
	}
	account := guardhost.Here()
	if ev.Other {
		return h.note(account, guard.Verdict{}, ev, time.Now())
	}
	now := time.Now()
	host, policy, mistakes := account.Load(ev.Dir, now)
	v := judgeEvent(ev, host, policy)
	if v.Passed != "" {
		// The pass is for one time; another process may have been faster.
		if err := account.Use(ev.Command, h.agent.Name, now); err != nil {
			policy.Passes = nil
			v = judgeEvent(ev, host, policy)
		}
	}
	out, said, code := h.agent.Answer(v, ev)
	code = h.answer(out, said, code)
	if v.Decision != guard.None {
		for _, m := range mistakes {
			fmt.Fprintln(h.to.Err, "keeper guard:", m)
		}
	}
	// After the answer: no disk holds it up.
	h.note(account, v, ev, now)
	return code
}

// note keeps the verdict.
func (h *hooked) note(account guardhost.Account, v guard.Verdict, ev agents.Event, now time.Time) int {
	name := h.agent.Name
	if ev.Session == agents.TestSession {
		name += "-test"
	}
	if err := account.Note(v, lineOf(ev), name, ev.Dir, now); err != nil && v.Decision != guard.None {
		fmt.Fprintf(h.to.Err, "keeper guard: the verdict could not be kept: %v\n", err)
	}
	return 0
}

// judgeEvent judges a command line, or the files that a tool writes and takes away.
func judgeEvent(ev agents.Event, host guard.Host, policy guard.Policy) guard.Verdict {
	if ev.Command != "" {
		return guard.Judge(ev.Command, host, policy)
	}
	v := guard.JudgeWrite(ev.Tool, ev.Paths, host, policy)
	if len(ev.Removed) > 0 {
		v = worse(v, guard.JudgeRemove(ev.Tool, ev.Removed, host, policy))
	}
	return v
}

func worse(a, b guard.Verdict) guard.Verdict {
	if b.Decision > a.Decision {
		a, b = b, a
	}
	a.Findings = append(a.Findings, b.Findings...)
	return a
}

// lineOf is the event as a line for the history.
func lineOf(ev agents.Event) string {
	if ev.Command != "" {
		return ev.Command
	}
	return ev.Tool + " " + strings.Join(append(append([]string{}, ev.Paths...), ev.Removed...), " ")
}

// fail answers where nothing could be judged: what may be about something guarded is
// refused, and the rest passes, with a word about it.
func (h *hooked) fail(why string) int {
	text := ""
	if p := h.text.Load(); p != nil {
		text = *p
	}
	if text != "" && guard.Suspicious(text) == "" {
		fmt.Fprintf(h.to.Err, "keeper guard could not judge this (%s); there is no guarded word in it\n", why)
		return h.answer(nil, "", 0)
	}
	return h.answer(h.agent.Failure(why))
}

// answer says it, once: the time-out and the judgement may come at the same moment.
func (h *hooked) answer(out []byte, said string, code int) int {
	h.once.Do(func() {
		_, werr := h.to.Out.Write(out)
		_, serr := io.WriteString(h.to.Err, said)
		if err := errors.Join(werr, serr); err != nil && len(out) > 0 {
			fmt.Fprintln(h.to.Err, "keeper guard: the answer cannot be written, so this is refused:", err)
			code = term.ExitUsage
		}
	})
	return code
}
