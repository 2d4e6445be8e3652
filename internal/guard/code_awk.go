package guard

import "strings"

// awk finds the program of awk: the first word, or files.
func (w *codeWork) awk(c *call) {
	var text strings.Builder
	vars := map[string]codeValue{}
	words, found := c.args, false
	for len(words) > 0 {
		a := words[0]
		if len(a) < 2 || a[0] != '-' {
			break
		}
		words = words[1:]
		if a == "--" {
			break
		}
		name, v := a[:2], a[2:]
		if strings.HasPrefix(a, "--") {
			var joined bool
			if name, v, joined = strings.Cut(a, "="); !joined {
				v = ""
			}
			switch name {
			case "--source":
				name = "-e"
			case "--file", "--exec", "--include":
				name = "-f"
			case "--assign":
				name = "-v"
			case "--field-separator":
				name = "-F"
			default:
				continue
			}
		}
		if strings.IndexByte("fveFEi", name[1]) < 0 {
			continue
		}
		if v == "" && len(words) > 0 {
			v, words = words[0], words[1:]
		}
		switch name[1] {
		case 'v':
			key, value, _ := strings.Cut(v, "=")
			vars[key] = codeValue{s: value, ref: key}
		case 'e':
			text.WriteString(v + "\n")
			found = true
		case 'f', 'E':
			found = true
			if v == "-" || v == "/dev/stdin" {
				text.WriteString(c.stdin)
			} else if t, ok := w.text(c, v); ok {
				text.WriteString(t + "\n")
			}
		}
	}
	if !found && len(words) > 0 {
		text.WriteString(words[0])
	}
	if text.Len() == 0 || holesOnly(text.String()) {
		return
	}
	r := &codeReader{
		do: w.do, host: w.host, c: c, lang: langAwk, work: w.spent,
		vars: vars, seen: map[string]bool{}, source: strings.ToLower(text.String()), input: c.stdin,
	}
	r.read(text.String())
	w.said = r.out.String()
}

// awkPipe reads on after |: print ... | "program", and "program" | getline.
func (r *codeReader) awkPipe(v codeValue) codeValue {
	r.at++
	if t := r.peek(); t.is("&") {
		r.at++
	}
	if r.peek().word("getline") {
		r.at++
		if v.kind == vText {
			r.line1(v.s, nil, true)
		}
		if t := r.peek(); t.kind == tName {
			r.at++
			r.set(t.text, result(v.text()))
		}
		return unknownValue
	}
	to := r.guarded(r.unary)
	for r.begins(r.tok(0)) {
		to = r.join(to, r.unary())
	}
	if to.kind == vText {
		said := v.text()
		if r.printing && r.said != "" {
			said = r.said + " " + said
		}
		r.line1(to.s, map[string]codeValue{"input": textValue(said)}, true)
	}
	return unknownValue
}
