package guard

import (
	"path"
	"slices"
	"strings"
)

// harm collects what one call does to guarded places. Each rule is reported once, as
// sure as the surest of its words makes it.
type harm struct {
	j      *judge
	c      *call
	places []Place
	hits   []hit
}

type hit struct {
	rule   string
	sure   match
	detail string
}

func (j *judge) harm(c *call) *harm { return &harm{j: j, c: c, places: j.placesOf(c)} }

func (h *harm) hit(rule string, sure match, detail string) {
	if sure == no {
		return
	}
	for i := range h.hits {
		if h.hits[i].rule == rule {
			if sure > h.hits[i].sure {
				h.hits[i].sure, h.hits[i].detail = sure, detail
			}
			return
		}
	}
	h.hits = append(h.hits, hit{rule, sure, detail})
}

// place is a hit of a place.
func (h *harm) place(rule string, sure match, p Place) {
	if sure != no {
		h.hit(rule, sure, p.named())
	}
}

// done reports what was found, whole directories first. What may be one of them or
// anything else is asked about once.
func (h *harm) done() {
	home := slices.IndexFunc(h.hits, func(x hit) bool { return x.rule == "files.home" })
	if home >= 0 {
		h.j.find(h.c, "files.home", h.hits[home].sure, h.hits[home].detail)
	}
	for i, x := range h.hits {
		if i != home && (home < 0 || x.sure == yes) {
			h.j.find(h.c, x.rule, x.sure, x.detail)
		}
	}
}

// take is the removal or moving of a word, with all that is below it if rec says so.
func (h *harm) take(word string, rec match) {
	if startsOpen(word) {
		if rec != no {
			h.takeUnknown(word)
		}
		return
	}
	for _, p := range h.paths(word, false) {
		h.each(p, rec, false)
		h.anyHome(p, rec)
	}
}

// takeUnknown is the removal of a word that begins with what cannot be known: all of
// it, or what becomes the root directory if the variable is empty, or a path that a
// container tool gave. $DIR/build is nothing: it is below whatever it is.
func (h *harm) takeUnknown(word string) {
	if h.c.place.kind == inContainer {
		return
	}
	if tainted(word) {
		h.hit("files.storage", maybe, "the word may be a path of the storage")
		return
	}
	if word == holeWord {
		switch h.c.name {
		case "mv", "git", "rsync", "tar", "zip":
			return // nothing is lost, or only what something else has
		}
		h.hit("files.home", maybe, "it is not known what is removed")
		return
	}
	last := word[strings.LastIndexByte(word, '/')+1:]
	rest := path.Clean(strings.NewReplacer(holeWord, "", taintWord, "").Replace(word))
	if open(last) || !strings.HasPrefix(rest, "/") {
		return
	}
	p, ok := parsePath("", rest)
	if !ok {
		return
	}
	if _, all := p.parent(); len(p.comps) == 0 || len(p.comps) == 1 && (all == yes || p.comps[0].kind == deep) {
		h.hit("files.home", maybe, "it is all of / if the variable is empty")
	}
}

// anyHome is the removal of some account's home, or of all that is in a directory which
// is not known: cd "$DIR" stays in the home if the variable is empty.
func (h *harm) anyHome(p pathPattern, rec match) {
	if h.c.place.kind == inContainer || p.cut {
		return
	}
	if p.rel {
		if _, all := p.parent(); len(p.comps) == 1 && all == yes {
			h.hit("files.home", min(rec, maybe), "the directory is not known")
		}
		return
	}
	if up, all := p.parent(); all == yes {
		p = up
	}
	if len(p.comps) == 2 && p.comps[0].kind == exact && p.comps[0].text == "home" && p.comps[1].kind == exact {
		h.hit("files.home", rec, "a home: "+p.plain)
	}
}

// change is a change of mode, owner or attributes.
func (h *harm) change(word string, rec match) {
	for _, p := range h.paths(word, true) {
		h.each(p, rec, true)
	}
}

// each compares a path with every place, for what is taken or changed.
func (h *harm) each(p pathPattern, rec match, change bool) {
	up, all := p.parent()
	for _, place := range h.places {
		if p.rel {
			h.place(place.Rule, p.byName(place), place)
			continue
		}
		r := p.relate(place.Path)
		if rec == no {
			r.same = r.near // one file, which nobody names by half a path
		}
		switch place.Rule {
		case "files.home":
			whole := max(r.same, r.above)
			if all != no && whole == no {
				r = up.relate(place.Path)
				whole = min(all, max(r.same, r.above))
			}
			if change && (whole == no || r.same != no && h.handedOut(place.Path)) {
				continue
			}
			h.place(place.Rule, min(whole, rec), place)
			continue
		case "data.directory":
			if !change || rec != no {
				h.data(p, place, r, rec)
			}
			continue
		}
		if !place.Within {
			r.below = no
		}
		h.place(place.Rule, max(r.same, r.below, min(r.above, rec)), place)
	}
}

// data is about a mount of a kept volume, and about the root directory of a kept
// container. One file of it may be nothing, a whole directory is not.
func (h *harm) data(p pathPattern, place Place, r relation, rec match) {
	if up, all := p.parent(); all != no {
		above := up.relate(place.Path)
		r.above = max(r.above, min(all, max(above.same, above.above)))
	}
	if !place.Within {
		r.below = no
	}
	found := max(r.same, r.above, r.below)
	if rec == no {
		found = min(r.below, maybe)
	}
	h.place(place.Rule, min(found, max(rec, maybe)), place)
}

// write is a change of what is in a file, empty the loss of all that is in it.
func (h *harm) write(word string) { h.write1(word, false, yes) }
func (h *harm) empty(word string) { h.write1(word, true, yes) }

func (h *harm) write1(word string, empty bool, sure match) {
	h.disk(word, sure)
	for _, p := range h.paths(word, true) {
		for _, place := range h.places {
			quadlet := place.Rule == "files.quadlet" && !place.Within
			rule := place.Rule
			if quadlet && !empty {
				rule = "files.quadlet-edit"
			}
			switch {
			case rule == "data.directory" && empty && place.Within:
				h.place(rule, min(p.relate(place.Path).below, maybe), place)
			case rule == "files.home" || !quadlet && !place.Written:
			case p.rel:
				h.place(rule, min(p.byName(place), sure), place)
			default:
				r := p.relate(place.Path)
				if !place.Within {
					r.below = no
				}
				h.place(rule, min(max(r.near, r.below), sure), place)
			}
		}
	}
}

// inside is something new, or its time, in a directory where nothing may be written.
func (h *harm) inside(word string) {
	for _, p := range h.paths(word, true) {
		for _, place := range h.places {
			if place.Written && place.Within {
				h.place(place.Rule, p.relate(place.Path).below, place)
			}
		}
	}
}

// byName says whether a path that is relative to an unknown directory may be a
// Quadlet: by its name, which is like nothing else.
func (p pathPattern) byName(place Place) match {
	if place.Rule != "files.quadlet" || place.Within || len(p.comps) == 0 {
		return no
	}
	last := p.comps[len(p.comps)-1]
	if last.kind == deep || !quadletName(last.text) {
		return no
	}
	return p.ends(place.Path)
}

// quadletName says that a name, or a pattern, is that of a Quadlet: podman-systemd.unit(5).
func quadletName(n string) bool {
	switch path.Ext(n) {
	case ".container", ".volume", ".network", ".pod", ".kube", ".image", ".build", ".artifact":
		return true
	}
	return false
}

// named is what a person reads of a place.
func (p Place) named() string {
	if p.What == "" {
		return p.Path
	}
	return p.Path + " (" + p.What + ")"
}

// paths returns a word as a path, and where that leads when symbolic links are
// followed. follow says that the last one is followed as well: rm takes a link away,
// chmod changes what it points to.
func (h *harm) paths(word string, follow bool) []pathPattern {
	p, ok := parsePath(h.c.dir, word)
	if !ok {
		return nil
	}
	list := []pathPattern{p}
	n := p.known()
	if h.c.place.kind != here || h.j.host.Resolve == nil || p.rel || n == 0 {
		return list
	}
	if p.plain != "" && !follow && !p.slash {
		n-- // the last component itself
	}
	dir := "/"
	for _, c := range p.comps[:n] {
		dir = path.Join(dir, c.text)
	}
	target := h.j.resolve(dir)
	if target == dir || !strings.HasPrefix(target, "/") {
		return list
	}
	q := pathPattern{cut: p.cut, slash: p.slash}
	for _, part := range splitPath(path.Clean(target)) {
		q.comps = append(q.comps, comp{text: part})
	}
	q.comps = append(q.comps, p.comps[n:]...)
	q.settle()
	return append(list, q)
}

// mostResolved bounds how many paths of one line are looked up.
const mostResolved = 256

// resolve follows the symbolic links of a directory of this host.
func (j *judge) resolve(dir string) string {
	if target, ok := j.resolved[dir]; ok {
		return target
	}
	if len(j.resolved) >= mostResolved {
		return dir
	}
	if j.resolved == nil {
		j.resolved = map[string]string{}
	}
	target := j.host.Resolve(dir)
	j.resolved[dir] = target
	return target
}
