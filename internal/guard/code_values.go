package guard

import (
	"path"
	"strconv"
	"strings"
)

// home is the home of whoever runs the program.
func (r *codeReader) home() string {
	if h, ok := r.c.env["HOME"]; ok && h != "" {
		return h
	}
	if r.c.place.kind != inContainer && r.host.Home != "" {
		return r.host.Home
	}
	return holeWord
}

// tilde puts the home in the place of ~.
func (r *codeReader) tilde(p string) string {
	switch {
	case p == "~":
		return r.home()
	case strings.HasPrefix(p, "~/"):
		return joinPath(r.home(), p[2:])
	case r.host.User != "" && r.c.place.kind != inContainer && (p == "~"+r.host.User || strings.HasPrefix(p, "~"+r.host.User+"/")):
		return r.home() + p[1+len(r.host.User):]
	}
	return p
}

// variable is a variable of the environment.
func (r *codeReader) variable(name string) codeValue {
	if v, ok := r.c.env[name]; ok {
		return textValue(v)
	}
	if v, ok := r.do.exported(name); ok {
		return textValue(v)
	}
	if r.c.place.kind != inContainer {
		switch name {
		case "HOME":
			return codeValue{s: r.home(), path: true}
		case "USER", "LOGNAME":
			return textValue(orHole(r.host.User))
		case "XDG_RUNTIME_DIR":
			return textValue(orHole(r.host.Runtime))
		}
	}
	return unknownValue
}

func isEnviron(path string) bool {
	switch path {
	case "os.environ", "environ", "ENV", "process.env", "$ENV", "ENVIRON", "$_ENV", "$_SERVER", "Deno.env", "Bun.env":
		return true
	}
	return false
}

// member is what a value has under a name.
func (r *codeReader) member(path, name string, recv codeValue) codeValue {
	v := codeValue{kind: vName, s: path, ref: path}
	switch {
	case isEnviron(objectOf(path)) && r.lang == langNode:
		v = r.variable(name)
	case recv.kind == vList && recv.kw != nil:
		if held, ok := recv.kw[name]; ok {
			v = held
		}
	case recv.path && name == "parent":
		v = dirOf(recv)
	case path == "sys.executable":
		v = textValue("python3")
	case path == "process.execPath":
		v = textValue("node")
	}
	v.ref = path
	return v
}

// index is what a value has at a place. back says that the text is turned round.
func (r *codeReader) index(path string, v codeValue, args []codeValue, back bool) codeValue {
	if back {
		return reversed(v)
	}
	if len(args) != 1 {
		if runs := r.commandOf(path); runs != "" && len(args) > 0 {
			return codeValue{kind: vName, s: path, list: r.ran(runs, args)}
		}
		return unknownValue
	}
	key := args[0].text()
	if args[0].kind == vName {
		key = args[0].s
	}
	if path == "Dir" && args[0].kind == vText { // Ruby's Dir["*.c"]
		return codeValue{kind: vList, list: []codeValue{{s: key, path: true}}}
	}
	if isEnviron(path) {
		return r.variable(key)
	}
	n, err := strconv.Atoi(key)
	switch path {
	case "sys.argv", "process.argv", "$argv", "arg":
		return r.word(n-1, err)
	case "ARGV", "$ARGV", "Deno.args", "@ARGV":
		return r.word(n, err)
	}
	if strings.HasPrefix(path, "$") && v.kind != vList {
		if held, ok := r.vars["@"+path[1:]]; ok && err == nil {
			v = held
		} else if held, ok := r.vars["%"+path[1:]]; ok {
			v = held
		}
	}
	if runs := r.commandOf(path); runs != "" && args[0].kind == vText {
		r.ran(runs, args)
	}
	switch {
	case v.kind == vList:
		if held, ok := v.kw[key]; ok {
			return held
		}
		if n < 0 {
			n += len(v.list)
		}
		if err == nil {
			return v.nth(n)
		}
	case v.kind == vName && err != nil && !open(key) && !strings.ContainsAny(key, " ."):
		return codeValue{kind: vName, s: path + "." + key}
	}
	return unknownValue
}

// word is a word of the command line that the program was given.
func (r *codeReader) word(n int, err error) codeValue {
	if err == nil && n >= 0 && n < len(r.args) {
		return textValue(r.args[n])
	}
	return unknownValue
}

// fillPercent fills in "%s %s", with what can be known of it.
func fillPercent(format string, v codeValue) string {
	list := []codeValue{v}
	if v.kind == vList {
		list = v.list
	}
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 >= len(format) {
			b.WriteByte(format[i])
			continue
		}
		i++
		if format[i] == '%' {
			b.WriteByte('%')
			continue
		}
		if format[i] == '(' { // %(name)s
			name, _, _ := strings.Cut(format[i+1:], ")")
			i += len(name) + 2
			if held, ok := v.kw[name]; ok {
				b.WriteString(held.text())
			} else {
				b.WriteString(holeWord)
			}
			continue
		}
		for i < len(format)-1 && strings.IndexByte("0123456789.-+ #l", format[i]) >= 0 {
			i++
		}
		held := unknownValue
		if len(list) > 0 {
			held, list = list[0], list[1:]
		}
		b.WriteString(held.text())
		if b.Len() > maxCodeText {
			return holeWord
		}
	}
	return b.String()
}

// fillFormat fills in "{} {0} {name}".
func fillFormat(format string, args []codeValue, kw map[string]codeValue) string {
	var b strings.Builder
	next := 0
	for i := 0; i < len(format); i++ {
		c := format[i]
		if (c == '{' || c == '}') && i+1 < len(format) && format[i+1] == c {
			b.WriteByte(c)
			i++
			continue
		}
		end := strings.IndexByte(format[i:], '}')
		if c != '{' || end < 0 {
			b.WriteByte(c)
			continue
		}
		name, _, _ := strings.Cut(format[i+1:i+end], ":")
		i += end
		held, ok := kw[name]
		if n, err := strconv.Atoi(name); err == nil || name == "" {
			if name == "" {
				n = next
				next++
			}
			held, ok = arg(args, max(n, 0)), true
		}
		if !ok {
			held = unknownValue
		}
		b.WriteString(held.text())
		if b.Len() > maxCodeText {
			return holeWord
		}
	}
	return b.String()
}

// inDir is the call, in another directory.
func inDir(c *call, dir string) *call {
	to := *c
	switch {
	case open(dir) || dir == "":
		to.dir = ""
	case strings.HasPrefix(dir, "/"):
		to.dir = path.Clean(dir)
	case c.dir != "":
		to.dir = path.Join(c.dir, dir)
	}
	return &to
}
