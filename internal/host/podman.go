package host

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"

	"keeper/internal/core"
)

// toolTimeout is the deadline of each program that is asked.
const toolTimeout = 5 * time.Second

// mostSaid bounds what is read of what it says.
const mostSaid = 64 << 10

// tool runs a program and returns what it printed, and, where it failed, the first line
// of its complaint.
func (v View) tool(ctx context.Context, env []string, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, toolTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.WaitDelay = time.Second // what it started may hold its output open
	var out, complaint bounded
	cmd.Stdout, cmd.Stderr = &out, &complaint
	err := cmd.Run()
	if err != nil && ctx.Err() != nil {
		return "", errors.New("no answer within " + toolTimeout.String())
	}
	if line, _, _ := strings.Cut(strings.TrimSpace(complaint.String()), "\n"); err != nil && line != "" {
		return "", errors.New(printable(line))
	}
	return out.String(), err
}

// bounded keeps the beginning of what is written to it.
type bounded struct{ buf bytes.Buffer }

func (b *bounded) Write(p []byte) (int, error) {
	b.buf.Write(p[:min(len(p), mostSaid-b.buf.Len())])
	return len(p), nil
}

func (b *bounded) String() string { return b.buf.String() }

// SubIDs looks at the ids of the account's containers.
func (v View) SubIDs(ctx context.Context) (f core.SubIDFacts) {
	for _, name := range []string{"newuidmap", "newgidmap"} {
		if wrong := v.idTool(name); wrong != "" {
			f.Tools = append(f.Tools, wrong)
		}
	}
	switches, _ := v.read("/etc/nsswitch.conf")
	f.Users = v.ids(ctx, subIDSource(switches), "/etc/subuid", "getsubids", v.User)
	f.Groups = v.ids(ctx, subIDSource(switches), "/etc/subgid", "getsubids", "-g", v.User)
	return f
}

func (v View) ids(ctx context.Context, source, file, command string, args ...string) (s core.SubIDs) {
	if source != "files" {
		// Of others it cannot tell.
		text, err := v.tool(ctx, nil, command, args...)
		s.From = command + " " + strings.Join(args, " ")
		var exit *exec.ExitError
		s.Known = err == nil || errors.As(err, &exit)
		s.Own = getSubIDs(text)
		return s
	}
	text, ok := v.read(file)
	// Without the file nobody has any; one that cannot be read says nothing.
	s.From, s.Known = file, ok || !v.exists(file)
	s.Own, s.Others = subIDs(text, v.User, v.UID)
	return s
}

// idTool says what is wrong with newuidmap(1) or newgidmap(1): it needs the set-uid bit or
// a capability of its file, by distribution.
func (v View) idTool(name string) string {
	path, err := exec.LookPath(name)
	if v.root != "/" {
		path, err = "/usr/bin/"+name, nil
	}
	if err != nil {
		return name + " is not in the PATH"
	}
	fi, err := os.Stat(v.at(path))
	if errors.Is(err, os.ErrNotExist) {
		return name + " is not in the PATH"
	}
	if err != nil || fi.Mode()&os.ModeSetuid != 0 {
		return ""
	}
	if caps, err := v.getxattr(v.at(path), "security.capability"); err == nil && caps != "" {
		return ""
	}
	return path + " has neither the set-uid bit nor a file capability"
}

// Podman looks at Podman's version, configuration, storage and database. home and config
// are $HOME and the directory of the account's settings, storage is where the storage is
// unless a file says otherwise.
func (v View) Podman(ctx context.Context, home, config, storage string) core.PodmanFacts {
	p := core.PodmanFacts{Known: true}
	v.version(ctx, &p)
	conf := v.settings(home, config, &p.Mistakes)
	graph := storage
	if conf.graphRoot != "" {
		graph = conf.graphRoot
	}
	p.GraphRoot = core.Place{Path: graph, Kind: v.kind(graph)}
	if conf.runRoot != "" {
		p.RunRoot = core.Place{Path: conf.runRoot, Kind: v.kind(conf.runRoot)}
	}
	if conf.tmpDir != "" {
		p.TmpDir = core.Place{Path: conf.tmpDir, Kind: v.kind(conf.tmpDir)}
	}
	// getDBState of libpod/runtime.go.
	switch {
	case conf.database == "sqlite" || conf.database == "boltdb":
		p.Database = conf.database
	case v.exists(filepath.Join(graph, "db.sql")):
		p.Database = "sqlite"
	case v.exists(filepath.Join(graph, "libpod", "bolt_state.db")):
		p.Database = "boltdb"
	}
	return p
}

func (v View) version(ctx context.Context, p *core.PodmanFacts) {
	path, err := exec.LookPath("podman")
	if err != nil {
		p.Missing = true
		return
	}
	var env []string
	// Without it, it would make one for itself in /tmp.
	if dir := "/run/user/" + strconv.Itoa(v.UID); v.isDir(dir) {
		env = append(env, "XDG_RUNTIME_DIR="+dir)
	}
	text, err := v.tool(ctx, env, path, "--version")
	if err != nil {
		p.Err = err.Error()
		return
	}
	if p.Version = podmanVersion(text); p.Version == "" {
		line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
		p.Err = "it answers " + strconv.Quote(printable(line))
	}
}

// settings are what the files of Podman say that matters here.
type settings struct {
	graphRoot, runRoot, tmpDir, database string
}

// settings reads containers-storage.conf(5) and containers.conf(5) in their order.
func (v View) settings(home, config string, mistakes *[]string) (s settings) {
	expand := func(path string) string {
		path = os.Expand(path, func(name string) string {
			switch name {
			case "HOME":
				return home
			case "USER":
				return v.User
			case "UID":
				return strconv.Itoa(v.UID)
			}
			return v.Env(name)
		})
		if !filepath.IsAbs(path) {
			return ""
		}
		return filepath.Clean(path)
	}
	take := func(file string, parse func(string) error) {
		text, ok := v.read(file)
		if !ok {
			return
		}
		if err := parse(text); err != nil {
			*mistakes = append(*mistakes, file+": "+printable(err.Error()))
		}
	}
	// Of the site's file the account takes one line; its own says the rest.
	site := "/etc/containers/storage.conf"
	if !v.exists(site) {
		site = "/usr/share/containers/storage.conf"
	}
	take(site, func(text string) error {
		st, err := parseStorage(text)
		s.graphRoot = expand(st.RootlessPath)
		return err
	})
	own := filepath.Join(config, "containers", "storage.conf")
	if other := v.Env("CONTAINERS_STORAGE_CONF"); filepath.IsAbs(other) {
		own = other
	}
	take(own, func(text string) error {
		st, err := parseStorage(text)
		if path := expand(st.GraphRoot); path != "" {
			s.graphRoot = path
		} else if path := expand(st.RootlessPath); path != "" {
			s.graphRoot = path
		}
		s.runRoot = expand(st.RunRoot)
		return err
	})
	files := []string{"/usr/share/containers/containers.conf", "/etc/containers/containers.conf"}
	files = append(files, v.dropIns("containers.conf.d", []string{"/etc/containers"})...)
	own = filepath.Join(config, "containers")
	files = append(append(files, filepath.Join(own, "containers.conf")), v.dropIns("containers.conf.d", []string{own})...)
	if only := v.Env("CONTAINERS_CONF"); filepath.IsAbs(only) {
		files = []string{only}
	}
	for _, file := range files {
		take(file, func(text string) error {
			e, err := parseEngine(text)
			if path := expand(e.TmpDir); path != "" {
				s.tmpDir = path
			}
			if e.Database != "" {
				s.database = e.Database
			}
			return err
		})
	}
	return s
}

// storageTable is the table [storage] of storage.conf.
type storageTable struct {
	GraphRoot    string `toml:"graphroot"`
	RunRoot      string `toml:"runroot"`
	RootlessPath string `toml:"rootless_storage_path"`
}

func parseStorage(text string) (storageTable, error) {
	var file struct {
		Storage storageTable `toml:"storage"`
	}
	err := toml.Unmarshal([]byte(text), &file)
	return file.Storage, tomlError(err)
}

// engineTable is the table [engine] of containers.conf.
type engineTable struct {
	TmpDir   string `toml:"tmp_dir"`
	Database string `toml:"database_backend"`
}

func parseEngine(text string) (engineTable, error) {
	var file struct {
		Engine engineTable `toml:"engine"`
	}
	err := toml.Unmarshal([]byte(text), &file)
	return file.Engine, tomlError(err)
}

// tomlError says where the mistake is, and does not show the line.
func tomlError(err error) error {
	var at *toml.DecodeError
	if errors.As(err, &at) {
		row, _ := at.Position()
		return errors.New("line " + strconv.Itoa(row) + ": " + at.Error())
	}
	return err
}
