package drill

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"time"

	"keeper/internal/core"
)

// figuresJSON is what docs/reference/kill-matrix.json says of the drills. The tests see
// to it that it says the same, and make it anew with -update.
//
//go:embed figures.json
var figuresJSON []byte

// Figure is what the kill table says of a blow.
type Figure struct {
	// Want is what must become of the stack: stays, back, down, off or reboots.
	Want string `json:"want"`
	// OutageMS is from the blow to the whole stack answering a client.
	OutageMS int64 `json:"outage_ms,omitempty"`
}

// figures are those of the rows, by blow and by mode: user, or root with root's part.
type figures struct {
	Date string                       `json:"date"`
	Rows map[string]map[string]Figure `json:"rows"`
}

func readFigures() (figures, error) {
	var f figures
	if err := json.Unmarshal(figuresJSON, &f); err != nil {
		return f, fmt.Errorf("cannot read the kill table's figures: %w", err)
	}
	return f, nil
}

// Figure is what the kill table says of the drill on such a host, and of what day that
// is.
func (d Drill) Figure(root core.Root) (f Figure, date string, ok bool) {
	all, err := readFigures()
	if err != nil {
		return f, "", false
	}
	f, ok = all.Rows[d.Like][mode(root)]
	return f, all.Date, ok
}

// mode is the column of the kill table that such a host is like.
func mode(root core.Root) string {
	if root.Armor && root.Revive {
		return "root"
	}
	return "user"
}

// Outage is the time that the table says, zero where nothing was away.
func (f Figure) Outage() time.Duration { return time.Duration(f.OutageMS) * time.Millisecond }
