package guard

import (
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"

	"mvdan.cc/sh/v3/expand"
)

// prints is what a program writes to its standard output, as far as it can be known:
// of the few that lines are built with. A mark for all others.
func (s *shell) prints(c *call, in input) string {
	switch c.name {
	case "echo":
		return s.echo(c.args)
	case "printf":
		if len(c.args) > 0 && c.args[0] == "--" {
			c.args = c.args[1:]
		}
		if len(c.args) == 0 {
			return ""
		}
		return s.format(c.args[0], c.args[1:])
	case "cat", "tee", "head", "tail", "sort", "uniq", "tac", "nl", "less", "more", "strings", "shuf", "sponge", "pv", "fold", "iconv", "column", "envsubst":
		return s.pass(c, in)
	case "grep", "egrep", "fgrep", "rg":
		return s.grep(c, in)
	case "base64", "base32", "openssl", "xxd", "basenc":
		return decode(c, s.pass(&call{name: "cat", args: fileWords(c)}, in))
	case "rev":
		runes := []rune(strings.TrimSuffix(feed(in), "\n"))
		slices.Reverse(runes)
		return string(runes) + "\n"
	case "tr":
		return translate(c.args, feed(in))
	case "sed":
		if o := parseOptions(c.args, "e f", false); len(o.words) > 1 && !in.fed {
			// What it makes of a file nobody works out; what it is about is known.
			if text, ok := s.file(o.words[len(o.words)-1]); ok && dangerous(text) != "" {
				return taintWord
			}
			return holeWord
		}
		return substitute(c.args, feed(in))
	case "which", "type", "whereis":
		if o := parseOptions(c.args, "", false); len(o.words) > 0 {
			return "/usr/bin/" + o.words[0] + "\n"
		}
	case "id":
		switch strings.Join(c.args, " ") {
		case "-u", "-ru", "-g", "--user":
			return strconv.Itoa(s.j.host.UID) + "\n"
		case "-un", "-u -n", "-nu", "-gn":
			return s.j.host.User + "\n"
		}
	case "whoami", "logname":
		return s.j.host.User + "\n"
	case "pwd":
		if s.dir != "" {
			return s.dir + "\n"
		}
	case "realpath", "readlink", "dirname", "basename":
		o := parseOptions(c.args, "s suffix", false)
		if len(o.words) > 0 && !open(o.words[0]) {
			switch c.name {
			case "dirname":
				if dir, _, ok := cutLast(o.words[0], "/"); ok {
					return dir + "\n"
				}
				return ".\n"
			case "basename":
				return strings.TrimSuffix(base(o.words[0]), o.word(1)) + "\n"
			}
			return s.absolute(o.words[0]) + "\n"
		}
	case "find":
		return s.found(c.args)
	case "ls":
		// Without the names in a directory, which nobody knows: of words with a glob, and
		// of -d, it prints those.
		o := parseOptions(c.args, "I w T", false)
		if len(o.words) > 0 && (o.has("d", "directory") || strings.ContainsAny(strings.Join(o.words, ""), "*?[")) {
			return strings.Join(o.words, "\n") + "\n"
		}
		if len(o.words) == 1 {
			if _, ok := s.file(o.words[0]); ok {
				return o.words[0] + "\n"
			}
		}
		return holeWord
	case "cp", "mv", "install", "ln":
		if o := parseOptions(c.args, "m mode o owner g group t target-directory", false); len(o.words) == 2 {
			if text, ok := s.file(o.words[0]); ok {
				s.writeFile(o.words[1], text, false)
			}
			if c.name != "mv" && len(s.j.links) < most {
				s.j.links[s.absolute(o.words[1])] = o.words[0] // a program by another name
			}
		}
		return ""
	case "podman", "docker":
		// A container that is made on the line is none of those that are kept.
		if o := parseOptions(c.args, podmanTakes, true); o.word(0) == "run" || o.word(0) == "create" || o.word(0) == "build" {
			return "made-just-now\n"
		}
	case "mktemp":
		s.j.made++
		return "/tmp/tmp.made-" + strconv.Itoa(s.j.made) + "\n"
	case "yes":
		return strings.Join(c.args, " ") + "\n"
	case "seq", "date", "hostname", "uname", "nproc", "true", "false", "sleep", "mkdir", "touch", ":":
		return holeWord
	}
	if text := s.j.printed(c); text != "" {
		return text
	}
	switch {
	case s.j.taints(c) || tainted(in.text):
		return taintWord
	case in.known() && dangerous(in.text) != "":
		return taintWord // made of text with a guarded word in it, nobody knows how
	}
	return holeWord
}

func (s *shell) echo(args []string) string {
	newline, escapes := "\n", false
	for len(args) > 0 && len(args[0]) > 1 && args[0][0] == '-' && strings.Trim(args[0][1:], "neE") == "" {
		if strings.Contains(args[0], "n") {
			newline = ""
		}
		escapes = strings.Contains(args[0], "e")
		args = args[1:]
	}
	text := strings.Join(args, " ")
	if escapes {
		text = s.format(strings.ReplaceAll(text, "%", "%%"), nil)
	}
	return text + newline
}

// format is printf(1). A width could be as long as memory.
func (s *shell) format(format string, args []string) string {
	digits := 0
	for _, r := range format {
		if r >= '0' && r <= '9' {
			digits++
		} else {
			digits = 0
		}
		if digits > 3 && strings.Contains(format, "%") {
			return holeWord
		}
	}
	var out strings.Builder
	for range most {
		text, n, err := expand.Format(s.config(), format, args)
		if err != nil || out.Len()+len(text) > maxValue {
			return holeWord
		}
		out.WriteString(text)
		// What is left of the words goes through the format again.
		if args = args[min(n, len(args)):]; n == 0 || len(args) == 0 {
			return out.String()
		}
	}
	return holeWord
}

// fileWords are the words that are files.
func fileWords(c *call) []string {
	o := parseOptions(c.args, "w n c i d s l", false)
	if c.name == "openssl" || c.name == "xxd" {
		return nil
	}
	return o.words
}

// pass is what programs print that print what they read, or most of it.
func (s *shell) pass(c *call, in input) string {
	o := parseOptions(c.args, "n c lines bytes k t S o T f w d s", false)
	if c.name == "tee" || c.name == "sponge" {
		for _, path := range o.words {
			s.writeFile(path, s.unread(in), o.has("a"))
		}
		return s.unread(in)
	}
	if len(o.words) == 0 || c.name == "column" {
		return s.unread(in)
	}
	var out strings.Builder
	for _, path := range o.words {
		if path == "-" {
			out.WriteString(s.unread(in))
			continue
		}
		text, ok := s.file(path)
		if !ok {
			if open(path) && tainted(path) {
				return taintWord
			}
			return holeWord
		}
		if out.Len()+len(text) > maxLine {
			return holeWord
		}
		out.WriteString(text)
	}
	return out.String()
}

func (s *shell) unread(in input) string {
	if !in.fed {
		return holeWord
	}
	return in.text
}

// grep lets lines pass. Of a listing that nobody knows it leaves those with a word: if
// that is of nothing that is kept, what is left is not either.
func (s *shell) grep(c *call, in input) string {
	o := parseOptions(c.args, "e f m A B C regexp file max-count", false)
	if len(o.words) > 1 {
		return holeWord
	}
	text := s.unread(in)
	if tainted(text) && !s.j.passes(c) {
		return holeWord
	}
	return text
}

// decode is base64 -d and its kin.
func decode(c *call, text string) string {
	d := slices.ContainsFunc(c.args, func(a string) bool {
		return a == "-d" || a == "--decode" || a == "-D" || a == "-di" || a == "-r" || a == "-rp" || a == "-A" || strings.HasPrefix(a, "-d")
	})
	if !d || open(text) {
		return holeWord
	}
	plain := strings.Join(strings.Fields(text), "")
	var out []byte
	var err error
	if c.name == "xxd" || slices.Contains(c.args, "--base16") {
		out, err = hex.DecodeString(plain)
	} else {
		out, err = base64.StdEncoding.DecodeString(plain)
		if err != nil {
			out, err = base64.RawStdEncoding.DecodeString(plain)
		}
	}
	if err != nil {
		return holeWord
	}
	return string(out)
}

// translate is tr SET SET, of ranges and letters.
func translate(args []string, text string) string {
	if open(text) {
		if tainted(text) {
			return taintWord
		}
		return holeWord
	}
	if len(args) == 2 && args[0] == "-d" {
		drop := string(set(args[1]))
		return strings.Map(func(r rune) rune {
			if strings.ContainsRune(drop, r) {
				return -1
			}
			return r
		}, text)
	}
	if len(args) != 2 || strings.HasPrefix(args[0], "-") {
		return holeWord
	}
	from, to := set(args[0]), set(args[1])
	if len(from) == 0 || len(to) == 0 {
		return holeWord
	}
	return strings.Map(func(r rune) rune {
		if i := slices.Index(from, r); i >= 0 {
			return to[min(i, len(to)-1)]
		}
		return r
	}, text)
}

// set are the characters of a SET of tr(1).
func set(spec string) []rune {
	spec = strings.NewReplacer("[:upper:]", "A-Z", "[:lower:]", "a-z", "[:digit:]", "0-9", `\n`, "\n", `\t`, "\t", `\r`, "\r", `\\`, `\`).Replace(spec)
	runes := []rune(spec)
	var out []rune
	for i := 0; i < len(runes) && len(out) < 1000; i++ {
		if i+2 < len(runes) && runes[i+1] == '-' && runes[i+2] >= runes[i] && runes[i+2]-runes[i] < 500 {
			for r := runes[i]; r <= runes[i+2]; r++ {
				out = append(out, r)
			}
			i += 2
			continue
		}
		out = append(out, runes[i])
	}
	return out
}

// substitute is sed 's/a/b/g', of letters.
func substitute(args []string, text string) string {
	unknown := holeWord
	if tainted(text) {
		unknown = taintWord
	}
	if len(args) == 2 && args[0] == "-e" {
		args = args[1:]
	}
	if open(text) || len(args) != 1 || len(args[0]) < 4 || args[0][0] != 's' {
		return unknown
	}
	parts := strings.Split(args[0][2:], args[0][1:2])
	if len(parts) != 3 || parts[0] == "" || strings.ContainsAny(parts[0], `\.*[]^$`) || strings.ContainsAny(parts[1], `\&`) {
		return unknown
	}
	n := 1
	if strings.Contains(parts[2], "g") {
		n = -1
	}
	if strings.Count(text, parts[0])*len(parts[1]) > maxValue {
		return unknown
	}
	return strings.Replace(text, parts[0], parts[1], n)
}
