package guard

import (
	"strconv"
	"strings"
)

// redis judges redis-cli and its kin. It is no getopt(3): options come before the
// command, each is a word of its own, and what is no option begins the command.
func (j *judge) redis(c *call) {
	var r redisText
	host, i := "", 0
	last, tag, pipe, eval := false, "", false, ""
options:
	for ; i < len(c.args); i++ {
		value := ""
		if i+1 < len(c.args) {
			value = c.args[i+1]
		}
		switch c.args[i] {
		case "-h":
			host = value
			i++
		case "-p", "-t", "-s", "-a", "-u", "-r", "-i", "-n", "-d", "-D", "--user", "--pass", "--sni", "--cacert", "--cacertdir",
			"--cert", "--key", "--tls-ciphers", "--tls-ciphersuites", "--show-pushes", "--pattern", "--quoted-pattern",
			"--count", "--cursor", "--memkeys-samples", "--pipe-timeout", "--top", "--name":
			if c.args[i] == "-u" {
				host = value // an address: redis://host:port
			}
			i++
		case "--rdb", "--functions-rdb", "--intrinsic-latency", "--lru-test", "--help", "--version", "-v", "--scan", "--bigkeys",
			"--memkeys", "--hotkeys", "--latency", "--latency-history", "--latency-dist", "--stat", "--replica", "--slave", "--keystats":
			return // they read, and take no command
		case "-x":
			last = true
		case "-X":
			tag = value
			i++
		case "--pipe":
			pipe = true
		case "--eval":
			eval = value
			i += 2
			break options
		case "--cluster":
			j.redisCluster(c, c.args[min(i+1, len(c.args)):])
			return
		default:
			if len(c.args[i]) < 2 || c.args[i][0] != '-' {
				break options
			}
		}
	}
	words := append([]string{}, c.args[min(i, len(c.args)):]...)
	switch {
	case eval != "":
		text, ok := j.dataFile(c, eval)
		if !ok {
			r.find("guard.unknown", maybe, "what is in "+sqlBrief([]sqlToken{{sqlWord, eval}})+" is not known")
		}
		r.lua(text)
	case pipe || len(words) == 0 && !last && tag == "":
		switch {
		case !c.fed:
		case onlyMarks(c.stdin) && pipe:
			r.find("data.import", maybe, "what is fed to it is not known")
		default:
			r.lines(c.stdin)
		}
	default:
		if last {
			words = append(words, strings.TrimRight(c.stdin, "\r\n"))
		}
		for n := range words {
			if tag != "" && words[n] == tag {
				words[n] = c.stdin
			}
		}
		r.command(words, 0)
	}
	j.findAll(c, r.found, j.reach(c, host))
}

// redisCluster are the commands of redis-cli for a whole cluster.
func (j *judge) redisCluster(c *call, words []string) {
	if len(words) == 0 {
		return
	}
	switch words[0] {
	case "call":
		var r redisText
		r.command(words[min(2, len(words)):], 0)
		j.findAll(c, r.found, yes)
	case "del-node", "fix", "reshard", "rebalance", "import":
		j.find(c, "data.redis", maybe, "--cluster "+words[0])
	}
}

// redisBenchmark runs a command of one's own very often.
func (j *judge) redisBenchmark(c *call) {
	for _, w := range c.args {
		j.find(c, "data.redis", isAny(strings.ToUpper(w), "FLUSHALL", "FLUSHDB", "SHUTDOWN"), w)
	}
}

// redisRaw is about Redis by hand: its commands are lines of text, and whatever opens a
// connection can send one.
func (j *judge) redisRaw(c *call) {
	var r redisText
	switch c.name {
	case "curl":
		for _, a := range c.args {
			scheme, rest, _ := strings.Cut(a, "://")
			switch strings.ToLower(scheme) {
			case "gopher", "dict":
				_, rest, _ = strings.Cut(rest, "/")
				text := percent(rest)
				if strings.EqualFold(scheme, "gopher") && text != "" {
					text = text[1:] // the type of the item
				}
				r.raw(strings.ReplaceAll(text, ":", " "))
			case "telnet":
				r.raw(c.stdin)
			}
		}
	case ">", ">>":
		if len(c.args) == 0 || !strings.HasPrefix(c.args[0], "/dev/tcp/") {
			return
		}
		r.raw(c.stdin)
	case "openssl":
		if len(c.args) == 0 || c.args[0] != "s_client" {
			return
		}
		r.raw(c.stdin)
	default:
		r.raw(c.stdin)
	}
	if c.fed && onlyMarks(c.stdin) && r.port(c.args) {
		r.find("data.redis", maybe, "what is sent is not known")
	}
	j.findAll(c, r.found, j.reach(c, ""))
}

// port says that one of the words is about Redis' port.
func (r *redisText) port(args []string) bool {
	for _, a := range args {
		if a == "6379" || strings.HasSuffix(a, "/6379") || strings.HasSuffix(a, ":6379") {
			return true
		}
	}
	return false
}

// percent decodes %0d%0a.
func percent(text string) string {
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '%' && i+2 < len(text) {
			if b, err := strconv.ParseUint(text[i+1:i+3], 16, 8); err == nil {
				out.WriteByte(byte(b))
				i += 2
				continue
			}
		}
		out.WriteByte(text[i])
	}
	return out.String()
}

// redisText collects what commands of Redis run into.
type redisText struct{ found []sqlFinding }

func (r *redisText) find(rule string, sure match, detail string) {
	if sure == no {
		return
	}
	for _, f := range r.found {
		if f.rule == rule && f.sure >= sure {
			return
		}
	}
	r.found = append(r.found, sqlFinding{rule, sure, detail})
}

// raw are lines of which only those matter that are certainly commands of Redis.
func (r *redisText) raw(text string) {
	var in redisText
	in.lines(strings.NewReplacer(`\r\n`, "\n", `\n`, "\n").Replace(text))
	for _, f := range in.found {
		if f.rule == "data.redis" {
			r.find(f.rule, f.sure, f.detail)
		}
	}
}

// lines reads commands line by line, or in the protocol: "*2", "$6", "CONFIG", ...
func (r *redisText) lines(text string) {
	var bulk []string
	want := 0
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		n, isCount := redisCount(line)
		switch {
		case line == "" && want == 0:
		case isCount && line[0] == '*':
			want, bulk = n, nil
		case isCount && want > 0:
		case want > 0:
			bulk = append(bulk, line)
			if want--; want == 0 {
				r.command(bulk, 0)
			}
		default:
			words := redisWords(line)
			// "3 PING" is PING three times.
			if len(words) > 1 {
				if _, err := strconv.Atoi(words[0]); err == nil {
					words = words[1:]
				}
			}
			r.command(words, 0)
		}
	}
}

// redisCount reads "*3" and "$6".
func redisCount(line string) (int, bool) {
	if len(line) < 2 || line[0] != '*' && line[0] != '$' {
		return 0, false
	}
	n, err := strconv.Atoi(line[1:])
	return n, err == nil
}

// redisWords splits a line as redis-cli does: "..." with escapes, and '...'.
func redisWords(line string) []string {
	var words []string
	for i := 0; i < len(line); {
		if line[i] <= ' ' {
			i++
			continue
		}
		var w strings.Builder
		for i < len(line) && line[i] > ' ' {
			quote := line[i]
			if quote != '"' && quote != '\'' {
				w.WriteByte(quote)
				i++
				continue
			}
			for i++; i < len(line) && line[i] != quote; i++ {
				if line[i] == '\\' && i+1 < len(line) {
					i++
					if quote == '"' && line[i] == 'x' && i+2 < len(line) {
						if b, err := strconv.ParseUint(line[i+1:i+3], 16, 8); err == nil {
							w.WriteByte(byte(b))
							i += 2
							continue
						}
					}
				}
				w.WriteByte(line[i])
			}
			i++
		}
		words = append(words, w.String())
	}
	return words
}

// command judges one command. depth is how deep it stands in scripts.
func (r *redisText) command(words []string, depth int) {
	if len(words) == 0 || depth > 3 {
		return
	}
	verb := strings.ToUpper(words[0])
	arg := func(n int) string {
		if n < len(words) {
			return strings.ToUpper(words[n])
		}
		return ""
	}
	deadly := func(sure match) {
		r.find("data.redis", sure, sqlBrief([]sqlToken{{sqlWord, verb}, {sqlWord, arg(1)}}))
	}
	if onlyMarks(verb) {
		r.find("guard.unknown", maybe, "the command is not known")
		return
	}
	if open(verb) {
		deadly(min(maybe, isAny(verb, "FLUSHALL", "FLUSHDB", "SHUTDOWN", "CONFIG", "DEBUG", "REPLICAOF", "SLAVEOF", "SWAPDB", "MIGRATE", "FAILOVER", "ACL", "CLUSTER")))
		return
	}
	switch verb {
	case "FLUSHALL", "FLUSHDB":
		deadly(yes)
	case "SHUTDOWN", "FAILOVER":
		if arg(1) != "ABORT" {
			deadly(yes)
		}
	case "CONFIG":
		deadly(is(arg(1), "SET"))
	case "DEBUG":
		deadly(isAny(arg(1), "SEGFAULT", "RELOAD", "SLEEP", "RESTART", "CRASH-AND-RECOVER", "PANIC", "OOM", "ASSERT", "LOADAOF", "FLUSHALL", "CHANGE-REPL-ID", "POPULATE"))
		deadly(min(maybe, is(arg(1), "SET-ACTIVE-EXPIRE")))
	case "REPLICAOF", "SLAVEOF":
		switch {
		case len(words) < 2 || arg(1) == "NO" && arg(2) == "ONE":
		case is(arg(1), "NO") != no && is(arg(2), "ONE") != no:
			deadly(maybe)
		default:
			deadly(yes)
		}
	case "SWAPDB":
		deadly(maybe)
	case "MIGRATE":
		copies := false
		for _, w := range words {
			copies = copies || strings.EqualFold(w, "COPY")
		}
		if !copies {
			deadly(yes) // it takes the keys away from here
		}
	case "ACL":
		deadly(isAny(arg(1), "SETUSER", "DELUSER"))
		deadly(min(maybe, is(arg(1), "LOAD")))
	case "CLUSTER":
		deadly(isAny(arg(1), "RESET", "FLUSHSLOTS", "DELSLOTS", "DELSLOTSRANGE", "FORGET", "FAILOVER"))
	case "FUNCTION":
		deadly(is(arg(1), "FLUSH"))
		deadly(min(maybe, is(arg(1), "DELETE")))
		if arg(1) == "LOAD" {
			r.lua(words[len(words)-1])
		}
		if arg(1) == "RESTORE" && arg(3) == "FLUSH" {
			deadly(yes)
		}
	case "CLIENT":
		deadly(min(maybe, is(arg(1), "PAUSE")))
	case "MODULE":
		deadly(min(maybe, isAny(arg(1), "LOAD", "LOADEX", "UNLOAD")))
	case "SENTINEL":
		deadly(min(maybe, isAny(arg(1), "FAILOVER", "REMOVE", "RESET", "SET")))
	case "DEL", "UNLINK":
		for _, key := range words[1:] {
			if key == "*" || onlyMarks(key) {
				deadly(maybe) // which keys is not known
			}
		}
	case "EVAL", "EVAL_RO":
		if len(words) > 1 {
			r.lua(words[1])
		}
	}
}

// lua looks for redis.call('...') in a script. What is no string is unknown, but for
// the keys that come with the script: they are in the line.
func (r *redisText) lua(script string) {
	if onlyMarks(script) {
		r.find("guard.unknown", maybe, "the script is not known")
		return
	}
	if all := strings.ToUpper(script); strings.Contains(all, "FLUSHALL") || strings.Contains(all, "FLUSHDB") {
		r.find("data.redis", maybe, "a script with FLUSHALL or FLUSHDB in it")
	}
	for range 1000 {
		n := strings.Index(script, "call")
		if n < 0 {
			return
		}
		script = strings.TrimLeft(script[n+4:], " \t\r\n")
		if script == "" || script[0] != '(' && script[0] != '\'' && script[0] != '"' {
			continue
		}
		r.command(luaWords(strings.TrimPrefix(script, "(")), 1)
	}
	r.find("guard.unknown", maybe, "the script is too long to follow")
}

// luaWords are the arguments of a call up to its end.
func luaWords(text string) []string {
	var words []string
	var word strings.Builder
	depth := 0
	flush := func() {
		w := strings.TrimSpace(word.String())
		word.Reset()
		switch {
		case w == "":
		case w[0] == '\'' || w[0] == '"':
			words = append(words, strings.Trim(w, `'"`))
		case len(words) > 0 && (strings.HasPrefix(w, "KEYS[") || strings.HasPrefix(w, "ARGV[")):
			words = append(words, "KEY")
		default:
			words = append(words, holeWord)
		}
	}
	for i := 0; i < len(text) && i < 4096; i++ {
		switch b := text[i]; b {
		case '\'', '"':
			end := strings.IndexByte(text[i+1:], b)
			if end < 0 {
				flush()
				return words
			}
			word.WriteString(text[i : i+end+2])
			i += end + 1
		case '(', '{':
			depth++
			word.WriteByte(b)
		case ')', '}':
			if depth--; depth < 0 {
				flush()
				return words
			}
			word.WriteByte(b)
		case ',':
			if depth > 0 {
				word.WriteByte(b)
				continue
			}
			flush()
		case '\n':
			if depth == 0 && len(words) == 0 && word.Len() > 0 && strings.ContainsAny(word.String()[:1], `'"`) {
				flush() // redis.call 'FLUSHALL'
				return words
			}
		default:
			word.WriteByte(b)
		}
	}
	flush()
	return words
}
