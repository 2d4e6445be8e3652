package agents

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Merge puts the hook into the text of the settings: nothing else of it changes, not
// a blank. file is what an error calls it. Text without anything in it is a file that
// is not there yet.
func (a Agent) Merge(file string, before []byte, command string) (after []byte, changed bool, err error) {
	if !a.ours(command) {
		return nil, false, fmt.Errorf("cannot put %q into %s: it does not run %s hook %s", command, file, Program, a.Name)
	}
	if blankText(before) {
		return a.whole(command), true, nil
	}
	root, err := a.read(file, before)
	if err != nil {
		return nil, false, err
	}
	hooks := a.hooks(root)
	if len(hooks) == 1 && hooks[0].exact(a, command) {
		return before, false, nil
	}
	// One that has another path, or was changed, makes room.
	base, _, err := a.Remove(file, before)
	if err != nil {
		return nil, false, err
	}
	if blankText(base) {
		return a.whole(command), true, nil
	}
	if root, err = a.read(file, base); err != nil {
		return nil, false, err
	}
	// An empty line tells what was there from what this made, if nothing else does.
	for _, gap := range []string{"", newline(base)} {
		if after, err = a.insert(root, command, gap); err != nil {
			return nil, false, fmt.Errorf("cannot put the hook into %s: %w; mend it by hand, nothing was changed", file, err)
		}
		if back, _, err := a.Remove(file, after); err == nil && bytes.Equal(back, base) {
			break
		}
	}
	return after, true, nil
}

// Remove takes the hook out of the text of the settings, and what Merge made around
// it. Without anything left in it, the file was made by Merge, and can go.
func (a Agent) Remove(file string, before []byte) (after []byte, changed bool, err error) {
	after = before
	for !blankText(after) {
		root, err := a.read(file, after)
		if err != nil {
			return nil, false, err
		}
		hooks := a.hooks(root)
		if len(hooks) == 0 {
			break
		}
		// From the end, so that what Merge added last goes first.
		after, changed = hooks[len(hooks)-1].cut(a), true
	}
	return after, changed, nil
}

// Installed are the command lines of the hook in the settings, as the agent gives
// them to a shell.
func (a Agent) Installed(file string, settings []byte) ([]string, error) {
	if blankText(settings) {
		return nil, nil
	}
	root, err := a.read(file, settings)
	if err != nil {
		return nil, err
	}
	var commands []string
	for _, h := range a.hooks(root) {
		commands = append(commands, h.command)
	}
	return commands, nil
}

// Loose says what of the settings opens the agent wide: the hook off, or everything
// allowed. file is the one that the text is from.
func (a Agent) Loose(file string, text []byte) []string {
	if blankText(text) {
		return nil
	}
	return a.loose(file, text)
}

func (a Agent) read(file string, text []byte) (*node, error) {
	root, err := scan(text, a.comments)
	if err == nil && root.kind != '{' {
		err = errors.New("it is no object")
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read %s as JSON: %w; %s cannot either: mend it by hand, nothing was changed", file, err, a.Title)
	}
	return root, nil
}

func blankText(text []byte) bool { return len(bytes.TrimSpace(text)) == 0 }

// found is a hook of ours in the settings.
type found struct {
	root    *node
	command string
	// path leads to it: the containers, and which item of each.
	path []step
}

type step struct {
	in *node
	at int
}

// hooks are ours, in their order.
func (a Agent) hooks(root *node) []found {
	var list []found
	add := func(h *node, path []step) {
		command := h.get("bash").text()
		if command == "" {
			command = h.get("command").text()
		}
		if a.ours(command) {
			list = append(list, found{root, command, path})
		}
	}
	top, at := root.index("hooks")
	if top == nil {
		return nil
	}
	event, eventAt := top.index(a.event)
	if event == nil {
		return nil
	}
	path := []step{{root, at}, {top, eventAt}}
	for i, entry := range event.list() {
		here := append(path[:2:2], step{event, i})
		if a.flat {
			add(entry, here)
			continue
		}
		inner, innerAt := entry.index("hooks")
		for j, h := range inner.list() {
			add(h, append(here[:3:3], step{entry, innerAt}, step{inner, j}))
		}
	}
	return list
}

// index is the last member of that name, and which it is.
func (n *node) index(key string) (*node, int) {
	if n == nil || n.kind != '{' {
		return nil, -1
	}
	for i := len(n.items) - 1; i >= 0; i-- {
		if n.items[i].key == key {
			return n.items[i].value, i
		}
	}
	return nil, -1
}

// exact says that it is as Merge would write it now, but for blanks.
func (f found) exact(a Agent, command string) bool {
	entry := f.path[2].in.items[f.path[2].at].value
	var is bytes.Buffer
	if json.Compact(&is, entry.src[entry.start:entry.end]) != nil {
		return false
	}
	want, err := encode(a.hook(command), "", "")
	return err == nil && bytes.Equal(is.Bytes(), want)
}

// cut is the text without it, and without the containers that Merge made for it:
// those that have nothing else in them and are as Merge writes them.
func (f found) cut(a Agent) []byte {
	src := f.root.src
	if bytes.Equal(src, a.whole(f.command)) {
		return nil
	}
	unit, nl := indent(f.root), newline(src)
	for depth := range 2 {
		s := f.path[depth]
		it := s.in.items[s.at]
		if string(src[it.at:it.value.end]) == a.member(depth+1, f.command, unit, nl) {
			return s.cut(src)
		}
	}
	// The entry as a whole, unless somebody put other hooks into it.
	last := len(f.path) - 1
	if len(f.path[last].in.items) == 1 {
		last = 2
	}
	return f.path[last].cut(src)
}

// cut takes an item out of a container, with the comma that goes with it.
func (s step) cut(src []byte) []byte {
	it := s.in.items[s.at]
	from, to := it.lead, it.value.end
	var out []byte
	switch {
	case s.at > 0 && it.comma < 0:
		comma := s.in.items[s.at-1].comma
		out = append(out, src[:comma]...)
		out = append(out, src[comma+1:from]...)
	case it.comma >= 0:
		to = it.comma + 1
		out = append(out, src[:from]...)
	default:
		out = append(out, src[:from]...)
	}
	return append(out, src[to:]...)
}

// insert is the text with the hook, as the last item of what is there already.
func (a Agent) insert(root *node, command, gap string) ([]byte, error) {
	unit, nl := indent(root), newline(root.src)
	in, depth := root, 1
	for _, key := range []string{"hooks", a.event} {
		next := in.get(key)
		if next == nil {
			break
		}
		if want := "?{["[depth]; next.kind != want {
			return nil, fmt.Errorf("%s is no %s there", strings.Join([]string{"hooks", a.event}[:depth], "."),
				map[byte]string{'{': "object", '[': "list"}[want])
		}
		in, depth = next, depth+1
	}
	text := a.member(depth, command, unit, nl)
	var out []byte
	if n := len(in.items); n == 0 {
		out = append(out, in.src[:in.tail]...)
	} else {
		end := in.items[n-1].value.end
		out = append(out, in.src[:end]...)
		out = append(out, ',')
		out = append(out, in.src[end:in.tail]...)
	}
	out = append(out, gap+nl+strings.Repeat(unit, depth)+text...)
	return append(out, in.src[in.tail:]...), nil
}

// member is the text that goes in: at depth 1 all hooks, at 2 an event, at 3 an entry.
func (a Agent) member(depth int, command, unit, nl string) string {
	v := a.hook(command)
	name := ""
	if depth <= 2 {
		v, name = []any{v}, a.event
	}
	if depth == 1 {
		v, name = map[string]any{a.event: v}, "hooks"
	}
	text, err := encode(v, strings.Repeat(unit, depth), unit)
	if err != nil {
		return "" // strings and numbers: there is nothing that cannot be encoded
	}
	if name != "" {
		text = append([]byte(`"`+name+`": `), text...)
	}
	return strings.ReplaceAll(string(text), "\n", nl)
}

// whole is a file with the hook and nothing else.
func (a Agent) whole(command string) []byte {
	head := "{\n"
	if a.flat {
		head += "  \"version\": 1,\n"
	}
	return []byte(head + "  " + a.member(1, command, "  ", "\n") + "\n}\n")
}

// newline is how lines end there.
func newline(src []byte) string {
	if bytes.Contains(src, []byte("\r\n")) {
		return "\r\n"
	}
	return "\n"
}

// indent is by what the members of the file are moved in.
func indent(root *node) string {
	if len(root.items) > 0 {
		before := root.src[:root.items[0].at]
		blank := before[bytes.LastIndexByte(before, '\n')+1:]
		if len(blank) > 0 && len(blank) <= 8 && len(blank) < len(before) && len(bytes.Trim(blank, " \t")) == 0 {
			return string(blank)
		}
	}
	return "  "
}
