package adoptcli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"keeper/internal/adopt"
	"keeper/internal/quadlet"
	"keeper/internal/term"
)

// run runs the command line and returns what it prints, and the exit code.
func run(t *testing.T, args ...string) (out, errs string, code int) {
	t.Helper()
	var o, e bytes.Buffer
	code = Main(t.Context(), args, term.IO{Out: &o, Err: &e})
	return o.String(), e.String(), code
}

// What does not go together is wrong use, and is found before anything is asked.
func TestWrongUse(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"adopt --all web":                 "either --all, or names",
		"adopt --apply":                   "name the containers, or say --all",
		"adopt --check --apply":           "--check and --undo stand alone",
		"adopt --undo web":                "--check and --undo stand alone",
		"adopt --profile x":               "go with --compose",
		"adopt --nonsense":                "unknown flag: --nonsense",
		"exchange /a/b /a/_data":          "/a/b is not the data of a volume",
		"exchange /v/../x/_data /a/_data": "is not the data of a volume",
	} {
		_, errs, code := run(t, strings.Fields(args)...)
		if code != term.ExitUsage || !strings.Contains(errs, want) || !strings.Contains(errs, "keeper adopt --help") {
			t.Errorf("%s: %d, %s", args, code, errs)
		}
	}
	out, errs, code := run(t, "adopt", "--help")
	if code != term.ExitOK || errs != "" || !strings.Contains(out, "keeper adopt --all --apply") || !strings.Contains(out, "--accept") {
		t.Errorf("%d, %s%s", code, out, errs)
	}
}

// Two directories change places, and what is not there is an error that changes
// nothing.
func TestExchange(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	one, other := filepath.Join(dir, "one", "_data"), filepath.Join(dir, "other", "_data")
	for _, d := range []string{one, other} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(one, "row"), []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, errs, code := run(t, "exchange", one, other); code != term.ExitOK {
		t.Fatalf("%d, %s", code, errs)
	}
	if data, err := os.ReadFile(filepath.Join(other, "row")); err != nil || string(data) != "precious" {
		t.Errorf("%q, %v", data, err)
	}
	if list, err := os.ReadDir(one); err != nil || len(list) > 0 {
		t.Errorf("%v, %v", list, err)
	}
	_, errs, code := run(t, "exchange", other, filepath.Join(dir, "gone", "_data"))
	if code != term.ExitError || !strings.Contains(errs, "cannot exchange "+other) {
		t.Errorf("%d, %s", code, errs)
	}
	if _, err := os.Stat(filepath.Join(other, "row")); err != nil {
		t.Error(err)
	}
}

func plan() adopt.Plan {
	return adopt.Plan{
		Items: []adopt.Item{
			{Container: "db", Unit: "db", State: "running", Source: quadlet.Source{Kind: quadlet.FromContainer}, Do: adopt.Adopt, Notes: []quadlet.Note{
				{Unit: "db", Level: quadlet.Stop, Text: "it has written outside its volumes", Try: "--accept layer", Accept: "layer"},
				{Unit: "db", Level: quadlet.Lost, Text: "its colour"},
			}},
			{Container: "job", Unit: "job", State: "running", Source: quadlet.Source{Kind: quadlet.FromContainer}, Do: adopt.Leave},
			{Container: "old", Unit: "old", State: "exited", Source: quadlet.Source{Kind: quadlet.FromContainer}, Do: adopt.Leave},
			{Container: "web", Unit: "web", State: "running", Source: quadlet.Source{Kind: quadlet.FromContainer}, Do: adopt.Keep},
		},
		Files: []adopt.FilePlan{
			{Path: "/q/db.container", State: adopt.New, Content: "[Container]\nImage=postgres\nEnvironment=DB_PASSWORD=hunter2\n"},
			{Path: "/q/mine.container", State: adopt.Edited},
			{Path: "/q/same.volume", State: adopt.Same},
		},
		Moves: []adopt.Move{{Container: "db", From: strings.Repeat("0", 64), To: "db-data", Target: "/data"}},
	}
}

const shownPlan = `CONTAINER  STATE    SOURCE     UNIT           WHAT WOULD BE DONE
db         running  container  db.container   stop it, start its unit
job        running  container  job.container  nothing, unless you name it: it is to go when it ends (--rm)
old        exited   container  old.container  nothing, unless you name it: it does not run
web        running  container  web.container  nothing: it is kept

files
  /q/db.container  new
  /q/mine.container  yours, left as it is

data that gets a name
  /data of db: anonymous volume 000000000000… -> db-data

not in the units
- db: its colour

what stops it
! db: it has written outside its volumes
    --accept layer

nothing is done until what stops it is out of the way
`

func TestPlan(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := printPlan(&b, plan(), adoptFlags{}); err != nil || b.String() != shownPlan {
		t.Errorf("%v\n%s", err, b.String())
	}
}

// Nothing that is printed shows a password.
func TestNoPassword(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	p := plan()
	if err := printDiff(&b, p); err != nil {
		t.Fatal(err)
	}
	if err := printJSON(&b, planJSON(p, &adopt.Result{})); err != nil {
		t.Fatal(err)
	}
	if s := b.String(); strings.Contains(s, "hunter2") || strings.Count(s, "DB_PASSWORD=…") != 2 {
		t.Error(s)
	}
	if !strings.Contains(p.Files[0].Content, "hunter2") {
		t.Error("the plan itself was changed")
	}
}
