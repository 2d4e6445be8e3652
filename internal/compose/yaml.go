package compose

import (
	"fmt"
	"iter"
	"regexp"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"go.yaml.in/yaml/v4"
)

// cost is what a document becomes once its aliases are written out.
type cost struct {
	nodes, bytes int
	dollars      int
	work         int // of substitution: it is quadratic
}

// plus adds, and stays at most: a bomb has more than any number holds.
func (c cost) plus(d cost) cost {
	add := func(a, b int) int { return min(a+b, 1<<40) }
	return cost{add(c.nodes, d.nodes), add(c.bytes, d.bytes), add(c.dollars, d.dollars), add(c.work, d.work)}
}

type weigher struct {
	known map[*yaml.Node]cost
	open  map[*yaml.Node]bool
}

func (w weigher) weigh(n *yaml.Node, depth int) (cost, error) {
	if depth > maxDepth {
		return cost{}, fmt.Errorf("%d: values are nested more than %d deep", n.Line, maxDepth)
	}
	if c, ok := w.known[n]; ok {
		return c, nil
	}
	if w.open[n] {
		return cost{}, fmt.Errorf("%d: an alias stands within what it stands for (*%s)", n.Line, n.Anchor)
	}
	w.open[n] = true
	defer delete(w.open, n)
	c := cost{nodes: 1, bytes: len(n.Value)}
	if n.Kind == yaml.ScalarNode {
		c.dollars = strings.Count(n.Value, "$")
		c.work = c.dollars * len(n.Value)
	}
	kids := n.Content
	if n.Kind == yaml.AliasNode {
		c.bytes = 0
		kids = []*yaml.Node{n.Alias}
	}
	for _, kid := range kids {
		if kid == nil {
			continue
		}
		k, err := w.weigh(kid, depth+1)
		if err != nil {
			return cost{}, err
		}
		c = c.plus(k)
	}
	w.known[n] = c
	return c, nil
}

// deref goes through documents and aliases.
func deref(n *yaml.Node) *yaml.Node {
	for range maxDepth {
		switch {
		case n == nil:
			return nil
		case n.Kind == yaml.AliasNode:
			n = n.Alias
		case n.Kind == yaml.DocumentNode:
			if len(n.Content) == 0 {
				return nil
			}
			n = n.Content[0]
		default:
			return n
		}
	}
	return nil
}

// pairs are the keys and values of a mapping, those that << brings included.
func pairs(n *yaml.Node) iter.Seq2[string, *yaml.Node] {
	return func(yield func(string, *yaml.Node) bool) { each(n, yield, 0) }
}

func each(n *yaml.Node, yield func(string, *yaml.Node) bool, depth int) bool {
	n = deref(n)
	if n == nil || n.Kind != yaml.MappingNode || depth > maxDepth {
		return true
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := deref(n.Content[i])
		if key == nil {
			continue
		}
		if key.Value == "<<" {
			for _, merged := range list(n.Content[i+1]) {
				if !each(merged, yield, depth+1) {
					return false
				}
			}
			continue
		}
		if !yield(key.Value, deref(n.Content[i+1])) {
			return false
		}
	}
	return true
}

func child(n *yaml.Node, key string) *yaml.Node {
	for k, v := range pairs(n) {
		if k == key {
			return v
		}
	}
	return nil
}

// list are the items of a list, or the one thing that stands in place of one.
func list(n *yaml.Node) []*yaml.Node {
	n = deref(n)
	if n == nil {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		return []*yaml.Node{n}
	}
	var items []*yaml.Node
	for _, item := range n.Content {
		if item = deref(item); item != nil {
			items = append(items, item)
		}
	}
	return items
}

func scalar(n *yaml.Node) string {
	if n = deref(n); n == nil || n.Kind != yaml.ScalarNode {
		return ""
	}
	return n.Value
}

var portRange = regexp.MustCompile(`(\d+)-(\d+)`)

// portsOf is how many ports an entry of ports: becomes. compose-go does not say
// where one stands that is wrong.
func (s *scanner) portsOf(n *yaml.Node, env map[string]string) (int, error) {
	text := scalar(n)
	if n.Kind == yaml.MappingNode {
		text = scalar(child(n, "published"))
	}
	text = s.expand(text, env)
	most := 1
	for _, m := range portRange.FindAllStringSubmatch(text, -1) {
		from, err1 := strconv.Atoi(m[1])
		to, err2 := strconv.Atoi(m[2])
		if err1 == nil && err2 == nil {
			most = max(most, min(to, 1<<16)-max(from, 0)+1)
		}
	}
	if n.Kind != yaml.ScalarNode || strings.Contains(text, "$") || most > 1000 {
		return most, nil
	}
	if _, err := types.ParsePortConfig(text); err != nil {
		return 0, fmt.Errorf("%q: %w", text, err)
	}
	return most, nil
}

// place finds where in the files a path of keys stands, as deep as it goes:
// FILE:LINE. The last file wins, as it does when they are merged.
func (s *scanner) place(path ...string) string {
	best, at := -1, ""
	for i := len(s.docs) - 1; i >= 0; i-- {
		n, depth := deref(s.docs[i].root), 0
		line := 0
		for _, key := range path {
			next, l := step(n, key)
			if next == nil {
				break
			}
			n, line = next, l
			depth++
		}
		if depth > best {
			best, at = depth, s.docs[i].path
			if line > 0 {
				at = fmt.Sprintf("%s:%d", at, line)
			}
		}
	}
	return at
}

// step goes one key, or index, further down.
func step(n *yaml.Node, key string) (*yaml.Node, int) {
	n = deref(n)
	if n == nil {
		return nil, 0
	}
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == key {
				return deref(n.Content[i+1]), n.Content[i].Line
			}
		}
	case yaml.SequenceNode:
		if i, err := strconv.Atoi(strings.Trim(key, "[]")); err == nil && i >= 0 && i < len(n.Content) {
			return deref(n.Content[i]), n.Content[i].Line
		}
	}
	return nil, 0
}

// placed is a single value in the files: its path of keys, and FILE:LINE.
type placed struct {
	path []string
	at   string
}

// where finds the single values that hold one of the texts, also where an alias
// brings them.
func (s *scanner) where(texts map[string]map[string]bool) map[string][]placed {
	found := map[string][]placed{}
	var visit func(d document, n *yaml.Node, path []string)
	visit = func(d document, n *yaml.Node, path []string) {
		if n = deref(n); n == nil || len(path) > maxDepth {
			return
		}
		below := func(key string) []string {
			if key == "<<" {
				return path
			}
			return append(path[:len(path):len(path)], key)
		}
		switch n.Kind {
		case yaml.ScalarNode:
			if texts[n.Value] != nil {
				found[n.Value] = append(found[n.Value], placed{path, fmt.Sprintf("%s:%d", d.path, n.Line)})
			}
		case yaml.SequenceNode:
			for i, c := range n.Content {
				visit(d, c, below(strconv.Itoa(i)))
			}
		case yaml.MappingNode:
			for i := 0; i+1 < len(n.Content); i += 2 {
				visit(d, n.Content[i+1], below(n.Content[i].Value))
			}
		}
	}
	for _, d := range s.docs {
		visit(d, d.root, nil)
	}
	return found
}
