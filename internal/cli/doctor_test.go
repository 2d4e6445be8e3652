package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"keeper/internal/app"
	"keeper/internal/core"
	"keeper/internal/term"
)

// The worst stands last, where the eye is; what is alike keeps its order.
func TestFindings(t *testing.T) {
	t.Parallel()
	list := []core.Finding{
		{ID: "a", Severity: core.Bad, What: "first bad", Means: "that hurts", Fix: "mend it"},
		{ID: "b", Severity: core.Good, What: "first good"},
		{ID: "c", Severity: core.Warn, What: "a warning", Means: "not all is lost"},
		{ID: "d", Severity: core.Bad, What: "second bad", Fix: "mend that, too"},
		{ID: "e", Severity: core.Info, What: "to be known"},
		{ID: "f", Severity: core.Good, What: "second good"},
		{ID: "g", Severity: core.Warn, What: "an \x1b[2Jescape", Repair: &core.Repair{}},
	}
	const want = `good  first good
good  second good
info  to be known
warn  a warning
      not all is lost
warn  an <0x1b>[2Jescape
      keeper doctor --fix mends this
bad   first bad
      that hurts
      type: mend it
bad   second bad
      type: mend that, too
`
	if got := (renderer{}).findings(list); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if got := (renderer{}).findings(nil); got != "" {
		t.Errorf("of nothing: %q", got)
	}
}

var (
	frail = core.Finding{ID: "restart", Severity: core.Bad, What: "db gives up", Fix: "write it", Repair: &core.Repair{What: "let db start again",
		Steps: []core.RepairStep{{Write: "/home/app/my units/db.container.d/50-keeper.conf", Text: core.RepairMark + "\n[Service]\nRestart=always\x1b[2J\n"}, core.Reload()}}}
	starts   = core.Finding{ID: "down", Severity: core.Warn, What: "db is down", Repair: &core.Repair{What: "start db", Steps: []core.RepairStep{{Run: []string{"systemctl", "--user", "start", "it's"}}}}}
	again    = core.Finding{ID: "down too", Severity: core.Warn, What: "db does not answer", Repair: starts.Repair}
	byRoot   = core.Finding{ID: "root", Severity: core.Warn, What: "root's part is not there", Fix: "as root: do it"}
	harmless = core.Finding{ID: "fine", Severity: core.Good, What: "all is fine"}
)

func TestDoctorFix(t *testing.T) {
	t.Parallel()
	const plan = `
would be done:
  - let db start again
  - start db

  write '/home/app/my units/db.container.d/50-keeper.conf':
    # Written by keeper doctor --fix; keeper may write it again.
    [Service]
    Restart=always<0x1b>[2J

  run: systemctl --user daemon-reload

  run: systemctl --user start 'it'\''s'

`
	for name, tt := range map[string]struct {
		before, after []core.Finding
		standsDown    bool
		typed         string // on a terminal, if any
		yes, json     bool
		err           string // of the repair
		code          int
		mends         []string
		out, errs     []string
	}{
		"nothing to do": {before: []core.Finding{harmless}, code: 0, out: []string{"nothing to mend\n", "nothing for keeper doctor --fix to do"}},
		"root's to do":  {before: []core.Finding{byRoot}, yes: true, code: 3, out: []string{"1 thing to mend\n", "as root: do it", "nothing for keeper doctor --fix to do"}},
		"no terminal": {before: []core.Finding{frail, starts}, code: 2, out: []string{plan, "2 things to mend, by: keeper doctor --fix"},
			errs: []string{"add: --yes"}},
		"agreed":        {before: []core.Finding{frail, starts, again}, typed: "y\n", code: 0, mends: []string{"restart", "down", "down too"}, out: []string{plan, "done  let db start again\ndone  start db\n\nall mended\n"}},
		"not agreed":    {before: []core.Finding{frail}, typed: "\n", code: 2, errs: []string{"nobody agreed"}},
		"refused":       {before: []core.Finding{frail}, typed: "n\n", code: 2, errs: []string{"nobody agreed"}},
		"yes":           {before: []core.Finding{frail, byRoot}, after: []core.Finding{byRoot}, yes: true, code: 3, mends: []string{"restart"}, out: []string{"2 things to mend, 1 of them by: keeper doctor --fix", "what is left:\nwarn  root's part", "1 thing to mend\n"}},
		"did not help":  {before: []core.Finding{frail}, after: []core.Finding{frail}, yes: true, code: 3, mends: []string{"restart"}, out: []string{"what is left:\nbad   db gives up"}},
		"failed":        {before: []core.Finding{frail}, after: []core.Finding{frail}, yes: true, err: "no \x1broom", code: 1, mends: []string{"restart"}, out: []string{"failed  let db start again\n      no <0x1b>room\n"}},
		"stands down":   {before: []core.Finding{frail, starts}, after: []core.Finding{starts}, standsDown: true, yes: true, code: 3, mends: []string{"restart"}, out: []string{"not while keeper stands down, for it starts something: start db\n"}},
		"for programs":  {before: []core.Finding{frail}, yes: true, json: true, code: 0, mends: []string{"restart"}, out: []string{`"id": "restart"`, `"findings": []`}, errs: []string{"would be done"}},
		"program fails": {before: []core.Finding{frail}, yes: true, json: true, err: "full", code: 1, mends: []string{"restart"}, out: []string{`"error": "full"`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out, errs bytes.Buffer
			d := doctor{to: term.IO{Out: &out, Err: &errs}, asJSON: tt.json}
			in, err := os.Open(os.DevNull)
			if err != nil {
				t.Fatal(err)
			}
			defer in.Close()
			d.in = in
			if tt.typed != "" {
				person, program := terminal(t)
				d.in, d.to.Err = program, program
				if _, err := person.WriteString(tt.typed); err != nil {
					t.Fatal(err)
				}
			}
			looks, mended := 0, []string(nil)
			d.look = func(context.Context) (examined, error) {
				looks++
				e := examined{Version: core.DoctorVersion, Findings: tt.before, standsDown: tt.standsDown}
				if looks > 1 {
					e.Findings = append([]core.Finding{}, tt.after...)
				}
				return e, nil
			}
			d.mend = func(_ context.Context, list []core.Finding, _ func(string)) ([]app.Mended, error) {
				var done []app.Mended
				for _, f := range list {
					mended = append(mended, f.ID)
					done = append(done, app.Mended{ID: f.ID, What: f.Repair.What, Error: tt.err})
				}
				return done, nil
			}
			err = d.fix(t.Context(), tt.yes)
			if code := term.Code(err, "keeper", term.IO{Out: &out, Err: &errs}); code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			if !slices.Equal(mended, tt.mends) {
				t.Errorf("mended %q, want %q", mended, tt.mends)
			}
			for _, w := range tt.out {
				if !strings.Contains(out.String(), w) {
					t.Errorf("no %q in\n%s", w, out.String())
				}
			}
			for _, w := range tt.errs {
				if !strings.Contains(errs.String(), w) {
					t.Errorf("no %q in\n%s", w, errs.String())
				}
			}
			if strings.Contains(out.String()+errs.String(), "\x1b") {
				t.Errorf("an escape in %q", out.String())
			}
			var v examined
			if tt.json && json.Unmarshal(out.Bytes(), &v) != nil {
				t.Errorf("no JSON: %s", out.String())
			}
		})
	}
}
