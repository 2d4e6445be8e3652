package guard

import "strings"

// JudgeWrite judges what a tool of an agent would write to files. The tool's name is
// what is shown.
func JudgeWrite(tool string, paths []string, h Host, p Policy) Verdict {
	j := newJudge(h, p)
	c := &call{name: tool, args: paths, dir: h.Dir}
	hurt := j.harm(c)
	for _, word := range paths {
		if home, ok := strings.CutPrefix(word, "~/"); ok && h.Home != "" {
			word = h.Home + "/" + home
		}
		hurt.write(asName(word))
	}
	hurt.done()
	return j.verdict(p, "")
}

// JudgeRemove says what is to become of a tool that removes files.
func JudgeRemove(tool string, paths []string, h Host, p Policy) Verdict {
	j := newJudge(h, p)
	j.current = newShell(j)
	c := &call{name: "rm", args: append([]string{"-rf", "--"}, paths...), dir: h.Dir, through: []string{tool}}
	j.rules(c)
	return j.verdict(p, "")
}
