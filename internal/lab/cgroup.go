package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// cgroupRoot returns where this machine has its cgroup v2 tree.
func cgroupRoot() (string, error) {
	data, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return "", err
	}
	for _, line := range strings.Split(string(data), "\n") {
		if f := strings.Fields(line); len(f) > 2 && f[2] == "cgroup2" {
			return f[1], nil
		}
	}
	return "", fmt.Errorf("%w: no cgroup v2 tree is mounted", ErrCannotHost)
}

// freshCgroup makes the cgroup and opens it. What an earlier boot left in it is
// ended first: with the last of its processes go its mounts.
func freshCgroup(dir string) (*os.File, error) {
	if err := removeCgroup(dir); err != nil {
		return nil, err
	}
	err := os.MkdirAll(dir, 0o755)
	if errors.Is(err, os.ErrNotExist) {
		// The end of another host may just have removed the common parent.
		err = os.MkdirAll(dir, 0o755)
	}
	if err != nil {
		return nil, err
	}
	return os.Open(dir)
}

// removeCgroup kills what is in the cgroup and removes it with all below it.
func removeCgroup(dir string) error {
	err := os.WriteFile(filepath.Join(dir, "cgroup.kill"), []byte("1"), 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot end what runs in %s: %w", dir, err)
	}
	// The kernel takes a moment to bury the dead.
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		err := removeTree(dir)
		if err == nil || time.Now().After(deadline) {
			return err
		}
	}
}

func removeTree(dir string) error {
	var dirs []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			dirs = append(dirs, path)
		}
		return err
	})
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for i := len(dirs) - 1; i >= 0; i-- {
		if err := os.Remove(dirs[i]); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}
