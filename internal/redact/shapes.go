package redact

import "strings"

// tool is a program whose short flags have secrets.
type tool string

// is takes note of the program, if the word is one.
func (t *tool) is(word string) {
	word = strings.TrimPrefix(word, "COMMAND=") // sudo
	name := word[strings.LastIndexByte(word, '/')+1:]
	switch {
	case strings.HasPrefix(name, "mysql"), strings.HasPrefix(name, "mariadb"), name == "mycli":
		*t = "mysql"
	case name == "sshpass", name == "useradd", name == "usermod", name == "login", name == "mongosh", name == "mongo":
		*t = "-p"
	case name == "redis-cli", name == "valkey-cli":
		*t = "-a"
	case name == "curl", name == "wget":
		*t = "-u"
	case strings.HasSuffix(word, ";"), word == "|", word == "||", word == "&&", word == "&":
		*t = ""
	}
}

// flag looks at a flag of the tool: where in it a secret begins, or nowhere.
func (s *scanner) flag(word, rest string) int {
	switch flag := strings.TrimLeft(word, `"'`); {
	case (s.of == "mysql" || s.of == "-p") && strings.HasPrefix(flag, "-p") && len(flag) > 2:
		return len(word) - len(flag) + 2
	case (s.of == "-p" || s.of == "-a") && flag == string(s.of):
		s.next = follows(rest)
	case s.of == "-a" && strings.HasPrefix(flag, "-a") && len(flag) > 2:
		return len(word) - len(flag) + 2
	case s.of == "-u" && (flag == "-u" || flag == "--user" || flag == "--proxy-user" || flag == "-U"):
		s.pair = true
	case s.of == "-u" && (strings.HasPrefix(flag, "-u") || strings.HasPrefix(flag, "--user=") || strings.HasPrefix(flag, "-U")):
		return strings.IndexByte(word, ':') + 1
	}
	return 0
}

// known are the beginnings of tokens that say what they are.
var known = []string{"ghp_", "gho_", "ghs_", "ghu_", "github_pat_", "glpat-", "sk-", "xoxb-", "xoxp-", "xapp-", "AKIA", "ASIA", "eyJ", "hvs."}

// shortest is how long such a token is at least.
const shortest = 16

// hidden is a word without what is a secret by its shape: the password of an address,
// and tokens that are known.
func hidden(word string) string {
	word = address(word)
	for _, k := range known {
		for from := 0; ; {
			at := strings.Index(word[from:], k)
			if at < 0 {
				break
			}
			at += from
			end := at
			for end < len(word) && inName(rune(word[end])) {
				end++
			}
			from = end
			if end-at >= shortest && (at == 0 || !inName(rune(word[at-1]))) {
				word = word[:at] + mask + word[end:]
				from = at + len(mask)
			}
		}
	}
	return word
}

// address hides the password of scheme://user:password@host. A password may have / and
// @ in it where nobody wrote them as they should be.
func address(word string) string {
	at := strings.Index(word, "://")
	if at < 0 {
		return word
	}
	at += len("://")
	end := strings.LastIndexByte(word, '@')
	if end < at {
		return word
	}
	user := word[at:end]
	if colon := strings.IndexByte(user, ':'); colon >= 0 {
		from := at + colon + 1
		return word[:from] + masked(word[from:end]) + word[end:]
	}
	if len(user) >= shortest && !strings.Contains(user, "/") { // a token, and no name
		return word[:at] + masked(user) + word[end:]
	}
	return word
}
