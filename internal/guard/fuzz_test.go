package guard

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"mvdan.cc/sh/v3/syntax"
)

// mostTime is far more than any line may take, on a loaded machine as well.
const mostTime = time.Minute // whatever takes so long hangs

// judgeLine judges a line and looks at what every verdict must be.
func judgeLine(t *testing.T, line string, host Host) Verdict {
	t.Helper()
	start := time.Now()
	// A fuzzer that waits for ever does not say for what.
	hang := time.AfterFunc(4*mostTime, func() { panic(fmt.Sprintf("hangs on %q", line)) })
	defer hang.Stop()
	v := Judge(line, host, Policy{})
	if took := time.Since(start); took > mostTime {
		t.Errorf("took %s for %d bytes: %q", took, len(line), clipLine(line))
	}
	strictest := None
	for i, f := range v.Findings {
		strictest = max(strictest, f.Decision)
		if _, ok := RuleOf(f.ID); !ok {
			t.Errorf("found %q, which is no rule: %q", f.ID, clipLine(line))
		}
		if i > 0 && f.Decision > v.Findings[i-1].Decision {
			t.Errorf("the strictest finding is not the first: %q", clipLine(line))
		}
		if strings.ContainsAny(f.Command+f.Detail, holeWord+taintWord) {
			t.Errorf("a mark is shown to people: %q %q", f.Command, f.Detail)
		}
	}
	if v.Decision != strictest {
		t.Errorf("%s, while the findings say %s: %q", v.Decision, strictest, clipLine(line))
	}
	return v
}

func clipLine(line string) string { return line[:min(len(line), 400)] }

// FuzzJudge: no bytes make it panic, or work without end.
func FuzzJudge(f *testing.F) {
	for _, s := range readCorpus(f) {
		f.Add(s.command)
	}
	f.Add("\x00\xff\uE000\uE001")
	f.Add(strings.Repeat("$(", 500))
	f.Add(strings.Repeat("{a,b}", 30))
	f.Add("f() { f; f; }; f")
	f.Add("x='$x$x'; eval eval eval \"$x\"")
	host := testHost()
	f.Fuzz(func(t *testing.T, line string) {
		judgeLine(t, line, host)
	})
}

// FuzzWrapped: what is deadly by itself is stopped in whatever it is wrapped.
func FuzzWrapped(f *testing.F) {
	deadly := deadlyPieces(f)
	host := testHost()
	for i := range 50 {
		f.Add([]byte{byte(i * 5), byte(i), byte(i * 7), byte(i * 3), byte(i * 11), 1, byte(i * 13), byte(i * 17)})
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		choose := func(n int) int {
			if len(data) == 0 {
				return 0
			}
			c := int(data[0])
			data = data[1:]
			if n > 256 && len(data) > 0 {
				c = c<<8 | int(data[0])
				data = data[1:]
			}
			return c % n
		}
		p, names := composed(deadly[choose(len(deadly))], choose)
		if v := judgeLine(t, p.text, host); v.Decision < Ask {
			t.Errorf("%s through %q: %s", v.Decision, names, p.text)
		}
	})
}

// TestWrapped does the same for some thousand compositions, the same ones each time.
func TestWrapped(t *testing.T) {
	const many = 6000
	deadly := deadlyPieces(t)
	host := testHost()
	r := rand.New(rand.NewPCG(7, 2026))
	used := map[string]int{}
	failed := map[string]int{}
	for i := range many {
		// Each of the deadly ones has its turn.
		bare := deadly[i%len(deadly)]
		p, names := composed(bare, r.IntN)
		for _, n := range names {
			used[n]++
		}
		if _, err := syntax.NewParser().Parse(strings.NewReader(p.text), ""); err != nil {
			t.Fatalf("the test made a line that no shell reads, through %q: %v\n%s", names, err, p.text)
		}
		if v := judgeLine(t, p.text, host); v.Decision < Ask {
			failed[fmt.Sprint(names)]++
			if len(failed) <= 40 {
				t.Errorf("%s for %q through %q:\n%s", v.Decision, bare.text, names, p.text)
			}
		}
	}
	if n := len(failed); n > 40 {
		t.Errorf("and %d more", n-40)
	}
	for _, w := range testWrappers {
		if used[w.name] == 0 {
			t.Errorf("%q was never used", w.name)
		}
	}
	t.Logf("%d compositions of %d deadly lines, %d wrappers", many, len(deadly), len(testWrappers))
}

// TestWorkIsBounded has lines that would take for ever if each of their copies were
// looked at.
func TestWorkIsBounded(t *testing.T) {
	for name, line := range map[string]string{
		"braces":                    "echo " + strings.Repeat("{a,b}", 40),
		"a long sequence":           "echo {1..999999999}",
		"a function that calls":     "f() { f; f; }; f",
		"functions in each other":   "a() { b; b; }; b() { c; c; }; c() { d; d; }; d() { e; e; }; e() { a; a; }; a",
		"a bomb":                    ":(){ :|:& };:",
		"doubling":                  "x=aaaaaaaaaaaaaaaa; " + strings.Repeat("x=$x$x; ", 60) + "$x",
		"loops in loops":            strings.Repeat("for i in 1 2 3 4 5 6 7 8 9; do ", 12) + "echo $i" + strings.Repeat("; done", 12),
		"loops over braces":         strings.Repeat("for i in {1..1000}; do ", 6) + "$i" + strings.Repeat("; done", 6),
		"deep substitutions":        strings.Repeat("echo $(", 2000) + "ls" + strings.Repeat(")", 2000),
		"deep subshells":            strings.Repeat("(", 5000) + "ls" + strings.Repeat(")", 5000),
		"deep braces":               strings.Repeat("{ ", 5000) + "ls" + strings.Repeat("; }", 5000),
		"evals":                     strings.Repeat("eval ", 5000) + "ls",
		"sudos":                     strings.Repeat("sudo ", 50000) + "ls",
		"a long line":               strings.Repeat("ls -la /tmp; ", 50000),
		"a long word":               "ls " + strings.Repeat("x", 1<<20),
		"many words":                "ls" + strings.Repeat(" x", 1<<18),
		"many substitutions":        "ls " + strings.Repeat("$(echo a)", 5000),
		"many cases":                "case x in " + strings.Repeat("a) ls;; ", 5000) + "esac",
		"ifs in a row":              strings.Repeat("if a; then x=1; else x=2; fi; ", 200) + "$x",
		"a script that runs itself": "printf 'bash /tmp/x\\nbash /tmp/x\\n' > /tmp/x; bash /tmp/x",
		"an alias of itself":        "alias ls='ls; ls'; ls",
		"arithmetic":                "echo $((" + strings.Repeat("(1+", 2000) + "1" + strings.Repeat(")", 2000) + "))",
		"replacement":               "x=" + strings.Repeat("a", 10000) + "; echo ${x//a/aaaaaaaaaaaaaaaaaaaa}; x=${x//a/$x}; x=${x//a/$x}; $x",
		"xargs of many":             "echo " + strings.Repeat("a ", 20000) + "| xargs -n1 xargs -n1 echo",
		"base64":                    "echo " + strings.Repeat("YWFh", 20000) + " | base64 -d | sh",
	} {
		t.Run(name, func(t *testing.T) {
			v := judgeLine(t, line, testHost())
			if len(v.Findings) > 10000 || len(v.Steps) > 100000 {
				t.Errorf("%d findings, %d steps", len(v.Findings), len(v.Steps))
			}
			// It stops looking at some point: what is deadly behind that must not pass.
			for _, behind := range []string{line + "\nloginctl terminate-user flowstate", "loginctl terminate-user flowstate\n" + line} {
				if v := judgeLine(t, behind, testHost()); v.Decision < Ask {
					t.Errorf("%s, with loginctl terminate-user beside it", v.Decision)
				}
			}
		})
	}
}

// TestHarmlessWrapped: wrapping harmless work makes nothing of it.
func TestHarmlessWrapped(t *testing.T) {
	const many = 3000
	var harmless []testPiece
	for _, s := range readCorpus(t) {
		file, err := syntax.NewParser().Parse(strings.NewReader(s.command), "")
		if s.deadly() || err != nil || len(file.Stmts) == 0 || strings.ContainsAny(s.command, "\n#~$`\"'") {
			continue
		}
		harmless = append(harmless, testPiece{text: s.command, posix: anyShell(s.command), words: onlyWords(file)})
	}
	host := testHost()
	r := rand.New(rand.NewPCG(1, 5))
	stopped := map[string][]string{}
	var n int
	for i := range many {
		bare := harmless[i%len(harmless)]
		if Judge(bare.text, host, Policy{}).Decision >= Ask {
			continue // TestCorpus counts those
		}
		p, names := composed(bare, r.IntN)
		if v := judgeLine(t, p.text, host); v.Decision >= Ask {
			n++
			id := v.Findings[0].ID
			if len(stopped[id]) < 5 {
				stopped[id] = append(stopped[id], fmt.Sprintf("%q through %q", bare.text, names))
			}
		}
	}
	t.Logf("%d of %d stopped", n, many)
	if n*100 > many*mostStopped {
		for id, lines := range stopped {
			slices.Sort(lines)
			t.Errorf("%s: %s", id, strings.Join(lines, "\n\t"))
		}
		t.Errorf("%d of %d harmless compositions were stopped", n, many)
	}
}
