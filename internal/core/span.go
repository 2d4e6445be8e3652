package core

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Span is a time as people write it, and as keeper.toml and time.ParseDuration read it:
// 10s, 1m30s, 5m.
func Span(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// Never is what people write for a Thaw that keeper is to leave to them.
const Never = "never"

// plainSupervision has no methods: it is encoded field by field.
type plainSupervision Supervision

// supervisionJSON has times that people can read in place of nanoseconds.
type supervisionJSON struct {
	plainSupervision
	Interval string `json:"interval,omitempty"`
	Timeout  string `json:"timeout,omitempty"`
	Grace    string `json:"grace,omitempty"`
	Window   string `json:"window,omitempty"`
	Thaw     string `json:"thaw,omitempty"`
}

// spans are the times of s, each beside its text.
func (j *supervisionJSON) spans(s *Supervision) map[string]struct {
	text *string
	span *time.Duration
} {
	return map[string]struct {
		text *string
		span *time.Duration
	}{
		"interval": {&j.Interval, &s.Interval}, "timeout": {&j.Timeout, &s.Timeout}, "grace": {&j.Grace, &s.Grace},
		"window": {&j.Window, &s.Window}, "thaw": {&j.Thaw, &s.Thaw},
	}
}

// MarshalJSON writes times as Span has them, and a negative Thaw as "never".
// What embeds a Supervision and is encoded needs a MarshalJSON of its own.
func (s Supervision) MarshalJSON() ([]byte, error) {
	j := supervisionJSON{plainSupervision: plainSupervision(s)}
	for key, one := range j.spans(&s) {
		_, set := s.From[key]
		switch {
		case *one.span < 0 && key == "thaw":
			*one.text = Never
		case *one.span != 0 || set:
			*one.text = Span(*one.span)
		}
	}
	return json.Marshal(j)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (s *Supervision) UnmarshalJSON(data []byte) error {
	var j supervisionJSON
	if err := json.Unmarshal(data, &j); err != nil {
		return err
	}
	read := Supervision(j.plainSupervision)
	for key, one := range j.spans(&read) {
		switch text := *one.text; {
		case text == "":
		case text == Never && key == "thaw":
			*one.span = -1
		default:
			d, err := time.ParseDuration(text)
			if err != nil {
				return fmt.Errorf("cannot read %s of a service: %w", key, err)
			}
			*one.span = d
		}
	}
	*s = read
	return nil
}
