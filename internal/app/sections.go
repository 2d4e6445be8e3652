package app

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"

	"keeper/internal/config"
	"keeper/internal/core"
)

// sections keeps what the [X-Keeper] sections of the Quadlet files say. A file is
// read again only if it is another than it was: systemd lists the units often,
// and there may be hundreds.
type sections struct {
	// roots are where drop-ins of Quadlet files are.
	roots []string

	mu sync.Mutex
	// kept is what was read last, by unit.
	kept map[string]section
}

// section is what was read of one unit.
type section struct {
	// stamps tell its files apart from what they may become.
	stamps string
	said   core.Supervision
	errs   []string
}

// fill puts what is said of the units beside them. A nil one knows of nothing.
func (s *sections) fill(seen core.UnitsSeen) core.UnitsSeen {
	if s == nil || seen.Err != "" {
		return seen
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	found := config.FindQuadlets(s.roots...)
	kept := make(map[string]section, len(seen.Units))
	seen.Sections, seen.SectionErrs = map[string]core.Supervision{}, map[string][]string{}
	for _, u := range seen.Units {
		if !u.IsService() || u.Source == "" {
			continue
		}
		files := found.UnitFiles(u.Source)
		stamps := stampsOf(files)
		one, is := s.kept[u.Name]
		if !is || one.stamps != stamps {
			said, mistakes := config.ReadUnit(files...)
			one = section{stamps: stamps, said: said, errs: mistakes.Lines()}
		}
		kept[u.Name] = one
		if one.said.From != nil {
			seen.Sections[u.Name] = one.said
		}
		if len(one.errs) > 0 {
			seen.SectionErrs[u.Name] = slices.Clone(one.errs)
		}
	}
	s.kept = kept
	return seen
}

// stampsOf says what tells the files apart from what they were: which, and of
// each its inode, size and time of change.
func stampsOf(files []string) string {
	var b strings.Builder
	for _, file := range files {
		fi, err := os.Stat(file)
		if err != nil {
			fmt.Fprintf(&b, "%s: %v\n", file, err)
			continue
		}
		var inode uint64
		if st, is := fi.Sys().(*syscall.Stat_t); is {
			inode = st.Ino
		}
		fmt.Fprintf(&b, "%s: %d %d %d %s\n", file, fi.ModTime().UnixNano(), fi.Size(), inode, fi.Mode())
	}
	return b.String()
}
