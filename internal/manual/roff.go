package manual

import (
	"fmt"
	"strings"
)

// roff is a page in the language of man(7) that is being written.
type roff struct{ b strings.Builder }

func (r *roff) String() string { return r.b.String() }

// request writes a line that begins with a request or macro, as it is.
func (r *roff) request(format string, args ...any) { fmt.Fprintf(&r.b, format+"\n", args...) }

func (r *roff) title(name string, section int, date string) {
	r.request(`.\" Made by keeper-manual from the program's own help.`)
	r.request(`.TH "%s" "%d" "%s" "keeper" "keeper manual"`, strings.ToUpper(name), section, date)
	// Neither hyphens nor blanks that the text does not have: commands stand in it.
	r.request(".nh")
	r.request(".ad l")
}

func (r *roff) section(name string) { r.request(".SH %s", name) }

// text writes plain text as a paragraph's.
func (r *roff) text(s string) { r.raw(escape(s)) }

// raw writes text that is escaped already; no line of it is a request.
func (r *roff) raw(s string) {
	if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") {
		s = `\&` + s
	}
	r.b.WriteString(s + "\n")
}

// term begins an item of a list with what it is about.
func (r *roff) term(escaped string) {
	r.request(".TP")
	r.raw(escaped)
}

func (r *roff) blocks(list []block) {
	for i, b := range list {
		if b.asIs {
			if i > 0 {
				r.request(".PP")
			}
			r.request(".RS 4\n.nf")
			for _, line := range b.lines {
				r.text(line)
			}
			r.request(".fi\n.RE")
			continue
		}
		if i > 0 {
			r.request(".PP")
		}
		for _, line := range b.lines {
			r.text(line)
		}
	}
}

func (r *roff) synopsis(words []string) {
	r.request(".HP 4")
	out := []string{bold(words[0])}
	for _, w := range words[1:] {
		out = append(out, strings.ReplaceAll(escape(w), " ", `\ `))
	}
	r.raw(strings.Join(out, " "))
}

// seeAlso writes names of pages, which have their section in brackets.
func (r *roff) seeAlso(names []string) {
	for i, n := range names {
		name, section, _ := strings.Cut(n, "(")
		comma := ","
		if i == len(names)-1 {
			comma = ""
		}
		r.raw(bold(name) + "(" + section + comma)
	}
}

func bold(s string) string { return `\fB` + escape(s) + `\fR` }

// path is one that may go on in the next line where a directory ends.
func path(s string) string { return strings.NewReplacer("/", `/\:`, ",", `,\:`).Replace(italic(s)) }

func italic(s string) string { return `\fI` + escape(s) + `\fR` }

// escape has each letter of the text come out as it is: a bare - would be a hyphen where
// somebody copies a command, and \ ' ^ ` ~ are other letters there.
func escape(s string) string {
	return ascii(strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`).Replace(s))
}

// ascii writes the letters that roff takes for bytes by their number.
func ascii(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r < 0x80 {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, `\[u%04X]`, r)
		}
	}
	return b.String()
}
