// Package quadlet writes the unit files of podman-systemd.unit(5) from a model
// of containers, pods, networks, volumes and builds, whatever that model was
// made of. It is pure: it takes values and returns the text of files, and what
// could not be said in them.
package quadlet

import "time"

// Stack is everything that one adoption is about.
type Stack struct {
	Containers []Container
	Pods       []Pod
	Networks   []Network
	Volumes    []Volume
	Builds     []Build
	// Secrets are the podman secrets that the units need and that do not exist
	// yet.
	Secrets []Secret
	// Notes are about what is not in the model, or not as it was.
	Notes []Note
}

// Source says where a unit came from.
type Source struct {
	// Kind is container, compose, systemd, volume or network.
	Kind string `json:"kind"`
	// Path is the Compose file or the systemd unit; empty for a container.
	Path string `json:"path,omitempty"`
	// Name is the container, volume or network, or the service of the Compose file.
	Name string `json:"name"`
	// Project and Profiles are those a Compose file was read with.
	Project  string   `json:"project,omitempty"`
	Profiles []string `json:"profiles,omitempty"`
}

// The kinds of sources.
const (
	FromContainer = "container"
	FromCompose   = "compose"
	FromSystemd   = "systemd"
	FromVolume    = "volume"
	FromNetwork   = "network"
)

// Setting is one option of podman-run(1), or of the create command of a pod,
// network, volume or build: its long name without dashes, and its value.
// Options that stand alone have the value "true" or "false".
type Setting struct{ Flag, Value string }

// Container is one container as it is to be.
type Container struct {
	// Unit is the name of the unit file without .container.
	Unit   string
	Name   string
	Source Source
	// Description is for [Unit]; empty makes one up.
	Description string
	// Image is what podman run takes; or the name of a unit of Builds.
	Image string
	Build string
	// Entrypoint is nil for the image's own, and empty but not nil for none.
	Entrypoint []string
	// Command is nil for the image's own.
	Command []string
	// Pod is the name of a unit of Pods.
	Pod      string
	Networks []NetworkUse
	Volumes  []VolumeUse
	// Settings are all the rest, in any order: only what differs from the image
	// and from Podman's defaults.
	Settings []Setting

	Needs []Need
	// Restart is one of systemd.service(5)'s words: always, on-failure, no.
	Restart string
	// RestartMost ends the restarts of on-failure after so many; 0 never.
	RestartMost int
	// OneShot runs to its end, and others wait for that.
	OneShot bool
	// NotifyHealthy makes the unit active once its health check says so.
	NotifyHealthy bool
	Health        Health
	// StopTimeout is how long Podman waits before it kills; 0 is Podman's 10 s.
	StopTimeout time.Duration
	// Manual leaves [Install] out: nothing starts it by itself.
	Manual bool
	// PullNever says that the image is of this host alone.
	PullNever bool
	// Before are command lines that the unit runs before it starts the container;
	// one that begins with a dash may fail.
	Before [][]string
	// Store says that it keeps data: it is given time to stop.
	Store bool
}

// Health is what the time until a first health check can pass depends on.
type Health struct {
	StartPeriod, Interval, Timeout time.Duration
	Retries                        int
}

// Need is another unit that this one needs.
type Need struct {
	// Unit is the name of a unit of the same stack, without .container.
	Unit string
	// Weak is for what it can do without (Wants= in place of Requires=).
	Weak bool
	// Why becomes a comment, if there is something to say.
	Why string
}

// NetworkUse is a network that a container or a pod joins.
type NetworkUse struct {
	// Unit is the name of a unit of Networks; or Name is what podman run
	// --network takes: host, none, a network that others look after, ….
	Unit, Name string
	// Options are those of --network: ip=, ip6=, mac=, interface_name=, alias=….
	Options []string
}

// VolumeUse is a mount.
type VolumeUse struct {
	// Unit is the name of a unit of Volumes; or Source is a path or the name of a
	// volume that others look after; with neither, it is an anonymous volume.
	Unit, Source string
	Target       string
	// Options are those behind the second colon of --volume, in their order: Z,
	// ro, U, ….
	Options []string
}

// Pod is one pod.
type Pod struct {
	Unit, Name string
	Source     Source
	Networks   []NetworkUse
	Volumes    []VolumeUse
	Settings   []Setting
	Needs      []Need
	Restart    string
	Manual     bool
}

// Network is a network that the stack brings along.
type Network struct {
	Unit, Name string
	Source     Source
	Settings   []Setting
}

// Volume is a named volume that the stack brings along.
type Volume struct {
	Unit, Name string
	Source     Source
	Settings   []Setting
}

// Build is an image that is built on the host.
type Build struct {
	Unit   string
	Source Source
	// Image is the tag that it gets.
	Image string
	// Context is an absolute path, or a URL.
	Context  string
	Settings []Setting
}

// Secret is a podman secret to be made. Exactly one of the sources is set; the
// value itself is never part of the model.
type Secret struct {
	Name string
	// File holds it, or the variable Variable of keeper's environment does.
	File, Variable string
	// Container and Key say that it is in that container's environment.
	Container, Key string
}

// Note is something that a person should know of before a unit is written.
type Note struct {
	// Unit is the unit that it is about, Field what of it.
	Unit  string `json:"unit,omitempty"`
	Field string `json:"field,omitempty"`
	// Level says what follows from it.
	Level Level  `json:"level"`
	Text  string `json:"text"`
	// Try is what to type, or to do.
	Try string `json:"try,omitempty"`
	// Accept is the word that lets adoption go on in spite of a Stop.
	Accept string `json:"accept,omitempty"`
}

// Level is how much a note weighs.
type Level string

// The levels.
const (
	// Hint: nothing is lost, and something could be better.
	Hint Level = "hint"
	// Lost: this is not in the unit, because it cannot be said there.
	Lost Level = "lost"
	// Stop: adoption does not go on, unless told to by Accept.
	Stop Level = "stop"
)

// Host is what the writer must know of the host.
type Host struct {
	// Podman is the version of the generator that will read the files.
	Podman Version
}
