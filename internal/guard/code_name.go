package guard

import "strings"

// name reads what starts with a name.
func (r *codeReader) name(t codeToken) codeValue {
	r.at++
	switch t.text {
	case "return", "await", "yield", "new", "my", "our", "local", "let", "const", "var", "typeof", "not", "elif", "elsif",
		"if", "unless", "while", "until", "else", "try", "begin", "BEGIN", "END", "then", "class", "async", "static", "with", "void", "and", "or", "assert":
		if t.text == "local" && r.peek().is(".") {
			break
		}
		return r.guarded(r.unary)
	case "raise", "throw", "die":
		r.muted++
		v := r.guarded(r.expr)
		r.muted--
		return v
	case "import", "from":
		if r.lang == langPython {
			return r.imports(t.text == "from")
		}
	case "for", "foreach":
		return r.loop()
	case "def", "function", "sub", "lambda", "fn":
		return r.params(t.text == "lambda")
	case "do", "end", "done", "in", "of", "except", "finally", "rescue", "ensure", "pass":
		return unknownValue
	}
	v, ok := r.vars[t.text]
	if !ok {
		v = codeValue{kind: vName, s: t.text}
	}
	v.ref = t.text
	if v.kind == vName {
		return r.postfix(v.s, v)
	}
	return r.postfix(t.text, v)
}

// imports reads "import a.b as c, d" and "from a import b as c, d" of Python.
func (r *codeReader) imports(from bool) codeValue {
	module := ""
	for r.at < len(r.toks) {
		var name []string
		for t := r.tok(0); t.kind == tName && t.text != "as" && t.text != "import" || t.is(".") || t.is("(") || t.kind == tEnd && r.tok(-1).is("("); t = r.tok(0) {
			if t.kind == tName {
				name = append(name, t.text)
			}
			r.at++
		}
		full := strings.Join(name, ".")
		if r.tok(0).word("import") && from {
			module, from = full+".", false
			r.at++
			continue
		}
		as := ""
		if r.tok(0).word("as") && r.tok(1).kind == tName {
			as = r.tok(1).text
			r.at += 2
		}
		if full != "" && (as != "" || module != "") {
			if as == "" {
				as = full
			}
			r.set(as, codeValue{kind: vName, s: module + full})
		}
		if !r.tok(0).is(",") {
			return unknownValue
		}
		r.at++
	}
	return unknownValue
}

// loop reads the head of a loop. Its variable is one of what it goes through, if that is
// known; what it runs is not run for each of them, only what it removes.
func (r *codeReader) loop() codeValue {
	at := r.at
	if r.tok(0).is("(") {
		r.at++
	}
	var names []string
	for i := 0; i < 8; i++ {
		t := r.tok(0)
		switch {
		case t.kind == tName && (t.text == "in" || t.text == "of"):
			r.at++
			return r.looped(names, r.guarded(r.expr))
		case t.kind == tName && strings.Contains(" const let var my our await each local ", " "+t.text+" "), t.is(","):
		case t.kind == tName:
			names = append(names, t.text)
		case t.is("(") && len(names) > 0 && r.lang == langPerl:
			return r.looped(names, r.guarded(r.expr))
		default:
			r.at = at
			return unknownValue
		}
		r.at++
	}
	r.at = at
	return unknownValue
}

func (r *codeReader) looped(names []string, over codeValue) codeValue {
	v := unknownValue
	if tainted(over.text()) || tainted(textOf(over.list)) {
		v.s = taintWord
	}
	if over.kind == vList {
		for _, e := range over.list {
			if e.kind == vText && !holesOnly(e.s) {
				v.oneOf = append(v.oneOf, e)
			}
		}
		if len(over.list) == 1 && len(v.oneOf) == 1 {
			v = v.oneOf[0]
		}
	}
	for _, n := range names {
		r.set(n, v)
	}
	return unknownValue
}

// params reads the head of a function: its parameters may be anything.
func (r *codeReader) params(bare bool) codeValue {
	if bare {
		for i := 0; i < 32 && !r.tok(0).is(":") && r.tok(0).kind != tEnd; i++ {
			if t := r.tok(0); t.kind == tName {
				r.set(t.text, unknownValue)
			}
			r.at++
		}
		return unknownValue
	}
	if r.tok(0).kind == tName {
		r.at++
	}
	if !r.tok(0).is("(") {
		return unknownValue
	}
	r.at++
	list, kw := r.group(")")
	param := codeValue{s: holeWord, of: true}
	for _, p := range list {
		if p.ref != "" {
			r.set(p.ref, param)
		}
	}
	for name := range kw {
		r.set(name, param)
	}
	return unknownValue
}

// joins says that a sign leads to a member of what stands before it.
func (r *codeReader) joins(t codeToken) bool {
	if t.kind != tPunct {
		return false
	}
	switch t.text {
	case ".":
		return r.lang != langPerl && r.lang != langPHP && r.lang != langAwk
	case "?.":
		return r.lang == langNode
	case "&.":
		return r.lang == langRuby
	case "::":
		return r.lang != langPython && r.lang != langNode
	case "->":
		return r.lang == langPerl || r.lang == langPHP
	case ":":
		return r.lang == langLua && r.tok(1).kind == tName && r.tok(2).is("(")
	}
	return false
}

// postfix reads what hangs on a value: members, calls, indexes. path is the name of
// the value, with dots, "" for one that has none.
func (r *codeReader) postfix(path string, v codeValue) codeValue {
	var recv codeValue
	for n := 0; r.at < len(r.toks) && n < 256; n++ {
		t := r.tok(0)
		if r.inside > 0 || t.text == "\n" && t.kind == tEnd && r.joins(r.tok(1)) && r.lang != langPython {
			for r.tok(0).kind == tEnd && r.tok(0).text == "\n" && r.at < len(r.toks) {
				r.at++
			}
			t = r.tok(0)
		}
		var member string
		switch {
		case r.joins(t) && r.tok(1).kind == tName && (!t.space || r.lang != langR):
			member = r.tok(1).text
			r.at += 2
		case r.joins(t) && (r.tok(1).is("[") || r.tok(1).is("{") || r.tok(1).is("(")):
			r.at++
			continue
		case t.is("(") && (!t.space || r.lang != langAwk):
			r.at++
			quiet := r.mutes(path)
			r.muted += quiet
			args, kw := r.group(")")
			r.muted -= quiet
			v = r.call(path, recv, args, kw)
			v.ref = ""
			if v.kind == vName {
				path = v.s
			}
			continue
		case t.is("[") && (!t.space || r.lang != langRuby && r.lang != langPerl) && r.lang != langPHP || t.is("[") && r.lang == langPHP && !t.space,
			t.is("{") && r.lang == langPerl && !t.space && strings.HasPrefix(path, "$"):
			r.at++
			back := t.is("[") && r.tok(0).is(":") && r.tok(1).is(":") && r.tok(2).is("-") && r.tok(3).text == "1"
			args, _ := r.group(closing(t.text))
			v = r.index(path, v, args, back)
			if v.kind == vName {
				path = v.s
			}
			continue
		case t.kind == tStr && r.lang == langNode && !t.space && path != "":
			r.at++
			v = r.call(path, recv, []codeValue{textValue(r.filledIn(t.parts))}, nil)
			v.ref = ""
			continue
		case path != "" && r.bare(t, path, v):
			quiet := r.mutes(path)
			r.muted += quiet
			args, kw := r.bareArgs(path)
			r.muted -= quiet
			v = r.call(path, recv, args, kw)
			v.ref = ""
			return v
		default:
			return v
		}
		recv = v
		path += "." + member
		r.eachOf(member, recv)
		if known, ok := r.vars[path]; ok {
			v = known
			continue
		}
		v = r.member(path, member, recv)
		if r.lang == langRuby && v.kind == vName && !r.tok(0).is("(") && !r.tok(0).is(".") && !r.tok(0).is("=") && !r.bare(r.tok(0), path, v) {
			v = r.call(path, recv, nil, nil)
		}
	}
	return v
}

// eachOf looks at the parameter of a function that is called for each element of a list:
// list.each { |x| ... }, list.forEach(x => ...).
func (r *codeReader) eachOf(member string, list codeValue) {
	switch member {
	case "each", "map", "select", "each_entry", "collect", "forEach", "filter":
	default:
		return
	}
	open := r.tok(0).is("{") || r.tok(0).word("do")
	switch {
	case r.lang == langRuby && open && r.tok(1).is("|") && r.tok(2).kind == tName:
		r.looped([]string{r.tok(2).text}, list)
	case r.lang == langNode && r.tok(0).is("(") && r.tok(1).kind == tName && r.tok(2).is("=>"):
		r.looped([]string{r.tok(1).text}, list)
	case r.lang == langNode && r.tok(0).is("(") && r.tok(1).is("(") && r.tok(2).kind == tName:
		r.looped([]string{r.tok(2).text}, list)
	}
}

func closing(opener string) string {
	if opener == "[" {
		return "]"
	}
	return "}"
}

// bare says that the arguments of a call without parentheses start with a token.
func (r *codeReader) bare(t codeToken, path string, v codeValue) bool {
	if v.kind != vName || strings.ContainsAny(path[:1], "$@%") {
		return false
	}
	switch r.lang {
	case langPython:
		return t.kind == tStr && (path == "print" || path == "exec")
	case langLua:
		return t.kind == tStr || t.is("{")
	case langAwk:
		return (path == "print" || path == "printf") && (r.begins(t) || t.is("("))
	case langPHP:
		return (path == "echo" || path == "print" || path == "exit" || path == "die") && r.begins(t)
	case langRuby, langPerl:
		sign := t.is("[") || t.is("*") && !r.tok(1).space || t.is("-") && r.tok(1).kind == tNum && !r.tok(1).space || t.is("\\") || t.is("(") || t.is("::")
		return (t.space || t.kind == tStr) && (r.begins(t) || sign && t.space)
	}
	return false
}

// bareArgs reads arguments without parentheses.
func (r *codeReader) bareArgs(path string) (args []codeValue, kw map[string]codeValue) {
	was := r.printing
	r.printing = r.lang == langAwk
	defer func() { r.printing = was }()
	for r.at < len(r.toks) && len(args) < maxCodeList {
		from, key := r.at, ""
		if t := r.peek(); (t.kind == tName || t.kind == tStr) && r.tok(1).is(":") && r.lang == langRuby {
			key = t.text
			r.at += 2
		}
		r.said = textOf(args)
		v := r.expr()
		if r.at == from {
			break
		}
		if r.peek().is("=>") && r.lang == langRuby {
			key = v.text()
			r.at++
			v = r.expr()
		}
		if key != "" {
			if kw == nil {
				kw = map[string]codeValue{}
			}
			kw[key] = v
		} else {
			args = splice(args, v)
		}
		if t := r.peek(); !t.is(",") && (!t.is("=>") || r.lang != langPerl) {
			break
		}
		r.at++
		for r.tok(0).kind == tEnd && r.tok(0).text == "\n" && r.at < len(r.toks) {
			r.at++
		}
	}
	if path != "print" && path != "printf" && path != "puts" && path != "echo" {
		r.note(args)
	}
	return args, kw
}

func textOf(args []codeValue) string { return strings.Join(words(args), " ") }
