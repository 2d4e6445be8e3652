package podman

import (
	"time"

	"keeper/internal/quadlet"
)

// Survey is all that Podman has for an account, looked at once.
type Survey struct {
	Version quadlet.Version
	// Release is the version in full: 5.4.2.
	Release string
	// CGroups is v1 or v2.
	CGroups             string
	RunRoot, VolumePath string
	Containers          []Container
	Pods                []Pod
	// Networks are all but Podman's default one.
	Networks []quadlet.Network
	Volumes  []Volume
	// Images are the IDs of images by reference, as the host has them now.
	Images  map[string]string
	Secrets []string
}

// Container is a container, and the model made of it.
type Container struct {
	quadlet.Container

	ID, ImageID string
	// State is running, exited, created, paused, ….
	State    string
	Running  bool
	ExitCode int
	// AutoRemove says that it is removed when it stops (--rm).
	AutoRemove bool
	// SystemdUnit is the unit that runs it, as far as Podman was told.
	SystemdUnit                    string
	ComposeProject, ComposeService string
	// Infra says that it only holds the namespaces of a pod.
	Infra bool
	PodID string
	// Anonymous are its anonymous volumes.
	Anonymous []Anonymous
	// CreateCommand is the command line it was made by, if it was made by one.
	CreateCommand []string
	StopTimeout   time.Duration
	StopSignal    string
	User          string
	// HostPorts are TCP addresses of this host, as net.Dial takes them.
	HostPorts     []string
	RestartPolicy string
	// Deps are the names of containers that must be there before it.
	Deps  []string
	Notes []quadlet.Note
}

// Anonymous is an anonymous volume of a container.
type Anonymous struct {
	Volume, Target, Driver, Mountpoint string
	Options                            []string
}

// Volume is a volume, and the model made of it.
type Volume struct {
	quadlet.Volume

	Anonymous          bool
	Driver, Mountpoint string
	// UsedBy are names of containers.
	UsedBy []string
	// NeedsCopyUp and NeedsChown are what the next mount does to it, while it is
	// empty: copy the image's files into it, and give it to the user.
	NeedsCopyUp, NeedsChown bool
}

// Pod is a pod, and the model made of it.
type Pod struct {
	quadlet.Pod

	ID, State, InfraID string
	// Containers are names, without the infra container.
	Containers []string
	Notes      []quadlet.Note
}
