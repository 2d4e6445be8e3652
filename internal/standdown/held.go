package standdown

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"keeper/internal/atomicfile"
	"keeper/internal/core"
	"keeper/internal/dirwatch"
)

// maxHeld bounds what is read of a hold, maxReason what is kept of its reason.
const (
	maxHeld   = 16 << 10
	maxReason = 200
)

// heldDir holds a file for each service that keeper is to leave alone.
func (m Marks) heldDir() string { return filepath.Join(m.StateDir, "held") }

// heldPath is the file of a service. The name of a unit has no slash
// (systemd.unit(5)), and one that begins with a dot would be taken for the half
// of a write.
func (m Marks) heldPath(unit string) (string, error) {
	name := strings.TrimSuffix(unit, ".service")
	const valid = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:-_.\\@"
	if name == "" || name[0] == '.' || len(name) > 247 || strings.Trim(name, valid) != "" {
		return "", fmt.Errorf("%q cannot be the name of a service", unit)
	}
	return filepath.Join(m.heldDir(), name+".json"), nil
}

// Hold makes keeper leave a service alone for d, or until Release if d is 0.
func (m Marks) Hold(unit string, now time.Time, d time.Duration, reason string) (core.Hold, error) {
	path, err := m.heldPath(unit)
	if err != nil {
		return core.Hold{}, fmt.Errorf("cannot pause: %w", err)
	}
	h := core.Hold{At: now.Truncate(time.Second), Reason: shortened(reason)}
	if d > 0 {
		h.Until = now.Add(d).Truncate(time.Second)
	}
	if err := atomicfile.WriteJSON(path, h); err != nil {
		return core.Hold{}, fmt.Errorf("cannot pause %s: %w", unit, err)
	}
	return h, nil
}

// shortened is a reason as it is kept and shown.
func shortened(s string) string {
	s = strings.TrimSpace(printable(strings.ToValidUTF8(s, " ")))
	if runes := []rune(s); len(runes) > maxReason {
		return string(runes[:maxReason-1]) + "…"
	}
	return s
}

// Release ends the hold on a service. It returns false if there was none.
func (m Marks) Release(unit string) (bool, error) {
	path, err := m.heldPath(unit)
	if err != nil {
		return false, fmt.Errorf("cannot resume: %w", err)
	}
	err = os.Remove(path)
	switch {
	case isNotExist(err):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("cannot resume %s: %w", unit, err)
	}
	return true, nil
}

// Held returns the services that keeper is to leave alone, by the names of their
// units. A hold that cannot be read counts as one without end, for a person put
// it there; one that is over by itself is none. After an error nothing is known.
func (m Marks) Held(now time.Time) (map[string]core.Hold, error) {
	held := map[string]core.Hold{}
	entries, err := os.ReadDir(m.heldDir())
	if err != nil && !isNotExist(err) {
		return nil, fmt.Errorf("cannot tell which services are paused: %w", err)
	}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".json")
		if path, err := m.heldPath(name); !ok || err != nil || filepath.Base(path) != e.Name() {
			continue // the half of a write, or nothing of keeper's
		}
		path := filepath.Join(m.heldDir(), e.Name())
		h, err := readHold(path)
		switch {
		case isNotExist(err): // it was released just now
			continue
		case err != nil:
			h = core.Hold{Reason: shortened(fmt.Sprintf("until when cannot be read from %s: %v", path, err))}
		case !h.Until.IsZero() && !now.Before(h.Until):
			continue
		}
		held[name+".service"] = h
	}
	return held, nil
}

func readHold(path string) (core.Hold, error) {
	var h core.Hold
	// What is no file could be waited for without an end.
	if fi, err := os.Lstat(path); err != nil {
		return h, err
	} else if !fi.Mode().IsRegular() {
		return h, errors.New("it is no file")
	}
	f, err := os.Open(path)
	if err != nil {
		return h, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxHeld))
	if err != nil {
		return h, err
	}
	if err := json.Unmarshal(data, &h); err != nil {
		return core.Hold{}, err
	}
	if h.At.IsZero() {
		return core.Hold{}, errors.New("it does not say since when")
	}
	h.Reason = shortened(h.Reason)
	return h, nil
}

// WatchHeld calls changed whenever a hold comes, goes or is written, and once at
// first, until the context ends. The directory need not be there yet.
func (m Marks) WatchHeld(ctx context.Context, changed func()) error {
	return dirwatch.Dir(ctx, m.heldDir(), func(name string) {
		if !strings.HasPrefix(name, ".") { // the halves of writes
			changed()
		}
	})
}
