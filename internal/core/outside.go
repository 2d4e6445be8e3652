package core

import "slices"

// UnkeptNow returns the containers that run without a unit, with what is known
// of a unit for each.
func (s State) UnkeptNow() []Unkept {
	var list []Unkept
	for _, u := range s.Unkept {
		if w, ok := s.written[u.ID]; ok {
			u.Unit, u.File = w.Unit, w.File
		}
		if r, ok := s.refused[u.ID]; ok {
			u.Refused, u.Try = r.Reason, r.Try
		}
		if unit, ok := unitFor(s.Units, u.Name); ok {
			if !unit.down() {
				continue // the unit runs, whatever the cgroups say
			}
			u.Unit, u.File, u.Refused, u.Try = unit.Name, unit.Source, "", ""
		}
		list = append(list, u)
	}
	return list
}

// down says that nothing of the unit runs or is about to.
func (u Unit) down() bool { return u.Active == "inactive" || u.Active == "failed" }

// unitFor returns the unit whose container has that name. Where several have it,
// that is the one that is not down, or else the first by name: the answer must
// not be another each time.
func unitFor(units map[string]Unit, container string) (Unit, bool) {
	var best Unit
	for _, u := range units {
		if u.Kind != "container" || u.Container != container {
			continue
		}
		switch {
		case best.Name == "", best.down() && !u.down(), best.down() == u.down() && u.Name < best.Name:
			best = u
		}
	}
	return best, best.Name != ""
}

// Outside returns the units that are down while their containers run without
// them, each with the name of the container. To start such a unit is to replace
// what runs.
func Outside(units map[string]Unit, unkept []Unkept) map[string]string {
	out := map[string]string{}
	for _, c := range unkept {
		if u, ok := unitFor(units, c.Name); !ok || !u.down() {
			continue
		}
		// Should several have that name, none of them runs.
		for _, u := range units {
			if u.Kind == "container" && u.Container == c.Name {
				out[u.Name] = c.Name
			}
		}
	}
	return out
}

// OnlyFor says whether the unit is down, and there for nothing but units that
// are Outside: their volumes, networks and pods.
func OnlyFor(u Unit, units map[string]Unit, outside map[string]string) bool {
	if !u.down() || u.Kind == "container" || u.Kind == "kube" {
		return false
	}
	needed := false
	for _, other := range units {
		if !slices.Contains(other.Needs, u.Name) || other.Kind != "container" {
			continue
		}
		if _, out := outside[other.Name]; !out {
			return false
		}
		needed = true
	}
	return needed
}

// outsideAmong returns one of the units that are Outside.
func outsideAmong(outside map[string]string, units []string) string {
	for _, name := range units {
		if _, ok := outside[name]; ok {
			return name
		}
	}
	return ""
}
