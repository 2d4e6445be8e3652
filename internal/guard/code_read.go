package guard

import "strings"

// codeValue is what is known of a value: a text, with marks for what is not; a list; or
// a name, of a function or module.
type codeValue struct {
	kind valueKind
	s    string // the text, or the name
	list []codeValue
	kw   map[string]codeValue // of a list: what it has by name
	// ref is the variable that it was read from, path says that it is a path by its
	// type, and spread that the list takes the place of its elements.
	ref          string
	path, spread bool
	// oneOf are the texts that a loop has it be, one after the other; of says that it
	// is whatever a function is called with.
	oneOf []codeValue
	of    bool
}

type valueKind byte

const (
	vText valueKind = iota
	vList
	vName
)

const (
	// maxCodeText bounds a text that is put together, maxCodeList a list, maxCodeDepth
	// how deep expressions stand in one another, maxCodeTries what is handed on of one
	// program, and maxCodeWork how much code is read for one command line.
	maxCodeText  = 64 << 10
	maxCodeList  = 256
	maxCodeDepth = 100
	maxCodeTries = 256
	maxCodeWork  = 1 << 20
)

var unknownValue = codeValue{s: holeWord}

func textValue(s string) codeValue {
	if len(s) > maxCodeText {
		return unknownValue
	}
	return codeValue{s: s}
}

// text is a value as a piece of a text.
func (v codeValue) text() string {
	if v.kind == vText {
		return v.s
	}
	return holeWord
}

// known says that a value is a text, all of which is known.
func (v codeValue) known() bool { return v.kind == vText && !open(v.s) }

// codeHands is what is done with what is found: *judge, or a fake.
type codeHands interface {
	nested(c *call, text, via string)
	nestedArgs(c *call, argv []string, via string)
	guessed(c *call, text, via string)
	sqlText(c *call, text string)
	textOf(c *call, name string) (string, bool)
	exported(name string) (string, bool)
	find(c *call, id string, sure match, detail string)
}

// codeReader reads one program from its first token to its last, and keeps what it
// learns of variables on the way.
type codeReader struct {
	do   codeHands
	host *Host
	c    *call
	lang codeLang
	// args are the words of the command line that the program gets.
	args []string

	toks   []codeToken
	at     int
	inside int // brackets in which lines do not end
	depth  int
	muted  int // calls that only print
	level  int // programs in programs

	vars  map[string]codeValue
	lits  []string   // texts that may be command lines
	lists [][]string // and words that may be
	loose bool       // something runs that cannot be known
	sql   bool       // and some SQL
	seen  map[string]bool
	tries int
	pipe  string     // the program that was started last, and may be written to
	ended bool       // processes are ended that a library lists
	wipes [][]string // programs on files that a function is called with
	given []string   // what functions are called with
	got   string     // what was got by its name last, in the libraries of containers
	out   strings.Builder
	work  *int

	source string // the program, in small letters
	input  string // what it reads
	// printing says that what is read is what awk prints, and said the part before.
	printing bool
	said     string
}

// read reads a program.
func (r *codeReader) read(text string) {
	if *r.work += len(text); *r.work > maxCodeWork || r.level > 8 {
		r.do.find(r.c, "guard.unreadable", maybe, "too much code")
		return
	}
	toks, at, inside := r.toks, r.at, r.inside
	r.toks, r.at, r.inside = lexCode(r.lang, text), 0, 0
	r.level++
	for r.at < len(r.toks) {
		from := r.at
		r.statement()
		if r.at <= from {
			r.at = from + 1
		}
	}
	r.level--
	if r.level == 0 {
		r.finish()
	}
	r.toks, r.at, r.inside = toks, at, inside
}

// peek returns the next token. In brackets lines do not end.
func (r *codeReader) peek() codeToken {
	for r.inside > 0 && r.at < len(r.toks) && r.toks[r.at].kind == tEnd && r.toks[r.at].text == "\n" {
		r.at++
	}
	return r.tok(0)
}

// tok returns the token n after the next one.
func (r *codeReader) tok(n int) codeToken {
	if i := r.at + n; i >= 0 && i < len(r.toks) {
		return r.toks[i]
	}
	return codeToken{kind: tEnd}
}

func (t codeToken) is(sign string) bool { return t.kind == tPunct && t.text == sign }

func (t codeToken) word(word string) bool { return t.kind == tName && t.text == word }

// statement reads to the end of a line, or past one expression.
func (r *codeReader) statement() {
	t := r.peek()
	if t.kind == tStr && r.tok(1).kind == tEnd {
		r.at++ // a text that stands alone says something to the reader
		return
	}
	if r.lang == langPython && t.kind == tName && r.tok(1).is(",") && r.unpack() {
		return
	}
	v := r.expr()
	if t := r.peek(); t.word("as") && r.tok(1).kind == tName {
		name := r.tok(1).text
		r.at += 2
		if v.kind != vName || r.lang == langPHP {
			v = unknownValue
		}
		r.set(name, v)
	}
}

// unpack reads "a, b = x, y".
func (r *codeReader) unpack() bool {
	var names []string
	at := r.at
	for r.tok(0).kind == tName && r.tok(1).is(",") {
		names = append(names, r.tok(0).text)
		r.at += 2
	}
	if r.tok(0).kind != tName || !r.tok(1).is("=") {
		r.at = at
		return false
	}
	names = append(names, r.tok(0).text)
	r.at += 2
	for i, name := range names {
		v := r.expr()
		if len(names) > 1 && i == 0 && v.kind == vList {
			for k, n := range names {
				r.set(n, v.nth(k))
			}
			return true
		}
		r.set(name, v)
		if !r.peek().is(",") {
			return true
		}
		r.at++
	}
	return true
}

func (v codeValue) nth(n int) codeValue {
	if v.kind == vList && n >= 0 && n < len(v.list) {
		return v.list[n]
	}
	return unknownValue
}

func (r *codeReader) set(name string, v codeValue) {
	if len(r.vars) < 4096 {
		v.ref = name
		r.vars[name] = v
	}
}

// assign gives a value to what stands on the left of a sign.
func (r *codeReader) assign(to, v codeValue) {
	if to.ref != "" {
		r.set(to.ref, v)
		return
	}
	if to.kind == vList {
		for i, e := range to.list {
			if e.ref != "" {
				r.set(e.ref, v.nth(i))
			}
		}
	}
}

// group reads what stands in brackets, past the closing one: values, and values by name.
func (r *codeReader) group(closer string) ([]codeValue, map[string]codeValue) {
	inside := r.inside
	defer func() { r.inside = inside }()
	r.inside++
	if closer == "}" && r.lang != langPython && r.lang != langLua {
		r.inside = 0
	}
	var args []codeValue
	var kw map[string]codeValue
	key, quiet, n := "", 0, 0
	v := unknownValue
	done := func() {
		switch {
		case n == 0:
		case key != "":
			if kw == nil {
				kw = map[string]codeValue{}
			}
			kw[key] = v
		default:
			args = splice(args, v)
		}
		r.muted -= quiet
		key, quiet, n = "", 0, 0
	}
	for r.at < len(r.toks) {
		t := r.peek()
		switch {
		case t.is(closer):
			r.at++
			done()
			r.note(args)
			return args, kw
		case t.is(")") || t.is("]") || t.is("}"):
			done() // somebody else's
			return args, kw
		case t.is(",") || t.kind == tEnd && r.at < len(r.toks):
			done()
			r.at++
			continue
		case (t.is(":") || t.is("=>") && r.lang != langPerl) && n == 1:
			// the key of what follows, or the parameter of a function
			if key = v.text(); v.kind == vName {
				key = v.s
			}
			if n = 0; key == "" || v.ref != "" && t.is("=>") && r.lang != langPHP {
				key, n = "", 1
			}
			r.at++
		case t.is("=>") && r.lang == langPerl:
			done()
			r.at++
		case t.kind == tName && r.tok(1).is("=") && (r.lang == langPython || r.lang == langR || r.lang == langLua) && n == 0:
			key = t.text
			r.at += 2
			if wordsOnly(key) {
				quiet++
				r.muted++
			}
			continue
		default:
			from := r.at
			v = r.expr()
			if r.at <= from {
				r.at = from + 1
			}
			if n++; n > 1 {
				v = unknownValue
			}
		}
	}
	done()
	return args, kw
}

// splice adds a value to a list, or its elements if it is spread.
func splice(to []codeValue, v codeValue) []codeValue {
	switch {
	case len(to) >= maxCodeList:
		return to
	case v.spread && v.kind == vList && len(v.list)+len(to) <= maxCodeList:
		return append(to, v.list...)
	}
	return append(to, v)
}

// note keeps words that stand in a row, which may be a command.
func (r *codeReader) note(args []codeValue) {
	if len(args) < 2 || r.muted > 0 || len(r.lists) > maxCodeTries || !args[0].known() {
		return
	}
	words := make([]string, len(args))
	for i, a := range args {
		words[i] = a.text()
	}
	r.lists = append(r.lists, words)
}

// wordsOnly says that an argument of this name is for people.
func wordsOnly(name string) bool {
	switch name {
	case "help", "description", "usage", "epilog", "message", "msg", "title", "label", "doc":
		return true
	}
	return false
}
