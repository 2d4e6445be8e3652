package adopt

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"keeper/internal/atomicfile"
	"keeper/internal/paths"
)

// journal is what an adoption has done so far, and is about to do: each step is
// in it before it is taken. Whatever ends keeper, the next one can settle it.
type journal struct {
	Version int       `json:"version"`
	Started time.Time `json:"started"`
	// Secrets and Volumes are those that were made.
	Secrets []string  `json:"secrets,omitempty"`
	Volumes []string  `json:"volumes,omitempty"`
	Olds    []old     `json:"olds,omitempty"`
	Moves   []moved   `json:"moves,omitempty"`
	Files   []written `json:"files,omitempty"`
	// Complete says that all files are in place: from here on the way is forward.
	Complete bool `json:"complete"`
	// Proved says that the units have proved themselves, and the old containers are
	// being removed: there is no way back any more.
	Proved bool `json:"proved,omitempty"`
	// Unsure are those of Volumes of which it is not known whether they were made.
	Unsure []string `json:"unsure,omitempty"`
	// Start are the units to start, group by group. Restart are those that ran
	// before.
	Start   [][]string `json:"start,omitempty"`
	Restart []string   `json:"restart,omitempty"`
	// Along are units that ran and need those of Restart: they go down with them.
	Along []string `json:"along,omitempty"`
	// Pods are old ones, by id.
	Pods []string `json:"pods,omitempty"`
	// KeepOld leaves the old containers there.
	KeepOld bool `json:"keep_old,omitempty"`

	path string
}

// old is a container that a unit replaces.
type old struct {
	ID, Name string
	// Aside is the name it has until the unit has proved itself.
	Aside string
	// Ran says that it is to run again if it is put back.
	Ran bool
	// Ending says that it was told to stop. Whether that was heard may not be known:
	// it can end at any moment.
	Ending bool `json:",omitempty"`
	// Gone says that it is removed when it stops; Command made it.
	Gone    bool     `json:",omitempty"`
	Command []string `json:",omitempty"`
	// Restart is its own restart policy, Legacy the systemd unit that starts it.
	Restart string `json:",omitempty"`
	Legacy  string `json:",omitempty"`
	// Enabled says that Legacy was.
	Enabled bool          `json:",omitempty"`
	Unit    string        `json:",omitempty"`
	Stop    time.Duration `json:",omitempty"`
	Store   bool          `json:",omitempty"`
	Ports   []string      `json:",omitempty"`
	// Group is its place in the order of starting.
	Group int
	// Keep leaves it there in any case: its unit was not started.
	Keep bool `json:",omitempty"`
}

// moved is a Move on its way. The data is where the inode is.
type moved struct {
	Move
	FromPath, ToPath string
	Inode            uint64
}

// written is a file before and after.
type written struct {
	Path    string
	Existed bool
	Before  string `json:",omitempty"`
	// Sum is that of what was written, to tell whether somebody edited it since.
	After string
}

const journalVersion = 1

// Names of the journal and its lock in keeper's state directory.
const (
	journalName = paths.JournalName
	lockName    = paths.LockName
)

// save writes the journal before the next step.
func (j *journal) save() error {
	if err := atomicfile.WriteJSON(j.path, j); err != nil {
		return fmt.Errorf("cannot keep the journal of the adoption, without which nothing is begun: %w", err)
	}
	return nil
}

func (j *journal) remove() error {
	if err := os.Remove(j.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot remove the journal of the adoption: %w", err)
	}
	return nil
}

// loadJournal returns nil where no adoption was interrupted.
func loadJournal(dir string) (*journal, error) {
	path := filepath.Join(dir, journalName)
	text, err := readSmall(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	j := &journal{path: path}
	if err == nil {
		err = json.Unmarshal([]byte(text), j)
	}
	if err == nil && j.Version != journalVersion {
		err = fmt.Errorf("it is of version %d; this keeper knows %d", j.Version, journalVersion)
	}
	if err != nil {
		return nil, fmt.Errorf("an adoption was interrupted, and its journal %s cannot be read: %w; look at it, put back by hand what it names, and remove it", path, err)
	}
	return j, nil
}

// lock makes this the only adoption of the account, and the only one who reloads
// the user manager for it. It waits until the context ends.
func lock(ctx context.Context, dir string) (release func(), err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot lock: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot lock: %w", err)
	}
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return nil, errors.Join(fmt.Errorf("cannot lock %s: %w", f.Name(), err), f.Close())
		}
		select {
		case <-ctx.Done():
			_ = f.Close()
			return nil, errors.New("another keeper adopts at this moment: wait for it to end")
		case <-time.After(wait):
		}
	}
}
