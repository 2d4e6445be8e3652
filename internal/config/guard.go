package config

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// Guard are the settings of the command guard, as one place says them: plain words,
// for what they mean is the guard's matter.
type Guard struct {
	// Mode is "" where it is not set; Overrides too.
	Mode string `json:"mode,omitempty"`
	// Rules has a decision for a rule by its id, or for a class.
	Rules map[string]string `json:"rules,omitempty"`
	// Allow, Ask and Deny are commands.
	Allow []GuardCommand `json:"allow,omitempty"`
	Ask   []GuardCommand `json:"ask,omitempty"`
	Deny  []GuardCommand `json:"deny,omitempty"`
	// Protect are paths, absolute or below ~/; Keep are names of containers and units.
	Protect   []string `json:"protect,omitempty"`
	Keep      []string `json:"keep,omitempty"`
	Overrides string   `json:"overrides,omitempty"`
	// From says where each key was set, as FILE:LINE; a rule as rules.ID.
	From map[string]string `json:"from,omitempty"`
}

// GuardCommand is a pattern of commands.
type GuardCommand struct {
	Words  []string `json:"words"`
	Name   string   `json:"name,omitempty"`
	Reason string   `json:"reason,omitempty"`
	Safer  string   `json:"safer,omitempty"`
}

// The words of [guard].
const (
	GuardDeny      = "deny"
	GuardAsk       = "ask"
	GuardAllow     = "allow"
	GuardEnforce   = "enforce"
	OverrideNever  = "never"
	overridePerson = "person"
)

// The names of its tables.
const (
	guardTable = "guard"
	rulesTable = "rules"
)

var (
	guardModes     = []string{GuardEnforce, GuardAsk, "watch", "off"}
	guardDecisions = []string{GuardDeny, GuardAsk, GuardAllow}
	guardOverrides = []string{overridePerson, OverrideNever}
)

// guardRules are the ids of all rules. The guard has what they mean; a test sees to it
// that both have the same.
var guardRules = []string{
	"session.terminate", "session.kill", "session.linger", "session.bus", "session.manager", "session.processes", "session.account",
	"machine.power", "machine.target", "machine.disk",
	"stack.unit", "stack.container", "stack.containers", "stack.reset", "stack.prune", "stack.volume", "stack.network", "stack.secret",
	"stack.compose", "stack.socket", "stack.helpers", "stack.port",
	"keeper.stop", "keeper.pause", "keeper.guard", "keeper.socket", "keeper.drill", "keeper.files", "keeper.settings", "keeper.hook",
	"files.quadlet", "files.quadlet-edit", "files.storage", "files.runtime", "files.home", "files.protected",
	"data.drop", "data.truncate", "data.delete", "data.server", "data.redis", "data.bucket", "data.django", "data.directory", "data.import",
	"source.force-push",
	"guard.unknown", "guard.unreadable",
}

// GuardRules returns the ids of the rules that settings may name.
func GuardRules() []string { return slices.Clone(guardRules) }

// mostGuarded bounds each list of [guard], mostCommand a command in it.
const (
	mostGuarded = 200
	mostCommand = 1000
)

// guardKey is a key of [guard].
type guardKey struct {
	name, rule string
	// put takes the value, or says what is wrong with it.
	put            func(g *Guard, v *unstable.Node) (wrong string)
	initial, means string
}

const commandRule = `must be commands, each as the words of one program, or as {command = "…", reason = "…", safer = "…", name = "…"}`

var guardKeys = []guardKey{
	{"mode", "must be one of " + quoted(guardModes), guardWord(func(g *Guard) *string { return &g.Mode }, guardModes...), GuardEnforce,
		"what is done with verdicts: they hold; it is asked where it would be denied; they are only noted; nothing is judged"},
	{"deny", commandRule, guardCommands(func(g *Guard) *[]GuardCommand { return &g.Deny }), "", "commands that must not run, with what is said of them"},
	{"ask", commandRule, guardCommands(func(g *Guard) *[]GuardCommand { return &g.Ask }), "", "commands that a person is asked about"},
	{"allow", commandRule, guardCommands(func(g *Guard) *[]GuardCommand { return &g.Allow }), "", "commands that may run although a rule says otherwise"},
	{"protect", `must be absolute paths, or such that begin with "~/", without ".."`, guardList(func(g *Guard) *[]string { return &g.Protect }, isProtected), "",
		"files and directories that nobody may remove or change, with all below"},
	{"keep", "must be names of containers or units", guardList(func(g *Guard) *[]string { return &g.Keep }, isKept), "",
		"what is guarded as a kept service is, although no Quadlet file makes it"},
	{"overrides", "must be one of " + quoted(guardOverrides), guardWord(func(g *Guard) *string { return &g.Overrides }, guardOverrides...), overridePerson,
		"whether a person at a terminal may let a command through, once"},
}

const (
	ruleRule  = `must be one of "deny", "ask", "allow"`
	ruleMeans = "what becomes of commands that this rule is about, or all of this class; `keeper guard rules` lists them"
)

func guardWord(field func(*Guard) *string, words ...string) func(*Guard, *unstable.Node) string {
	return func(g *Guard, v *unstable.Node) string {
		if v.Kind != unstable.String || !slices.Contains(words, string(v.Data)) {
			return "must be one of " + quoted(words)
		}
		*field(g) = string(v.Data)
		return ""
	}
}

func guardList(field func(*Guard) *[]string, good func(string) bool) func(*Guard, *unstable.Node) string {
	return func(g *Guard, v *unstable.Node) string {
		list, _ := valueOf(&setting{form: names}, v).([]string)
		switch i := slices.IndexFunc(list, func(s string) bool { return !good(s) }); {
		case list == nil:
			return "must be a list"
		case len(list) > mostGuarded:
			return tooMany
		case i >= 0:
			return short(printable(list[i])) + " is none"
		}
		*field(g) = list
		return ""
	}
}

var tooMany = fmt.Sprintf("has more than %d", mostGuarded)

// isProtected leaves out the roots of all paths, below which everything is.
func isProtected(s string) bool {
	rest, below := strings.CutPrefix(s, "~/")
	rest = strings.Trim(rest, "/")
	return clean(s) && (below || filepath.IsAbs(s)) && rest != "" && rest != "." && !slices.Contains(strings.Split(s, "/"), "..")
}

func isKept(s string) bool { return isName(s) && !strings.ContainsAny(s, "/ \\*?[") }

// guardCommands takes a list of commands, each a string or a table.
func guardCommands(field func(*Guard) *[]GuardCommand) func(*Guard, *unstable.Node) string {
	return func(g *Guard, v *unstable.Node) string {
		if v.Kind != unstable.Array {
			return "must be a list"
		}
		list := []GuardCommand{}
		for it := v.Children(); it.Next(); {
			one := it.Node()
			var c GuardCommand
			var wrong string
			switch one.Kind {
			case unstable.Comment:
				continue
			case unstable.String:
				c.Words, wrong = commandWords(string(one.Data))
			case unstable.InlineTable:
				c, wrong = commandTable(one)
			default:
				wrong = "is no string"
			}
			if wrong != "" {
				return shownCommand(one) + " " + wrong
			}
			if list = append(list, c); len(list) > mostGuarded {
				return tooMany
			}
		}
		*field(g) = list
		return ""
	}
}

func shownCommand(v *unstable.Node) string {
	if v.Kind == unstable.InlineTable {
		return "{…}"
	}
	return shown(v)
}

// commandTable is {command = "…", reason = "…", …}.
func commandTable(v *unstable.Node) (c GuardCommand, wrong string) {
	seen := map[string]bool{}
	for it := v.Children(); it.Next(); {
		kv := it.Node()
		if kv.Kind != unstable.KeyValue {
			continue
		}
		var parts []string
		for k := kv.Key(); k.Next(); {
			parts = append(parts, printable(string(k.Node().Data)))
		}
		key, val := strings.Join(parts, "."), kv.Value()
		text := string(val.Data)
		good := val.Kind == unstable.String && clean(text) && len(text) <= mostCommand
		switch {
		case seen[key]:
			return c, "has " + short(key) + " twice"
		case key == "command" && good:
			c.Words, wrong = commandWords(text)
		case key == "reason" && good:
			c.Reason = text
		case key == "safer" && good:
			c.Safer = text
		case key == "name" && good && strings.Trim(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == "":
			c.Name = text
		case key == "name":
			return c, "has a name with other letters than a-z, 0-9 and -"
		case slices.Contains([]string{"command", "reason", "safer"}, key):
			return c, fmt.Sprintf("has a %s that is no line of text, or longer than %d", key, mostCommand)
		default:
			return c, "has " + short(key) + ", and there is no such key" + meant(key, []string{"command", "reason", "safer", "name"})
		}
		if wrong != "" {
			return c, wrong
		}
		seen[key] = true
	}
	if c.Words == nil {
		return c, "has no command"
	}
	return c, ""
}

// commandWords splits a pattern of commands at blanks, as a shell does that knows quotes
// and backslashes, and says what could never match: the guard sees each program by
// itself, by its bare name, without what stands around it.
func commandWords(text string) (words []string, wrong string) {
	if !clean(text) || len(text) > mostCommand {
		return nil, fmt.Sprintf("is no line of text, or longer than %d", mostCommand)
	}
	words, ok := shellWords(text)
	switch {
	case !ok:
		return nil, "is not the words of one program: what a shell knows besides (| & ; < > ( ) $ `, a quote that is not closed) stands in quotes"
	case len(words) == 0 || strings.Trim(words[0], "*?") == "":
		return nil, "does not say which program"
	case strings.ContainsAny(words[0], "/="):
		return nil, "must begin with the bare name of the program, as systemctl"
	case slices.Contains(words[:len(words)-1], "**"):
		return nil, "has ** before its end: it stands for any words that follow"
	}
	for _, w := range words {
		if _, err := path.Match(w, ""); err != nil { // as the guard will
			return nil, "has a [ that is not closed"
		}
	}
	return words, ""
}

// shellWords splits at blanks, and takes quotes and backslashes away.
func shellWords(text string) (words []string, ok bool) {
	var word strings.Builder
	var quote rune
	inside, escaped := false, false
	for _, r := range text {
		switch {
		case escaped:
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			inside, escaped = true, true
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '"' || r == '\'':
			inside, quote = true, r
		case r == ' ':
			if inside {
				words = append(words, word.String())
				word.Reset()
			}
			inside = false
		case strings.ContainsRune("|&;<>()$`", r):
			return nil, false
		default:
			inside = true
			word.WriteRune(r)
		}
	}
	if inside {
		words = append(words, word.String())
	}
	return words, quote == 0 && !escaped
}

// called is a key as the file has it.
func (r *reader) called(names []string) string { return strings.Join(names[len(r.root):], ".") }

// guardHeader looks at the table that opens, and says whether it is one of the guard's.
func (r *reader) guardHeader(names []string, line int, listed bool) bool {
	inner, name := strings.Join(names[1:], "."), "["+r.called(names)+"]"
	switch {
	case listed && slices.Contains([]string{"deny", "ask", "allow"}, inner):
		r.wrong(line, name, "", "is a list: write it as "+inner+` = [{command = "…", reason = "…"}]`)
	case listed:
		r.wrong(line, name, "", "is one table, and not one of a list: write it in single brackets")
	case inner != "" && inner != rulesTable || inner == "" && r.root != nil:
		r.wrong(line, name, "", "there is no such table; there is: ["+r.called([]string{guardTable, rulesTable})+"]")
	default:
		return true
	}
	return false
}

// ofGuard takes a key of [guard].
func (r *reader) ofGuard(names []string, line int, v *unstable.Node) {
	name, key := r.called(names), strings.Join(names[1:], ".")
	if r.twice(strings.Join(names, "."), name, line) {
		return
	}
	from := from(r.file, line)
	if rule, is := strings.CutPrefix(key, rulesTable+"."); is {
		switch known := append(guardClasses(), guardRules...); {
		case !slices.Contains(known, rule):
			if guess := r.meant(rule, known); strings.HasSuffix(guess, "?") {
				r.wrong(line, name, "", "there is no such rule"+guess)
			} else {
				r.wrong(line, name, "", "there is no such rule; keeper guard rules lists them")
			}
		case v.Kind != unstable.String || !slices.Contains(guardDecisions, string(v.Data)):
			r.wrong(line, name, shown(v), ruleRule)
		default:
			r.guard.set(key, from, func(g *Guard) {
				if g.Rules == nil {
					g.Rules = map[string]string{}
				}
				g.Rules[rule] = string(v.Data)
			})
		}
		return
	}
	i := slices.IndexFunc(guardKeys, func(k guardKey) bool { return k.name == key })
	if i < 0 {
		known := []string{rulesTable}
		for _, k := range guardKeys {
			known = append(known, k.name)
		}
		r.wrong(line, name, "", "there is no such key"+r.meant(key, known))
		return
	}
	k, g := guardKeys[i], Guard{}
	switch wrong := k.put(&g, v); {
	case wrong == "must be a list" || wrong == k.rule:
		r.wrong(line, name, shown(v), k.rule)
	case wrong != "":
		r.wrong(line, name, "", wrong+"; "+k.rule)
	default:
		r.guard.set(key, from, func(to *Guard) { _ = k.put(to, v) })
	}
}

func (g *Guard) set(key, from string, put func(*Guard)) {
	put(g)
	if g.From == nil {
		g.From = map[string]string{}
	}
	g.From[key] = from
}

// guardClasses are the classes of the rules.
func guardClasses() []string {
	var list []string
	for _, id := range guardRules {
		class, _, _ := strings.Cut(id, ".")
		list = append(list, class)
	}
	return slices.Compact(list)
}

// over returns base with what g sets in its place.
func (g Guard) over(base Guard) Guard {
	for key, from := range g.From {
		rule, is := strings.CutPrefix(key, rulesTable+".")
		base.set(key, from, func(to *Guard) {
			switch key {
			case "mode":
				to.Mode = g.Mode
			case "deny":
				to.Deny = g.Deny
			case "ask":
				to.Ask = g.Ask
			case "allow":
				to.Allow = g.Allow
			case "protect":
				to.Protect = g.Protect
			case "keep":
				to.Keep = g.Keep
			case "overrides":
				to.Overrides = g.Overrides
			}
			if is && to.Rules == nil {
				to.Rules = map[string]string{}
			}
			if is {
				to.Rules[rule] = g.Rules[rule]
			}
		})
	}
	return base
}

// Strict leaves of settings what makes the guard stricter than it is by itself. It is
// what counts where something was wrong: half of what was meant must not be the half
// that lets commands through.
func (g Guard) Strict() Guard {
	s := Guard{Ask: g.Ask, Deny: g.Deny, Protect: g.Protect, Keep: g.Keep, From: map[string]string{}}
	for key, from := range g.From {
		rule, is := strings.CutPrefix(key, rulesTable+".")
		switch {
		case is && g.Rules[rule] != GuardDeny, key == "allow", key == "mode" && g.Mode != GuardEnforce, key == "overrides" && g.Overrides != OverrideNever:
			continue
		case is:
			if s.Rules == nil {
				s.Rules = map[string]string{}
			}
			s.Rules[rule] = GuardDeny
		case key == "mode":
			s.Mode = GuardEnforce
		case key == "overrides":
			s.Overrides = OverrideNever
		}
		s.From[key] = from
	}
	return s
}

// ReadGuard reads [guard] in the files of keeper.toml, in their order: a key of a later
// one wins. If anything is wrong in any of them, only what makes the guard stricter
// counts.
func ReadGuard(files ...string) (Guard, Mistakes) {
	var g Guard
	var all Mistakes
	for _, file := range files {
		data, err := load(file, maxSize)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			all = append(all, Mistake{File: file, Rule: err.Error()})
			continue
		}
		r := read(file, data, nil)
		g = r.guard.over(g)
		all = append(all, r.mistakes.bounded(file)...)
	}
	if len(all) > 0 {
		return g.Strict(), all
	}
	return g, nil
}

// ReadSiteGuard reads guard.toml, which says for all accounts what their own settings
// cannot weaken: the keys of [guard], without the table. It is root's, or it does not
// count.
func ReadSiteGuard(file string) (Guard, Mistakes) { return readSiteGuard(file, 0) }

func readSiteGuard(file string, root uint32) (Guard, Mistakes) {
	data, _, err := loadOf(file, maxSize, &root)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Guard{}, nil
	case err != nil:
		return Guard{}, Mistakes{{File: file, Rule: err.Error()}}
	}
	return parseGuard(file, data)
}

// CheckGuard reads a guard.toml that is not in its place yet, whosever it is.
func CheckGuard(file string) (Guard, Mistakes) {
	data, err := load(file, maxSize)
	if err != nil {
		return Guard{}, Mistakes{{File: file, Rule: err.Error()}}
	}
	return parseGuard(file, data)
}

func parseGuard(file string, data []byte) (Guard, Mistakes) {
	r := read(file, data, []string{guardTable})
	if len(r.mistakes) > 0 {
		return r.guard.Strict(), r.mistakes.bounded(file)
	}
	return r.guard, nil
}
