package guard

import (
	"fmt"
	"strings"
	"testing"
)

func FuzzPath(f *testing.F) {
	for _, s := range []string{"/", "~/*", "../..//.*", "/**/x", "/proc/self/root/a", "$X/*", "/a[b/[[:x:]]c", "/!(a|b)/@(", "-\xae", `/a\`, "/" + strings.Repeat("*/", 90), strings.Repeat("**/", 99)} {
		f.Add(s, true)
	}
	f.Fuzz(func(t *testing.T, text string, known bool) {
		text = strings.ReplaceAll(strings.ReplaceAll(text, "$X", holeWord), "@X", taintWord)
		j := newJudge(lossHost(), Policy{})
		dir := ""
		if known {
			dir = "/home/flowstate/app"
		}
		for _, name := range []string{"rm", ">", "mv", "find", "cp", "mkfs", "rsync", "sed", "git"} {
			for _, args := range [][]string{{"-rf", text}, {text, "x"}, {"x", text}, {text, "-delete"}, {"-i", text, text}, strings.Fields(text)} {
				c := &call{name: name, args: args, dir: dir}
				j.files(c)
				j.source(c)
			}
		}
		// What is removed as it is written stays removed, whatever else is.
		sure := newJudge(lossHost(), Policy{})
		sure.files(&call{name: "rm", args: []string{"-rf", "/home/flowstate", "--", text}, dir: dir})
		if heard(sure) == "none" {
			t.Errorf("rm -rf ~ -- %q is nothing", text)
		}
		if p, ok := parsePath(dir, text); ok && len(p.comps) > 2*deepest+2 {
			t.Errorf("%q has %d components", text, len(p.comps))
		}
	})
}

func BenchmarkRemove(b *testing.B) {
	h := lossHost()
	for i := range 60 {
		h.Places = append(h.Places, Place{Path: fmt.Sprintf("/home/flowstate/.config/containers/systemd/s%d.container", i), Rule: "files.quadlet"})
	}
	for _, line := range []string{"rm -rf build dist", "rm -rf ~/$X/*", "cat x"} {
		w := callWords(line)
		b.Run(line, func(b *testing.B) {
			for b.Loop() {
				j := newJudge(h, Policy{})
				j.files(&call{name: w[0], args: w[1:], dir: "/home/flowstate/app"})
			}
		})
	}
}

func TestRelate(t *testing.T) {
	t.Parallel()
	const place = "/home/flowstate/.config/containers"
	for word, want := range map[string]relation{
		"/":                              {above: yes},
		"/home/flowstate":                {above: yes},
		"/home/flowstate/.config/x":      {},
		place:                            {same: yes, near: yes},
		place + "/":                      {same: yes, near: yes},
		place + "/x/y":                   {below: yes},
		place + "/*":                     {below: yes},
		place + "s":                      {},
		"/home/*/.config/c*":             {same: yes, near: yes},
		"/home/*":                        {above: yes},
		"/home/flowstate/*":              {},
		"/home/flowstate/.*":             {above: yes},
		"/home/flowstate/.[bc]onfig":     {above: yes},
		"/home/flowstate/.[!c]onfig":     {},
		"/home/flowstate/@(.config|x)":   {},
		"/home/flowstate/.@(config|x)":   {above: yes},
		"/home/flowstate/.[[:alpha:]]*":  {above: yes},
		`/home/flowstate/\.config`:       {above: yes},
		"/home/**/containers":            {same: yes, near: yes},
		"/home/**/*":                     {same: yes, near: yes, above: yes},
		"/home/$X":                       {same: maybe, above: maybe},
		"/home/$X/containers":            {same: maybe},
		"/home/$X/.config/containers":    {same: maybe, near: maybe},
		"/home/flow$X/containers":        {same: maybe, near: maybe},
		"/home/flow$X":                   {same: maybe, above: maybe},
		"/home/$Xstate":                  {above: maybe},
		"/home/$Xstaten":                 {},
		place + "/$X":                    {same: maybe, near: maybe, below: yes},
		"/tmp/$X":                        {},
		"/home/flowstate/a/../.config":   {above: yes},
		"/home/flowstate/../../..":       {above: yes},
		"/home/flowstate/[":              {},
		"/home/flowstate/.config/[c]*/x": {below: yes},
		strings.Repeat("/a", deepest+10): {},
		place + strings.Repeat("/a", 99): {below: yes},
	} {
		p, ok := parsePath("/", strings.ReplaceAll(word, "$X", holeWord))
		if !ok {
			t.Errorf("%s is no path", word)
		}
		if got := p.relate(place); got != want {
			t.Errorf("%s: got %+v, want %+v", word, got, want)
		}
	}
	for _, word := range []string{"", holeWord, holeWord + "/x", taintWord + "x", "/" + strings.Repeat("x", longestPath)} {
		if _, ok := parsePath("/", word); ok {
			t.Errorf("%.10q is a path", word)
		}
	}
}
