// Package internal_test keeps the plan of the house: which room may import
// which (docs/architecture.md).
package internal_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// pkg is what `go list -json` says of a package.
type pkg struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

const (
	module    = "keeper"
	internal  = module + "/internal/"
	podmanAPI = "github.com/containers/podman"
)

var (
	pure  = []string{"quadlet", "guard", "redact", "report", "agents"} // and core, more strictly
	edges = []string{"logind", "units", "containers", "netns", "probe", "alert", "history", "standdown", "config", "journal", "host"}
	// sources make a model of quadlet's of what there is.
	sources = []string{"podman", "podman/compile", "compose"}
	// shelves are used by any room and know none.
	shelves = []string{"atomicfile", "paths", "dirwatch", "term", "redact", "secret"}
)

// rule is one rule of the house. broken returns what is wrong with an import,
// or nothing.
type rule struct {
	name, why string
	// of says which packages the rule is for.
	of     func(path string) bool
	broken func(path, imported string) bool
	// deep looks at all that gets linked, and not at direct imports alone.
	deep bool
}

func room(path string) string { return strings.TrimPrefix(path, internal) }

func isRoom(path string, rooms []string) bool {
	return strings.HasPrefix(path, internal) && slices.Contains(rooms, room(path))
}

func ours(path string) bool { return path == module || strings.HasPrefix(path, module+"/") }

func rooms(names ...string) func(string) bool {
	return func(path string) bool { return isRoom(path, names) }
}

func under(path, prefix string) bool { return path == prefix || strings.HasPrefix(path, prefix+"/") }

// onlyOurs is broken by a package of keeper that is not among the rooms.
func onlyOurs(allowed ...string) func(string, string) bool {
	return func(_, imported string) bool { return ours(imported) && !isRoom(imported, allowed) }
}

// harmless are the packages that core may import: they compute, and that is
// all. fmt is among them for Sprintf, encoding/json for what its values look like.
var harmless = []string{"cmp", "encoding/json", "errors", "fmt", "hash/fnv", "iter", "maps", "math", "reflect", "slices", "sort", "strconv", "strings", "time", "unicode", "unicode/utf8"}

// reaching are the packages that touch the world.
var reaching = []string{"os", "net", "context", "sync", "log", "io", "syscall", "unsafe", "golang.org/x/sys", "github.com"}

func reachesOut(_, imported string) bool {
	// Readers and writers of memory are no I/O.
	return imported != "io" && slices.ContainsFunc(reaching, func(p string) bool { return under(imported, p) })
}

var rules = []rule{
	{
		name: "core imports what computes, and nothing else",
		why:  "it decides in values, so that a field incident can be replayed in a unit test; what touches the world belongs to an edge",
		of:   rooms("core"),
		broken: func(_, imported string) bool {
			return !ours(imported) && !slices.Contains(harmless, imported)
		},
	},
	{
		name:   "pure rooms import no I/O",
		why:    "they take facts and return values; whoever calls them does the reading and writing",
		of:     rooms(pure...),
		broken: reachesOut,
	},
	{
		name:   "core imports nothing of keeper",
		why:    "everybody imports core: what it imported would be everybody's, and soon a cycle",
		of:     rooms("core"),
		broken: onlyOurs(),
	},
	{
		name:   "edges import core, and not one another",
		why:    "each can be replaced, faked and understood by itself; what two of them share is a value in core",
		of:     rooms(edges...),
		broken: onlyOurs(append([]string{"core"}, shelves...)...),
	},
	{
		name:   "sources import core and quadlet",
		why:    "what there is becomes a model of quadlet's; what follows from it is adopt's matter",
		of:     rooms(sources...),
		broken: onlyOurs(append([]string{"core", "quadlet"}, shelves...)...),
	},
	{
		name: "adopt and the daemon know nothing of each other",
		why:  "what an adoption does is in a journal on disk, by which the daemon tells; neither is linked into the other",
		of:   rooms("adopt", "adoptcli"),
		broken: func(_, imported string) bool {
			return isRoom(imported, []string{"app", "engine", "cli", "control", "logind"})
		},
	},
	{
		name: "the daemon links neither Podman nor Compose",
		why:  "it sits beside a database for months, and the last act must start in milliseconds: what reads containers is a program of its own, keeper-adopt",
		of:   func(path string) bool { return path == module+"/cmd/keeper" },
		broken: func(_, imported string) bool {
			return isRoom(imported, sources) || isRoom(imported, []string{"adopt"}) || under(imported, podmanAPI)
		},
		deep: true,
	},
	{
		name:   "metrics imports core, the wire types and the way of writing files",
		why:    "it says in numbers what the status says in words; a look of its own would contradict it one day",
		of:     rooms("metrics"),
		broken: onlyOurs(append([]string{"core", "control"}, shelves...)...),
	},
	{
		name:   "drill imports core, the wire types and what finds containers' processes",
		why:    "it strikes as a person would, and sees what comes of it as a person does: by the daemon's status",
		of:     rooms("drill"),
		broken: onlyOurs("core", "control", "containers", "paths"),
	},
	{
		name:   "everyone imports core and the wire types",
		why:    "it runs as root: what it links, and what it believes of an account's answer, is to be little",
		of:     rooms("everyone"),
		broken: onlyOurs("core", "control"),
	},
	{
		name:   "report imports core alone",
		why:    "it says what it was given: who reads the disk and asks the clock is the command",
		of:     rooms("report"),
		broken: onlyOurs("core"),
	},
	{
		name:   "agents imports guard alone",
		why:    "it says in each agent's words what the guard found; whoever calls it reads the input and writes the files",
		of:     rooms("agents"),
		broken: onlyOurs("guard"),
	},
	{
		name:   "engine imports core alone",
		why:    "it declares the small interfaces it needs, so that the loop runs on fakes in its tests",
		of:     rooms("engine"),
		broken: onlyOurs("core"),
	},
	{
		name:   "cli imports control, app and what it reads without the daemon",
		why:    "the daemon has the one truth; a command that worked it out by itself would contradict it one day",
		of:     rooms("cli"),
		broken: onlyOurs("control", "config", "quadlet", "history", "standdown", "paths", "app", "core", "drill", "everyone", "term", "report", "alert", "atomicfile"),
	},
	{
		name:   "shelves import nothing of keeper",
		why:    "every room may use them, and none may come along with them",
		of:     rooms(shelves...),
		broken: onlyOurs(),
	},
	{
		name:   "podman alone imports the Podman bindings",
		why:    "they keep a connection in a context, are deaf to cancelling and weigh 20 MB: one room pays for that",
		of:     func(path string) bool { return ours(path) && !under(path, internal+"podman") },
		broken: func(_, imported string) bool { return under(imported, podmanAPI) },
	},
	{
		name: "the lab is imported by cmd/keeper-lab alone",
		why:  "it boots hosts and needs root: nothing of it may be on a host that keeper looks after",
		of: func(path string) bool {
			return ours(path) && path != module+"/cmd/keeper-lab" && !under(path, internal+"lab")
		},
		broken: func(_, imported string) bool { return under(imported, internal+"lab") },
	},
	{
		name: "the manual is imported by cmd/keeper-manual alone",
		why:  "it links all three command lines, and writes about them; no program that is installed needs it",
		of: func(path string) bool {
			return ours(path) && path != module+"/cmd/keeper-manual" && !isRoom(path, []string{"manual"})
		},
		broken: func(_, imported string) bool { return isRoom(imported, []string{"manual"}) },
	},
	{
		name: "the manual imports the command lines and what has tables for it",
		why:  "what is said of a command is in the command's own help, and of a setting in its table",
		of:   rooms("manual"),
		broken: func(_, imported string) bool {
			return ours(imported) && imported != module+"/docs" && !isRoom(imported, append([]string{"cli", "adoptcli", "guardcli", "config", "core", "metrics"}, shelves...))
		},
	},
	{
		name:   "guardhost imports the guard and what it reads and writes",
		why:    "what it links starts before every command of an agent",
		of:     rooms("guardhost"),
		broken: onlyOurs(append([]string{"guard", "config", "history", "core"}, shelves...)...),
	},
	{
		name:   "guardcli imports the guard's rooms and the shelves",
		why:    "keeper runs keeper-guard as a program: neither links the other",
		of:     rooms("guardcli"),
		broken: onlyOurs(append([]string{"guard", "guardhost", "agents", "core"}, shelves...)...),
	},
	{
		name:   "keeper does not link the guard",
		why:    "the daemon has nothing to parse: what it says of the guard it hears from keeper-guard",
		of:     func(path string) bool { return path == module+"/cmd/keeper" },
		broken: func(_, imported string) bool { return isRoom(imported, []string{"guard", "guardhost", "guardcli"}) },
		deep:   true,
	},
	{
		name: "the command guard links neither Podman nor the engine",
		why:  "it runs before every command of an agent and must start in milliseconds",
		of: func(path string) bool {
			return path == module+"/cmd/keeper-guard" || isRoom(path, []string{"guard", "guardhost", "guardcli"})
		},
		broken: func(_, imported string) bool {
			return isRoom(imported, []string{"podman", "engine", "app"}) || under(imported, podmanAPI)
		},
		deep: true,
	},
}

// violations returns every breach: the rule, the import, and why the rule is there.
func violations(packages []pkg) []string {
	var list []string
	for _, p := range packages {
		for _, r := range rules {
			if !r.of(p.ImportPath) {
				continue
			}
			imports, verb := p.Imports, "imports"
			if r.deep {
				imports, verb = p.Deps, "links"
			}
			for _, imported := range imports {
				if r.broken(p.ImportPath, imported) {
					list = append(list, fmt.Sprintf("%s %s %s\n  rule: %s\n  because %s", p.ImportPath, verb, imported, r.name, r.why))
				}
			}
		}
	}
	return list
}

func TestRooms(t *testing.T) {
	t.Parallel()
	touchSources(t)
	// -e: a package that does not compile at the moment still has its imports.
	cmd := exec.CommandContext(t.Context(), "go", "list", "-e", "-deps", "-json=ImportPath,Imports,Deps", "./...")
	cmd.Dir = ".."
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("cannot list the packages: %v\n%s", err, complaints.String())
	}
	var packages []pkg
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
	// Looking at the wrong directory would find nothing wrong.
	for _, want := range []string{internal + "core", internal + "engine", internal + "cli", "fmt"} {
		if !slices.ContainsFunc(packages, func(p pkg) bool { return p.ImportPath == want }) {
			t.Errorf("%s is not among the %d packages listed", want, len(packages))
		}
	}
	for _, v := range violations(packages) {
		t.Error(v)
	}
}

// touchSources reads every source file: go test takes a result from its cache
// unless a file that the test itself opened has changed.
func touchSources(t *testing.T) {
	t.Helper()
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != ".." && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir
		case !d.IsDir() && strings.HasSuffix(path, ".go"):
			_, err = os.ReadFile(path)
		}
		// Somebody may be writing at this moment.
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Each rule must be able to say no, and to say yes.
func TestRules(t *testing.T) {
	t.Parallel()
	one := func(path string, imports ...string) pkg {
		return pkg{ImportPath: path, Imports: imports, Deps: imports}
	}
	tests := map[string]struct {
		p    pkg
		rule string // part of the name of the one rule that is broken
	}{
		"the manual":             {one("keeper/internal/manual", "os", "keeper/docs", "keeper/internal/cli", "keeper/internal/term"), ""},
		"the manual runs things": {one("keeper/internal/manual", "keeper/internal/app"), "the manual imports"},
		"cli with the manual":    {one("keeper/internal/adoptcli", "keeper/internal/manual"), "cmd/keeper-manual alone"},
		"core computes":          {one("keeper/internal/core", "fmt", "slices", "strings", "time"), ""},
		"core hashes":            {one("keeper/internal/core", "crypto/sha256"), "what computes"},
		"core reaches for core":  {one("keeper/internal/core", "keeper/internal/paths"), "nothing of keeper"},
		"quadlet reads a file":   {one("keeper/internal/quadlet", "os"), "no I/O"},
		"quadlet walks":          {one("keeper/internal/quadlet", "io/fs"), "no I/O"},
		"guard waits":            {one("keeper/internal/guard", "context"), "no I/O"},
		"guard runs":             {one("keeper/internal/guard", "os/exec"), "no I/O"},
		"guard parses":           {one("keeper/internal/guard", "io", "strings", "mvdan.cc/sh/v3/syntax"), ""},
		"quadlet in Go's colour": {one("keeper/internal/quadlet", "osx", "network", "logic"), ""},
		"an edge":                {one("keeper/internal/history", "os", "keeper/internal/core", "keeper/internal/atomicfile"), ""},
		"an edge of another":     {one("keeper/internal/probe", "keeper/internal/units"), "not one another"},
		"containers":             {one("keeper/internal/containers", "os", "syscall", "keeper/internal/core"), ""},
		"sockets of containers":  {one("keeper/internal/netns", "keeper/internal/containers"), "not one another"},
		"containers of units":    {one("keeper/internal/containers", "keeper/internal/units"), "not one another"},
		"cli with containers":    {one("keeper/internal/cli", "keeper/internal/containers"), "cli imports"},
		"an edge of the engine":  {one("keeper/internal/logind", "keeper/internal/engine"), "not one another"},
		"host":                   {one("keeper/internal/host", "os/exec", "golang.org/x/sys/unix", "keeper/internal/core"), ""},
		"host asks logind":       {one("keeper/internal/host", "keeper/internal/logind"), "not one another"},
		"journal":                {one("keeper/internal/journal", "os/exec", "keeper/internal/core", "keeper/internal/redact"), ""},
		"redact reads a file":    {one("keeper/internal/redact", "os"), "no I/O"},
		"engine":                 {one("keeper/internal/engine", "context", "sync", "keeper/internal/core"), ""},
		"engine with an edge":    {one("keeper/internal/engine", "keeper/internal/logind"), "engine imports core alone"},
		"cli":                    {one("keeper/internal/cli", "os", "keeper/internal/app", "keeper/internal/history"), ""},
		"cli with an edge":       {one("keeper/internal/cli", "keeper/internal/units"), "cli imports"},
		"metrics":                {one("keeper/internal/metrics", "net/http", "keeper/internal/control", "keeper/internal/atomicfile"), ""},
		"metrics with a look":    {one("keeper/internal/metrics", "keeper/internal/probe"), "metrics imports"},
		"report":                 {one("keeper/internal/report", "html/template", "io", "keeper/internal/core"), ""},
		"report reads the disk":  {one("keeper/internal/report", "keeper/internal/history"), "report imports"},
		"report reads a file":    {one("keeper/internal/report", "os"), "no I/O"},
		"drill":                  {one("keeper/internal/drill", "os/exec", "keeper/internal/control", "keeper/internal/containers"), ""},
		"drill with units":       {one("keeper/internal/drill", "keeper/internal/units"), "drill imports"},
		"everyone":               {one("keeper/internal/everyone", "os/exec", "keeper/internal/control", "keeper/internal/core"), ""},
		"everyone with history":  {one("keeper/internal/everyone", "keeper/internal/history"), "everyone imports"},
		"a shelf":                {one("keeper/internal/paths", "keeper/internal/core", "os"), "shelves"},
		"podman":                 {one("keeper/internal/podman", "github.com/containers/podman/v5/pkg/bindings"), ""},
		"podman by the side":     {one("keeper/internal/app", "github.com/containers/podman/v5/pkg/bindings"), "Podman bindings"},
		"the lab's door":         {one("keeper/cmd/keeper-lab", "keeper/internal/lab"), ""},
		"the lab elsewhere":      {one("keeper/cmd/keeper", "keeper/internal/lab"), "the lab"},
		"the guard's door":       {one("keeper/cmd/keeper-guard", "os", "keeper/internal/guard"), ""},
		"the guard's weight":     {one("keeper/cmd/keeper-guard", "keeper/internal/engine"), "links neither"},
		"what the guard knows":   {one("keeper/internal/guardhost", "os", "keeper/internal/guard", "keeper/internal/history"), ""},
		"what it need not know":  {one("keeper/internal/guardhost", "keeper/internal/quadlet"), "guardhost imports"},
		"agents":                 {one("keeper/internal/agents", "encoding/json", "path/filepath", "keeper/internal/guard"), ""},
		"agents with settings":   {one("keeper/internal/agents", "keeper/internal/config"), "agents imports guard alone"},
		"agents read a file":     {one("keeper/internal/agents", "os"), "no I/O"},
		"the guard's commands":   {one("keeper/internal/guardcli", "os", "keeper/internal/guardhost", "keeper/internal/agents"), ""},
		"its commands, and cli":  {one("keeper/internal/guardcli", "keeper/internal/cli"), "guardcli imports"},
		"keeper with the guard":  {one("keeper/cmd/keeper", "keeper/internal/guard"), "keeper does not link"},
		"somebody else's core":   {one("example.org/internal/core", "os"), ""},
	}
	for name, tt := range tests {
		got := violations([]pkg{tt.p})
		if tt.rule == "" {
			if len(got) != 0 {
				t.Errorf("%s: %s", name, got)
			}
			continue
		}
		if len(got) != 1 || !strings.Contains(got[0], tt.rule) || !strings.Contains(got[0], tt.p.Imports[0]) || !strings.Contains(got[0], "because ") {
			t.Errorf("%s: got %q, want the one rule %q, the import and a reason", name, got, tt.rule)
		}
	}
}
