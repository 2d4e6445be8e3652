package lab

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"time"
)

// spec is what the supervisor of a host is started with, and what others read
// to find the host: hosts/NAME/host.json.
type spec struct {
	Name   string `json:"name"`
	Suite  string `json:"suite"`
	Rootfs string `json:"rootfs"`
	// Plain: the demo stack is plain user services. Foreign: somebody else made
	// the root file system.
	Plain    bool   `json:"plain,omitempty"`
	Foreign  bool   `json:"foreign,omitempty"`
	Home     string `json:"home"`
	Cgroup   string `json:"cgroup"`
	Internet bool   `json:"internet,omitempty"`

	Supervisor int `json:"supervisor,omitempty"`
	// Boots counts them, and Ended is when the last one to end did. Leader is the host's PID 1 as this machine numbers it,
	// while there is one. Off says that the host waits to be booted again.
	Boots  int       `json:"boots,omitempty"`
	Leader int       `json:"leader,omitempty"`
	Off    bool      `json:"off,omitempty"`
	Ended  time.Time `json:"ended,omitzero"`
}

// locked says whether a supervisor or its janitor holds the host.
func locked(dir string) bool {
	lock, err := lockFile(filepath.Join(dir, "lock"), false)
	if err == nil {
		_ = lock.Close()
	}
	return errors.Is(err, errLocked)
}

func (s spec) host(dir string) *Host {
	return &Host{Name: s.Name, Suite: s.Suite, Leader: s.Leader, dir: dir, cgroup: s.Cgroup, plain: s.Plain}
}

func readSpec(dir string) (spec, error) {
	var s spec
	data, err := os.ReadFile(filepath.Join(dir, "host.json"))
	if err != nil {
		return s, err
	}
	err = json.Unmarshal(data, &s)
	return s, err
}

func writeSpec(dir string, s spec) error {
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	tmp := filepath.Join(dir, "host.json.tmp")
	if err := os.WriteFile(tmp, data, 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, filepath.Join(dir, "host.json"))
}
