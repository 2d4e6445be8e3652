package control

import (
	"fmt"
	"strings"
	"testing"

	"keeper/internal/core"
)

func TestProblemsOfContainers(t *testing.T) {
	t.Parallel()
	hand := func(names ...string) []core.Unkept {
		var list []core.Unkept
		for _, n := range names {
			list = append(list, core.Unkept{Name: n, ID: n})
		}
		return list
	}
	outside := func(s *Status) {
		s.Units[0] = core.Unit{Name: "db.service", Kind: "container", Active: "inactive", Container: "db", Needs: []string{"data-volume.service"}}
		s.Units[1].Active, s.Units[1].Sub = "inactive", "dead"
		s.Unkept = []core.Unkept{{Name: "db", ID: "1", Unit: "db.service"}}
	}
	for name, tt := range map[string]struct {
		change func(s *Status)
		want   []string // what and try, of each
	}{
		"one":                 {func(s *Status) { s.Unkept = hand("db") }, []string{"db runs without a unit: it does not come back after its session ends|keeper adopt db"}},
		"some":                {func(s *Status) { s.Unkept = hand("a", "b") }, []string{"a, b run without units: they do not come back after their session ends|keeper adopt --all"}},
		"many":                {func(s *Status) { s.Unkept = hand("a", "b", "c", "d", "e", "f", "g") }, []string{"a, b, c, d, e and 2 more run without units: they do not come back after their session ends|keeper adopt --all"}},
		"what is thrown away": {func(s *Status) { s.Unkept = []core.Unkept{{Name: "a", Throwaway: true}} }, nil},
		"one that was refused": {func(s *Status) {
			s.Unkept = []core.Unkept{{Name: "a", Refused: "it was written to", Try: "podman diff a"}}
		},
			[]string{"a runs without a unit, and none was written: it was written to|podman diff a"}},
		"nobody can write": {func(s *Status) { s.AdoptError = "there is no keeper-adopt" }, []string{"no unit could be written: there is no keeper-adopt|keeper adopt --all"}},
		// To start the unit, or its volume, is not what anybody should type.
		"one that has a unit for its next start": {outside, nil},
		"one that has a unit, and has ended": {func(s *Status) { outside(s); s.Unkept = nil },
			[]string{"db.service is inactive|systemctl --user start db", "data-volume.service is inactive|systemctl --user start data-volume"}},
		"an adoption that was interrupted": {func(s *Status) { s.Adoption = core.AdoptionInterrupted }, []string{"an adoption of containers was interrupted half-way|keeper adopt --undo"}},
		"an adoption that goes on":         {func(s *Status) { s.Adoption = core.AdoptionUnderway }, nil},
		"a unit that is down meanwhile": {func(s *Status) {
			s.Adoption, s.Units[0].Active, s.Units[0].Sub = core.AdoptionUnderway, "inactive", "dead"
		},
			[]string{"db.service is inactive; an adoption of containers is under way, and starts its units itself|"}},
		"settings":      {func(s *Status) { s.Settings.Errors = []string{"/f:1: x: y"} }, []string{"the settings are not taken, and those before stay in force: /f:1: x: y|keeper config check"}},
		"more settings": {func(s *Status) { s.Settings.Errors = []string{"/f:1: x: y", "/f:2: z", "/f:3: z"} }, []string{"the settings are not taken, and those before stay in force: /f:1: x: y (and 2 more)|keeper config check"}},
		"drift is none": {func(s *Status) { s.Drift, s.DriftErrors = []core.Drift{{Unit: "db.service"}}, []string{"no socket"} }, nil},
	} {
		s := well()
		tt.change(&s)
		var got []string
		for _, p := range Problems(s) {
			got = append(got, p.What+"|"+p.Try)
		}
		if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", tt.want) {
			t.Errorf("%s:\ngot  %q\nwant %q", name, got, strings.Join(tt.want, `" "`))
		}
	}
}
