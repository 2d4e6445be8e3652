// Package adopt turns containers and Compose files into Quadlet units: it plans,
// shows, checks, carries out, and puts everything back where that fails.
//
// What it promises: no data is lost, whatever fails or dies meanwhile; a file
// that a person wrote or edited is never overwritten; two processes never hold
// one volume; and what was not finished is in a journal, by which the next keeper
// puts it back.
package adopt

import (
	"context"
	"io"
	"time"

	"keeper/internal/compose"
	"keeper/internal/containers"
	"keeper/internal/core"
	"keeper/internal/podman"
	"keeper/internal/quadlet"
	"keeper/internal/units"
)

// Podman is what adoption asks of Podman's service.
type Podman interface {
	Survey(ctx context.Context) (podman.Survey, error)
	Changes(ctx context.Context, id string) (podman.Changes, error)
	State(ctx context.Context, id string) (podman.State, error)
	Stop(ctx context.Context, id string, timeout time.Duration) error
	Start(ctx context.Context, id string) error
	Rename(ctx context.Context, id, name string) error
	StopPod(ctx context.Context, id string) error
	RemovePod(ctx context.Context, id string) error
	Remove(ctx context.Context, id string) error
	SetRestart(ctx context.Context, id, policy string) error
	CreateVolume(ctx context.Context, name string, labels map[string]string) error
	RemoveVolume(ctx context.Context, name string) error
	VolumeInfo(ctx context.Context, name string) (podman.Volume, bool, error)
	PrimeVolume(ctx context.Context, containerID, volume, target string) error
	CreateSecret(ctx context.Context, name string, value io.Reader) error
	RemoveSecret(ctx context.Context, name string) error
}

// Units is what it asks of the user manager.
type Units interface {
	List(ctx context.Context) ([]core.Unit, error)
	Get(ctx context.Context, name string) (core.Unit, bool, error)
	Loaded(ctx context.Context, name string) (units.Loaded, error)
	Command(ctx context.Context, name string) ([]string, error)
	Reload(ctx context.Context) error
	StartAndWait(ctx context.Context, name string) error
	Stop(ctx context.Context, names []string) error
	Enable(ctx context.Context, names []string) error
	Disable(ctx context.Context, names []string) error
	RunTransient(ctx context.Context, name, description string, argv []string) error
}

// Processes are the account's containers as the kernel shows them.
type Processes interface {
	Processes() ([]containers.Process, error)
	Running(processes []containers.Process) []containers.Container
	Holders(processes []containers.Process, units []core.Unit) []containers.Holder
}

// Places are where things are.
type Places struct {
	// Quadlets is where keeper writes: ~/.config/containers/systemd. Others are
	// the further directories that the generator reads, first come first.
	Quadlets string
	Others   []string
	// UserUnits is ~/.config/systemd/user.
	UserUnits string
	// State is keeper's own directory, Scratch one for files that may go.
	State, Scratch string
	// Copies is where the daemon keeps copies of the files of units that run.
	Copies string
	// Generator is Podman's, or empty where it was not found.
	Generator string
	// Self is this program, for what has to run inside Podman's user namespace.
	Self string
}

// Adopter does it, for one account.
type Adopter struct {
	Podman    Podman
	Units     Units
	Processes Processes
	Places    Places
	// Answers says whether somebody answers at an address (probe.TCP).
	Answers func(ctx context.Context, address string) error
	// Say tells a person what is being done.
	Say func(format string, args ...any)
}

// Request is what somebody wants adopted.
type Request struct {
	// Names are containers, pods, or services of the Compose file. None and not All
	// is a look at everything.
	Names []string
	All   bool
	// Compose has files, if it is about a Compose file.
	Compose compose.Options
	// Secrets makes podman secrets of the passwords that are found.
	Secrets bool
	// Accept are the words of notes that are not to stop it.
	Accept []string
	// KeepOld leaves the old containers there, renamed, when all is done.
	KeepOld bool
	// Untouched plans units for the next start: running containers stay as they
	// are, and what would need more than a file is refused.
	Untouched bool
}

// untouched says that nothing is done about it.
func (i Item) untouched() bool { return i.Do == Keep || i.Do == Leave }

// Action is what is to be done about a container.
type Action string

// The actions.
const (
	// Adopt replaces a running container by a unit.
	Adopt Action = "adopt"
	// Write writes a unit and starts nothing: the container does not run.
	Write Action = "write"
	// Create writes and starts a unit for which there is no container yet.
	Create Action = "create"
	// Update writes a unit anew and restarts it.
	Update Action = "update"
	// Keep finds everything as it should be.
	Keep Action = "keep"
	// Leave does nothing about a container that nobody named and that is not meant
	// to run for good.
	Leave Action = "leave"
)

// Item is one container of a plan.
type Item struct {
	Container string         `json:"container"`
	Unit      string         `json:"unit"`
	Source    quadlet.Source `json:"source"`
	// State is what Podman says: running, exited, …; or absent.
	State string         `json:"state"`
	Do    Action         `json:"do"`
	Notes []quadlet.Note `json:"notes"`

	old   *podman.Container
	model quadlet.Container
	// legacy is the systemd unit that starts the old container, if a person had
	// Podman write one.
	legacy string
}

// FileState is what is to be done about a file.
type FileState string

// The states of files.
const (
	New    FileState = "new"
	Same   FileState = "same"
	Change FileState = "change"
	// Edited is left alone; what keeper would add is in a drop-in.
	Edited FileState = "edited"
)

// FilePlan is one file of a plan.
type FilePlan struct {
	Path  string    `json:"path"`
	State FileState `json:"state"`
	// Content is what would be written, Old what is there.
	Content string `json:"content"`
	Old     string `json:"old,omitempty"`
}

// Move is an anonymous volume whose data becomes that of a named one. Naming the
// anonymous one in a unit would not do: `podman rm -v`, by which Quadlet stops a
// container, removes it whoever mounts it.
type Move struct {
	Container string `json:"container"`
	From      string `json:"from"`
	To        string `json:"to"`
	Target    string `json:"target"`
	Path      string `json:"-"`
}

// Plan is everything that would be done.
type Plan struct {
	Podman  string           `json:"podman"`
	Items   []Item           `json:"items"`
	Files   []FilePlan       `json:"files"`
	Moves   []Move           `json:"moves"`
	Secrets []quadlet.Secret `json:"secrets"`
	// Notes are those that belong to no item.
	Notes []quadlet.Note `json:"notes"`
	// Off are services of a Compose file that no profile turns on.
	Off []string `json:"off,omitempty"`

	request Request
	// values are what secrets are to hold: never printed, never written.
	values map[string]string
	// pods are the old ones, by id.
	pods []string
	// names are those that containers have now.
	names []string
	stack quadlet.Stack
}

// Changed says whether there is anything to do.
func (p Plan) Changed() bool {
	for _, f := range p.Files {
		if f.State == New || f.State == Change {
			return true
		}
	}
	for _, i := range p.Items {
		if !i.untouched() {
			return true
		}
	}
	return false
}

// Stops are the notes that keep the plan from being carried out.
func (p Plan) Stops() []quadlet.Note {
	var list []quadlet.Note
	p.EachNote(func(n quadlet.Note) {
		if n.Level == quadlet.Stop && !p.accepted(n) {
			list = append(list, n)
		}
	})
	return list
}

func (p Plan) accepted(n quadlet.Note) bool {
	for _, a := range p.request.Accept {
		if n.Accept != "" && (a == n.Accept || a == "all") {
			return true
		}
	}
	return false
}

// EachNote calls f with every note, those of the items first.
func (p Plan) EachNote(f func(quadlet.Note)) {
	for _, i := range p.Items {
		for _, n := range i.Notes {
			f(n)
		}
	}
	for _, n := range p.Notes {
		f(n)
	}
}
