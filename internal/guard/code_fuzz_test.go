package guard

import (
	"strings"
	"testing"
	"time"
)

var codePrograms = []string{"python3", "perl", "ruby", "node", "php", "lua", "awk", "Rscript", "sed", "vim", "ed", "gdb", "make", "crontab", "expect", "tclsh", "sqlite3", "deno", "tar", "ssh"}

// FuzzCode has any text read as every language: it must come to an end, soon, and
// must hand on no more than it may.
func FuzzCode(f *testing.F) {
	for _, table := range [][]codeCase{pythonCases, nodeCases, otherCases, toolCases} {
		for _, tc := range table {
			f.Add(tc.words[len(tc.words)-1])
		}
	}
	for _, words := range harmlessCode {
		f.Add(words[len(words)-1])
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 1<<14 {
			return
		}
		for _, name := range codePrograms {
			for _, c := range callsWith(name, text) {
				began := time.Now()
				got := recorded(c)
				if d := time.Since(began); d > comesToAnEnd {
					t.Fatalf("%s took %s for %d bytes", name, d, len(text))
				}
				if len(got) > 3*len(text)+maxCodeTries*8 {
					t.Fatalf("%s: %d things of %d bytes", name, len(got), len(text))
				}
			}
		}
	})
}

// callsWith has a text as a program of each kind.
func callsWith(name, text string) []*call {
	calls := []*call{codeCall(name, text), codeCall(name, "-e", text), codeCall(name, "-c", text)}
	return append(calls, &call{name: name, stdin: text, fed: true, dir: "/srv/app"})
}

// What is known to be deadly stays found when harmless code stands around it.
func FuzzCodeAround(f *testing.F) {
	f.Add("import json", uint8(0))
	f.Add("x = {'a': [1, 2]}", uint8(1))
	f.Add("# it's a comment", uint8(2))
	f.Fuzz(func(t *testing.T, before string, _ uint8) {
		if strings.ContainsAny(before, "\"'`\\([{}])#\x00=:") || len(before) > 1000 {
			return
		}
		// A loop, an import or a name that stands alone may make os another thing: then
		// every text of the program is tried.
		code := "import os\n" + before + "\nos.system('loginctl terminate-user flowstate')\n"
		if strings.Contains(before, "os") || strings.Contains(before, "lambda") || strings.Contains(before, "import") {
			return
		}
		for _, g := range recorded(codeCall("python3", "-c", code)) {
			if g == shTerm {
				return
			}
		}
		t.Fatalf("not found in %q", code)
	})
}

// comesToAnEnd is what no text may take, on the slowest machine: it hangs.
const comesToAnEnd = time.Minute

func TestHostileCodeComesToAnEnd(t *testing.T) {
	deep := strings.Repeat("(", 10000)
	for name, text := range map[string]string{
		"brackets":  deep,
		"lists":     strings.Repeat("[", 10000) + "1",
		"braces":    strings.Repeat("{", 10000),
		"signs":     strings.Repeat("-", 10000) + "1",
		"nots":      strings.Repeat("not ", 4000) + "1",
		"sums":      "x = 'a'\n" + strings.Repeat("x = x + x\n", 500) + "import os\nos.system(x)",
		"lists too": "x = [1, 2]\n" + strings.Repeat("x = x + x\n", 500) + "import os\nos.system(x)",
		"fills":     "f'" + strings.Repeat("{f\"", 2000),
		"templates": strings.Repeat("`${", 4000),
		"evals":     strings.Repeat("eval('", 2000) + "1" + strings.Repeat("')", 2000),
		"systems":   "import os\n" + strings.Repeat("os.system('x '+str(i)); ", 2000),
		"loose":     "import os\nos.system(x)\n" + strings.Repeat("a('loginctl', 'x')\n", 2000),
		"chains":    "a" + strings.Repeat(".b()", 6000),
		"replaces":  "x='aaaaaaaa'\n" + strings.Repeat("x=x.replace('a','aaaaaaaa')\n", 1000),
		"heredocs":  strings.Repeat("<<EOF, ", 10000),
		"heredocs2": strings.Repeat("<<EOF\n", 10000),
		"tcl":       strings.Repeat("[", 10000),
		"tcl2":      strings.Repeat("eval {a b ", 2000),
		"vars":      strings.Repeat("'$a[", 4000),
		"perl":      strings.Repeat("s{", 4000),
	} {
		for _, program := range codePrograms {
			for _, c := range callsWith(program, text) {
				began := time.Now()
				recorded(c)
				if d := time.Since(began); d > comesToAnEnd {
					t.Errorf("%s as %s took %s", name, program, d)
				}
			}
		}
	}
}

func BenchmarkCodeOfNobody(b *testing.B) {
	c := codeCall("git", "status")
	for b.Loop() {
		recorded(c)
	}
}

func BenchmarkCodeOfPython(b *testing.B) {
	c := codeCall("python3", "-c", `import json, sys; print(json.dumps([x["name"] for x in json.load(sys.stdin)], indent=2))`)
	for b.Loop() {
		recorded(c)
	}
}

func BenchmarkCodeOfALongScript(b *testing.B) {
	c := codeCall("python3", "-c", strings.Repeat("def f(x):\n    y = [a.b(c, 'text') for a in x if a]\n    return subprocess.run(['git', str(y)])\n", 500))
	for b.Loop() {
		recorded(c)
	}
}
