package everyone

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"

	"keeper/internal/control"
	"keeper/internal/core"
)

// Bounds of what is believed of an answer, and of what is kept of it.
const (
	maxDepth    = 32
	maxValues   = 200_000
	maxServices = 2_000
	maxProblems = 20
	maxFindings = 200
	maxText     = 400
)

// status is what is read of keeper status --json: little of it, for a short text can be
// made to fill the memory with empty units.
type status struct {
	Version   int    `json:"version"`
	User      string `json:"user"`
	UID       *int64 `json:"uid"`
	Stale     bool   `json:"stale"`
	NotKept   bool   `json:"not_kept"`
	Well      bool   `json:"well"`
	StandDown *struct {
		Cause  string `json:"cause"`
		Detail string `json:"detail"`
	} `json:"stand_down"`
	Daemon struct {
		Release string `json:"release"`
	} `json:"daemon"`
	Services []struct {
		Desired core.Desired      `json:"desired"`
		State   core.ServiceState `json:"state"`
	} `json:"services"`
	Problems []control.Problem `json:"problems"`
}

// findings is what is read of keeper doctor --json.
type findings struct {
	Version  int       `json:"version"`
	User     string    `json:"user"`
	UID      *int64    `json:"uid"`
	Findings []Finding `json:"findings"`
}

// Finding is what the doctor found, without what could be done about it by --fix.
type Finding struct {
	ID       string        `json:"id"`
	Severity core.Severity `json:"severity"`
	What     string        `json:"what"`
	Means    string        `json:"means,omitempty"`
	Fix      string        `json:"fix,omitempty"`
}

func readStatus(data []byte, a Account) (status, error) {
	var s status
	if err := decode(data, &s); err != nil {
		return s, err
	}
	if err := about(a, s.Version, control.WireVersion, s.UID); err != nil {
		return s, err
	}
	if len(s.Services) > maxServices {
		return s, fmt.Errorf("it claims to have %d services", len(s.Services))
	}
	s.Daemon.Release = clean(s.Daemon.Release)
	if s.StandDown != nil {
		s.StandDown.Cause, s.StandDown.Detail = clean(s.StandDown.Cause), clean(s.StandDown.Detail)
	}
	s.Problems = slices.Clone(s.Problems[:min(len(s.Problems), maxProblems)])
	for i := range s.Problems {
		p := &s.Problems[i]
		p.What, p.Try = clean(p.What), clean(p.Try)
	}
	return s, nil
}

func readFindings(data []byte, a Account) ([]Finding, error) {
	var f findings
	if err := decode(data, &f); err != nil {
		return nil, err
	}
	if err := about(a, f.Version, core.DoctorVersion, f.UID); err != nil {
		return nil, err
	}
	if f.Findings == nil {
		return nil, errors.New("its doctor found nothing at all, not even what is well")
	}
	list := []Finding{}
	for _, v := range f.Findings {
		switch v.Severity {
		case core.Good, core.Info:
			continue
		case core.Warn, core.Bad:
		default:
			return nil, fmt.Errorf("a finding of its doctor is %q", clean(string(v.Severity)))
		}
		if len(list) == maxFindings {
			break
		}
		list = append(list, Finding{ID: clean(v.ID), Severity: v.Severity, What: clean(v.What), Means: clean(v.Means), Fix: clean(v.Fix)})
	}
	return list, nil
}

// about is nil where the answer speaks keeper's version, and of this account.
func about(a Account, version, want int, uid *int64) error {
	switch {
	case version != want:
		return fmt.Errorf("its answer is of version %d, and this keeper reads %d", version, want)
	case uid == nil || *uid != int64(a.UID):
		return errors.New("its answer is about another account")
	}
	return nil
}

// decode reads one value of JSON, and nothing behind it.
func decode(data []byte, into any) error {
	if err := bounded(data); err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(data))
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("its answer cannot be read: %s", clean(err.Error()))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("its answer cannot be read: there is more behind it")
	}
	return nil
}

// bounded looks at how deep the text goes, and how many values it can have, before
// anything is made of it.
func bounded(data []byte) error {
	if len(data) > maxAnswer {
		return fmt.Errorf("its answer is longer than %d bytes", maxAnswer)
	}
	depth, values, text, escaped := 0, 0, false, false
	for _, c := range data {
		switch {
		case escaped:
			escaped = false
		case text:
			escaped, text = c == '\\', c != '"'
		case c == '"':
			text = true
		case c == '{', c == '[':
			depth++
			values++
		case c == '}', c == ']':
			depth--
		case c == ',':
			values++
		}
		if depth > maxDepth || values > maxValues {
			return errors.New("its answer is too deep, or has too many values")
		}
	}
	return nil
}

// clean makes one short line of text that somebody else wrote: nothing in it moves the
// cursor, changes a colour or turns the direction of what follows.
func clean(s string) string {
	if len(s) > 8*maxText {
		s = s[:8*maxText]
	}
	r := []rune(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, " ")))
	if len(r) > maxText {
		r = append(r[:maxText-1], '…')
	}
	return strings.TrimSpace(string(r))
}
