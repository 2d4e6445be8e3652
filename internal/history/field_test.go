package history

import (
	"os"
	"slices"
	"testing"
	"time"
)

// The founding incident, as a host recorded it (terminate-user typed in a login session):
// what its daemons decided is decided again.
func TestFieldIncident(t *testing.T) {
	t.Parallel()
	f, err := os.Open("testdata/founding.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	list, err := ReadRecording(f)
	if err != nil {
		t.Fatal(err)
	}
	var lives []time.Time
	for n, r := range list {
		if r.Event == nil && n+1 < len(list) {
			lives = append(lives, list[n+1].At)
		}
	}
	if len(lives) != 2 {
		t.Fatalf("of %d daemons, want that before the end and that after it", len(lives))
	}
	var got []string
	for _, d := range Replay(list) {
		if !d.At.Before(lives[1]) {
			got = append(got, d.At.UTC().Format("15:04:05.000000")+" "+d.What+": "+d.Reason)
		}
	}
	// As keeper history --all had them on that host.
	want := []string{
		"09:19:27.046132 count the stack back in: logind was told to stop the user; 4 services ran",
		"09:19:27.077544 set linger: logind is to know that the account lingers, and whether polkit allows it",
		"09:19:28.759011 count the stack as back: logind was told to stop the user; all 4 services are there again after 4.1s",
	}
	if !slices.Equal(got, want) {
		t.Errorf("decided:\n%q\nwant:\n%q", got, want)
	}
}
