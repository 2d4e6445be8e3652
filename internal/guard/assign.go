package guard

import (
	"strconv"
	"strings"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"
)

// assign sets a variable.
func (s *shell) assign(a *syntax.Assign) {
	if a.Name == nil {
		return
	}
	name := a.Name.Value
	old := s.vars[name]
	switch {
	case a.Naked:
	case a.Array != nil:
		var values []string
		keys := map[string]string{}
		for _, e := range a.Array.Elems {
			if e.Index != nil {
				key := holeWord
				if w, ok := e.Index.(*syntax.Word); ok {
					key = s.literal(w)
				}
				keys[key] = s.literal(e.Value)
				values = append(values, keys[key])
				continue
			}
			if e.Value != nil {
				values = append(values, s.expandOne(e.Value)...)
			}
		}
		if old.Kind == expand.Associative && len(keys) > 0 {
			s.vars[name] = expand.Variable{Set: true, Kind: expand.Associative, Map: keys}
			return
		}
		if a.Append && old.Kind == expand.Indexed {
			values = append(append([]string(nil), old.List...), values...)
		}
		s.vars[name] = list(values)
	case a.Index != nil:
		s.inside(a.Index)
		value := s.literal(a.Value)
		w, ok := a.Index.(*syntax.Word)
		key := ""
		if ok {
			key = s.literal(w)
		}
		n, err := strconv.Atoi(key)
		switch {
		case old.Kind == expand.Associative && ok:
			keys := map[string]string{key: value}
			for k, v := range old.Map {
				if k != key && len(keys) < most {
					keys[k] = v
				}
			}
			s.vars[name] = expand.Variable{Set: true, Kind: expand.Associative, Map: keys}
		case err == nil && n >= 0 && n < most && (old.Kind == expand.Indexed || !old.Set):
			values := append([]string(nil), old.List...)
			for len(values) <= n {
				values = append(values, "")
			}
			values[n] = value
			s.vars[name] = list(values)
		default:
			s.vars[name] = list([]string{holeWord})
		}
	default:
		value := s.literal(a.Value)
		if a.Append && old.Kind == expand.String {
			value = old.Str + value
		}
		s.set(name, text(value))
	}
}

// declare is declare, local, export, readonly and typeset.
func (s *shell) declare(x *syntax.DeclClause) {
	kind := expand.Unknown
	for _, a := range x.Args {
		if a.Name == nil {
			switch opts := s.word(a.Value); {
			case strings.HasPrefix(opts, "-") && strings.Contains(opts, "A"):
				kind = expand.Associative
			case strings.HasPrefix(opts, "-") && strings.Contains(opts, "n"):
				kind = expand.NameRef
			}
			continue
		}
		if kind == expand.Associative {
			s.vars[a.Name.Value] = expand.Variable{Set: true, Kind: kind, Map: map[string]string{}}
		}
		s.assign(a)
		if v := s.vars[a.Name.Value]; kind == expand.NameRef && v.Kind == expand.String && syntax.ValidName(v.Str) {
			v.Kind = kind
			s.vars[a.Name.Value] = v
		}
	}
}
