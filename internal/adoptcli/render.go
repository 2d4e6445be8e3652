package adoptcli

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/rogpeppe/go-internal/diff"

	"keeper/internal/adopt"
	"keeper/internal/quadlet"
	"keeper/internal/term"
)

// printPlan shows what there is, what would be written, and what to know before.
func printPlan(w io.Writer, p adopt.Plan, f adoptFlags) error {
	paint := term.Colours(w)
	var b strings.Builder
	if len(p.Items) == 0 {
		b.WriteString("there is nothing to adopt: this account has no containers\n")
	} else {
		t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "CONTAINER\tSTATE\tSOURCE\tUNIT\tWHAT WOULD BE DONE")
		for _, i := range p.Items {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", i.Container, i.State, i.Source.Kind, i.Unit+".container", doing(i))
		}
		_ = t.Flush() // into memory
	}
	writeFiles(&b, p)
	writeMoves(&b, p)
	writeNotes(&b, p, paint)
	if len(p.Off) > 0 {
		fmt.Fprintf(&b, "\nleft out, because their profile is not on (--profile): %s\n", strings.Join(p.Off, ", "))
	}
	writeNext(&b, p, f)
	_, err := io.WriteString(w, b.String())
	return err
}

func doing(i adopt.Item) string {
	switch i.Do {
	case adopt.Adopt:
		return "stop it, start its unit"
	case adopt.Write:
		return "write its unit, start nothing"
	case adopt.Create:
		return "start its unit"
	case adopt.Update:
		return "write its unit anew, restart it"
	case adopt.Leave:
		return "nothing, unless you name it: " + leftBecause(i)
	}
	return "nothing: it is kept"
}

func leftBecause(i adopt.Item) string {
	if i.State == "running" {
		return "it is to go when it ends (--rm)"
	}
	return "it does not run"
}

func writeFiles(b *strings.Builder, p adopt.Plan) {
	shown := false
	for _, f := range p.Files {
		if f.State == adopt.Same {
			continue
		}
		if !shown {
			b.WriteString("\nfiles\n")
			shown = true
		}
		what := map[adopt.FileState]string{adopt.New: "new", adopt.Change: "change", adopt.Edited: "yours, left as it is"}[f.State]
		fmt.Fprintf(b, "  %s  %s\n", f.Path, what)
	}
}

func writeMoves(b *strings.Builder, p adopt.Plan) {
	if len(p.Moves) > 0 {
		b.WriteString("\ndata that gets a name\n")
	}
	for _, m := range p.Moves {
		from := m.From
		if len(from) > 12 {
			from = from[:12] + "…"
		}
		fmt.Fprintf(b, "  %s of %s: anonymous volume %s -> %s\n", m.Target, m.Container, from, m.To)
	}
	if len(p.Secrets) > 0 {
		b.WriteString("\nsecrets to be made\n")
	}
	for _, s := range p.Secrets {
		from := "the environment of its container, " + s.Key
		switch {
		case s.File != "":
			from = s.File
		case s.Variable != "":
			from = "$" + s.Variable
		}
		fmt.Fprintf(b, "  %s, of %s\n", s.Name, from)
	}
}

// writeNotes lists what stops the plan last, where the eye is.
func writeNotes(b *strings.Builder, p adopt.Plan, paint bool) {
	stops := p.Stops()
	for _, level := range []quadlet.Level{quadlet.Hint, quadlet.Lost, quadlet.Stop} {
		var list []quadlet.Note
		p.EachNote(func(n quadlet.Note) {
			if n.Level == level {
				list = append(list, n)
			}
		})
		if len(list) == 0 {
			continue
		}
		fmt.Fprintf(b, "\n%s\n", map[quadlet.Level]string{quadlet.Hint: "good to know", quadlet.Lost: "not in the units", quadlet.Stop: "what stops it"}[level])
		for _, n := range list {
			mark := " "
			switch {
			case level == quadlet.Stop && slices.Contains(stops, n):
				mark = term.Paint(paint, "1;31", "!")
			case level == quadlet.Stop:
				mark = "~" // accepted
			case level == quadlet.Lost:
				mark = term.Paint(paint, "33", "-")
			}
			subject := ""
			if n.Unit != "" {
				subject = n.Unit + ": "
			}
			fmt.Fprintf(b, "%s %s%s\n", mark, subject, n.Text)
			if n.Try != "" {
				fmt.Fprintf(b, "    %s\n", n.Try)
			}
			if n.Accept != "" && !strings.Contains(n.Try, "--accept") {
				fmt.Fprintf(b, "    to go on all the same: --accept %s\n", n.Accept)
			}
		}
	}
}

func writeNext(b *strings.Builder, p adopt.Plan, f adoptFlags) {
	switch {
	case len(p.Items) == 0:
	case !p.Changed():
		b.WriteString("\nnothing to do: all is as it should be\n")
	case len(p.Stops()) > 0:
		b.WriteString("\nnothing is done until what stops it is out of the way\n")
	case !f.apply:
		b.WriteString("\nto see the files: --diff; to do it: --apply\n")
	}
}

// printDiff shows each file against the one on disk.
func printDiff(w io.Writer, p adopt.Plan) error {
	for _, f := range p.Files {
		if f.State == adopt.Same || f.Old == f.Content {
			continue
		}
		old := f.Path
		if f.State == adopt.New {
			old = "/dev/null"
		}
		if _, err := w.Write(diff.Diff(old, []byte(quadlet.Masked(f.Old)), f.Path, []byte(quadlet.Masked(f.Content)))); err != nil {
			return err
		}
	}
	return nil
}

func printResult(w io.Writer, p adopt.Plan, r adopt.Result) error {
	var b strings.Builder
	if !p.Changed() {
		b.WriteString("nothing to do: all is as it should be\n")
	}
	for _, i := range p.Items {
		if i.Do == adopt.Keep || i.Do == adopt.Leave {
			continue
		}
		fmt.Fprintf(&b, "%s is kept by %s.service", i.Container, i.Unit)
		if away, ok := r.Away[i.Unit]; ok {
			fmt.Fprintf(&b, "; it was away for %.1f s", away.Seconds())
		}
		b.WriteString("\n")
	}
	for _, k := range r.Kept {
		fmt.Fprintf(&b, "the old container is kept as %s; to remove it: podman rm %s\n", k, k)
	}
	if len(r.Kept) > 0 && len(p.Moves) > 0 {
		b.WriteString("what was in anonymous volumes is in the named ones now: do not start an old container, it would begin with nothing\n")
	}
	for _, i := range p.Items {
		if i.Source.Kind == quadlet.FromSystemd && i.Do != adopt.Keep {
			fmt.Fprintf(&b, "%s is disabled and of no use any more: rm %s\n", filepath.Base(i.Source.Path), i.Source.Path)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func printExplained(to term.IO, list []adopt.Explained) error {
	paint := term.Colours(to.Out)
	if len(list) == 0 {
		fmt.Fprintln(to.Err, "there are no Quadlet files in ~/.config/containers/systemd")
	}
	for _, e := range list {
		word := term.Paint(paint, "32", "loaded    ")
		if !e.Loaded {
			word = term.Paint(paint, "1;31", "not loaded")
		}
		fmt.Fprintf(to.Out, "%s  %s\n", word, e.File)
		if e.Why != "" {
			fmt.Fprintf(to.Out, "            %s\n", e.Why)
		}
		if e.Try != "" {
			fmt.Fprintf(to.Out, "            %s\n", e.Try)
		}
	}
	return nil
}
