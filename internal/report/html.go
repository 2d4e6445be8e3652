package report

import (
	_ "embed"
	"html/template"
	"io"
	"strings"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"span": span, "short": short, "offset": offset, "clock": clock, "full": full, "code": code,
}).Parse(pageText))

// pageServices are shown before one has to ask for the rest, drawn of them in the picture.
const (
	pageServices = 30
	drawn        = 40
)

// view is what the page shows.
type view struct {
	Report
	Title       string
	Picture     picture
	First, Rest []Service
}

// HTML writes a report as one page that needs nothing else.
func (r Report) HTML(w io.Writer) error {
	v := view{Report: r, Picture: r.picture(), First: r.Services}
	v.Title = strings.TrimPrefix(r.Headline, "INCIDENT "+r.ID)
	if len(r.Services) > pageServices {
		v.First, v.Rest = r.Services[:pageServices], r.Services[pageServices:]
	}
	return page.Execute(w, v)
}

// Toll, Until and Who are for the page.
func (v view) Toll() string  { return v.toll() }
func (v view) Until() string { return v.until() }
func (v view) Who() string   { return v.who() }

// Said and Fate are for the page.
func (c Command) Said() string { return c.said() }

// Said is who it was, how he came and when he went.
func (s Session) Said() string { return s.said() }

// Sentence is what was wrong, for a person.
func (s Symptom) Sentence() string { return s.sentence() }

// Still is how a service is that is not up.
func (s Service) Still() string { return string(s.pulse()) + " still" }

// command is a line to type, and what it is for.
type command struct{ Type, For string }

func code(s string) command {
	typed, what, _ := strings.Cut(s, "   # ")
	return command{typed, what}
}
