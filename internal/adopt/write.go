package adopt

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Outcome is what became of the containers that units were to be written for.
type Outcome struct {
	Version int       `json:"version"`
	Written []Done    `json:"written"`
	Refused []Refusal `json:"refused"`
}

// Done is a unit that was written for a container.
type Done struct {
	Container string `json:"container"`
	Unit      string `json:"unit"`
	File      string `json:"file"`
}

// Refusal says why none was, and what to type.
type Refusal struct {
	Container string `json:"container"`
	Reason    string `json:"reason"`
	Try       string `json:"try,omitempty"`
}

// Write writes units for the next start of running containers, and touches
// nothing else: neither the containers, nor secrets, nor volumes. What would need
// more is refused.
func (a *Adopter) Write(ctx context.Context, names []string) (Outcome, error) {
	out := Outcome{Version: 1, Written: []Done{}, Refused: []Refusal{}}
	lctx, cancel := context.WithTimeout(ctx, lockLimit)
	defer cancel()
	release, err := lock(lctx, a.Places.State)
	if err != nil {
		return out, err
	}
	defer release()
	if j, err := loadJournal(a.Places.State); err != nil || j != nil {
		return out, errors.Join(err, errors.New("an adoption was interrupted: first type keeper adopt --undo"))
	}
	wrote := false
	for _, name := range names {
		done, refused, err := a.writeOne(ctx, name)
		switch unknown := unknownError(""); {
		case err != nil && !errors.As(err, &unknown):
			// Of Podman or the disk, not of this container: it may go better next time.
			return out, errors.Join(err, a.reloadAfter(ctx, wrote))
		case err != nil:
			out.Refused = append(out.Refused, Refusal{name, err.Error(), "keeper adopt " + name})
		case refused != nil:
			out.Refused = append(out.Refused, *refused)
		default:
			wrote = true
			out.Written = append(out.Written, done...)
		}
	}
	return out, a.reloadAfter(ctx, wrote)
}

func (a *Adopter) reloadAfter(ctx context.Context, wrote bool) error {
	if !wrote {
		return nil
	}
	return a.Units.Reload(ctx)
}

func (a *Adopter) writeOne(ctx context.Context, name string) ([]Done, *Refusal, error) {
	p, err := a.Plan(ctx, Request{Names: []string{name}, Untouched: true})
	if err != nil {
		return nil, nil, err
	}
	if stops := p.Stops(); len(stops) > 0 {
		return nil, &Refusal{name, stops[0].Text, "keeper adopt " + name}, nil
	}
	var written []FilePlan
	for _, f := range p.Files {
		if f.State != New && f.State != Change {
			continue
		}
		if err = stageFile(f.Path, f.Content); err == nil {
			err = os.Rename(staged(f.Path), f.Path)
		}
		if err != nil {
			err = fmt.Errorf("cannot write %s: %w", f.Path, err)
			// Half of the files of one container are worse than none of them.
			for _, w := range written {
				err = errors.Join(err, takeBack(w))
			}
			a.unstage()
			return nil, nil, err
		}
		written = append(written, f)
	}
	var done []Done
	for _, i := range p.Items {
		done = append(done, Done{i.Container, i.Unit + ".service", filepath.Join(a.Places.Quadlets, i.Unit+".container")})
	}
	return done, nil, nil
}

// takeBack has a file be as it was.
func takeBack(f FilePlan) error {
	if f.State == New {
		return os.Remove(f.Path)
	}
	if err := stageFile(f.Path, f.Old); err != nil {
		return err
	}
	return os.Rename(staged(f.Path), f.Path)
}
