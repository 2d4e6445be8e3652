package compose

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/compose-spec/compose-go/v2/template"
	"go.yaml.in/yaml/v4"
)

// Bounds. Real projects are far below all of them; a file beyond one is a
// mistake or an attack, and would eat memory and time without end.
const (
	maxFile   = 4 << 20 // bytes of one file
	maxFiles  = 200
	maxDepth  = 100       // of nesting, of includes as well
	maxNodes  = 50_000    // with aliases written out
	maxBytes  = 16 << 20  // of text, with aliases written out
	maxWork   = 64 << 20  // of substitution: length of a text times its variables
	maxExtend = 2_000_000 // nodes copied for extends
	maxPorts  = 70_000    // ports in ranges
)

// scanner reads files with bounds before compose-go gets to see them, and
// knows afterwards on which line a key stands.
type scanner struct {
	order []string // every file that was read, in that order
	docs  []document
	seen  map[string]bool

	total   cost
	extends int
	ports   int
	largest int // value of a variable
	spent   int // bytes that variables brought
}

// document is one YAML document of a file.
type document struct {
	path string
	root *yaml.Node
}

func newScanner() *scanner { return &scanner{seen: map[string]bool{}} }

// read returns what is in a regular file.
func (s *scanner) read(path string) ([]byte, error) {
	if !slices.Contains(s.order, path) {
		s.order = append(s.order, path)
		if len(s.order) > maxFiles {
			return nil, fmt.Errorf("cannot read the Compose file %s: it and what it names are more than %d files", s.order[0], maxFiles)
		}
	}
	// Not blocking: opening a FIFO would wait for a writer.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("cannot read %s: there is no such file; mend the path, or make the file", path)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("cannot read %s: this account may not; as its owner: chmod u+r %s", path, path)
	case err != nil:
		return nil, fmt.Errorf("cannot read %s: %w", path, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", path, err)
	}
	switch {
	case info.IsDir():
		return nil, fmt.Errorf("cannot read %s: it is a directory; name the file in it", path)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("cannot read %s: it is not a regular file (%s); copy what it gives to one", path, info.Mode().Type())
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", path, err)
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("cannot read %s: it is larger than %d MiB, which no file of this kind is; divide it, if it is meant", path, maxFile>>20)
	}
	return data, nil
}

var yamlLine = regexp.MustCompile(`^(?:yaml: )?(?:while [a-z ]+ at )?line (\d+)(?:, column \d+)?: `)

// scan looks at a Compose file and at those that it includes and extends, with
// the directory that its paths are relative to.
func (s *scanner) scan(path, dir string, env map[string]string, includes bool, depth int) error {
	key := fmt.Sprint(path, "\x00", dir, "\x00", includes)
	if s.seen[key] {
		return nil
	}
	s.seen[key] = true
	if depth > maxDepth {
		return fmt.Errorf("cannot read the Compose file %s: its files include or extend one another more than %d deep", s.order[0], maxDepth)
	}
	data, err := s.read(path)
	if err != nil {
		return err
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	for n := 0; ; n++ {
		var root yaml.Node
		err := decoder.Decode(&root)
		if errors.Is(err, io.EOF) {
			if n == 0 {
				return nothingIn(path)
			}
			return nil
		}
		if err != nil {
			return badYAML(path, err)
		}
		w := weigher{known: map[*yaml.Node]cost{}, open: map[*yaml.Node]bool{}}
		c, err := w.weigh(&root, 0)
		if err != nil {
			return fmt.Errorf("cannot read %s:%w", path, err)
		}
		s.total = s.total.plus(c)
		s.docs = append(s.docs, document{path, &root})
		top := deref(&root)
		if top == nil || top.Kind != yaml.MappingNode {
			if top == nil || top.Tag == "!!null" {
				return nothingIn(path)
			}
			return fmt.Errorf("cannot read %s:%d: a Compose file is a mapping, with services: at its top, and this is a %s", path, top.Line, kindOf(top))
		}
		if err := s.follow(top, path, dir, env, includes, depth); err != nil {
			return err
		}
	}
}

func nothingIn(path string) error {
	return fmt.Errorf("cannot read %s: there is nothing in it; a Compose file needs services:, as in: services: {web: {image: nginx}}", path)
}

func badYAML(path string, err error) error {
	text := strings.Join(strings.Fields(err.Error()), " ")
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		return fmt.Errorf("cannot read %s:%s: this is not YAML: %s; look at the indentation and the quotes there and in the line above", path, m[1], text[len(m[0]):])
	}
	return fmt.Errorf("cannot read %s: this is not YAML: %s", path, strings.TrimPrefix(text, "yaml: "))
}

func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.SequenceNode:
		return "list"
	case yaml.MappingNode:
		return "mapping"
	default:
		return "single value"
	}
}

// follow goes after include: and extends:.
func (s *scanner) follow(top *yaml.Node, path, dir string, env map[string]string, includes bool, depth int) error {
	if includes {
		for _, entry := range list(child(top, "include")) {
			if err := s.include(entry, path, dir, env, depth); err != nil {
				return err
			}
		}
	}
	for _, section := range []string{"services", "jobs"} {
		for name, service := range pairs(child(top, section)) {
			for _, port := range list(child(service, "ports")) {
				n, err := s.portsOf(port, env)
				if err != nil {
					return fmt.Errorf("cannot read %s:%d: services.%s.ports: %w; a port is written [IP:][HOSTPORT:]PORT[/udp]", path, port.Line, name, err)
				}
				s.ports += n
			}
			e := child(service, "extends")
			if e == nil {
				continue
			}
			s.extends++
			file := scalar(child(e, "file"))
			if file == "" {
				continue
			}
			local, err := s.local(file, path, e.Line, dir, env)
			if err != nil {
				return err
			}
			if err := s.scan(local, filepath.Dir(local), env, false, depth+1); err != nil {
				return fmt.Errorf("%w (%s:%d: services.%s.extends)", err, path, e.Line, name)
			}
		}
	}
	return nil
}

func (s *scanner) include(entry *yaml.Node, path, dir string, env map[string]string, depth int) error {
	paths := []*yaml.Node{entry}
	var project string
	var envFiles []*yaml.Node
	if entry.Kind == yaml.MappingNode {
		paths = list(child(entry, "path"))
		project = scalar(child(entry, "project_directory"))
		envFiles = list(child(entry, "env_file"))
	}
	var locals []string
	for _, n := range paths {
		local, err := s.local(scalar(n), path, n.Line, dir, env)
		if err != nil {
			return err
		}
		locals = append(locals, local)
	}
	if len(locals) == 0 {
		return nil // compose-go says what is wrong with that
	}
	if project == "" {
		project = filepath.Dir(locals[0])
	} else {
		project = absolute(dir, s.expand(project, env))
	}
	inner, err := s.includeEnv(envFiles, dir, project, env)
	if err != nil {
		return err
	}
	for _, local := range locals {
		if err := s.scan(local, project, inner, true, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// includeEnv are the variables of an included file.
func (s *scanner) includeEnv(files []*yaml.Node, dir, project string, env map[string]string) (map[string]string, error) {
	var paths []string
	for _, n := range files {
		if f := s.expand(scalar(n), env); f != "/dev/null" && f != "" {
			paths = append(paths, absolute(dir, f))
		}
	}
	if len(files) == 0 {
		// As Compose: a directory of that name, or one that may not be looked
		// into, is passed over.
		if info, err := os.Stat(filepath.Join(project, ".env")); err == nil && !info.IsDir() {
			paths = append(paths, filepath.Join(project, ".env"))
		}
	}
	return s.withFiles(env, paths)
}

// local is the path of a file that another one names.
func (s *scanner) local(name, from string, line int, dir string, env map[string]string) (string, error) {
	name = s.expand(name, env)
	if strings.Contains(name, "://") || strings.HasPrefix(name, "git@") || strings.HasPrefix(name, "github.com/") {
		return "", fmt.Errorf("cannot read %s:%d: %s is not on this host, and keeper fetches nothing; download it and name the copy", from, line, name)
	}
	return absolute(dir, name), nil
}

func absolute(dir, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(dir, path)
}

// expand substitutes variables in a path. What is wrong with them is for
// compose-go to say.
func (s *scanner) expand(text string, env map[string]string) string {
	if !strings.Contains(text, "$") || len(text) > 4096 {
		return text
	}
	value, err := template.SubstituteWithOptions(text, func(k string) (string, bool) {
		v, ok := env[k]
		return v, ok
	}, template.WithoutLogging)
	if err != nil {
		return text
	}
	return value
}

// environment are the variables that the files may use.
func (s *scanner) environment(list []string, dir string) (map[string]string, error) {
	env := map[string]string{}
	for _, kv := range list {
		if k, v, ok := strings.Cut(kv, "="); ok && k != "" {
			env[k] = v
		}
	}
	if off, err := strconv.ParseBool(env["COMPOSE_DISABLE_ENV_FILE"]); err == nil && off {
		return env, nil
	}
	path := filepath.Join(dir, ".env")
	// As Compose: what is not there, or may not be looked at, was not asked for.
	if info, err := os.Stat(path); err == nil && !info.IsDir() {
		return s.withFiles(env, []string{path})
	}
	return env, nil
}

// withFiles adds variables that are not set yet.
func (s *scanner) withFiles(env map[string]string, paths []string) (map[string]string, error) {
	vars := map[string]string{}
	for _, p := range paths {
		if err := s.variables(p, "", env, vars); err != nil {
			return nil, err
		}
	}
	all := map[string]string{}
	for k, v := range vars {
		all[k] = v
	}
	for k, v := range env {
		all[k] = v
	}
	for _, v := range all {
		s.largest = max(s.largest, len(v))
	}
	return all, nil
}

// variables reads a file of variables as Compose does, with a bound on what
// variables in variables may bring.
func (s *scanner) variables(path, format string, env, vars map[string]string) error {
	if path == "/dev/null" {
		return nil
	}
	data, err := s.read(path)
	if err != nil {
		return err
	}
	for n, line := range bytes.Split(data, []byte("\n")) {
		if bytes.Count(line, []byte("$"))*len(line) > maxWork {
			return fmt.Errorf("cannot read %s:%d: the line has more variables in it than keeper substitutes", path, n+1)
		}
	}
	over := false
	lookup := func(k string) (string, bool) {
		v, ok := env[k]
		if !ok {
			v, ok = vars[k]
		}
		if s.spent += len(v); s.spent > maxWork {
			over = true
			return "", true
		}
		return v, ok
	}
	err = dotenv.ParseWithFormat(bytes.NewReader(data), path, vars, lookup, format)
	switch {
	case over:
		return fmt.Errorf("cannot read %s: its variables, put into one another, are larger than %d MiB", path, maxWork>>20)
	case err != nil:
		text := strings.TrimPrefix(err.Error(), "failed to read "+path+": ")
		// What stands there may be a password.
		for _, quoted := range []string{"unterminated quoted value", "in variable name"} {
			if i := strings.Index(text, quoted); i >= 0 {
				text = text[:i+len(quoted)]
			}
		}
		var bad *template.InvalidTemplateError
		if errors.As(err, &bad) {
			text = "a variable in it is not written ${NAME}"
		}
		if rest, ok := strings.CutPrefix(text, "line "); ok {
			if line, why, ok := strings.Cut(rest, ": "); ok {
				return fmt.Errorf("cannot read %s:%s: %s; each line is KEY=VALUE", path, line, why)
			}
		}
		return fmt.Errorf("cannot read %s: %s; each line is KEY=VALUE", path, text)
	}
	return nil
}

// affordable refuses what would take too much once it is written out.
func (s *scanner) affordable(env map[string]string) error {
	for _, v := range env {
		s.largest = max(s.largest, len(v))
	}
	var over string
	switch c := s.total; {
	case c.nodes > maxNodes:
		over = fmt.Sprintf("with its aliases written out it has more than %d values", maxNodes)
	case c.bytes > maxBytes:
		over = fmt.Sprintf("with its aliases written out it is larger than %d MiB", maxBytes>>20)
	case c.work > maxWork || c.dollars*max(s.largest, 1) > maxWork:
		over = "it has more, or larger, variables in it than keeper substitutes"
	case s.extends*c.nodes > maxExtend:
		over = fmt.Sprintf("its %d services that extend others would become too large", s.extends)
	case s.ports > maxPorts:
		over = fmt.Sprintf("its ranges of ports have more than %d ports", maxPorts)
	default:
		return nil
	}
	return fmt.Errorf("cannot read the Compose file %s: %s; divide it, if it is meant", s.order[0], over)
}
