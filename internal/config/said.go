package config

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"keeper/internal/core"
)

// Said is what a Quadlet file and its drop-ins say of what bears on survival and is not
// to be had from systemd.
type Said struct {
	// Unit is the service.
	Unit string
	// Variables are those of the environment, EnvFiles the files with more of them
	// (EnvironmentFile=), as absolute paths.
	Variables []Variable
	EnvFiles  []string
	Ports     []core.PublishedPort
	// Bare are where volumes without a source are mounted.
	Bare []string
}

// Variable is a variable of an environment, and the file that it stands in.
type Variable struct{ File, Name, Value string }

// Said reads a Quadlet file with its drop-ins, as Quadlet does: a value adds to those
// before, and an empty one forgets them.
func (q Quadlets) Said(source, home string) Said {
	files := q.UnitFiles(source)
	s := Said{Unit: serviceOf(files)}
	dir := filepath.Dir(source)
	for _, file := range files {
		data, _, err := loadUnit(file)
		if err != nil {
			continue // whoever looks whether it is loaded says so
		}
		for _, l := range unitLines(string(data)) {
			switch l.section {
			case "Container", "Pod", "Kube", "Service":
				s.line(l, file, dir, home)
			}
		}
	}
	for i := range s.Ports {
		s.Ports[i].Unit, s.Ports[i].File = s.Unit, source
	}
	return s
}

func (s *Said) line(l unitLine, file, dir, home string) {
	switch l.key {
	case "Environment":
		if l.value == "" {
			s.Variables = nil
		}
		words, _ := split(l.value)
		for _, w := range words {
			s.variable(w, file)
		}
	case "PodmanArgs":
		words, _ := split(l.value)
		for i, w := range words {
			name, value, joined := strings.Cut(w, "=")
			switch {
			case name != "--env" && name != "-e":
			case joined:
				s.variable(value, file)
			case i+1 < len(words):
				s.variable(words[i+1], file)
			}
		}
	case "EnvironmentFile":
		if l.value == "" {
			s.EnvFiles = nil
		} else if path := strings.ReplaceAll(strings.TrimPrefix(strings.Trim(l.value, `"`), "-"), "%h", home); !strings.Contains(path, "%") {
			if !filepath.IsAbs(path) {
				path = filepath.Join(dir, path)
			}
			s.EnvFiles = append(s.EnvFiles, path)
		}
	case "PublishPort":
		if l.value == "" {
			s.Ports = nil
		} else if p, ok := publishedPort(strings.Trim(l.value, `"`)); ok {
			s.Ports = append(s.Ports, p)
		}
	case "Volume":
		switch v := strings.Trim(l.value, `"`); {
		case v == "":
			s.Bare = nil
		case filepath.IsAbs(v) && !strings.Contains(v, ":"):
			s.Bare = append(s.Bare, filepath.Clean(v))
		}
	}
}

func (s *Said) variable(word, file string) {
	if name, value, ok := strings.Cut(word, "="); ok {
		s.Variables = append(s.Variables, Variable{file, name, value})
	}
}

// EnvVariables reads a file of variables, NAME=VALUE, as podman run --env-file does.
func EnvVariables(file string) []Variable {
	data, _, err := loadUnit(file)
	if err != nil {
		return nil
	}
	s := Said{}
	for l := range strings.Lines(string(data)) {
		if l = strings.TrimSpace(l); l != "" && l[0] != '#' {
			s.variable(l, file)
		}
	}
	return s.Variables
}

// publishedPort reads [[IP:][HOST]:]PORT[/PROTOCOL], each port a number or a range. One
// that Podman chooses clashes with nobody.
func publishedPort(value string) (p core.PublishedPort, ok bool) {
	value, protocol, found := strings.Cut(value, "/")
	if !found {
		protocol = "tcp"
	}
	i := strings.LastIndexByte(value, ':')
	if i < 0 {
		return p, false
	}
	host, port := "", value[:i]
	if j := strings.LastIndexByte(port, ':'); j >= 0 {
		host, port = strings.Trim(port[:j], "[]"), port[j+1:]
	}
	first, last, ranged := strings.Cut(port, "-")
	if !ranged {
		last = first
	}
	a, err1 := strconv.ParseUint(first, 10, 16)
	b, err2 := strconv.ParseUint(last, 10, 16)
	p = core.PublishedPort{Host: host, First: int(a), Last: int(b), Protocol: strings.ToLower(protocol)}
	return p, err1 == nil && err2 == nil && 0 < a && a <= b && slices.Contains([]string{"tcp", "udp", "sctp"}, p.Protocol)
}
