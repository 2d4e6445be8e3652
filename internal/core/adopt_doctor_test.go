package core

import (
	"slices"
	"testing"
)

func TestDiagnoseContainers(t *testing.T) {
	t.Parallel()
	h := healthy()
	h.Units = append(h.Units, Unit{Name: "own.service", Kind: "container", Active: "inactive", Container: "own", Wanted: true})
	h.SettingsErrs = []string{"/f:1: x: y"}
	h.Adoption = AdoptionInterrupted
	h.Unkept = []Unkept{{Name: "a", ID: "1"}, {Name: "b", ID: "2", Throwaway: true}, {Name: "own", ID: "3"}}
	h.Drift = []Drift{{Unit: "db.service", Against: "container", Try: "x"}, {Unit: "db.service", Against: "compose"}}
	h.DriftErrs, h.HelperErr = []string{"no socket"}, "no program"
	got := map[string]Finding{}
	var words []string
	for _, f := range Diagnose(h) {
		if f.Severity != Good {
			w := string(f.Severity) + " " + f.ID
			words = append(words, w)
			got[w] = f
		}
	}
	want := []string{"warn settings", "warn adoption", "warn without-unit", "info without-unit", "info without-unit", "warn drift", "info drift", "info drift", "info drift"}
	if !slices.Equal(words, want) {
		t.Errorf("got %v, want %v", words, want)
	}
	if f := got["warn without-unit"]; f.What != "a runs without a unit" || f.Fix != "keeper adopt a" {
		t.Errorf("got %+v", f)
	}
	if f := got["info without-unit"]; f.Fix != "keeper adopt --apply own" {
		t.Errorf("got %+v", f)
	}
	if f := got["warn adoption"]; f.Fix != "keeper adopt --undo" {
		t.Errorf("got %+v", f)
	}
}
