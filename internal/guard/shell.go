package guard

import (
	"maps"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"
)

// shell is one shell that runs a part of the line: what it knows at a point of it.
type shell struct {
	j    *judge
	vars map[string]expand.Variable
	// funcs and aliases are those of the line.
	funcs   map[string]*syntax.Stmt
	aliases map[string]string
	// args are $1 and on, or nil where they are not known.
	args []string
	// stdin is what the shell itself reads, for read and for programs without a
	// redirect of their own.
	stdin   *input
	dir     string
	place   place
	through []string
	script  bool
	depth   int
	// calling are the functions that are run at the moment.
	calling []string
}

// input is what is fed to a program: text, with marks for what is not known.
type input struct {
	text string
	fed  bool
}

// known says that something is fed and that nothing of it is unknown.
func (in input) known() bool { return in.fed && !open(in.text) }

func newShell(j *judge) *shell {
	return &shell{j: j, vars: map[string]expand.Variable{}, funcs: map[string]*syntax.Stmt{}, aliases: map[string]string{}, dir: j.host.Dir}
}

// sub is a shell that begins as a copy of this one: ( ), $( ).
func (s *shell) sub() *shell {
	c := *s
	c.vars, c.funcs, c.aliases = maps.Clone(s.vars), maps.Clone(s.funcs), maps.Clone(s.aliases)
	if c.depth++; c.depth > maxDepth {
		panic(failure("its shells are too deep in one another"))
	}
	return &c
}

// child is a copy for what a program runs, which is noted as a way to it.
func (s *shell) child(via string) *shell {
	c := s.sub()
	if via != "" {
		c.through = append(slices.Clip(s.through), via)
	}
	return c
}

// text runs shell text in this shell.
func (s *shell) text(text string, in input) error {
	f, err := parse(text)
	if f != nil {
		s.stmts(f.Stmts, in)
	}
	return err
}

// judgeText runs shell text of which nobody knows whether it can be read, and returns
// what it prints.
func (s *shell) judgeText(text string, in input) string {
	if tainted(text) && strings.Trim(text, holeWord+taintWord+" \t\n") == "" {
		c := s.newCall("a shell", []string{taintWord}, input{})
		s.j.find(c, "guard.unknown", maybe, "it runs what was made of text with a guarded word in it")
		return holeWord
	}
	f, err := parse(text)
	if err != nil {
		if f != nil {
			s.stmts(f.Stmts, in)
		}
		s.j.crude(text, err.Error())
		return holeWord
	}
	return s.stmts(f.Stmts, in)
}

// stmts runs statements one after the other, and returns what they print.
func (s *shell) stmts(list []*syntax.Stmt, in input) string {
	var out strings.Builder
	for _, st := range list {
		text := s.stmt(st, in)
		if strings.HasSuffix(out.String(), holeWord) || strings.HasSuffix(out.String(), taintWord) {
			out.WriteByte('\n') // what is not known ends its line, as programs do
		}
		if out.Len()+len(text) <= maxValue {
			out.WriteString(text)
		}
	}
	return out.String()
}

// stmt runs one statement with its redirects, and returns what it prints.
func (s *shell) stmt(st *syntax.Stmt, in input) string {
	s.j.spend()
	type target struct {
		path   string
		append bool
		stdout bool
	}
	var targets []target
	for _, r := range st.Redirs {
		switch r.Op {
		case syntax.RdrIn, syntax.RdrInOut:
			in = s.readFile(s.word(r.Word))
		case syntax.Hdoc, syntax.DashHdoc:
			in = input{s.document(r), true}
		case syntax.WordHdoc:
			in = input{s.literal(r.Word) + "\n", true}
		case syntax.DplIn:
			s.word(r.Word)
		case syntax.DplOut:
			if w := s.word(r.Word); strings.Trim(w, "0123456789-") != "" {
				targets = append(targets, target{path: w, stdout: true})
			}
		default: // > >> >| &> &>> and their kin
			first := r.N == nil || r.N.Value == "1"
			app := r.Op == syntax.AppOut || r.Op == syntax.AppAll
			targets = append(targets, target{s.word(r.Word), app, first})
		}
	}
	outer := s.stdin
	if in.fed {
		s.stdin = &in
	}
	out := ""
	if st.Cmd != nil && st.Background {
		out = s.fork().command(st.Cmd, in)
	} else if st.Cmd != nil {
		out = s.command(st.Cmd, in)
	} else if len(st.Redirs) == 1 && st.Redirs[0].Op == syntax.RdrIn {
		out = in.text // $(<file)
	}
	s.stdin = outer
	for _, t := range targets {
		name, text := ">", out
		if t.append {
			name = ">>"
		}
		if !t.stdout {
			text = holeWord
		}
		s.j.current = s
		c := s.newCall(name, []string{t.path}, input{text, true})
		s.j.check(c)
		s.writeFile(t.path, text, t.append)
		if t.stdout {
			out = ""
		}
	}
	return out
}

// command runs what a statement consists of.
func (s *shell) command(cmd syntax.Command, in input) string {
	switch x := cmd.(type) {
	case *syntax.CallExpr:
		return s.call(x, in)
	case *syntax.Block:
		return s.stmts(x.Stmts, in)
	case *syntax.Subshell:
		return s.sub().stmts(x.Stmts, in)
	case *syntax.BinaryCmd:
		return s.binary(x, in)
	case *syntax.IfClause:
		return s.ifClause(x, in)
	case *syntax.WhileClause:
		return s.while(x, in)
	case *syntax.ForClause:
		return s.loop(x, in)
	case *syntax.CaseClause:
		s.word(x.Word)
		var ways []func() string
		for _, item := range x.Items {
			ways = append(ways, func() string {
				for _, p := range item.Patterns {
					s.word(p)
				}
				return s.stmts(item.Stmts, in)
			})
		}
		return s.either(ways...)
	case *syntax.FuncDecl:
		s.function(x)
	case *syntax.DeclClause:
		s.declare(x)
	case *syntax.TimeClause:
		if x.Stmt != nil {
			return s.stmt(x.Stmt, in)
		}
	case *syntax.CoprocClause:
		// coproc dd if=x: the parser takes the words for assignments.
		if call, ok := x.Stmt.Cmd.(*syntax.CallExpr); ok && len(call.Args) > 0 && len(call.Assigns) > 0 && call.Assigns[0].Pos().After(call.Args[0].Pos()) {
			argv := s.fields(call.Args)
			for _, a := range call.Assigns {
				if a.Name != nil {
					argv = append(argv, a.Name.Value+"="+s.literal(a.Value))
				}
			}
			return s.program(argv, in, nil)
		}
		return s.stmt(x.Stmt, in)
	case *syntax.LetClause, *syntax.ArithmCmd, *syntax.TestClause:
		s.inside(x)
	}
	return ""
}

// binary runs a && b, a || b and a | b. Which of a list runs is not known, so all do.
func (s *shell) binary(x *syntax.BinaryCmd, in input) string {
	switch x.Op {
	case syntax.Pipe, syntax.PipeAll:
		// Each side is a shell of its own.
		return s.fork().stmt(x.Y, input{s.fork().stmt(x.X, in), true})
	}
	out := s.stmt(x.X, in)
	before, dir := maps.Clone(s.vars), s.dir
	out += s.stmt(x.Y, in)
	for name, v := range s.vars {
		if old, was := before[name]; was && !sameVariable(old, v) {
			s.vars[name] = text(holeWord) // it is not known whether it was set anew
		}
	}
	if x.Op == syntax.OrStmt {
		s.dir = dir // the second is for when the first fails
	}
	return out
}

// fork is a shell that begins as a copy of this one, and is none that runs in it.
func (s *shell) fork() *shell {
	c := *s
	c.vars, c.funcs, c.aliases = maps.Clone(s.vars), maps.Clone(s.funcs), maps.Clone(s.aliases)
	return &c
}

func (s *shell) ifClause(x *syntax.IfClause, in input) string {
	s.stmts(x.Cond, in)
	ways := []func() string{func() string { return s.stmts(x.Then, in) }}
	if x.Else != nil {
		ways = append(ways, func() string {
			if len(x.Else.Cond) == 0 {
				return s.stmts(x.Else.Then, in)
			}
			return s.ifClause(x.Else, in)
		})
	} else {
		ways = append(ways, func() string { return "" })
	}
	return s.either(ways...)
}

// either runs each of several ways as if it were the one, and leaves behind what can
// be said after all of them.
func (s *shell) either(ways ...func() string) string {
	before := s.vars
	dir := s.dir
	var after []map[string]expand.Variable
	outs := map[string]bool{}
	moved := dir
	for _, way := range ways {
		s.vars, s.dir = maps.Clone(before), dir
		outs[way()] = true
		after = append(after, s.vars)
		if moved == dir {
			moved = s.dir // where one of the ways leads, for it may be the one
		}
	}
	s.vars, s.dir = before, moved
	for _, vars := range after {
		for name, v := range vars {
			old, was := s.vars[name]
			switch {
			case !was:
				s.vars[name] = v
			case !sameVariable(old, v):
				s.vars[name] = text(holeWord)
			}
		}
	}
	if len(outs) == 1 {
		for out := range outs {
			return out
		}
	}
	if len(outs) == 0 {
		return ""
	}
	return holeWord
}

func sameVariable(a, b expand.Variable) bool {
	return a.Kind == b.Kind && a.Str == b.Str && slices.Equal(a.List, b.List) && maps.Equal(a.Map, b.Map)
}

// most is how often a loop over what is known is gone through.
const most = 64

// while runs a loop: as often as there are lines, where it reads what is known, and
// else twice, the second time without knowing what the first changed.
func (s *shell) while(x *syntax.WhileClause, in input) string {
	var out strings.Builder
	round := func(in input) {
		s.stmts(x.Cond, in)
		if text := s.stmts(x.Do, in); out.Len()+len(text) <= maxValue {
			out.WriteString(text)
		}
	}
	if in.fed && reads(x.Cond) {
		feed := in
		outer := s.stdin
		s.stdin = &feed
		for range most {
			round(input{})
			if feed.text == "" || open(feed.text) {
				break
			}
		}
		s.stdin = outer
		return out.String()
	}
	before := maps.Clone(s.vars)
	round(in)
	s.forget(before)
	round(in)
	return out.String()
}

// reads says that the condition of a loop is a read.
func reads(cond []*syntax.Stmt) bool {
	found := false
	for _, st := range cond {
		syntax.Walk(st, func(n syntax.Node) bool {
			if c, ok := n.(*syntax.CallExpr); ok && len(c.Args) > 0 && c.Args[0].Lit() == "read" {
				found = true
			}
			return !found
		})
	}
	return found
}

// forget makes unknown what has changed since.
func (s *shell) forget(before map[string]expand.Variable) {
	for name, v := range s.vars {
		if old, was := before[name]; !was || !sameVariable(old, v) {
			s.vars[name] = text(holeWord)
		}
	}
}

func (s *shell) loop(x *syntax.ForClause, in input) string {
	var out strings.Builder
	round := func() {
		if text := s.stmts(x.Do, in); out.Len()+len(text) <= maxValue {
			out.WriteString(text)
		}
	}
	iter, ok := x.Loop.(*syntax.WordIter)
	if !ok {
		s.inside(x.Loop)
		// for ((i = 0; ...)): what it counts is not known.
		if c, ok := x.Loop.(*syntax.CStyleLoop); ok {
			syntax.Walk(c, func(n syntax.Node) bool {
				if w, ok := n.(*syntax.Word); ok && syntax.ValidName(w.Lit()) {
					s.vars[w.Lit()] = text(holeWord)
				}
				return true
			})
		}
		before := maps.Clone(s.vars)
		round()
		s.forget(before)
		round()
		return out.String()
	}
	items := s.positional()
	if iter.InPos.IsValid() {
		items = s.fields(iter.Items)
	}
	for _, item := range items[:min(len(items), most)] {
		s.vars[iter.Name.Value] = text(item)
		round()
	}
	if len(items) > most {
		s.vars[iter.Name.Value] = text(holeWord)
		round()
	}
	return out.String()
}

// function keeps a function: it is looked at when it is called.
func (s *shell) function(x *syntax.FuncDecl) {
	names := x.Names
	if x.Name != nil {
		names = append(slices.Clip(names), x.Name)
	}
	for _, n := range names {
		s.funcs[n.Value] = x.Body
	}
}
