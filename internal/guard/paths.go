package guard

import (
	"path"
	"strings"
	"unicode/utf8"
)

// A path of a call may have globs and marks in it, so that it stands for many paths.
// pathPattern is such a path, taken apart into its components.
type pathPattern struct {
	comps []comp
	// plain is the path itself, clean and absolute, where all of it is known, or "".
	// Otherwise prefix is what comes before the first component that is not.
	plain, prefix string
	// rel says that it is relative to a directory that is not known.
	rel bool
	// cut says that there are more components than are looked at.
	cut bool
	// slash says that it ends in a slash or a dot: what a symbolic link points to is meant.
	slash bool
}

// comp is a component of a path.
type comp struct {
	kind compKind
	// text is the name, or the pattern for path.Match.
	text string
	// open says that it has marks: what fits it does so perhaps.
	open bool
	// dot says that hidden names fit as well.
	dot bool
}

type compKind int

const (
	exact compKind = iota
	glob
	// deep is any number of components: ** or a mark.
	deep
)

const (
	// longestPath is PATH_MAX, and something for patterns that are longer than what
	// they stand for.
	longestPath = 4 * 4096
	// deepest is how many components of a path are looked at, maxNames how many names a
	// place may have: it is deeper than any.
	deepest  = 64
	maxNames = 40
)

// parsePath takes a word apart. dir is the working directory, "" if it is not known.
// A word that begins with a mark, or is too long for a path, is none.
func parsePath(dir, word string) (pathPattern, bool) {
	if word == "" || len(word) > longestPath || startsOpen(word) {
		return pathPattern{}, false
	}
	var p pathPattern
	switch {
	case word[0] == '/':
	case dir == "" || dir[0] != '/':
		p.rel = true
	default:
		p.walk(dir, dir, false)
	}
	p.walk(dir, word, true)
	last := path.Base(word)
	p.slash = strings.HasSuffix(word, "/") || last == "." || last == ".."
	p.settle()
	return p, true
}

// startsOpen says that a word begins with a mark.
func startsOpen(word string) bool {
	return strings.HasPrefix(word, holeWord) || strings.HasPrefix(word, taintWord)
}

// walk adds the components of a path. Globs of a working directory are names.
func (p *pathPattern) walk(dir, text string, globs bool) {
	for part := range strings.SplitSeq(text, "/") {
		switch {
		case part == "" || part == ".":
			continue
		case part == "..":
			p.up()
			continue
		case len(p.comps) >= deepest:
			p.cut = true
			return
		case globs || open(part):
			p.comps = append(p.comps, parseComp(part)...)
		default:
			p.comps = append(p.comps, comp{text: part})
		}
		p.proc(dir)
	}
}

// up is "..". Above what is not known is something that is not known.
func (p *pathPattern) up() {
	n := len(p.comps)
	if n > 0 && p.comps[n-1].kind != deep {
		p.comps = p.comps[:n-1]
	}
}

// proc takes off /proc/self/root and its kin, and puts the directory in place of
// /proc/self/cwd: proc(5) has them as links that lead out of /proc.
func (p *pathPattern) proc(dir string) {
	if len(p.comps) < 3 || p.comps[0].text != "proc" || p.rel {
		return
	}
	n := len(p.comps) - 1 // a mark may be two components
	switch whose, what := p.comps[1], p.comps[n].text; {
	case n > 2 && p.comps[2].kind != deep, p.comps[n].kind != exact:
	case whose.kind == exact && whose.text != "self" && whose.text != "thread-self" && strings.Trim(whose.text, "0123456789") != "":
	case what == "root":
		p.comps = p.comps[:0]
	case what == "cwd" && whose.text == "self" && strings.HasPrefix(dir, "/"):
		p.comps = p.comps[:0]
		for part := range strings.SplitSeq(path.Clean(dir), "/") {
			if part != "" {
				p.comps = append(p.comps, comp{text: part})
			}
		}
	}
}

// settle finds out what is known of a path.
func (p *pathPattern) settle() {
	p.plain, p.prefix = "", ""
	if p.rel {
		return
	}
	n := p.known()
	var b strings.Builder
	for _, c := range p.comps[:n] {
		b.WriteByte('/')
		b.WriteString(c.text)
	}
	switch {
	case n < len(p.comps) || p.cut:
		p.prefix = b.String()
	case n == 0:
		p.plain = "/"
	default:
		p.plain = b.String()
	}
}

// known is how many components there are before the first that is not.
func (p pathPattern) known() int {
	for i, c := range p.comps {
		if c.kind != exact {
			return i
		}
	}
	return len(p.comps)
}

// parent is the path without its last component, and whether that stands for all that
// is in it: /a/* for /a.
func (p pathPattern) parent() (pathPattern, match) {
	n := len(p.comps) - 1
	if n < 0 || p.cut || p.comps[n].kind != glob {
		return p, no
	}
	c := p.comps[n]
	// Four characters that nobody writes: what fits them fits all names, or all hidden ones.
	all := max(c.fits("\x02\x02\x02\x02", false), c.fits(".\x02\x02\x02", false))
	p.comps = p.comps[:n]
	p.settle()
	return p, all
}

// relation says where a path may be, as seen from a place: near is same, where a mark
// is one component at the most.
type relation struct{ same, near, above, below match }

// relate compares a path with a place, which is absolute and clean. Below a place is
// only what says so itself: not what ** may come upon.
func (p pathPattern) relate(place string) relation {
	if p.rel {
		return relation{}
	}
	if p.plain != "" {
		return relation{
			same:  when(p.plain == place),
			near:  when(p.plain == place),
			above: when(within(place, p.plain)),
			below: when(within(p.plain, place)),
		}
	}
	switch {
	case p.prefix == "" || p.prefix == place || within(place, p.prefix):
	case within(p.prefix, place):
		return relation{below: yes}
	default:
		return relation{}
	}
	var split [maxNames]string
	names := split[:0]
	for name := range strings.SplitSeq(place, "/") {
		if name != "" {
			names = append(names, name)
		}
	}
	// row[k] says whether the components so far are the first k names of the place; near
	// the same, where a mark is one name at the most.
	m := len(names)
	var rows [4][maxNames + 1]match
	if m > maxNames {
		return relation{}
	}
	row, near, next, nearNext := rows[0][:m+1], rows[1][:m+1], rows[2][:m+1], rows[3][:m+1]
	row[0], near[0] = yes, yes
	var r relation
	afterDeep := false
	for _, c := range p.comps {
		if !afterDeep {
			r.below = max(r.below, near[m])
		}
		if c.kind == deep {
			afterDeep = afterDeep || !c.open
			c.skip(row, near, next, nearNext)
		} else {
			next[0], nearNext[0] = no, no
			for k, n := range names {
				fits := no
				if row[k] != no || near[k] != no {
					fits = c.fits(n, afterDeep)
				}
				next[k+1], nearNext[k+1] = min(row[k], fits), min(near[k], fits)
			}
		}
		row, near, next, nearNext = next, nearNext, row, near
	}
	if p.cut {
		return relation{below: r.below}
	}
	r.same, r.near = row[m], near[m]
	for _, above := range row[:m] {
		r.above = max(r.above, above)
	}
	return r
}

// skip is a component that is any number of them.
func (c comp) skip(row, near, next, nearNext []match) {
	sure := yes
	if c.open {
		sure = maybe
	}
	best, nearest := no, no
	for k := range row {
		best, nearest = max(best, row[k]), max(nearest, near[k])
		next[k], nearNext[k] = min(best, sure), min(nearest, sure)
		if c.open {
			nearNext[k] = min(max(near[k], near[max(k-1, 0)]), maybe)
		}
	}
}

// ends says whether a relative path may be the end of a place's.
func (p pathPattern) ends(place string) match {
	names := splitPath(place)
	if len(p.comps) == 0 || len(p.comps) > len(names) {
		return no
	}
	names = names[len(names)-len(p.comps):]
	for i, c := range p.comps {
		if c.kind == deep || c.fits(names[i], false) == no {
			return no
		}
	}
	return maybe
}

// fits says whether a component may be a name. find(1) matches hidden names as well,
// a shell only if the pattern begins with a dot.
func (c comp) fits(n string, hidden bool) match {
	switch {
	case c.kind == exact:
		return when(c.text == n)
	case strings.HasPrefix(n, ".") && !c.dot && !hidden:
		return no
	}
	if ok, _ := path.Match(c.text, n); !ok {
		return no
	}
	if c.open {
		return maybe
	}
	return yes
}

// parseComp takes a component as written.
func parseComp(part string) []comp {
	if part == "**" {
		return []comp{{kind: deep}}
	}
	if strings.Trim(part, holeWord+taintWord) == "" {
		return []comp{{kind: deep, open: true}}
	}
	marked := open(part)
	if !marked && !strings.ContainsAny(part, `*?[\`) && !extended(part) {
		return []comp{{text: part}}
	}
	pattern := globPattern(part)
	if _, err := path.Match(pattern, ""); err != nil {
		if !marked {
			return []comp{{text: part}} // as a shell takes it: its letters
		}
		pattern = "*"
	}
	c := comp{kind: glob, text: pattern, open: marked, dot: startsOpen(part) || strings.HasPrefix(strings.TrimPrefix(part, `\`), ".")}
	if last, _ := utf8.DecodeLastRuneInString(part); last == hole || last == taint {
		return []comp{c, {kind: deep, open: true}}
	}
	return []comp{c}
}

// extended says that a component has a pattern of ksh's: @(a|b), !(c).
func extended(part string) bool {
	at := strings.IndexByte(part, '(')
	return at > 0 && strings.IndexByte("@!+?*", part[at-1]) >= 0
}

// globPattern makes of a shell's pattern one of path.Match. What that does not know
// becomes something wider.
func globPattern(part string) string {
	var b strings.Builder
	for i := 0; i < len(part); {
		rest := part[i:]
		r, size := utf8.DecodeRuneInString(rest)
		switch {
		case r == hole || r == taint:
			b.WriteByte('*')
		case r == '\\' && len(rest) > 1:
			_, n := utf8.DecodeRuneInString(rest[1:])
			size += n
			b.WriteString(rest[:size])
		case strings.HasPrefix(rest, "[!"):
			size = 2
			b.WriteString("[^")
		case strings.HasPrefix(rest, "[[:") && strings.Contains(rest, ":]]"):
			size = strings.Index(rest, ":]]") + 3
			b.WriteByte('?')
		case len(rest) > 2 && strings.IndexByte("@!+?*", rest[0]) >= 0 && rest[1] == '(' && strings.IndexByte(rest, ')') > 0:
			size = strings.IndexByte(rest, ')') + 1
			b.WriteByte('*')
		default:
			b.WriteString(rest[:size])
		}
		i += size
	}
	return b.String()
}

// asName quotes a path that no shell has seen: what looks like a glob in it is a name.
func asName(p string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `(`, `\(`).Replace(p)
}

// within says that a path is below another; both are absolute and clean.
func within(p, dir string) bool {
	if dir == "/" {
		return p != "/"
	}
	return len(p) > len(dir) && p[len(dir)] == '/' && p[:len(dir)] == dir
}

func splitPath(p string) []string {
	return strings.FieldsFunc(p, func(r rune) bool { return r == '/' })
}

func when(ok bool) match {
	if ok {
		return yes
	}
	return no
}
