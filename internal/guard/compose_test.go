package guard

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"mvdan.cc/sh/v3/syntax"
)

// testChooser says which of n comes next: a random source, or the bytes of a fuzzer.
type testChooser func(n int) int

// testPiece is a command on its way through testWrappers.
type testPiece struct {
	text string
	// words says that it is a program with its words and nothing else, so that "sudo"
	// can stand before it.
	words bool
	// posix says that any sh runs it, and not only bash.
	posix bool
	// inside says that a container has the program as well, personal that it means
	// another thing for another user: ~, $HOME.
	inside, personal bool
	// depth counts the testWrappers: names are made with it, so that none hides another.
	depth int
}

// testWrapper puts a command into another one that runs it, or says that it cannot.
type testWrapper struct {
	name string
	wrap func(testPiece, testChooser) (testPiece, bool)
}

// asPrefix is a program that runs the words behind it.
func asPrefix(prefix string) testWrapper {
	return testWrapper{prefix, func(p testPiece, _ testChooser) (testPiece, bool) {
		other := slices.Contains([]string{"sudo", "doas", "pkexec", "runuser"}, strings.Fields(prefix)[0])
		p.text = prefix + " " + p.text
		return p, p.words && (!other || !p.personal)
	}}
}

// asKeyword is as asPrefix, but of the shell, so that no program can run it in turn.
func asKeyword(prefix string) testWrapper {
	return testWrapper{prefix, func(p testPiece, _ testChooser) (testPiece, bool) {
		ok := p.words
		switch prefix {
		case "eval": // it takes the quotes off once more
			ok = ok && !strings.ContainsAny(p.text, "'\"\\$`~{*")
		case "coproc", "builtin command":
			p.posix = false
		}
		p.text, p.words = prefix+" "+p.text, false
		return p, ok
	}}
}

// asWord is a program that has the command as one word, which a shell reads. The %s
// in the form is that word.
func asWord(form string, shell string) testWrapper {
	return testWrapper{form, func(p testPiece, choose testChooser) (testPiece, bool) {
		if shell != "bash" && !p.posix {
			return p, false
		}
		if (strings.Contains(form, "find .") || strings.Contains(form, "-I{}")) && strings.Contains(p.text, "{}") {
			return p, false // they put something else in the place of it
		}
		for _, other := range []string{"sudo", "su ", "machinectl", "pkexec", "env -i", "root@"} {
			if strings.Contains(form, other) && p.personal {
				return p, false
			}
		}
		p.text = fmt.Sprintf(form, shellWord(p.text, choose))
		p.posix = p.posix && !strings.Contains(form, "<<<") && !strings.Contains(form, "<(")
		first, _, _ := strings.Cut(form, " ")
		p.words = !strings.ContainsAny(form, "|<>;") && first != "eval" && first != "trap" && first != "source"
		return p, true
	}}
}

// asBlock is a piece of shell that has the command between two others. It stands in
// lines of its own, as a comment or a heredoc in it wants.
func asBlock(head, tail string, posix bool) testWrapper {
	return testWrapper{head + " " + tail, func(p testPiece, _ testChooser) (testPiece, bool) {
		n := fmt.Sprint(p.depth)
		p.text = strings.ReplaceAll(head, "%n", n) + "\n" + p.text + "\n" + strings.ReplaceAll(tail, "%n", n)
		p.words = false
		p.posix = p.posix && posix
		return p, true
	}}
}

// asCode is one line of an interpreter that has a shell run the command.
func asCode(name, form string, literal func(string) string) testWrapper {
	return testWrapper{name + " " + form, func(p testPiece, choose testChooser) (testPiece, bool) {
		ok := p.posix || strings.Contains(form, `"bash"`)
		p.text = name + " " + shellWord(strings.ReplaceAll(form, "%s", literal(p.text)), choose)
		p.words = true
		return p, ok
	}}
}

// shellWord makes one word of a text, in one of the ways that there are.
func shellWord(text string, choose testChooser) string {
	switch choose(3) {
	case 0:
		if q, err := syntax.Quote(text, syntax.LangPOSIX); err == nil {
			return q
		}
	case 1:
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "`", "\\`").Replace(text) + `"`
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// jsonString is a string as Python and JavaScript have it.
func jsonString(text string) string {
	b := &strings.Builder{}
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	_ = e.Encode(text) // a string is always encoded
	return strings.TrimSpace(b.String())
}

// perlString is a string as Perl and Ruby have it: nothing in it is special.
func perlString(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(text) + "'"
}

func awkString(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(text) + `"`
}

// testWrappers are those of the fuzz targets. What is in them runs as it would without.
var testWrappers = []testWrapper{
	asPrefix("sudo"), asPrefix("sudo -n -E --"), asPrefix("sudo -u root"), asPrefix("doas"),
	asPrefix("env A=b"), asPrefix("env -u LANG"), asPrefix("/usr/bin/env"),
	asPrefix("nice -n 5"), asPrefix("nice"), asPrefix("nohup"), asPrefix("setsid"), asPrefix("setsid -w"),
	asPrefix("timeout 5"), asPrefix("timeout -k 1 -s KILL 10s"), asPrefix("stdbuf -oL"), asPrefix("ionice -c 3"),
	asPrefix("flock /tmp/lock"), asPrefix("systemd-run --user"), asPrefix("systemd-run --user --scope -q --"),
	asPrefix("nsenter -t 1 -m"), asPrefix("runuser -u root --"), asPrefix("chrt -i 0"),
	asPrefix("podman unshare"), asPrefix("/usr/bin/time -p"),
	asKeyword("time"), asKeyword("exec"), asKeyword("command"), asKeyword("builtin command"), asKeyword("!"),
	asKeyword("A=b"), asKeyword("2>/dev/null"), asKeyword("eval"), asKeyword(": | xargs"), asKeyword("coproc"),

	asWord("bash -c %s", "bash"), asWord("bash -lc %s", "bash"), asWord("bash -o pipefail -c %s", "bash"),
	asWord("sh -c %s", "sh"), asWord("dash -ec %s", "sh"), asWord("zsh -c %s", "sh"),
	asWord("sudo bash -c %s", "bash"), asWord("sudo -i sh -c %s", "sh"), asWord("eval %s", "bash"),
	asWord("ssh localhost %s", "bash"), asWord("ssh -tt -p 22 db1 %s", "bash"), asWord("su -c %s", "bash"),
	asWord("su - root -c %s", "bash"), asWord("script -qc %s /dev/null", "sh"), asWord("flock /tmp/l -c %s", "sh"),
	asWord("watch -n 60 %s", "sh"), asWord("parallel ::: %s", "bash"), asWord("trap %s EXIT", "bash"),
	asWord("tmux send-keys -t 0 %s Enter", "bash"), asWord("tmux new-session -d %s", "sh"),
	asWord("machinectl shell root@ /bin/bash -c %s", "bash"), asWord("find . -maxdepth 0 -exec bash -c %s \\;", "bash"),
	asWord("find . -maxdepth 0 -exec sh -c %s ';'", "sh"), asWord("bash <<< %s", "bash"),
	asWord("printf '%%s\\n' %s | bash", "bash"), asWord("printf '%%s\\n' %s | sh", "sh"), asWord("echo x | xargs -I{} bash -c %s", "bash"),
	asWord("printf '%%s\\n' %s | ssh localhost bash -s", "bash"), asWord("printf '%%s\\n' %s | at now", "sh"),
	asWord("bash <(printf '%%s\\n' %s)", "bash"), asWord("source <(printf '%%s\\n' %s)", "bash"),
	asWord("printf '%%s\\n' %s > /tmp/f.sh; bash /tmp/f.sh", "bash"), asWord("c=%s; bash -c \"$c\"", "bash"),
	asWord("c=%s; eval \"$c\"", "bash"), asWord("bash -c 'eval \"$1\"' _ %s", "bash"),
	asWord("systemd-run --user bash -c %s", "bash"), asWord("env -i bash -c %s", "bash"),

	asBlock("(", ")", true), asBlock("{", "}", true), asBlock("true && {", "}", true), asBlock("false || {", "} || true", true),
	asBlock("if true; then", "fi", true), asBlock("if {", "}; then :; fi", true), asBlock("if false; then :; else", "fi", true),
	asBlock("while :; do", "break; done", true), asBlock("until", "do sleep 1; done", true),
	asBlock("for i in 1 2; do", "done", true), asBlock("for ((i=0;i<1;i++)); do", "done", false),
	asBlock("case a in a)", ";; esac", true), asBlock("select x in a; do", "break; done <<< 1", false),
	asBlock("f%n() {", "}; f%n", true), asBlock("function f%n {", "}; f%n", false), asBlock("f%n() (", "); f%n a", true),
	asBlock("echo hi; {", "} | cat", true), asBlock("echo hi | {", "}", true), asBlock("{", "} > /dev/null 2>&1", true),
	asBlock("{", "} &", true), asBlock("cat <(", ")", false), asBlock("echo \"$(", ")\"", true), asBlock("x=$(", ")", true),
	asBlock("[ -n \"$(", ")\" ]", true), asBlock("[[ -z $(", ") ]]", false), asBlock("for x in $(", "); do :; done", true),
	asBlock("echo ${x:-$(", ")}", true), asBlock("tee >(", ") < /dev/null", false), asBlock("set -e", "", true),
	asBlock("bash <<'END%n'", "END%n", true), asBlock("sudo -n bash -s <<'END%n'", "END%n", true),
	asBlock("cat <<'END%n' | bash", "END%n", true), asBlock("cat > /tmp/s%n.sh <<'END%n'", "END%n\nbash /tmp/s%n.sh", true),
	asBlock("cat <<END%n\n$(", ")\nEND%n", true), asBlock("ssh localhost <<'END%n'", "END%n", true),

	asCode("python3 -c", "import os; os.system(%s)", jsonString),
	asCode("python3 -c", `import subprocess; subprocess.run(["bash", "-c", %s])`, jsonString),
	asCode("python3 -c", "import subprocess as s; s.call(%s, shell=True)", jsonString),
	asCode("perl -e", "system(%s)", perlString), asCode("perl -e", `exec "bash", "-c", %s`, perlString),
	asCode("ruby -e", "system(%s)", perlString), asCode("ruby -e", `system("bash", "-c", %s)`, perlString),
	asCode("node -e", "require('child_process').execSync(%s)", jsonString),
	asCode("node -e", `require("child_process").spawnSync("bash", ["-c", %s])`, jsonString),
	asCode("awk", "BEGIN { system(%s) }", awkString), asCode("php -r", "system(%s);", perlString),

	asExec("podman exec django sh -c %s"), asExec("podman exec -it -u 0 django bash -c %s"),
	asExec("podman run --rm --network stack localhost/ledger bash -c %s"), asExec("docker compose exec -T django sh -c %s"),
}

// asExec is for what a container has as well: clients of databases.
func asExec(form string) testWrapper {
	in := asWord(form, "bash")
	return testWrapper{form, func(p testPiece, choose testChooser) (testPiece, bool) {
		if !p.inside {
			return p, false
		}
		return in.wrap(p, choose)
	}}
}

// mostText bounds a composition: quotes within quotes grow by the power.
const mostText = 6000

// compose wraps a command up to five times.
func composed(p testPiece, choose testChooser) (testPiece, []string) {
	var names []string
	for range 1 + choose(5) {
		w := testWrappers[choose(len(testWrappers))]
		p.depth++
		q, ok := w.wrap(p, choose)
		if !ok || len(q.text) > mostText {
			continue
		}
		p, names = q, append(names, w.name)
	}
	return p, names
}

// deadlyPieces are the lines of the corpus that are refused for sure, as they can be
// wrapped.
func deadlyPieces(t testing.TB) []testPiece {
	var all []testPiece
	for _, s := range readCorpus(t) {
		if !slices.Equal(s.verdicts, []Decision{Deny}) || strings.ContainsAny(s.command, "\n#") {
			continue
		}
		// Files that are named from the working directory are elsewhere for ssh.
		if strings.Contains(s.command, "../") || strings.Contains(s.command, "deadly.sh") || strings.Contains(s.command, "drop.sql") || strings.Contains(s.command, "PWD") || strings.Contains(s.command, "pwd") {
			continue
		}
		file, err := syntax.NewParser().Parse(strings.NewReader(s.command), "")
		if err != nil || len(file.Stmts) == 0 {
			continue
		}
		p := testPiece{text: s.command, posix: anyShell(s.command), words: onlyWords(file)}
		p.personal = strings.ContainsAny(s.command, "~$`")
		p.inside = !strings.ContainsAny(s.command, "$`") && slices.ContainsFunc(s.rules, func(id string) bool {
			return slices.Contains([]string{"data.drop", "data.truncate", "data.delete", "data.redis", "data.bucket", "data.django"}, id)
		})
		for _, outside := range []string{"podman", "docker", "ssh", "systemd"} {
			p.inside = p.inside && !strings.Contains(s.command, outside)
		}
		all = append(all, p)
	}
	return all
}

// posix says that any shell reads a line as bash does.
func anyShell(line string) bool {
	for _, only := range []string{"{", "((", "[[", "<(", ">(", "<<<", "$'", `$"`, "=(", "+=", "${", "function ", "|&", "source ", "declare ", "coproc ", "pushd ", "shopt ", "builtin ", "*.*", "[!", "2>&", "echo "} {
		if strings.Contains(line, only) {
			return false
		}
	}
	return true
}

// simple says that a line is one program with its words, so that another program can
// run it.
func onlyWords(file *syntax.File) bool {
	if len(file.Stmts) != 1 {
		return false
	}
	s := file.Stmts[0]
	c, ok := s.Cmd.(*syntax.CallExpr)
	if !ok || s.Background || s.Negated || s.Coprocess || len(s.Redirs) > 0 || len(c.Assigns) > 0 {
		return false
	}
	name := c.Args[0].Lit()
	if name == "" || strings.ContainsAny(name, `\*?{`) {
		return false
	}
	return !slices.Contains([]string{"exec", "command", "builtin", "eval", "source", ".", "trap", "alias", "set", "read", "export", "declare", "readonly", "local", "cd", "pushd", ":", "test", "["}, name)
}
