package guard

import (
	"encoding/base64"
	"encoding/hex"
	"path"
	"slices"
	"strconv"
	"strings"
)

// lastName is the last part of a name with dots.
func lastName(path string) string { return path[strings.LastIndexByte(path, '.')+1:] }

// firstName is what stands before it.
func objectOf(path string) string {
	return strings.TrimSuffix(path[:len(path)-len(lastName(path))], ".")
}

// arg returns the nth argument, or what cannot be known.
func arg(args []codeValue, n int) codeValue {
	if n < len(args) {
		return args[n]
	}
	return unknownValue
}

// fold computes what a call returns, where that is something that can be known.
func (r *codeReader) fold(name, last string, recv codeValue, args []codeValue, kw map[string]codeValue) (codeValue, bool) {
	a, b := arg(args, 0), arg(args, 1)
	self, method := recv, strings.Contains(name, ".") && recv.kind != vName
	if !method {
		self = a
	}
	switch last {
	case "getenv", "get", "fetch":
		if last == "getenv" || isEnviron(objectOf(name)) {
			return r.variable(a.text()), true
		}
		if last == "get" && len(args) == 1 && r.mentions("podman", "docker") {
			r.got = a.text()
			return codeValue{kind: vName, s: name}, true
		}
	case "expanduser", "expand_path", "expand":
		return codeValue{s: r.tilde(self.text()), path: true}, self.kind == vText
	case "home", "homedir":
		switch name {
		case "Path.home", "pathlib.Path.home", "Dir.home", "os.homedir", "homedir", "Etc.getpwuid.dir":
			return codeValue{s: r.home(), path: true}, true
		}
	case "Path", "PurePath", "PosixPath", "Pathname":
		return r.joined(args), true
	case "joinpath":
		return r.joined(append([]codeValue{recv}, args...)), true
	case "join", "implode":
		return r.joinCall(name, recv, args)
	case "glob", "rglob", "iglob", "iterdir", "scandir", "globSync":
		switch {
		case recv.path && recv.kind == vText:
			pattern := "*"
			if len(args) > 0 {
				pattern = a.text()
			}
			return codeValue{kind: vList, list: []codeValue{{s: joinPath(recv.s, pattern), path: true}}}, true
		case a.kind == vText:
			p := codeValue{s: a.s, path: true}
			if last == "scandir" {
				p.s = joinPath(a.s, "*")
			}
			return codeValue{kind: vList, list: []codeValue{p}}, true
		}
	case "file_join", "catfile", "catdir":
		return r.joined(args), true
	case "b64decode", "standard_b64decode", "urlsafe_b64decode", "decodebytes", "decodestring", "base64_decode", "decode_base64", "decode64", "strict_decode64", "urlsafe_decode64", "atob", "a2b_base64":
		return decoded(a, "base64"), true
	case "fromhex", "unhexlify", "hex2bin", "a2b_hex":
		return decoded(a, "hex"), true
	case "from":
		if len(args) > 1 {
			return decoded(a, b.text()), true
		}
		return a, a.kind == vText
	case "pack", "unpack1", "unpack":
		if recv.kind == vList && last == "pack" {
			return decoded(recv.nth(0), packing(a.text())), true
		}
		if method {
			return decoded(recv, packing(a.text())), true
		}
		return decoded(b, packing(a.text())), true
	case "decode":
		if !method && len(args) > 1 {
			return decoded(a, b.text()), true
		}
		return self, self.kind == vText
	case "chr", "fromCharCode", "char", "bytes", "bytearray":
		return fromNumbers(args, self)
	case "encode", "strip", "lstrip", "rstrip", "trim", "trimEnd", "toString", "to_s", "chomp", "String", "str", "int", "resolve", "absolute", "as_posix", "fspath", "fsencode", "quote", "escape", "freeze", "dedent", "raw", "tuple", "asList", "Array", "copy", "as_str", "tolist", "map_to_s", "flatten", "c_str", "text":
		return self, self.kind == vText || self.kind == vList
	case "lower", "toLowerCase", "downcase", "lc", "strtolower":
		return textValue(strings.ToLower(self.text())), self.kind == vText
	case "array", "c":
		return codeValue{kind: vList, list: args, kw: kw}, !method
	case "list":
		return self, self.kind == vList
	case "reverse", "strrev", "reversed":
		return reversed(self), true
	case "replace", "replaceAll", "gsub":
		if method && !recv.path && recv.kind == vText && len(args) == 2 {
			if !a.known() || a.s == "" {
				return unknownValue, true
			}
			return textValue(replaceSome(recv.s, a.s, b.text())), true
		}
	case "split", "shellsplit", "shellwords", "explode", "splitlines":
		return splitCall(name, last, recv, args, method)
	case "format", "sprintf":
		if method && r.lang == langPython {
			return textValue(fillFormat(recv.text(), args, kw)), true
		}
		if len(args) > 0 {
			return textValue(fillPercent(a.text(), codeValue{kind: vList, list: args[1:]})), true
		}
	case "getattr":
		if a.kind == vName && b.known() {
			return codeValue{kind: vName, s: a.s + "." + b.s}, true
		}
	case "__import__", "import_module", "require":
		if a.known() {
			return codeValue{kind: vName, s: strings.TrimPrefix(a.s, "node:")}, true
		}
	case "getuid", "geteuid":
		if r.c.place.kind == here {
			return textValue(strconv.Itoa(r.host.UID)), true
		}
	case "getlogin", "getuser":
		return r.variable("USER"), true
	case "which":
		return a, a.kind == vText
	case "getcwd", "cwd", "pwd":
		return codeValue{s: orHole(r.c.dir), path: true}, len(args) == 0
	case "parse":
		v, ok := kw["text"]
		return v, ok
	case "read", "readlines":
		if name == "sys.stdin."+last || name == "STDIN.read" || name == "$stdin.read" {
			return textValue(orHole(r.input)), true
		}
	}
	return codeValue{}, false
}

func orHole(s string) string {
	if s == "" {
		return holeWord
	}
	return s
}

// replaceSome replaces at most so much that a text does not grow beyond its bounds.
func replaceSome(s, from, to string) string {
	if strings.Count(s, from)*len(to)+len(s) > maxCodeText {
		return holeWord
	}
	return strings.ReplaceAll(s, from, to)
}

// joinCall is sep.join(list), list.join(sep), join(sep, ...), and the joining of paths.
func (r *codeReader) joinCall(name string, recv codeValue, args []codeValue) (codeValue, bool) {
	a := arg(args, 0)
	switch {
	case recv.kind == vList:
		sep := ""
		if len(args) > 0 {
			sep = a.text()
		} else if r.lang == langNode {
			sep = ","
		}
		return textValue(strings.Join(words(recv.list), sep)), true
	case recv.kind == vText && strings.Contains(name, ".") && a.kind == vList:
		return textValue(strings.Join(words(a.list), recv.s)), true
	case name == "join" && r.lang == langPerl, name == "implode":
		rest := args[min(1, len(args)):]
		if len(rest) == 1 && rest[0].kind == vList {
			rest = rest[0].list
		}
		return textValue(strings.Join(words(rest), a.text())), true
	case recv.kind == vName && len(args) > 0:
		return r.joined(args), true
	}
	return unknownValue, true
}

// joined is a path of several parts.
func (r *codeReader) joined(args []codeValue) codeValue {
	p := ""
	for _, a := range args {
		if t := a.text(); p == "" || strings.HasPrefix(t, "/") {
			p = t
		} else {
			p = joinPath(p, t)
		}
	}
	if len(p) > maxCodeText {
		return unknownValue
	}
	return codeValue{s: p, path: true}
}

func joinPath(a, b string) string {
	if strings.HasPrefix(b, "/") {
		return b
	}
	return strings.TrimSuffix(a, "/") + "/" + b
}

func packing(format string) string {
	switch {
	case strings.HasPrefix(format, "H"):
		return "hex"
	case strings.HasPrefix(format, "m"), strings.HasPrefix(format, "u"):
		return "base64"
	}
	return ""
}

// decoded is a text that was written in another way.
func decoded(v codeValue, how string) codeValue {
	if v.kind != vText || !v.known() {
		return unknownValue
	}
	var out []byte
	var err error
	switch strings.ToLower(how) {
	case "base64", "base64url", "base64_codec":
		s := strings.NewReplacer("-", "+", "_", "/", "\n", "", " ", "", "=", "").Replace(v.s)
		out, err = base64.RawStdEncoding.DecodeString(s)
	case "hex", "hex_codec":
		out, err = hex.DecodeString(strings.ReplaceAll(v.s, " ", ""))
	case "rot13", "rot_13":
		out = []byte(strings.Map(rot13, v.s))
	case "utf8", "utf-8", "ascii", "latin1", "latin-1", "binary":
		return v
	default:
		return unknownValue
	}
	if err != nil {
		return unknownValue
	}
	return textValue(strings.ToValidUTF8(string(out), holeWord))
}

func rot13(c rune) rune {
	switch {
	case c >= 'a' && c <= 'z':
		return 'a' + (c-'a'+13)%26
	case c >= 'A' && c <= 'Z':
		return 'A' + (c-'A'+13)%26
	}
	return c
}

// fromNumbers is a text that is given by the numbers of its letters.
func fromNumbers(args []codeValue, self codeValue) (codeValue, bool) {
	if self.kind == vText && !isNumber(self.s) {
		return self, self.s != holeWord
	}
	if len(args) == 1 && args[0].kind == vList {
		args = args[0].list
	}
	var b strings.Builder
	for _, a := range args {
		n, err := strconv.ParseInt(a.text(), 0, 32)
		if err != nil || n < 1 || n > 0x10ffff {
			return unknownValue, true
		}
		b.WriteRune(rune(n))
	}
	return textValue(b.String()), true
}

func isNumber(s string) bool { return s != "" && isDigit(s[0]) }

func reversed(v codeValue) codeValue {
	switch {
	case v.kind == vList:
		list := slices.Clone(v.list)
		slices.Reverse(list)
		return codeValue{kind: vList, list: list}
	case v.known():
		runes := []rune(v.s)
		slices.Reverse(runes)
		return textValue(string(runes))
	}
	return unknownValue
}

// splitCall is text.split(), explode(sep, text), and shlex.split(text), whose result is
// left as one text: a list of one with blanks in it is taken for a shell line.
func splitCall(name, last string, recv codeValue, args []codeValue, method bool) (codeValue, bool) {
	self, sep := recv, ""
	switch {
	case method && len(args) > 0 && last == "split":
		sep = args[0].text()
	case last == "splitlines":
		sep = "\n"
	case last == "explode" && len(args) > 1:
		self, sep = args[1], args[0].text()
	case !method || last != "split":
		if !method {
			self = arg(args, 0)
		}
		return codeValue{kind: vList, list: []codeValue{self}}, self.kind == vText && strings.Contains(name, "s")
	}
	if self.kind != vText {
		return unknownValue, true
	}
	parts := strings.Fields(self.s)
	if len(args) > 0 && sep == "" {
		parts = strings.SplitN(self.s, "", maxCodeList)
	} else if sep != "" && sep != " " {
		parts = strings.SplitN(self.s, sep, maxCodeList)
	}
	v := codeValue{kind: vList}
	for _, p := range parts {
		v.list = splice(v.list, textValue(p))
	}
	return v, true
}

// dirOf is the directory of a path.
func dirOf(v codeValue) codeValue {
	if !v.known() {
		return unknownValue
	}
	return codeValue{s: path.Dir(v.s), path: true}
}
