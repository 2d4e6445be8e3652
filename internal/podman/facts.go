package podman

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/containers/podman/v5/libpod/define"
	"github.com/containers/podman/v5/pkg/domain/entities/types"
	"github.com/containers/podman/v5/pkg/inspect"

	"keeper/internal/quadlet"
)

// facts are what Podman says of an account, as it says it. The model is made of
// them alone, so that a test can bring its own.
type facts struct {
	Release, CGroups, RunRoot, VolumePath string
	// Hostname is the host's. LogDriver, Runtime and Network are what a container
	// gets that was not told otherwise.
	Hostname, LogDriver, Runtime, Network string
	SELinux                               bool
	// NoFile and NProc are the hard limits of a process of the account.
	NoFile, NProc int64

	Containers []*define.InspectContainerData
	// Broken are containers that Podman lists and cannot inspect.
	Broken []broken `json:",omitempty"`
	Images []*inspect.ImageData
	// Names are the IDs of images by reference.
	Names    map[string]string
	Pods     []*define.InspectPodData
	Networks []types.NetworkInspectReport
	Volumes  []*define.InspectVolumeData
	Secrets  []string `json:",omitempty"`
}

// broken is a container that cannot be inspected, and why.
type broken struct{ ID, Name, Image, State, Why string }

// ReadDump makes a stack of the answers of a Podman that were kept in a file,
// as the fixtures of the tests are.
func ReadDump(data []byte) (quadlet.Stack, error) {
	f, err := readFacts(data)
	if err != nil {
		return quadlet.Stack{}, err
	}
	return survey(f).Stack(), nil
}

func readFacts(data []byte) (*facts, error) {
	f := new(facts)
	if err := json.Unmarshal(data, f); err != nil {
		return nil, fmt.Errorf("cannot read the answers of Podman: %w", err)
	}
	for _, c := range f.Containers {
		if err := whole(c); err != nil {
			return nil, err
		}
	}
	if slices.Contains(f.Images, nil) || slices.Contains(f.Pods, nil) || slices.Contains(f.Volumes, nil) {
		return nil, errors.New("cannot read the answers of Podman: an image, a pod or a volume is null")
	}
	return f, nil
}

// Stack is all of a survey as one stack: without infra containers, which are
// part of their pod, and without anonymous volumes.
func (s Survey) Stack() quadlet.Stack {
	stack := quadlet.Stack{Networks: s.Networks}
	for _, c := range s.Containers {
		if !c.Infra {
			stack.Containers = append(stack.Containers, c.Container)
			stack.Notes = append(stack.Notes, c.Notes...)
		}
	}
	for _, p := range s.Pods {
		stack.Pods = append(stack.Pods, p.Pod)
		stack.Notes = append(stack.Notes, p.Notes...)
	}
	for _, v := range s.Volumes {
		if !v.Anonymous {
			stack.Volumes = append(stack.Volumes, v.Volume)
		}
	}
	return stack
}

// whole says whether an answer has the parts that everything else relies on.
func whole(c *define.InspectContainerData) error {
	if c == nil || c.ID == "" || c.Name == "" || c.Config == nil || c.HostConfig == nil || c.State == nil {
		return malformed{errors.New("a container without name, state or configuration")}
	}
	if c.HostConfig.LogConfig == nil {
		c.HostConfig.LogConfig = new(define.InspectLogConfig)
	}
	if c.HostConfig.RestartPolicy == nil {
		c.HostConfig.RestartPolicy = new(define.InspectRestartPolicy)
	}
	if c.NetworkSettings == nil {
		c.NetworkSettings = new(define.InspectNetworkSettings)
	}
	return nil
}

// survey makes the models of everything. It is pure.
func survey(f *facts) Survey {
	s := Survey{
		Release: f.Release, CGroups: f.CGroups, RunRoot: f.RunRoot, VolumePath: f.VolumePath,
		Images: f.Names, Secrets: f.Secrets,
	}
	// A version that cannot be read is nobody's fault here: Dial has read it.
	s.Version, _ = quadlet.ParseVersion(f.Release)
	byID := make(map[string]*define.InspectContainerData, len(f.Containers))
	for _, c := range f.Containers {
		byID[c.ID] = c
	}
	for _, c := range f.Containers {
		s.Containers = append(s.Containers, f.container(c, byID))
	}
	for _, b := range f.Broken {
		s.Containers = append(s.Containers, f.broken(b))
	}
	slices.SortFunc(s.Containers, func(a, b Container) int { return strings.Compare(a.Name, b.Name) })
	for _, p := range f.Pods {
		s.Pods = append(s.Pods, f.pod(p, byID))
	}
	slices.SortFunc(s.Pods, func(a, b Pod) int { return strings.Compare(a.Name, b.Name) })
	for _, n := range f.Networks {
		if n.Name != defaultNetwork {
			s.Networks = append(s.Networks, f.network(n))
		}
	}
	slices.SortFunc(s.Networks, func(a, b quadlet.Network) int { return strings.Compare(a.Name, b.Name) })
	for _, v := range f.Volumes {
		s.Volumes = append(s.Volumes, f.volume(v))
	}
	slices.SortFunc(s.Volumes, func(a, b Volume) int { return strings.Compare(a.Name, b.Name) })
	return s
}

// image is the image of a container; one without anything in it, if it is gone.
func (f *facts) image(id string) *inspect.ImageData {
	for _, i := range f.Images {
		if i.ID == id {
			return i
		}
	}
	return new(inspect.ImageData)
}

func (f *facts) broken(b broken) Container {
	unit := unitName(b.Name)
	return Container{
		Container: quadlet.Container{
			Unit: unit, Name: b.Name, Image: b.Image,
			Source: quadlet.Source{Kind: quadlet.FromContainer, Name: b.Name},
		},
		ID: b.ID, State: b.State, Running: b.State == stateRunning,
		Notes: []quadlet.Note{{
			Unit: unit, Level: quadlet.Stop,
			Text: "Podman lists this container and cannot inspect it: " + b.Why,
			Try:  "podman inspect " + b.Name,
		}},
	}
}
