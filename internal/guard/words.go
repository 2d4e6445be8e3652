package guard

import (
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"
)

// maxFields bounds how many words one command may have.
const maxFields = 2000

// text is a variable with a value.
func text(value string) expand.Variable {
	if len(value) > maxValue {
		value = holeWord
	}
	return expand.Variable{Set: true, Kind: expand.String, Str: value}
}

// list is an array.
func list(values []string) expand.Variable {
	total := 0
	for _, v := range values {
		total += len(v)
	}
	if total > maxValue || len(values) > maxFields {
		values = []string{holeWord}
	}
	return expand.Variable{Set: true, Kind: expand.Indexed, List: values}
}

// positional is what "$@" is.
func (s *shell) positional() []string {
	if s.args == nil {
		return []string{holeWord}
	}
	return s.args
}

// environ has the variables of a shell for the expansion. One that nobody set on the
// line is not known, and no empty one: the shell that runs it has variables of its own.
type environ struct{ s *shell }

// Get returns a variable.
func (e environ) Get(name string) expand.Variable {
	s := e.s
	if v, ok := s.vars[name]; ok {
		return v
	}
	h := s.j.host
	known := ""
	switch name {
	case "HOME":
		known = h.Home
		if s.place.kind == inContainer {
			known = "/root"
		}
	case "USER", "LOGNAME":
		known = h.User
	case "UID", "EUID":
		known = strconv.Itoa(h.UID)
	case "XDG_RUNTIME_DIR":
		known = h.Runtime
	case "XDG_CONFIG_HOME":
		known = h.Home + "/.config"
	case "XDG_DATA_HOME":
		known = h.Home + "/.local/share"
	case "XDG_STATE_HOME":
		known = h.Home + "/.local/state"
	case "PWD":
		known = s.dir
	case "SHELL", "BASH":
		known = "/bin/bash"
	case "IFS":
		return expand.Variable{Set: true, Kind: expand.String, Str: " \t\n"}
	case "@", "*":
		return list(s.positional())
	case "#":
		if s.args != nil {
			known = strconv.Itoa(len(s.args))
		}
	case "HOME " + h.User:
		known = h.Home
	case "HOME root":
		known = "/root"
	default:
		if user, ok := strings.CutPrefix(name, "HOME "); ok {
			return text("/home/" + user)
		}
		if n, err := strconv.Atoi(name); err == nil && s.args != nil && n > 0 {
			if n <= len(s.args) {
				return text(s.args[n-1])
			}
			return expand.Variable{}
		}
	}
	if known == "" {
		known = holeWord
	}
	return text(known)
}

// Each goes through those that the line set.
func (e environ) Each(yield func(string, expand.Variable) bool) {
	for name, v := range e.s.vars {
		if !yield(name, v) {
			return
		}
	}
}

// Set is for ${x:=y}.
func (e environ) Set(name string, v expand.Variable) error {
	e.s.set(name, v)
	return nil
}

func (s *shell) set(name string, v expand.Variable) {
	if len(v.Str) > maxValue {
		v = text(holeWord)
	}
	s.vars[name] = v
	// What the shell runs before each prompt, and what it reads at its start.
	switch {
	case v.Kind != expand.String:
	case name == "PROMPT_COMMAND":
		s.child(name).judgeText(v.Str, input{})
	case slices.Contains([]string{"GIT_SSH_COMMAND", "GIT_EDITOR", "GIT_SEQUENCE_EDITOR", "GIT_PAGER", "EDITOR", "VISUAL", "PAGER", "MANPAGER"}, name):
		s.child(name).judgeText(v.Str, input{})
	case name == "BASH_ENV" || name == "ENV":
		if text, ok := s.file(v.Str); ok {
			s.script_(text, v.Str, nil, input{})
		}
	}
}

// config is how words are expanded: without looking at the disk.
func (s *shell) config() *expand.Config {
	return &expand.Config{
		Env: environ{s},
		CmdSubst: func(w io.Writer, x *syntax.CmdSubst) error {
			s.j.spend()
			_, err := io.WriteString(w, s.sub().stmts(x.Stmts, input{}))
			return err
		},
		ProcSubst: func(x *syntax.ProcSubst) (string, error) {
			s.j.spend()
			return s.procSubst(x), nil
		},
	}
}

// procSubst runs <( ) and returns the path of a file that has what it prints. What is
// written to >( ) is not known when it is looked at.
func (s *shell) procSubst(x *syntax.ProcSubst) string {
	path := "/dev/fd/" + strconv.Itoa(63+len(s.j.written))
	if x.Op == syntax.CmdOut {
		s.sub().stmts(x.Stmts, input{holeWord, true})
		return path
	}
	s.j.written[path] = s.sub().stmts(x.Stmts, input{})
	return path
}

// fields expands words as a command has them. What cannot be expanded is a mark.
func (s *shell) fields(words []*syntax.Word) []string {
	var out []string
	for _, w := range words {
		out = append(out, s.expandOne(w)...)
		if len(out) > maxFields {
			panic(failure("it has too many words"))
		}
	}
	return out
}

func (s *shell) expandOne(w *syntax.Word) []string {
	w = s.defaults(plainGlobs(w))
	var out []string
	for field, err := range expand.FieldsSeq(s.config(), w) {
		if err != nil {
			return []string{holeWord}
		}
		if len(field) > maxValue {
			field = holeWord
		}
		if out = append(out, field); len(out) > maxFields {
			panic(failure("it has too many words"))
		}
	}
	return out
}

// plainGlobs makes an extended glob, !(x) or @(a|b), an asterisk: it stands for
// whatever it may match.
func plainGlobs(w *syntax.Word) *syntax.Word {
	for i, part := range w.Parts {
		if _, ok := part.(*syntax.ExtGlob); !ok {
			continue
		}
		plain := *w
		plain.Parts = append([]syntax.WordPart(nil), w.Parts...)
		plain.Parts[i] = &syntax.Lit{Value: "*"}
		return plainGlobs(&plain)
	}
	return w
}

// defaults puts the default of a variable that is not known in its place, where that has
// a guarded word in it: ${X:-loginctl}. Of others nothing is known.
func (s *shell) defaults(w *syntax.Word) *syntax.Word {
	parts, changed := s.defaultParts(w.Parts)
	if !changed {
		return w
	}
	plain := *w
	plain.Parts = parts
	return &plain
}

func (s *shell) defaultParts(parts []syntax.WordPart) (out []syntax.WordPart, changed bool) {
	for _, part := range parts {
		switch x := part.(type) {
		case *syntax.DblQuoted:
			if inner, ok := s.defaultParts(x.Parts); ok {
				quoted := *x
				quoted.Parts, part, changed = inner, &quoted, true
			}
		case *syntax.ParamExp:
			if x.Param == nil || x.Exp == nil || x.Exp.Word == nil {
				break
			}
			switch x.Exp.Op {
			case syntax.DefaultUnset, syntax.DefaultUnsetOrNull, syntax.AssignUnset, syntax.AssignUnsetOrNull:
			default:
				out = append(out, part)
				continue
			}
			if v := (environ{s}).Get(x.Param.Value); !open(v.Str) || v.Kind != expand.String {
				break
			}
			if text := s.literal(x.Exp.Word); dangerous(text) != "" {
				if x.Exp.Op == syntax.AssignUnset || x.Exp.Op == syntax.AssignUnsetOrNull {
					s.vars[x.Param.Value] = expand.Variable{Set: true, Kind: expand.String, Str: text}
				}
				out, changed = append(out, x.Exp.Word.Parts...), true
				continue
			}
		}
		out = append(out, part)
	}
	return out, changed
}

// word expands what is one word however it comes out: a redirect's.
func (s *shell) word(w *syntax.Word) string {
	if w == nil {
		return ""
	}
	fields := s.expandOne(w)
	return strings.Join(fields, " ")
}

// literal expands without splitting: the value of a variable, a here-string.
func (s *shell) literal(w *syntax.Word) string {
	if w == nil {
		return ""
	}
	value, err := expand.Literal(s.config(), unescaped(s.defaults(plainGlobs(w))))
	if err != nil || len(value) > maxLine {
		return holeWord
	}
	return value
}

// unescaped makes quotes of the backslashes outside of quotes, which expand.Literal
// would leave where they are.
func unescaped(w *syntax.Word) *syntax.Word {
	var parts []syntax.WordPart
	for _, part := range w.Parts {
		lit, ok := part.(*syntax.Lit)
		if !ok || !strings.Contains(lit.Value, `\`) {
			parts = append(parts, part)
			continue
		}
		rest := lit.Value
		for {
			before, after, found := strings.Cut(rest, `\`)
			if before != "" {
				parts = append(parts, &syntax.Lit{Value: before})
			}
			if !found || after == "" {
				break
			}
			if after[0] != '\n' {
				_, size := utf8.DecodeRuneInString(after)
				parts = append(parts, &syntax.SglQuoted{Value: after[:size]})
				after = after[size-1:]
			}
			rest = after[1:]
		}
	}
	plain := *w
	plain.Parts = parts
	return &plain
}

// document is the text of a here-document: as it stands, where a part of its delimiter
// is in quotes.
func (s *shell) document(r *syntax.Redirect) string {
	if r.Hdoc == nil {
		return ""
	}
	quoted := false
	for _, part := range r.Word.Parts {
		lit, ok := part.(*syntax.Lit)
		quoted = quoted || !ok || strings.Contains(lit.Value, `\`)
	}
	text := r.Hdoc.Lit()
	if !quoted || text == "" {
		var err error
		if text, err = expand.Document(s.config(), r.Hdoc); err != nil || len(text) > maxLine {
			return holeWord
		}
	}
	if r.Op == syntax.DashHdoc {
		var b strings.Builder
		for line := range strings.Lines(text) {
			b.WriteString(strings.TrimLeft(line, "\t"))
		}
		text = b.String()
	}
	return text
}

// inside runs the substitutions that stand in an expression.
func (s *shell) inside(n syntax.Node) {
	syntax.Walk(n, func(n syntax.Node) bool {
		switch x := n.(type) {
		case *syntax.CmdSubst:
			s.sub().stmts(x.Stmts, input{})
			return false
		case *syntax.ProcSubst:
			s.procSubst(x)
			return false
		}
		return true
	})
}

// readFile is what a program gets of a file on its standard input.
func (s *shell) readFile(path string) input {
	text, ok := s.file(path)
	if !ok {
		text = holeWord
	}
	return input{text, true}
}

// file returns the text of a file, as far as it can be known: of one that the line
// wrote itself, and else of one on this host.
func (s *shell) file(path string) (string, bool) {
	switch path {
	case "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0", "-":
		if s.stdin != nil {
			return s.stdin.text, true
		}
		return "", false
	case "/dev/null":
		return "", true
	}
	full := s.absolute(path)
	if text, ok := s.j.written[full]; ok {
		return text, true
	}
	if s.place.kind != here || open(full) || !strings.HasPrefix(full, "/") {
		return "", false
	}
	return s.j.file(full)
}

// writeFile notes what the line itself put in a file.
func (s *shell) writeFile(path, text string, more bool) {
	full := s.absolute(path)
	if open(full) || len(s.j.written) > most || strings.HasPrefix(full, "/dev/") {
		return
	}
	if more {
		text = s.j.written[full] + text
	}
	if len(text) <= maxLine {
		s.j.written[full] = text
	}
}

// absolute is a path from the root, or as it is where the directory is not known.
func (s *shell) absolute(path string) string {
	if strings.HasPrefix(path, "/") || s.dir == "" {
		return clean(path)
	}
	return clean(s.dir + "/" + path)
}
