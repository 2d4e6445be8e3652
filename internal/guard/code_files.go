package guard

import (
	"strconv"
	"strings"
)

// touched is a path that a program takes away or changes, if it is known so far that
// something can be said of it: a path that starts with what cannot be known is judged
// only where the rest of it looks guarded.
func (r *codeReader) touched(v codeValue) (string, bool) {
	if v.kind != vText || v.s == "" || strings.ContainsRune(v.s, '\n') {
		return "", false
	}
	p := strings.TrimPrefix(v.s, "file://")
	if !unknownStart(p) {
		return p, true
	}
	for _, part := range [...]string{"containers", "systemd", "keeper", "/.local", "/.config", "quadlet"} {
		if strings.Contains(p, part) {
			return p, true
		}
	}
	return "", false
}

// onFiles says that a function of a name that much else has is one of files.
func onFiles(object string) bool {
	switch object {
	case "", "os", "fs", "fsp", "fse", "fs.promises", "fs-extra", "fs/promises", "promises", "File", "FileUtils", "Dir", "IO", "Pathname", "shutil", "Deno", "file", "posix", "Path", "require", "pathlib.Path", "rimraf", "File.Path", "FileUtil":
		return true
	}
	return false
}

// removes is for the files that a program takes away or changes.
func (r *codeReader) removes(name, last string, recv codeValue, args []codeValue, kw map[string]codeValue) bool {
	object := objectOf(name)
	own := recv.path && recv.kind == vText
	all := args
	if own {
		all = append([]codeValue{recv}, args...)
	}
	if !own && !onFiles(object) && last != "rmtree" {
		return false
	}
	if object == "rimraf" {
		last = object
	}
	if len(all) == 1 && all[0].kind == vList {
		all = all[0].list
	}
	switch last {
	case "rmtree", "rm_rf", "rm_r", "rmtree_r", "remove_tree", "rimraf", "rimrafSync", "remove_entry", "remove_entry_secure", "remove_dir", "removeSync", "emptyDir", "emptyDirSync", "rimraf.sync":
		return r.each(all, "rm", "-rf", "--")
	case "rm", "rmSync", "remove", "unlink", "unlinkSync", "delete", "safe_unlink", "rm_f", "removefile", "delete_if_exists", "deleteSync", "removedirs", "rmdir", "rmdirSync", "removeAsync":
		if last == "delete" && object == "" || last == "rm" && object == "" && r.lang == langPython {
			return false
		}
		if takesAll(all, kw) || last == "remove" && (object == "fse" || object == "fs-extra" || object == "fs") {
			return r.each(all, "rm", "-rf", "--")
		}
		if last == "rmdir" || last == "rmdirSync" || last == "removedirs" {
			return r.each(all, "rmdir", "--")
		}
		return r.each(all, "rm", "-f", "--")
	case "truncate", "truncateSync", "ftruncate":
		return r.each(all[:min(1, len(all))], "truncate", "-s", "0", "--")
	case "rename", "renameSync", "renames", "move", "moveSync", "mv", "replace":
		return (object != "" || r.lang != langPython || own) && r.two("mv", all)
	case "copy", "copyfile", "copy2", "copyFile", "copyFileSync", "copytree", "copySync", "cp", "cp_r", "cpSync":
		return object != "" && r.two("cp", all)
	case "symlink", "symlinkSync", "ln_s", "ln_sf", "symlink_to", "link":
		if own && len(all) == 2 {
			all[0], all[1] = all[1], all[0]
		}
		return r.two("ln", all)
	case "chmod", "chmodSync", "chmod_R":
		if len(all) > 1 {
			mode, p := all[1], all[0]
			if r.lang == langRuby || r.lang == langPerl {
				mode, p = all[0], all[1]
			}
			return r.each([]codeValue{p}, "chmod", octal(mode.text()), "--")
		}
	case "writeFile", "writeFileSync", "outputFile", "outputFileSync", "write_text", "write_bytes", "file_put_contents", "createWriteStream", "writeTextFile", "writeTextFileSync", "binwrite", "write":
		if own || object != "" || last == "file_put_contents" || last != "write" {
			return r.file(">", arg(all, 0))
		}
	case "appendFile", "appendFileSync":
		return r.file(">>", arg(all, 0))
	case "open", "fopen", "openSync", "sysopen":
		return r.opens(own, all, kw)
	}
	return false
}

// takesAll says that an option has a removal take everything below along.
func takesAll(args []codeValue, kw map[string]codeValue) bool {
	_, ok := kw["recursive"]
	for _, a := range args {
		if a.kind == vList && a.kw != nil {
			_, has := a.kw["recursive"]
			ok = ok || has
		}
	}
	return ok
}

// each runs a program on each path that is known.
func (r *codeReader) each(paths []codeValue, program ...string) bool {
	argv := append([]string{}, program...)
	for _, v := range paths {
		switch {
		case v.of || v.kind == vName && v.ref != "" && r.lang == langNode:
			r.wipes = append(r.wipes, program)
		case len(v.oneOf) > 0 && len(argv) < maxCodeList:
			for _, e := range v.oneOf {
				if p, ok := r.touched(e); ok {
					argv = append(argv, p)
				}
			}
		default:
			if p, ok := r.touched(v); ok {
				argv = append(argv, p)
			}
		}
	}
	if len(argv) > len(program) {
		r.argv(argv, nil, false)
	}
	return true
}

// two runs mv or cp.
func (r *codeReader) two(program string, args []codeValue) bool {
	_, from := r.touched(arg(args, 0))
	_, to := r.touched(arg(args, 1))
	if len(args) >= 2 && (from || to) {
		argv := []string{program, "--", args[0].text(), args[1].text()}
		if program == "ln" {
			argv[1] = "-sf"
		}
		r.argv(argv, nil, false)
	}
	return true
}

// file writes to a file, as a redirect does.
func (r *codeReader) file(sign string, v codeValue) bool {
	if p, ok := r.touched(v); ok && r.try("\x01"+sign+"\x00"+p) {
		r.do.nestedArgs(r.c, []string{sign, p}, r.c.name)
	}
	return true
}

// opens is open(path, mode), and Perl's and Ruby's open of a program.
func (r *codeReader) opens(own bool, args []codeValue, kw map[string]codeValue) bool {
	if r.lang == langPerl && len(args) > 1 {
		return r.perlOpen(args[1:])
	}
	p, mode := arg(args, 0), arg(args, 1).text()
	if m, ok := kw["mode"]; ok {
		mode = m.text()
	}
	if r.lang == langRuby && strings.HasPrefix(p.text(), "|") && !own {
		r.line1(p.text()[1:], nil, true)
		return true
	}
	switch {
	case open(mode):
	case strings.ContainsAny(mode, "wxct") && !strings.HasPrefix(mode, "r"):
		return r.file(">", p)
	case strings.ContainsAny(mode, "a+"):
		return r.file(">>", p)
	}
	return true
}

// perlOpen is open(F, "|-", program, ...), open(F, "program|") and open(F, ">", path).
func (r *codeReader) perlOpen(args []codeValue) bool {
	mode := strings.TrimSpace(args[0].text())
	switch {
	case len(args) > 1 && (mode == "|-" || mode == "-|"):
		if len(args) == 2 {
			r.line1(args[1].text(), nil, true)
		} else {
			r.argv(words(args[1:]), nil, true)
		}
	case len(args) > 1 && (strings.HasPrefix(mode, ">>") || strings.HasPrefix(mode, "+<")):
		return r.file(">>", args[1])
	case len(args) > 1 && (strings.HasPrefix(mode, ">") || strings.HasPrefix(mode, "+>")):
		return r.file(">", args[1])
	case strings.HasPrefix(mode, "|"):
		r.line1(mode[1:], nil, true)
	case strings.HasSuffix(mode, "|"):
		r.line1(strings.TrimSuffix(mode, "|"), nil, true)
	case strings.HasPrefix(mode, ">>"):
		return r.file(">>", textValue(strings.TrimSpace(mode[2:])))
	case strings.HasPrefix(mode, ">"):
		return r.file(">", textValue(strings.TrimSpace(mode[1:])))
	}
	return true
}

// octal is a mode as chmod has it.
func octal(s string) string {
	s = strings.ToLower(s)
	if rest := strings.TrimPrefix(s, "0o"); rest != s {
		return rest
	}
	if strings.HasPrefix(s, "0") || strings.ContainsAny(s, "+=-ugoa") {
		return s
	}
	if n, err := strconv.ParseUint(s, 10, 16); err == nil { // a number as it is
		return strconv.FormatUint(n, 8)
	}
	return s
}
