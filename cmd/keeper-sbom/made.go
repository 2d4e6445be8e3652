package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// module is one that a program is linked with; path std is Go itself.
type module struct {
	path, version, sum string
}

// program is what the linker wrote into one.
type program struct {
	name, sha256 string
	modules      []module
}

// makeup is what a set of programs is made of.
type makeup struct{ programs []program }

// read reads what the linker wrote into each program.
func read(files []string) (makeup, error) {
	var m makeup
	for _, file := range files {
		info, err := buildinfo.ReadFile(file)
		if err != nil {
			return m, fmt.Errorf("cannot read of what %s is made: %w; it must be a program that Go built", file, err)
		}
		data, err := os.ReadFile(file)
		if err != nil {
			return m, err
		}
		sum := sha256.Sum256(data)
		p := program{name: filepath.Base(file), sha256: hex.EncodeToString(sum[:])}
		// "go1.26.8 X:experiment" where there are experiments.
		release, _, _ := strings.Cut(info.GoVersion, " ")
		p.modules = append(p.modules, module{path: "std", version: strings.TrimPrefix(release, "go")})
		for _, d := range info.Deps {
			if d.Replace != nil {
				d = d.Replace
			}
			p.modules = append(p.modules, module{d.Path, d.Version, d.Sum})
		}
		m.programs = append(m.programs, p)
	}
	return m, nil
}

// modules are those of all programs, each once, in order.
func (m makeup) modules() []module {
	all := map[module]bool{}
	for _, p := range m.programs {
		for _, mod := range p.modules {
			all[mod] = true
		}
	}
	return slices.SortedFunc(maps.Keys(all), func(a, b module) int {
		return cmp.Or(strings.Compare(a.path, b.path), strings.Compare(a.version, b.version))
	})
}

// purl names the module for those who compare such lists (package-url.org).
func (m module) purl() string {
	return "pkg:golang/" + m.path + "@" + strings.ReplaceAll(m.version, "+", "%2B")
}

// The parts of CycloneDX 1.5 that are used: cyclonedx.org/docs/1.5/json.
type (
	document struct {
		Format       string       `json:"bomFormat"`
		Spec         string       `json:"specVersion"`
		Version      int          `json:"version"`
		Metadata     metadata     `json:"metadata"`
		Components   []component  `json:"components"`
		Dependencies []dependency `json:"dependencies"`
	}
	metadata struct {
		Timestamp string    `json:"timestamp,omitempty"`
		Component component `json:"component"`
	}
	component struct {
		Type       string     `json:"type"`
		Ref        string     `json:"bom-ref"`
		Name       string     `json:"name"`
		Version    string     `json:"version"`
		Purl       string     `json:"purl,omitempty"`
		Hashes     []hash     `json:"hashes,omitempty"`
		Properties []property `json:"properties,omitempty"`
	}
	hash struct {
		Alg     string `json:"alg"`
		Content string `json:"content"`
	}
	property struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	dependency struct {
		Ref       string   `json:"ref"`
		DependsOn []string `json:"dependsOn"`
	}
)

// bom is the bill of materials of keeper in that version, which depends on its
// programs, each of which depends on its modules.
func (m makeup) bom(version, epoch string) ([]byte, error) {
	d := document{Format: "CycloneDX", Spec: "1.5", Version: 1}
	if epoch != "" {
		s, err := strconv.ParseInt(epoch, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
		}
		d.Metadata.Timestamp = time.Unix(s, 0).UTC().Format(time.RFC3339)
	}
	// Not the name of the program, which is a component of its own.
	all := dependency{Ref: "keeper@" + version}
	d.Metadata.Component = component{Type: "application", Ref: all.Ref, Name: "keeper", Version: version}
	var each []dependency
	for _, p := range m.programs {
		ref := "program:" + p.name
		all.DependsOn = append(all.DependsOn, ref)
		d.Components = append(d.Components, component{Type: "application", Ref: ref, Name: p.name, Version: version, Hashes: []hash{{"SHA-256", p.sha256}}})
		needs := dependency{Ref: ref}
		for _, mod := range p.modules {
			needs.DependsOn = append(needs.DependsOn, mod.purl())
		}
		each = append(each, needs)
	}
	d.Dependencies = append([]dependency{all}, each...)
	for _, mod := range m.modules() {
		c := component{Type: "library", Ref: mod.purl(), Name: mod.path, Version: mod.version, Purl: mod.purl()}
		if mod.sum != "" {
			// A hash of a list of hashes, which go.sum and sum.golang.org have.
			c.Properties = []property{{"go:sum", mod.sum}}
		}
		d.Components = append(d.Components, c)
	}
	data, err := json.MarshalIndent(d, "", "  ")
	return append(data, '\n'), err
}

// licenseFile matches what modules call their licenses.
var licenseFile = regexp.MustCompile(`(?i)^(licen[cs]es?|copying|notice|copyright|unlicense)([-._].*)?$`)

// licenses are the texts that go with the programs, of all modules and of Go.
func (m makeup) licenses(ctx context.Context) ([]byte, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMODCACHE", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("cannot ask go where its modules are: %w", err)
	}
	cache, root, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	var b bytes.Buffer
	b.WriteString("keeper's programs are linked with these modules, under these terms.\n")
	for _, mod := range m.modules() {
		dir := filepath.Join(cache, escape(mod.path)+"@"+escape(mod.version))
		if mod.path == "std" {
			dir = root
		}
		entries, err := os.ReadDir(dir)
		if err != nil {
			return nil, fmt.Errorf("cannot find %s: %w; to fetch it: go mod download", mod.path, err)
		}
		found := false
		for _, e := range entries {
			if !e.Type().IsRegular() || !licenseFile.MatchString(e.Name()) || strings.HasSuffix(e.Name(), ".go") {
				continue
			}
			text, err := os.ReadFile(filepath.Join(dir, e.Name()))
			if err != nil {
				return nil, err
			}
			found = true
			fmt.Fprintf(&b, "\n==== %s %s, %s\n\n%s\n", mod.path, mod.version, e.Name(), bytes.TrimSpace(text))
		}
		if !found {
			return nil, fmt.Errorf("%s %s has no license that could go along (looked in %s)", mod.path, mod.version, dir)
		}
	}
	return b.Bytes(), nil
}

// escape is how the module cache writes upper case: ! and the lower one
// (golang.org/x/mod/module.EscapePath).
func escape(s string) string {
	var b strings.Builder
	for _, r := range s {
		if unicode.IsUpper(r) {
			b.WriteByte('!')
			r = unicode.ToLower(r)
		}
		b.WriteRune(r)
	}
	return b.String()
}
