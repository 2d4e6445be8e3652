package guard

import (
	"path"
	"strconv"
	"strings"
)

// finds is find with -delete. What -exec runs comes as a call of its own.
func (j *judge) finds(c *call) {
	starts, words := findStarts(c.args)
	e := findExpr{words: words, min: 0, max: deepest * 2}
	if !e.limits() {
		return
	}
	h := j.harm(c)
	defer h.done()
	for _, start := range starts {
		if startsOpen(start) {
			if e.deletes(found{path: "\x02", base: "\x02", depth: e.min}) != no {
				h.takeUnknown(start)
			}
			continue
		}
		for _, p := range h.paths(start, false) {
			for _, place := range h.places {
				h.place(place.Rule, e.reaches(p, start, place), place)
			}
		}
	}
}

// findStarts tells the paths from the expression: find(1).
func findStarts(args []string) (starts, expression []string) {
	for len(args) > 0 {
		switch a := args[0]; {
		case a == "-H" || a == "-L" || a == "-P" || strings.HasPrefix(a, "-O"):
			args = args[1:]
			continue
		case a == "-D" && len(args) > 1:
			args = args[2:]
			continue
		}
		break
	}
	n := 0
	for n < len(args) && !strings.HasPrefix(args[n], "-") && args[n] != "(" && args[n] != "!" && args[n] != `\(` {
		n++
	}
	if starts = args[:n]; n == 0 {
		starts = []string{"."}
	}
	return starts, args[n:]
}

// found is a file that find comes upon. Its name is one that nobody uses where it
// stands for anything.
type found struct {
	path, base string
	depth      int
	dir        bool
}

// findExpr is the expression, and how deep it goes.
type findExpr struct {
	words    []string
	at       int
	depth    int
	min, max int
}

// limits reads what is about all of the expression, and says whether it deletes.
func (e *findExpr) limits() bool {
	deletes := false
	for i, w := range e.words {
		switch {
		case w == "-delete":
			deletes = true
		case (w == "-maxdepth" || w == "-mindepth") && i+1 < len(e.words):
			n, err := strconv.Atoi(e.words[i+1])
			switch {
			case err != nil || n < 0:
			case w == "-maxdepth":
				e.max = n
			default:
				e.min = n
			}
		}
	}
	return deletes
}

// reaches says whether something guarded is deleted below a start.
func (e *findExpr) reaches(p pathPattern, start string, place Place) match {
	r := p.relate(place.Path)
	under := max(r.same, r.above)
	if place.Within && max(r.below, r.same) != no {
		return max(r.below, r.same) // whatever is deleted in it is guarded, whatever it is called
	}
	if under == no {
		return no
	}
	// As find sees it: the path begins as the start was written.
	depth := len(splitPath(place.Path)) - len(p.comps)
	seen := strings.TrimRight(start, "/") + place.Path
	if p.plain != "" {
		seen = strings.TrimRight(start, "/") + strings.TrimPrefix(place.Path, strings.TrimRight(p.plain, "/"))
	}
	whole := func() match {
		child := found{path: seen + "/\x02\x02/\x02\x02", base: "\x02\x02", depth: depth + 2}
		return min(under, e.deletes(child))
	}
	switch {
	case place.Rule == "files.home":
		return whole()
	case place.Within || place.Rule == "data.directory":
		return max(whole(), min(under, e.deletes(found{path: seen, base: path.Base(place.Path), depth: depth, dir: true})))
	}
	return min(under, e.deletes(found{path: seen, base: path.Base(place.Path), depth: depth}))
}

// deletes says whether a file is deleted, if find comes upon it.
func (e *findExpr) deletes(f found) match {
	if f.depth < e.min || f.depth > e.max {
		return no
	}
	x := findExpr{words: e.words}
	_, gone := x.list(f, yes)
	return gone
}

// The expression is read anew for every file, with how sure it is that find comes to
// each part of it: a list of alternatives, of which each is a chain of conditions.

func (e *findExpr) list(f found, reach match) (value, gone match) {
	value, gone = e.chain(f, reach)
	for e.take("-o") || e.take("-or") || e.take(",") {
		rest := reach
		if e.words[e.at-1] != "," {
			rest = min(reach, opposite(value))
		}
		v, g := e.chain(f, rest)
		value, gone = max(value, v), max(gone, g)
	}
	return value, gone
}

func (e *findExpr) chain(f found, reach match) (value, gone match) {
	value = yes
	for e.at < len(e.words) {
		switch e.words[e.at] {
		case "-o", "-or", ",", ")", `\)`:
			return value, gone
		case "-a", "-and":
			e.at++
			continue
		}
		v, g := e.one(f, min(reach, value))
		value, gone = min(value, v), max(gone, g)
	}
	return value, gone
}

func (e *findExpr) one(f found, reach match) (value, gone match) {
	e.depth++
	defer func() { e.depth-- }()
	switch w := e.next(); {
	case e.depth > deepest:
		e.at = len(e.words)
		return yes, reach
	case w == "!" || w == "-not" || w == `\!`:
		v, g := e.one(f, reach)
		return opposite(v), g
	case w == "(" || w == `\(`:
		v, g := e.list(f, reach)
		if !e.take(")") {
			e.take(`\)`)
		}
		return v, g
	case w == "-delete":
		return yes, reach
	default:
		return e.condition(w, f), no
	}
}

// condition is a test of a file. One about what cannot be known of it is taken to fit.
func (e *findExpr) condition(w string, f found) match {
	switch w {
	case "-name":
		return findFits(e.next(), f.base)
	case "-iname":
		return findFits(strings.ToLower(e.next()), strings.ToLower(f.base))
	case "-path", "-wholename":
		return findFits(e.next(), f.path)
	case "-ipath", "-iwholename":
		return findFits(strings.ToLower(e.next()), strings.ToLower(f.path))
	case "-regex", "-iregex":
		e.next()
		return maybe
	case "-type", "-xtype":
		switch kinds := e.next(); {
		case f.dir && !strings.Contains(kinds, "d") && !open(kinds):
			return no
		case !strings.ContainsAny(kinds, "fds") && !open(kinds):
			return no // links, pipes, devices
		}
		return yes
	case "-empty", "-false", "-lname", "-ilname":
		if w != "-empty" && w != "-false" {
			e.next()
		}
		return no
	case "-exec", "-execdir", "-ok", "-okdir":
		for e.at < len(e.words) {
			if end := e.next(); end == ";" || end == `\;` || end == "+" {
				break
			}
		}
		return maybe
	case "-fprintf":
		e.next()
		e.next()
	case "-maxdepth", "-mindepth", "-mtime", "-atime", "-ctime", "-mmin", "-amin", "-cmin", "-size", "-user", "-group", "-uid", "-gid", "-perm",
		"-newer", "-anewer", "-cnewer", "-links", "-inum", "-samefile", "-fstype", "-printf", "-fprint", "-fprint0", "-fls", "-used", "-context", "-regextype",
		"-files0-from":
		e.next()
	default:
		if strings.HasPrefix(w, "-newer") {
			e.next()
		}
	}
	return yes
}

func (e *findExpr) next() string {
	if e.at >= len(e.words) {
		return ""
	}
	e.at++
	return e.words[e.at-1]
}

func (e *findExpr) take(w string) bool {
	if e.at < len(e.words) && e.words[e.at] == w {
		e.at++
		return true
	}
	return false
}

func opposite(m match) match { return yes - m }

// findFits is fnmatch(3) as find has it: * and ? match a slash, and hidden names.
func findFits(pattern, text string) match {
	marked := open(pattern)
	flat := strings.NewReplacer("/", "\x01")
	ok, err := path.Match(flat.Replace(globPattern(pattern)), flat.Replace(text))
	switch {
	case err != nil:
		return maybe
	case ok && marked:
		return maybe
	}
	return when(ok)
}
