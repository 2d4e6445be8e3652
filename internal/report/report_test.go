package report

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/html"

	"keeper/internal/core"
)

var update = flag.Bool("update", false, "write the golden files and the examples of the docs anew")

// forms are the ways to tell of an incident.
var forms = map[string]func(Report, io.Writer) error{
	"txt":  func(r Report, w io.Writer) error { return r.Text(w, nil) },
	"md":   Report.Markdown,
	"html": Report.HTML,
	"json": func(r Report, w io.Writer) error {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(r)
	},
}

func tell(t testing.TB, r Report, form string) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := forms[form](r, &b); err != nil {
		t.Fatalf("%s: %v", form, err)
	}
	return b.Bytes()
}

func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v; go test ./internal/report -update writes it", err)
	}
	if !bytes.Equal(got, want) {
		a, b := strings.Split(string(got), "\n"), strings.Split(string(want), "\n")
		for n := range min(len(a), len(b)) {
			if a[n] != b[n] {
				t.Fatalf("%s, line %d:\ngot  %s\nwant %s", file, n+1, a[n], b[n])
			}
		}
		t.Fatalf("%s: %d lines, want %d", file, len(a), len(b))
	}
}

func TestGolden(t *testing.T) {
	t.Parallel()
	for name, f := range fixtures() {
		r := New(f.incident, f.entries, f.facts)
		for form := range forms {
			file := filepath.Join("testdata", name+"."+form)
			if name == "founding" && (form == "html" || form == "md") {
				file = filepath.Join("..", "..", "docs", "examples", "incident."+form) // the sample in the docs
			}
			golden(t, file, tell(t, r, form))
		}
	}
}

// checkForms wants each form to be whole, and free of what others may have put in.
func checkForms(t testing.TB, r Report) {
	t.Helper()
	for form := range forms {
		out := string(tell(t, r, form))
		if !utf8.ValidString(out) {
			t.Errorf("%s is no UTF-8", form)
		}
		for _, c := range out {
			if c != '\n' && !unicode.IsPrint(c) {
				t.Errorf("%s has %q in it", form, c)
				break
			}
		}
	}
	if out := tell(t, r, "json"); !json.Valid(out) {
		t.Error("the JSON is none")
	}
	checkPage(t, string(tell(t, r, "html")))
}

// tags are all that a page is made of.
const tags = " html head meta title style body main p h1 h2 span ul li b small div a table thead tbody tr th td section dl dt dd code i em details summary "

// attributes that a page has; none of them runs anything.
const attributes = " lang charset name content http-equiv class style href title aria-label aria-hidden role id scope colspan "

// checkPage wants tags that are closed in their order, no other tags and attributes than
// the page's own, and no link that leaves it.
func checkPage(t testing.TB, page string) {
	t.Helper()
	var open []string
	ids, links := map[string]bool{}, map[string]bool{}
	z := html.NewTokenizer(strings.NewReader(page))
	for {
		switch z.Next() {
		case html.ErrorToken:
			if z.Err() != io.EOF {
				t.Errorf("the page cannot be read: %v", z.Err())
			}
			if len(open) > 0 {
				t.Errorf("never closed: %v", open)
			}
			for l := range links {
				if !ids[strings.TrimPrefix(l, "#")] {
					t.Errorf("a link leads to %q, which is not in the page", l)
				}
			}
			return
		case html.StartTagToken:
			tok := z.Token()
			if !strings.Contains(tags, " "+tok.Data+" ") {
				t.Errorf("a tag <%s> from outside", tok.Data)
			}
			for _, a := range tok.Attr {
				if !strings.Contains(attributes, " "+a.Key+" ") {
					t.Errorf("an attribute %s=%q from outside", a.Key, a.Val)
				}
				switch {
				case a.Key == "style" && (strings.Trim(a.Val, "0123456789.:;%()-,leftwidhmncapx ") != "" || strings.Contains(a.Val, "url")):
					t.Errorf("style=%q", a.Val)
				case a.Key == "href" && !strings.HasPrefix(a.Val, "#"):
					t.Errorf("a link leaves the page: %q", a.Val)
				case a.Key == "href":
					links[a.Val] = true
				case a.Key == "id":
					if ids[a.Val] {
						t.Errorf("the id %q is there twice", a.Val)
					}
					ids[a.Val] = true
				}
			}
			if tok.Data != "meta" {
				open = append(open, tok.Data)
			}
		case html.EndTagToken:
			tok := z.Token()
			if len(open) == 0 || open[len(open)-1] != tok.Data {
				t.Errorf("</%s> closes %v", tok.Data, open)
				return
			}
			open = open[:len(open)-1]
		case html.CommentToken:
			t.Error("the page has a comment")
		}
	}
}

func TestHostile(t *testing.T) {
	t.Parallel()
	f := hostile()
	r := New(f.incident, f.entries, f.facts)
	checkForms(t, r)
	for form, most := range map[string]int{"txt": 300_000, "md": 1 << 20, "html": 2 << 20, "json": 8 << 20} {
		if n := len(tell(t, r, form)); n > most {
			t.Errorf("%s has %d bytes, more than %d", form, n, most)
		}
	}
	for _, todo := range r.ToDo {
		if strings.Contains(todo, "rm -rf") || strings.Contains(todo, "alert(") {
			t.Errorf("nobody should type %q", todo)
		}
	}
	for _, unwanted := range []string{"[x](http", "<script"} {
		if strings.Contains(string(tell(t, r, "md")), unwanted) {
			t.Errorf("the Markdown has %q", unwanted)
		}
	}
}

// Pages for a look in a browser go where KEEPER_PAGES says.
func TestPages(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("KEEPER_PAGES")
	if dir == "" {
		t.Skip("KEEPER_PAGES names no directory for the pages")
	}
	all := fixtures()
	all["hostile"] = hostile()
	for name, f := range all {
		file := filepath.Join(dir, name+".html")
		if err := os.WriteFile(file, tell(t, New(f.incident, f.entries, f.facts), "html"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNothing(t *testing.T) {
	t.Parallel()
	r := New(core.Incident{}, nil, Facts{})
	checkForms(t, r)
	if !strings.Contains(string(tell(t, r, "txt")), "the history has nothing of it any more") {
		t.Error("it does not say that there is nothing")
	}
}

// What a report says of an incident must be in what it was given.
func TestSays(t *testing.T) {
	t.Parallel()
	f := founding()
	text := func(change func(*fixture)) string {
		f := founding()
		change(&f)
		return string(tell(t, New(f.incident, f.entries, f.facts), "txt"))
	}
	without := func(kind core.EntryKind) func(*fixture) {
		return func(f *fixture) {
			var list []core.Entry
			for _, e := range f.entries {
				if e.Kind != kind {
					list = append(list, e)
				}
			}
			f.entries = list
		}
	}
	for name, c := range map[string]struct {
		change    func(*fixture)
		has, lack string
	}{
		"the headline":   {func(*fixture) {}, "INCIDENT 20260105-163002, over: logind was told to stop the user — the stack was away for 14.2 s\n", "STILL"},
		"the last gasp":  {func(*fixture) {}, "the first alert arrived 391 ms after the begin, before the user manager was gone", ""},
		"no alerts":      {without(core.EntryAlert), "what became of alert 1 (opened)", "the first alert arrived"},
		"no commands":    {without(core.EntryCommand), "who or what caused it", "loginctl"},
		"others' alerts": {func(*fixture) {}, "", "163002-2"},
		"the nearest":    {func(*fixture) {}, "before   flowstate by sudo at 17:30:01.906 (-0:00.212): /usr/bin/loginctl terminate-user flowstate", ""},
		"the guard": {func(f *fixture) {
			f.entries = append(f.entries, core.Entry{At: founded.Add(-90 * time.Second), Kind: core.EntryGuard, What: "the guard refused: loginctl terminate-user flowstate", Why: "session.terminate: it ends the user manager; claude in /srv/ledger"})
		}, "-1:30.000   guard    the guard refused: loginctl terminate-user flowstate: session.terminate: it ends the user manager; claude in /srv/ledger\n", ""},
		"the zone":          {func(f *fixture) { f.facts.Now = f.facts.Now.UTC() }, "2026-01-05 16:30:02.118 UTC", "CET"},
		"it goes on":        {func(f *fixture) { f.incident.Mended, f.incident.Closed = time.Time{}, time.Time{} }, "STILL GOING ON for 1 h 00 min", ", over:"},
		"not closed yet":    {func(f *fixture) { f.incident.Closed = time.Time{} }, "all well since 17:30:16.359, and over once that has held for 1m", "STILL"},
		"no deciding":       {without(core.EntryDecision), "", "decided"},
		"the history's end": {func(f *fixture) { f.entries = nil }, "the history has nothing of it any more", ""},
		"the daemon is dead": {func(f *fixture) {
			f.incident.Mended, f.incident.Closed, f.facts.Seen = time.Time{}, time.Time{}, founded.Add(time.Minute)
		}, "OPEN when the daemon was last heard of, at 2026-01-05 17:31:02.118 CET", "STILL"},
		"the daemon is dead, and it was over": {func(f *fixture) { f.facts.Seen = founded.Add(time.Minute) }, ", over: ", "last heard of"},
		"deaf": {func(f *fixture) {
			without(core.EntryCommand)(f)
			f.entries = append(f.entries, core.Entry{At: founded, Kind: core.EntryCommand, What: "who typed what cannot be told from the journal",
				Why: "the account may not read the system's journal; as root: usermod -aG systemd-journal USER"})
		}, "? who typed it: the account may not read the system's journal; as root: usermod -aG systemd-journal USER", "who or what caused it"},
	} {
		out := text(c.change)
		if !strings.Contains(out, c.has) {
			t.Errorf("%s: it does not say %q:\n%s", name, c.has, out)
		}
		if c.lack != "" && strings.Contains(out, c.lack) {
			t.Errorf("%s: it says %q:\n%s", name, c.lack, out)
		}
	}
	if r := New(f.incident, f.entries, f.facts); len(r.Sessions) != 1 || len(r.Commands) != 1 || len(r.Alerts) != 2 || len(r.Alerts[0].Results) != 3 {
		t.Errorf("%d sessions, %d commands, alerts %+v", len(r.Sessions), len(r.Commands), r.Alerts)
	}
}

// JSON is read by programs: what it says must come back.
func TestJSON(t *testing.T) {
	t.Parallel()
	f := founding()
	out := tell(t, New(f.incident, f.entries, f.facts), "json")
	var r Report
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatal(err)
	}
	if again := tell(t, r, "json"); !bytes.Equal(out, again) {
		t.Errorf("what is read is not what was written:\n%s\n%s", out, again)
	}
}

func TestCluster(t *testing.T) {
	t.Parallel()
	var list []mark
	for n := range 60 {
		list = append(list, mark{percent: float64(n) * 100 / 60, First: n + 1, count: 1, Blow: n == 30})
	}
	for _, near := range []float64{nearWide, nearNarrow} {
		out, total, blows := cluster(list, near), 0, 0
		for n, m := range out {
			total += m.count
			if m.Blow {
				blows++
				if m.First != 31 {
					t.Errorf("the mark with the blow leads to %d", m.First)
				}
			}
			if n > 0 && m.percent-out[n-1].percent < near {
				t.Errorf("marks %d and %d are %.1f%% apart", n-1, n, m.percent-out[n-1].percent)
			}
		}
		if total != len(list) || blows != 1 {
			t.Errorf("%d of %d marks, %d blows", total, len(list), blows)
		}
	}
}

func TestTicks(t *testing.T) {
	t.Parallel()
	for d := 100 * time.Millisecond; d < 100*365*24*time.Hour; d += d / 5 * 2 {
		from, to := founded.Add(-d/20), founded.Add(d+d/12)
		list := ticks(from, to, founded, func(at time.Time) float64 { return 100 * float64(at.Sub(from)) / float64(to.Sub(from)) })
		if len(list) < 2 || len(list) > 9 {
			t.Errorf("%s has %d ticks", d, len(list))
		}
	}
}

func TestWeightiest(t *testing.T) {
	t.Parallel()
	var list []Line
	for n := range 1000 {
		l := Line{N: n + 1, Kind: core.EntryProbe}
		if n%100 == 99 {
			l.Blow = true
		}
		list = append(list, l)
	}
	kept, cut := weightiest(list, 50)
	blows := 0
	for n, l := range kept {
		if l.Blow {
			blows++
		}
		if n > 0 && kept[n-1].N >= l.N {
			t.Fatal("the order is lost")
		}
	}
	if len(kept) != 50 || cut != 950 || blows != 10 {
		t.Errorf("%d lines with %d blows, %d left out", len(kept), blows, cut)
	}
}

func TestSpan(t *testing.T) {
	t.Parallel()
	for ms, want := range map[int64]string{0: "0 ms", 999: "999 ms", 1000: "1.0 s", 14241: "14.2 s", 99900: "99.9 s", 100_000: "1 min 40 s", 3_600_000: "1 h 00 min",
		48 * 3_600_000: "2 days 0 h", 1 << 62: "106751 days 23 h", -5: "-5 ms"} {
		if got := span(ms); got != want {
			t.Errorf("%d ms reads %q, want %q", ms, got, want)
		}
	}
	for ms, want := range map[int64]string{0: "+0:00.000", -212: "-0:00.212", 74602: "+1:14.602", 3_600_000: "+1:00:00", -1 << 63: "-53375995583 days"} {
		if got := offset(ms); got != want {
			t.Errorf("%d ms after reads %q, want %q", ms, got, want)
		}
	}
}

// FuzzReport puts any text and any time into the fixtures, at places that chance picks.
func FuzzReport(f *testing.F) {
	for seed, text := range []string{nasty, "", "a\tb", "<b onclick=x>", "</style><script>", "{{.}}", "| a | b |\n", "\u202e\u2066", "javascript:alert(1)", "\"'`", strings.Repeat("é", 600)} {
		f.Add(text, uint64(seed))
	}
	f.Fuzz(func(t *testing.T, text string, seed uint64) {
		dice := rand.New(rand.NewPCG(seed, 7))
		names := []string{"founding", "hung", "open"}
		x := fixtures()[names[dice.IntN(len(names))]]
		texts := func(list ...*string) {
			for _, s := range list {
				if dice.IntN(3) == 0 {
					*s = text
				}
			}
		}
		times := func(list ...*time.Time) {
			for _, at := range list {
				switch dice.IntN(12) {
				case 0:
					*at = time.Time{}
				case 1:
					*at = time.Unix(dice.Int64()-1<<62, 0)
				case 2:
					*at = at.Add(time.Duration(dice.Int64N(1<<62)) - 1<<61)
				case 3:
					*at = at.Add(time.Duration(dice.IntN(100)-50) * time.Second)
				}
			}
		}
		i := &x.incident
		texts(&i.ID, &i.Root, &i.Cause, &i.Drill, (*string)(&i.Kind), (*string)(&i.Urgency), &x.facts.Host, &x.facts.User)
		times(&i.Began, &i.Opened, &i.Mended, &i.Closed, &x.facts.Now)
		for n := range i.Symptoms {
			s := &i.Symptoms[n]
			texts(&s.What, &s.Unit, &s.Cause)
			times(&s.From, &s.To)
		}
		for n := range i.Services {
			s := &i.Services[n]
			texts(&s.Name)
			for k := range s.Stretches {
				texts((*string)(&s.Stretches[k].Pulse))
				times(&s.Stretches[k].From)
			}
		}
		for n := range i.Told {
			texts((*string)(&i.Told[n].Kind))
			times(&i.Told[n].At)
		}
		for n := range x.entries {
			e := &x.entries[n]
			texts(&e.What, &e.Why, &e.Unit, (*string)(&e.Kind))
			times(&e.At)
			if e.Command != nil {
				texts(&e.Command.User, &e.Command.Text, &e.Command.Source)
			}
		}
		checkForms(t, New(*i, x.entries, x.facts))
	})
}
