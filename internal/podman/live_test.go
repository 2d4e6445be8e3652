package podman

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"
	"time"
)

// live connects to a real Podman, if KEEPER_PODMAN_SOCKET names one: that of a
// lab host with the images of the demo stack, such as
// /proc/LEADER/root/run/user/1000/podman/podman.sock.
func live(t *testing.T) *Client {
	t.Helper()
	path := os.Getenv("KEEPER_PODMAN_SOCKET")
	if path == "" {
		t.Skip("KEEPER_PODMAN_SOCKET names no socket")
	}
	c, err := Dial(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestLiveSurvey(t *testing.T) {
	c := live(t)
	began := time.Now()
	s, err := c.Survey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d containers in %s", len(s.Containers), time.Since(began))
	for i := range s.Containers {
		s.Containers[i].CreateCommand = nil
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(s); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s", b.Bytes())
}
