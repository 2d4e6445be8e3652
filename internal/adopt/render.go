package adopt

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"keeper/internal/quadlet"
)

// render writes the files, and holds them against those on disk.
func (b *builder) render() {
	files, notes := quadlet.Render(b.stack, b.host)
	for _, n := range notes {
		i := slices.IndexFunc(b.plan.Items, func(i Item) bool { return i.Unit == n.Unit })
		if i >= 0 {
			b.plan.Items[i].Notes = append(b.plan.Items[i].Notes, n)
		} else {
			b.plan.Notes = append(b.plan.Notes, n)
		}
	}
	b.plan.Secrets = b.stack.Secrets
	changed := map[string]bool{}
	for _, f := range files {
		p := b.against(f)
		if p == nil {
			continue
		}
		b.plan.Files = append(b.plan.Files, *p)
		if p.State == New || p.State == Change {
			changed[strings.TrimSuffix(strings.TrimSuffix(f.Name, filepath.Ext(f.Name)), ".container.d")] = true
		}
	}
	for i := range b.plan.Items {
		item := &b.plan.Items[i]
		if item.Do == Update && !changed[item.Unit] {
			item.Do = Keep
			item.Notes = slices.DeleteFunc(item.Notes, func(n quadlet.Note) bool { return n.Level != quadlet.Stop })
		}
		if c := b.model(item); c != nil {
			item.model = *c
		}
	}
}

// against holds a file against the one of its name on disk. nil means that
// nothing is to be done that a person should see.
func (b *builder) against(f quadlet.File) *FilePlan {
	p := &FilePlan{Path: filepath.Join(b.quadlets, f.Name), State: New, Content: f.Content}
	have, ok := b.disk.file(f.Name)
	if !ok {
		return p
	}
	p.Old = have.Content
	switch {
	case quadlet.Same(have.Content, f.Content):
		p.Path, p.State, p.Content = have.Path, Same, have.Content
		return p
	case have.Origin.Ours && !have.Origin.Edited:
		b.otherwise(f, have)
		p.Path, p.State = have.Path, Change
		return p
	}
	// A person wrote or edited it. If it makes the same thing, what keeper would add
	// goes beside it; otherwise the name is taken.
	base, kind := strings.TrimSuffix(f.Name, filepath.Ext(f.Name)), strings.TrimPrefix(filepath.Ext(f.Name), ".")
	mine := makes(onDisk{Name: f.Name, Content: f.Content})
	if makes(have) != mine {
		b.plan.Notes = append(b.plan.Notes, quadlet.Note{
			Unit: base, Field: "file", Level: quadlet.Stop,
			Text: "the name is taken: " + have.Path + " is not keeper's and is about something else",
			Try:  "rename that file, or give the container another name",
		})
		return nil
	}
	if kind != "container" {
		p.Path, p.State, p.Content = have.Path, Edited, have.Content
		return p
	}
	return b.beside(f, have)
}

// otherwise notes that a unit was made of something else than it would be now:
// two things of one name may have nothing in common.
func (b *builder) otherwise(f quadlet.File, have onDisk) {
	was, is := have.Origin.Source, f.Source
	if filepath.Ext(f.Name) != ".container" || was.Kind == is.Kind && was.Path == is.Path && was.Name == is.Name {
		return
	}
	b.plan.Notes = append(b.plan.Notes, quadlet.Note{
		Unit: strings.TrimSuffix(f.Name, ".container"), Field: "file", Level: quadlet.Stop, Accept: "source",
		Text: fmt.Sprintf("%s was made of %s, and would be made of %s", have.Path, sourceName(was), sourceName(is)),
		Try:  "give one of them another name; or if it is the same, go on: --accept source",
	})
}

func sourceName(s quadlet.Source) string {
	if s.Path == "" {
		return "the " + s.Kind + " " + s.Name
	}
	return s.Name + " of " + s.Path
}

// beside puts what keeper would add to a person's file into a drop-in.
func (b *builder) beside(f quadlet.File, have onDisk) *FilePlan {
	base := strings.TrimSuffix(f.Name, ".container")
	left := &FilePlan{Path: have.Path, State: Edited, Content: have.Content, Old: have.Content}
	additions, others, err := quadlet.Additions(f.Content, have.Content)
	if err != nil {
		b.plan.Notes = append(b.plan.Notes, quadlet.Note{
			Unit: base, Field: "file", Level: quadlet.Stop, Text: have.Path + " is no unit file: " + err.Error(), Try: "keeper adopt --check " + base,
		})
		return left
	}
	if len(others) > 0 {
		var keys []string
		for _, l := range others {
			if !slices.Contains(keys, l.Key) {
				keys = append(keys, l.Key)
			}
		}
		b.plan.Notes = append(b.plan.Notes, quadlet.Note{
			Unit: base, Field: "file", Level: quadlet.Hint,
			Text: have.Path + " was edited, and stays as it is; it says otherwise of " + strings.Join(keys, ", "), Try: "keeper adopt --diff " + base,
		})
	}
	if additions == "" {
		return left
	}
	d := quadlet.Dropin(f.Name, additions, f.Source)
	// Quadlet looks for drop-ins in all its directories; that of the file may be the
	// administrator's.
	p := &FilePlan{Path: filepath.Join(b.quadlets, d.Name), State: New, Content: d.Content}
	if !quadlet.Dropins(b.host) {
		b.plan.Notes = append(b.plan.Notes, quadlet.Note{
			Unit: base, Field: "file", Level: quadlet.Lost,
			Text: have.Path + " was edited, and drop-ins of Quadlet files need Podman 5.0: nothing is added to it",
		})
		return left
	}
	if old, ok := b.disk.file(d.Name); ok {
		p.Path, p.Old, p.State = old.Path, old.Content, Change
		switch {
		case quadlet.Same(old.Content, d.Content):
			p.State, p.Content = Same, old.Content
		case !old.Origin.Ours || old.Origin.Edited:
			p.State, p.Content = Edited, old.Content
		}
	}
	return p
}
