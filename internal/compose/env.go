package compose

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"keeper/internal/quadlet"
)

// environment sets variables and files of them. Podman and Compose agree on the
// order: --env wins over --env-file, and a later file over an earlier one.
func (s *service) environment() error {
	vars := map[string]string{}   // of files that Podman would read otherwise
	before := map[string]string{} // of all files so far
	for _, f := range s.in.EnvFiles {
		if _, err := os.Stat(f.Path); errors.Is(err, fs.ErrNotExist) && !bool(f.Required) {
			s.hint("env_file", fmt.Sprintf("%s is not there, and is not required", f.Path), "")
			continue
		}
		mine := maps.Clone(before)
		if err := s.scanner.variables(f.Path, f.Format, s.env, mine); err != nil {
			return fmt.Errorf("%w (%s: services.%s.env_file)", err, s.scanner.place("services", s.in.Name, "env_file"), s.in.Name)
		}
		data, err := s.scanner.read(f.Path)
		if err != nil {
			return err
		}
		for _, k := range slices.Sorted(maps.Keys(mine)) {
			if v, ok := before[k]; !ok || v != mine[k] {
				s.pointOut(k, mine[k], " (in "+f.Path+")")
			}
		}
		// Once a file is resolved, a later one must not stand behind its values.
		if plain(data) && f.Format == "" && len(vars) == 0 {
			s.set("env-file", f.Path)
		} else {
			for k, v := range mine {
				if w, ok := before[k]; !ok || v != w || hasKey(vars, k) {
					vars[k] = v
				}
			}
			why := "Podman would read its quotes, $ and lines otherwise than Compose"
			if plain(data) && f.Format == "" {
				why = "they win over those of a file before it that is written into the unit"
			}
			s.hint("env_file", fmt.Sprintf("the values of %s are written into the unit: %s", f.Path, why),
				"plain lines of KEY=VALUE in all of them; the unit then names the files")
		}
		before = mine
	}
	for _, k := range slices.Sorted(maps.Keys(s.in.Environment)) {
		v := s.in.Environment[k]
		if v == nil {
			s.hint("environment."+k, fmt.Sprintf("%s has no value, in the file and in this shell, and is left out", k), k+"=VALUE in .env beside the first file")
			continue
		}
		vars[k] = *v
		s.pointOut(k, *v, "")
	}
	for _, k := range slices.Sorted(maps.Keys(vars)) {
		s.set("env", k+"="+vars[k])
	}
	return nil
}

func hasKey(m map[string]string, k string) bool { _, ok := m[k]; return ok }

var plainLine = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.]*=(?:[^\s"'$#\\][^"'$#\\]*)?$`)

// plain says whether Podman and Compose read the same in a file of variables.
// podman run --env-file takes each line as it stands, quotes and trailing
// blanks included, and knows comments at the beginning of a line alone.
func plain(data []byte) bool {
	if !utf8.Valid(data) || bytes.HasPrefix(data, []byte("\xef\xbb\xbf")) || bytes.ContainsAny(data, "\r\x00\u0085\u00a0") {
		return false
	}
	for _, line := range strings.Split(string(data), "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if !plainLine.MatchString(line) || strings.TrimRight(line, " \t\v\f") != line {
			return false
		}
	}
	return true
}

// pointOut says where a password seems to be in the environment, and never
// which.
func (s *service) pointOut(key, value, where string) {
	if !quadlet.LooksSecret(key, value) {
		return
	}
	s.hint("env."+key, fmt.Sprintf("%s of the service %s looks like a secret%s, and podman inspect shows it to anybody of the account", key, s.in.Name, where), "keeper adopt --secrets")
}

// labels are those of the file and of its label_files, which it wins over.
func (s *service) labels() error {
	all := map[string]string{}
	for _, f := range s.in.LabelFiles {
		if err := s.scanner.variables(f, "", nil, all); err != nil {
			return err
		}
	}
	maps.Copy(all, s.in.Labels)
	s.setMap("label", all)
	s.setMap("annotation", s.in.Annotations)
	return nil
}
