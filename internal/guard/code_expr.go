package guard

import "strings"

// expr reads an expression. It goes from left to right, without regard to what binds
// more strongly: only texts and lists matter, and what joins them.
func (r *codeReader) expr() codeValue {
	if r.depth++; r.depth > maxCodeDepth {
		r.depth--
		r.at++
		return unknownValue
	}
	defer func() { r.depth-- }()
	v := r.unary()
	for r.at < len(r.toks) {
		t := r.peek()
		switch {
		case t.kind == tName:
			if !r.wordSign(t.text, &v) {
				if r.lang == langAwk && r.begins(t) {
					v = r.join(v, r.unary())
					continue
				}
				r.keep(v)
				return v
			}
			continue
		case t.kind == tStr && (r.lang == langPython || r.lang == langRuby) && r.afterText(),
			r.lang == langAwk && r.begins(t) && v.kind == vText:
			v = r.join(v, r.unary())
			continue
		case t.kind != tPunct:
			r.keep(v)
			return v
		}
		next, ok := r.sign(t, v)
		if !ok {
			r.keep(v)
			return next
		}
		v = next
	}
	r.keep(v)
	return v
}

// afterText says that the token before is a text, on the same line where that counts.
func (r *codeReader) afterText() bool {
	n := -1
	for r.inside > 0 && r.tok(n).kind == tEnd && r.tok(n).text == "\n" {
		n--
	}
	return r.tok(n).kind == tStr
}

// keep notes a text that may be a command line.
func (r *codeReader) keep(v codeValue) {
	if v.kind == vText && r.muted == 0 && len(v.s) > 3 && len(r.lits) < 4*maxCodeTries && v.ref == "" && !holesOnly(v.s) {
		r.lits = append(r.lits, v.s)
	}
}

// holesOnly says that nothing of a text is known.
func holesOnly(s string) bool { return strings.Trim(s, holeWord+taintWord+" \t\n") == "" }

// wordSign reads on after a sign that is a word; false where the word ends the
// expression.
func (r *codeReader) wordSign(word string, v *codeValue) bool {
	switch word {
	case "or", "and", "in", "is", "of", "x", "eq", "ne", "lt", "gt", "le", "ge", "not", "instanceof":
		if r.lang == langAwk && word != "in" || r.lang == langPython && (word == "x" || word == "of") {
			return false
		}
	case "as":
		if r.lang != langNode || r.tok(1).kind != tName {
			return false
		}
		r.at++
		r.set(r.tok(0).text, *v)
		r.at++
		return true
	case "if":
		if r.lang != langPython {
			return false
		}
	case "else":
		if r.lang != langPython || r.inside == 0 && r.tok(1).is(":") {
			return false
		}
	default:
		return false
	}
	r.at++
	r.keep(*v)
	from := r.at
	right := r.expr()
	if word == "or" && right.kind == v.kind && (v.known() || v.kind == vName) {
		return true
	}
	if r.at > from {
		*v = unknownValue
	}
	return true
}

// sign reads on after a sign, given what stands to its left. It returns false, and
// what there is, where the sign ends the expression.
func (r *codeReader) sign(t codeToken, v codeValue) (codeValue, bool) {
	switch t.text {
	case "+":
		r.at++
		return r.join(v, r.unary()), true
	case ".", "..":
		r.at++
		right := r.unary()
		if t.text == ".." && r.lang != langLua {
			return unknownValue, true
		}
		return r.join(v, right), true
	case "%":
		r.at++
		if right := r.unary(); v.kind == vText && (r.lang == langPython || r.lang == langRuby) {
			return textValue(fillPercent(v.s, right)), true
		}
		return unknownValue, true
	case "/":
		r.at++
		right := r.unary()
		if v.path || v.kind == vText && strings.HasPrefix(v.s, "/") {
			return codeValue{s: joinPath(v.text(), right.text()), path: true}, true
		}
		if right.path { // local["x"] and the like are no paths
			return codeValue{s: joinPath(holeWord, right.text()), path: true}, true
		}
		return unknownValue, true
	case "=", ":=", "||=", "??=":
		r.at++
		right := r.expr()
		if r.peek().is("=>") && r.lang == langNode { // it was the parameter of a function
			right = unknownValue
		}
		r.assign(v, right)
		return right, true
	case "+=", ".=", "<<":
		r.at++
		right := r.expr()
		sum := r.join(v, right)
		if v.kind == vList && t.text == "<<" {
			sum = codeValue{kind: vList, list: splice(v.list[:len(v.list):len(v.list)], right)}
		}
		if t.text == "<<" && r.pipe != "" && v.kind != vList {
			r.feed(right)
		}
		r.assign(v, sum)
		return sum, true
	case "<-":
		if r.lang == langR {
			r.at++
			right := r.expr()
			r.assign(v, right)
			return right, true
		}
	case "||", "??", "?:":
		r.at++
		r.keep(v)
		if right := r.expr(); v.kind == right.kind && !v.known() && v.kind == vText {
			return unknownValue, true
		}
		return v, true
	case "?":
		r.at++
		r.expr()
		if r.peek().is(":") {
			r.at++
			r.expr()
		}
		return unknownValue, true
	case "|":
		if r.lang == langAwk {
			return r.awkPipe(v), true
		}
		r.at++
		r.expr()
		return unknownValue, true
	case ">", ">>":
		if r.printing {
			r.at++
			r.file(t.text, r.unary())
			return unknownValue, true
		}
		fallthrough
	case "<", "==", "===", "!=", "!==", "<=", ">=", "&&", "&", "^", "*", "**", "//", "-", "=~", "!~", "<=>", "...":
		r.at++
		r.keep(v)
		if t.text == "&&" || t.text == "&" || r.lang == langPython {
			r.expr()
		} else {
			r.unary()
		}
		return unknownValue, true
	}
	return v, false
}

// join puts two values together.
func (r *codeReader) join(a, b codeValue) codeValue {
	switch {
	case a.kind == vList && b.kind == vList && len(a.list)+len(b.list) <= maxCodeList:
		return codeValue{kind: vList, list: append(a.list[:len(a.list):len(a.list)], b.list...)}
	case a.kind == vList && r.lang != langNode:
		return codeValue{kind: vList, list: splice(a.list[:len(a.list):len(a.list)], unknownValue)}
	}
	// What is put together again and again grows: that counts as code that is read.
	if *r.work += (len(a.s) + len(b.s)) / 8; *r.work > maxCodeWork {
		return unknownValue
	}
	return textValue(a.text() + b.text())
}

// begins says that a token begins a value.
func (r *codeReader) begins(t codeToken) bool {
	switch t.kind {
	case tStr, tNum, tCmd, tWords:
		return true
	case tName:
		switch t.text {
		case "if", "unless", "and", "or", "while", "until", "do", "then", "in", "x", "eq", "ne", "lt", "gt", "le", "ge", "cmp", "rescue", "end", "for", "foreach", "else", "getline", "as":
			return false
		}
		return true
	case tPunct:
		return t.is("(") && r.lang == langAwk
	}
	return false
}

// unary reads a value with what stands before it.
func (r *codeReader) unary() codeValue {
	t := r.peek()
	if t.kind == tPunct {
		switch t.text {
		case "-":
			r.at++
			if n := r.peek(); n.kind == tNum {
				r.at++
				return textValue("-" + n.text)
			}
			r.guarded(r.unary)
			return unknownValue
		case "!", "~", "+", "\\", "&", "@", "++", "--":
			r.at++
			return r.guarded(r.unary)
		case "*", "**", "...":
			r.at++
			v := r.guarded(r.unary)
			v.spread, v.ref = true, ""
			return v
		}
	}
	return r.primary()
}

// guarded reads what stands deeper, if that is not too deep.
func (r *codeReader) guarded(read func() codeValue) codeValue {
	if r.depth >= maxCodeDepth {
		r.at++
		return unknownValue
	}
	r.depth++
	defer func() { r.depth-- }()
	return read()
}

// primary reads one value and what hangs on it: calls, members, indexes.
func (r *codeReader) primary() codeValue {
	t := r.peek()
	switch t.kind {
	case tStr:
		r.at++
		return r.postfix("", textValue(r.filledIn(t.parts)))
	case tCmd:
		r.at++
		return r.postfix("", r.shell(r.filledIn(t.parts), nil))
	case tWords:
		r.at++
		v := codeValue{kind: vList}
		for _, w := range strings.Fields(r.filledIn(t.parts)) {
			v.list = splice(v.list, textValue(w))
		}
		r.note(v.list)
		return r.postfix("", v)
	case tNum:
		r.at++
		return r.postfix("", textValue(t.text))
	case tName:
		return r.name(t)
	case tPunct:
		return r.bracket(t)
	}
	return unknownValue
}

// bracket reads a list, a dictionary, a block, or what is in parentheses.
func (r *codeReader) bracket(t codeToken) codeValue {
	switch t.text {
	case "[":
		r.at++
		list, kw := r.group("]")
		return r.postfix("", codeValue{kind: vList, list: list, kw: kw})
	case "{":
		r.at++
		list, kw := r.group("}")
		if r.lang != langLua {
			list = nil
		}
		return codeValue{kind: vList, list: list, kw: kw}
	case "(":
		r.at++
		list, kw := r.group(")")
		if len(list) == 1 && !r.tok(-2).is(",") && (r.lang != langPerl || !r.peek().is("=")) {
			return r.postfix("", list[0])
		}
		return r.postfix("", codeValue{kind: vList, list: list, kw: kw})
	case ")", "]", "}":
	default:
		r.at++
	}
	return unknownValue
}

// filledIn is the text of a string, with the values that it is filled in with.
func (r *codeReader) filledIn(parts []codePart) string {
	var b strings.Builder
	for _, p := range parts {
		if !p.expr {
			b.WriteString(p.text)
			continue
		}
		b.WriteString(r.inner(p.text))
		if b.Len() > maxCodeText {
			return holeWord
		}
	}
	return b.String()
}

// inner is the text of an expression in a string.
func (r *codeReader) inner(text string) string {
	if *r.work += len(text); r.depth >= maxCodeDepth || *r.work > maxCodeWork {
		return holeWord
	}
	toks, at, inside := r.toks, r.at, r.inside
	r.toks, r.at, r.inside = lexCode(r.lang, text), 0, 1
	v := r.guarded(r.expr)
	r.toks, r.at, r.inside = toks, at, inside
	if v.kind == vList && r.lang == langPerl && len(v.list) > 0 {
		return strings.Join(words(v.list), " ")
	}
	return v.text()
}

// words are values as the words of a command.
func words(list []codeValue) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = v.text()
	}
	return out
}
