package agents

import (
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// MaxInput is how much an agent may say: a file that it writes comes along whole.
const MaxInput = 16 << 20

// Event is what an agent is about to do.
type Event struct {
	Tool string
	// Command is a shell command line, "" if there is none.
	Command string
	// Paths are the files that a tool writes, and Removed those that it takes away.
	Paths, Removed []string
	// Dir is the working directory, Session what the agent calls its session.
	Dir, Session string
	// Other says that it is nothing that the guard is about.
	Other bool
}

// object is a JSON object by its exact keys. A struct will not do: encoding/json
// takes "Command" for "command", and the keys of a tool's input are the model's.
type object map[string]json.RawMessage

// text is the first of the members that is a string.
func (o object) text(keys ...string) string {
	for _, key := range keys {
		var s string
		if json.Unmarshal(o[key], &s) == nil && s != "" {
			return s
		}
	}
	return ""
}

// Parse reads what the agent says to its hook. What cannot be understood is an error:
// the caller refuses it.
func (a Agent) Parse(r []byte) (Event, error) {
	fail := func(what string, args ...any) (Event, error) {
		return Event{}, fmt.Errorf("cannot understand what %s says: %s", a.Title, fmt.Sprintf(what, args...))
	}
	if len(r) > MaxInput {
		return fail("it is %d bytes long, and the most is %d", len(r), MaxInput)
	}
	var in object
	if err := json.Unmarshal(r, &in); err != nil {
		return fail("it is no JSON object: %v", err)
	}
	// Copilot's documentation has both spellings.
	ev := Event{
		Tool:    in.text("tool_name", "toolName"),
		Dir:     in.text("cwd"),
		Session: in.text("session_id", "sessionId"),
	}
	switch event := in.text("hook_event_name"); event {
	case "", "PreToolUse", "BeforeTool", "preToolUse":
	default:
		ev.Other = true
		return ev, nil
	}
	switch {
	case ev.Tool == "":
		return fail("tool_name is missing")
	case len(ev.Tool) > 200: // it ends up in logs
		return fail("tool_name is %d bytes long", len(ev.Tool))
	}
	raw, found := in["tool_input"]
	if !found {
		raw, found = in["toolArgs"]
	}
	if !found {
		return fail("tool_input of %q is missing", ev.Tool)
	}
	if err := ev.fill(raw); err != nil {
		return fail("tool_input of %q: %v", ev.Tool, err)
	}
	return ev, nil
}

// kind is what a tool does, by its name. The names are those of all agents together:
// they differ, and do not contradict one another.
type kind int

const (
	unknown kind = iota
	shell        // runs a command line
	typed        // types into a shell that runs already
	patches      // apply_patch
	writes       // writes a file
)

func kindOf(tool string) kind {
	switch tool {
	case "Bash", "bash", "PowerShell", "powershell", "shell", "local_shell", "container.exec", "exec_command", "run_shell_command":
		return shell
	case "write_bash", "write_powershell", "write_stdin":
		return typed
	case "apply_patch":
		return patches
	case "Write", "Edit", "MultiEdit", "NotebookEdit", "write_file", "replace", "edit", "create", "str_replace_editor", "str_replace_based_edit_tool":
		return writes
	}
	return unknown
}

// fill reads the input of a tool.
func (ev *Event) fill(raw json.RawMessage) error {
	is := kindOf(ev.Tool)
	// Copilot sends a string with JSON in it, and Codex once sent a patch as such.
	var s string
	if len(raw) > 0 && raw[0] == '"' && json.Unmarshal(raw, &s) == nil {
		if is == patches && !strings.HasPrefix(strings.TrimSpace(s), "{") {
			ev.patch(s)
			return nil
		}
		raw = json.RawMessage(s)
	}
	var in object
	if err := json.Unmarshal(raw, &in); err != nil {
		if is == unknown {
			ev.Other = true
			return nil
		}
		return fmt.Errorf("it is no JSON object: %w", err)
	}
	base := ev.Dir
	if dir := in.text("workdir", "dir_path", "directory", "cwd"); dir != "" {
		ev.Dir = under(base, dir)
	}
	switch is {
	case shell:
		lines, err := in.lines("command", "cmd", "script")
		if err == nil && lines == "" {
			err = errors.New("command is missing")
		}
		ev.Command = lines
		return err
	case typed:
		ev.Command = in.text("input", "chars", "text")
	case patches:
		text, err := in.lines("command", "input", "patch")
		if err != nil {
			return err
		}
		ev.patch(text)
		return nil
	case writes:
		if in.text("command") == "view" {
			ev.Other = true
			return nil
		}
		for _, key := range []string{"file_path", "notebook_path", "path", "filePath", "absolute_path"} {
			if p := in.text(key); p != "" {
				ev.Paths = append(ev.Paths, under(base, p))
			}
		}
		if len(ev.Paths) == 0 {
			return errors.New("file_path is missing")
		}
		return nil
	default:
		// A tool that nobody told us of and that takes a command line is taken for a
		// shell: Claude Code's Monitor, one of an MCP server.
		var err error
		if ev.Command, err = in.lines("command", "cmd", "script"); err != nil {
			ev.Command = ""
		}
	}
	ev.Other = ev.Command == ""
	return nil
}

// lines are the members as command lines, one below the other.
func (o object) lines(keys ...string) (string, error) {
	var all []string
	for _, key := range keys {
		raw, found := o[key]
		if !found || string(raw) == "null" {
			continue
		}
		var line string
		if json.Unmarshal(raw, &line) == nil {
			all = append(all, line)
			continue
		}
		var argv []string
		if err := json.Unmarshal(raw, &argv); err != nil {
			return "", fmt.Errorf("%s is neither a string nor a list of strings", key)
		}
		line, err := fromArgv(argv)
		if err != nil {
			return "", fmt.Errorf("%s: %w", key, err)
		}
		all = append(all, line)
	}
	return strings.Join(all, "\n"), nil
}

// fromArgv is the command line of arguments as they are given to execve(2). Codex has
// ["bash", "-lc", SCRIPT], which is the script.
func fromArgv(argv []string) (string, error) {
	if len(argv) == 3 && isShell(path.Base(argv[0])) && strings.HasPrefix(argv[1], "-") && !strings.HasPrefix(argv[1], "--") && strings.HasSuffix(argv[1], "c") {
		return argv[2], nil
	}
	if len(argv) == 2 && argv[0] == "apply_patch" {
		return argv[1], nil
	}
	words := make([]string, len(argv))
	for i, arg := range argv {
		word, err := syntax.Quote(arg, syntax.LangBash)
		if err != nil {
			return "", fmt.Errorf("argument %d cannot stand in a command line: %w", i, err)
		}
		words[i] = word
	}
	return strings.Join(words, " "), nil
}

func isShell(name string) bool {
	switch name {
	case "sh", "bash", "dash", "zsh", "ksh":
		return true
	}
	return false
}

// patch reads a patch in the format of apply_patch: "*** Update File: PATH".
func (ev *Event) patch(text string) {
	for line := range strings.Lines(text) {
		verb, file, found := strings.Cut(strings.TrimSpace(line), ": ")
		if !found || file == "" {
			continue
		}
		file = under(ev.Dir, strings.TrimSpace(file))
		switch verb {
		case "*** Add File", "*** Update File", "*** Move to":
			ev.Paths = append(ev.Paths, file)
		case "*** Delete File":
			ev.Removed = append(ev.Removed, file)
		}
		if verb == "*** Move to" && len(ev.Paths) > 1 {
			// The file before it is gone from where it was.
			ev.Removed = append(ev.Removed, ev.Paths[len(ev.Paths)-2])
		}
	}
	ev.Other = len(ev.Paths)+len(ev.Removed) == 0
}

// under is a path as it is from a directory.
func under(dir, file string) string {
	if path.IsAbs(file) || strings.HasPrefix(file, "~") || dir == "" {
		return file
	}
	return path.Join(dir, file)
}
