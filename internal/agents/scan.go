package agents

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

// The most that settings may be.
const (
	maxSettings = 4 << 20
	maxDepth    = 100
)

// node is a JSON value and where it stands, so that a part can be put in or taken out
// without touching the rest.
type node struct {
	kind       byte // '{', '[', '"', or '0' for numbers and words
	start, end int  // src[start:end]
	src        []byte
	items      []item
	// tail is the end of what comes last before the closing bracket: of the opening
	// one, of the last value or of a comment.
	tail int
}

// item is a member of an object, or an element of an array.
type item struct {
	key string
	// lead is the end of what comes before it: a bracket, a comma or a comment. at is
	// where it starts, with its key.
	lead, at int
	value    *node
	// comma is where the comma after it is, -1 if there is none.
	comma int
}

// scanner reads JSON (RFC 8259), with comments if they are allowed.
type scanner struct {
	src      []byte
	pos      int
	depth    int
	comments bool
}

// scan reads a whole file. The last of two members of one name counts, as it does in
// JSON.parse.
func scan(src []byte, comments bool) (*node, error) {
	if len(src) > maxSettings {
		return nil, fmt.Errorf("it is %d bytes long, and the most is %d", len(src), maxSettings)
	}
	s := &scanner{src: src, comments: comments}
	s.pos = len(src) - len(bytes.TrimPrefix(src, []byte("\xef\xbb\xbf")))
	if _, err := s.blank(); err != nil {
		return nil, err
	}
	n, err := s.value()
	if err != nil {
		return nil, err
	}
	if _, err := s.blank(); err != nil {
		return nil, err
	}
	if s.pos < len(src) {
		return nil, s.wrong("something after the end")
	}
	return n, nil
}

// wrong is an error that says where.
func (s *scanner) wrong(what string) error {
	return fmt.Errorf("line %d: %s", 1+bytes.Count(s.src[:min(s.pos, len(s.src))], []byte("\n")), what)
}

func (s *scanner) next() byte {
	if s.pos < len(s.src) {
		return s.src[s.pos]
	}
	return 0
}

// blank skips blanks and comments, and returns the end of the last comment, or where
// it began.
func (s *scanner) blank() (int, error) {
	last := s.pos
	for s.pos < len(s.src) {
		switch c := s.src[s.pos]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			s.pos++
		case c == '/' && s.comments && bytes.HasPrefix(s.src[s.pos:], []byte("//")):
			end := bytes.IndexAny(s.src[s.pos:], "\r\n")
			if end < 0 {
				end = len(s.src) - s.pos
			}
			s.pos += end
			last = s.pos
		case c == '/' && s.comments && bytes.HasPrefix(s.src[s.pos:], []byte("/*")):
			end := bytes.Index(s.src[s.pos+2:], []byte("*/"))
			if end < 0 {
				return 0, s.wrong("a comment without an end")
			}
			s.pos += 2 + end + 2
			last = s.pos
		default:
			return last, nil
		}
	}
	return last, nil
}

func (s *scanner) value() (*node, error) {
	n := &node{start: s.pos, src: s.src}
	var err error
	switch c := s.next(); c {
	case '{', '[':
		n.kind = c
		if s.depth++; s.depth > maxDepth {
			return nil, s.wrong("it is nested too deeply")
		}
		err = s.container(n)
		s.depth--
	case '"':
		n.kind = '"'
		err = s.quoted()
	default:
		n.kind = '0'
		for s.pos < len(s.src) && (isAlnum(s.src[s.pos]) || bytes.IndexByte([]byte("+-."), s.src[s.pos]) >= 0) {
			s.pos++
		}
		if !json.Valid(s.src[n.start:s.pos]) {
			s.pos = n.start
			err = s.wrong("no value where one should be")
		}
	}
	n.end = s.pos
	return n, err
}

func isAlnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func (s *scanner) container(n *node) error {
	closing := n.kind + 2 // in ASCII
	s.pos++
	for {
		lead, err := s.blank()
		if err != nil {
			return err
		}
		n.tail = lead
		if s.next() == closing && len(n.items) == 0 {
			s.pos++
			return nil
		}
		it := item{lead: lead, at: s.pos, comma: -1}
		if n.kind == '{' {
			if s.next() != '"' {
				return s.wrong("a name in quotes should be here")
			}
			if err := s.quoted(); err != nil {
				return err
			}
			it.key = unquoted(s.src[it.at:s.pos])
			if _, err := s.blank(); err != nil {
				return err
			}
			if s.next() != ':' {
				return s.wrong("a colon should be here")
			}
			s.pos++
			if _, err := s.blank(); err != nil {
				return err
			}
		}
		if it.value, err = s.value(); err != nil {
			return err
		}
		if n.tail, err = s.blank(); err != nil {
			return err
		}
		switch s.next() {
		case ',':
			it.comma = s.pos
			s.pos++
			n.items = append(n.items, it)
		case closing:
			s.pos++
			n.items = append(n.items, it)
			return nil
		default:
			return s.wrong(fmt.Sprintf("a comma or %c should be here", closing))
		}
	}
}

// quoted skips a string.
func (s *scanner) quoted() error {
	start := s.pos
	for s.pos++; s.pos < len(s.src); s.pos++ {
		switch s.src[s.pos] {
		case '\\':
			s.pos++
		case '"':
			s.pos++
			if text := s.src[start:s.pos]; !json.Valid(text) || !utf8.Valid(text) {
				s.pos = start
				return s.wrong("a string that is none")
			}
			return nil
		case '\n':
			s.pos = start
			return s.wrong("a string without an end")
		}
	}
	s.pos = start
	return s.wrong("a string without an end")
}

func unquoted(text []byte) string {
	var s string
	if json.Unmarshal(text, &s) != nil {
		return ""
	}
	return s
}

// find is the last member of that name.
func (n *node) find(key string) (item, bool) {
	if n == nil || n.kind != '{' {
		return item{}, false
	}
	for i := len(n.items) - 1; i >= 0; i-- {
		if n.items[i].key == key {
			return n.items[i], true
		}
	}
	return item{}, false
}

// get follows members by their names: nil if one is missing.
func (n *node) get(keys ...string) *node {
	for _, key := range keys {
		it, _ := n.find(key)
		n = it.value
	}
	return n
}

// is says that a value is this word or number.
func (n *node) is(word string) bool {
	return n != nil && n.kind == '0' && string(n.src[n.start:n.end]) == word
}

// text is the value of a string, "" if it is none.
func (n *node) text() string {
	if n == nil || n.kind != '"' {
		return ""
	}
	return unquoted(n.src[n.start:n.end])
}

// list are the elements of an array.
func (n *node) list() []*node {
	if n == nil || n.kind != '[' {
		return nil
	}
	var list []*node
	for _, it := range n.items {
		list = append(list, it.value)
	}
	return list
}

// texts are the strings of an array.
func (n *node) texts() []string {
	var texts []string
	for _, e := range n.list() {
		if e.kind == '"' {
			texts = append(texts, e.text())
		}
	}
	return texts
}
