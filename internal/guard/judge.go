package guard

import (
	"errors"
	"fmt"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// What bounds the work for one line. An agent's line is a few hundred bytes, a script
// that it runs some ten thousand.
const (
	maxLine  = 256 << 10
	maxFuel  = 20000 // statements and programs looked at, together
	maxDepth = 24    // shells in shells, functions in functions
	maxNest  = 500   // brackets in brackets: the parser goes down for each
	maxValue = 16 << 10
	maxFound = 50
	maxSteps = 200
)

// judge collects what the rules find in one command line.
type judge struct {
	host     Host
	findings []Finding
	steps    []Step
	fuel     int
	// codeSpent is how much code of interpreters was read for this line.
	codeSpent int
	// said is what the program of the call prints that was read last.
	said   string
	saidBy *call
	// written are the files that the line itself wrote, or that stand for what a program
	// prints: <(...).
	written map[string]string
	// links are programs that the line itself gave another name: ln -s, cp.
	links map[string]string
	// made counts the files of mktemp.
	made int
	// full says that there were more findings than are kept.
	full bool
	// deny and ask are the patterns of the settings.
	deny, ask []Pattern
	// current is the shell in which the call that is looked at stands.
	current *shell

	// places are those of the host with the directories of every system, resolved what
	// was asked of Resolve.
	places   []Place
	resolved map[string]string
	// gitAliases are those that the line itself made.
	gitAliases map[string]string
}

// failure ends the judging of a line, from however deep: it cannot be gone through.
type failure string

// errUnreadable is that the text is no shell.
var errUnreadable = errors.New("it cannot be read as a shell line")

// Judge says what is to become of a command line, as a shell would run it.
func Judge(line string, h Host, p Policy) Verdict {
	if p.Mode() == Off {
		return Verdict{}
	}
	j := newJudge(h, p)
	failed := j.goThrough(line)
	if failed != "" {
		j.crude(line, failed)
		if failed != errUnreadable.Error() && len(j.findings) == 0 {
			// A shell would run it all the same.
			j.find(&call{name: clip(line, 200)}, "guard.unreadable", maybe, failed)
		}
	}
	v := j.verdict(p, line)
	v.Failed = failed
	return v
}

// newJudge takes what the settings guard on top.
func newJudge(h Host, p Policy) *judge {
	j := &judge{host: h, fuel: maxFuel, written: map[string]string{}, links: map[string]string{}}
	j.deny = append(append(j.deny, p.Site.Deny...), p.User.Deny...)
	j.ask = append(append(j.ask, p.Site.Ask...), p.User.Ask...)
	return j
}

// goThrough judges the line, and returns why it could not.
func (j *judge) goThrough(line string) (failed string) {
	defer func() {
		// Whatever goes wrong in here or in the parser, the line is not let through
		// for it.
		switch r := recover().(type) {
		case nil:
		case failure:
			failed = string(r)
		default:
			failed = fmt.Sprintf("the guard failed: %v", r)
		}
	}()
	if len(line) > maxLine {
		return fmt.Sprintf("it is longer than %d KiB", maxLine>>10)
	}
	s := newShell(j)
	if err := s.text(line, input{}); err != nil {
		return err.Error()
	}
	return ""
}

// spend counts work.
func (j *judge) spend() {
	if j.fuel--; j.fuel < 0 {
		panic(failure("it does too much to be gone through"))
	}
}

// parse reads shell text: as bash does, or as zsh does where that fails.
func parse(text string) (*syntax.File, error) {
	if nesting(text) > maxNest {
		return nil, errUnreadable
	}
	for _, lang := range []syntax.LangVariant{syntax.LangBash, syntax.LangZsh} {
		f, err := syntax.NewParser(syntax.Variant(lang)).Parse(strings.NewReader(text), "")
		if err == nil {
			return f, nil
		}
	}
	// A shell runs the lines before the one that it cannot read.
	f := &syntax.File{}
	for st, err := range syntax.NewParser().StmtsSeq(strings.NewReader(text)) {
		if err != nil {
			break
		}
		f.Stmts = append(f.Stmts, st)
	}
	return f, errUnreadable
}

// nesting is about how many brackets the parser may be in at once, quotes disregarded.
func nesting(text string) int {
	deepest, now := 0, 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '(', '{', '[', '`', '!':
			now++
			deepest = max(deepest, now)
		case ')', '}', ']', '\n':
			now = max(now-1, 0)
		}
	}
	return deepest
}

// find notes that a call ran into a rule. sure is yes, or maybe where it depends on
// something unknown: then it is asked about; no is nothing.
func (j *judge) find(c *call, id string, sure match, detail string) {
	if sure == no || sure == maybe && c.script {
		return
	}
	if len(j.findings) >= maxFound {
		// What is left out must not be let through by what the settings allow of the rest.
		if !j.full {
			j.full = true
			r, _ := RuleOf("guard.unreadable")
			j.findings = append(j.findings, Finding{Rule: r, Command: "…", Detail: "it runs into too many rules"})
		}
		return
	}
	r, _ := RuleOf(id)
	f := Finding{Rule: r, Command: c.line(), Through: c.through, Detail: shown(detail)}
	if sure == maybe {
		f.Unsure = true
		f.Decision = min(f.Decision, Ask)
	}
	for _, old := range j.findings {
		if old.ID == f.ID && old.Command == f.Command && old.Decision >= f.Decision {
			return
		}
	}
	j.findings = append(j.findings, f)
}

// check asks the rules about a call.
func (j *judge) check(c *call) {
	j.spend()
	before := len(j.findings)
	j.rules(c)
	if c.name == ">" || c.name == ">>" {
		if len(j.findings) == before {
			return
		}
	}
	if len(j.steps) < maxSteps {
		step := Step{Command: c.line(), Through: c.through, Place: c.place.String()}
		for _, f := range j.findings[before:] {
			step.Rules = append(step.Rules, f.ID)
		}
		j.steps = append(j.steps, step)
	}
}

func (j *judge) rules(c *call) {
	j.sessions(c)
	j.stack(c)
	j.keeperRules(c)
	j.files(c)
	j.data(c)
	j.source(c)
	j.code(c)
	j.custom(c)
}

// nested judges shell text that stands in the words of another program.
func (j *judge) nested(c *call, text, via string) {
	before := j.current
	s := j.shellOf(c).child(via)
	_ = s.judgeText(text, input{})
	j.current = before
}

// nestedArgs judges a program with its words that another one would run.
func (j *judge) nestedArgs(c *call, argv []string, via string) {
	before := j.current
	s := j.shellOf(c).child(via)
	s.program(argv, input{}, nil)
	j.current = before
}

// shellOf is a shell for what a call runs.
func (j *judge) shellOf(c *call) *shell {
	s := newShell(j)
	if j.current != nil {
		s = j.current.sub()
	}
	s.place, s.dir, s.script, s.stdin = c.place, c.dir, c.script, nil
	return s
}

// file is the text of a file of this host.
func (j *judge) file(path string) (string, bool) {
	if j.host.Read == nil {
		return "", false
	}
	j.spend()
	return j.host.Read(path)
}

// crude looks through a line that cannot be read for the words that matter: where one
// is in it, it is refused.
func (j *judge) crude(line, why string) {
	word := Suspicious(line)
	if word == "" {
		return
	}
	c := &call{name: clip(line, 200)}
	j.find(c, "guard.unreadable", yes, why+", and has "+word+" in it")
}

// dangerous is a word of the text by which it may be about something guarded, or "".
func dangerous(text string) string {
	lower := strings.ToLower(text)
	for _, word := range []string{
		"loginctl", "busctl", "gdbus", "dbus-send", "login1", "systemctl", "terminate", "linger", "shutdown", "reboot", "poweroff",
		"podman", "docker", "keeper", "pkill", "killall", "kill -9", "mkfs", "userdel", "usermod", "sysrq",
		"rm -r", "rm -f", "rmtree", "-delete", "--force", "force-push", "truncate", "drop ", "delete from", "flushall", "flushdb",
		"containers/", "/run/user", "rb --force", "manage.py", "dd of=", "dd if=",
	} {
		if strings.Contains(lower, word) {
			return word
		}
	}
	return ""
}

// Suspicious is a word of a text by which it may be about something guarded, or "" if
// there is none: for a text that cannot be judged.
func Suspicious(text string) string {
	// Blanks of any kind and number are one.
	text = strings.Join(strings.Fields(text), " ")
	if word := dangerous(text); word != "" {
		return word
	}
	padded := " " + strings.ToLower(text) + " "
	for _, word := range []string{
		"rm --", "push -f", "push origin +", "--mirror", "push --delete", "clean -f", "clean -d", "clean -x", "dropdb", "mc rb", "s3 rb", "mc rm", "wipefs", "shred",
		" halt", " umount", " dd ", " kill ", "crontab", "chage", "passwd -l", "setuserlinger", "stopunit", "killunit", "conmon", "pasta", "aardvark", "rmdir", "unlink",
		"git push", "sgdisk", "mkswap", "blkdiscard", "init 0", "init 6", "telinit", "kexec", "isolate", "compose",
	} {
		if strings.Contains(padded, word) {
			return strings.TrimSpace(word)
		}
	}
	return ""
}

// Quote is words as a line of shell.
func Quote(words []string) string {
	out := make([]string, len(words))
	for i, w := range words {
		q, err := syntax.Quote(w, syntax.LangBash)
		if err != nil {
			q = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'" // what bash cannot have in a word
		}
		out[i] = q
	}
	return strings.Join(out, " ")
}

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
