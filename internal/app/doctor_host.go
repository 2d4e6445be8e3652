package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"keeper/internal/config"
	"keeper/internal/core"
	"keeper/internal/host"
	"keeper/internal/logind"
	"keeper/internal/paths"
)

// hostLimit is the deadline of each look at the host: a network file system that is away
// lets nobody go who asks for a file of it.
const hostLimit = 6 * time.Second

// examineHost looks at what the machine and the account give. What does not answer in time
// is not known.
func examineHost(ctx context.Context, p paths.Paths) core.HostFacts {
	uid := os.Getuid()
	v := host.Of(uid, identity{uid: uid}.user())
	home, settings := os.Getenv("HOME"), filepath.Dir(filepath.Dir(p.Settings))

	// One group a look, so that one that hangs keeps back no other.
	machine := begin(func() (f core.HostFacts) {
		f.RedHat, f.Debian = v.Family()
		f.CGroup = v.CGroup()
		f.PortFloor = v.PortFloor()
		f.Journal, f.Clock = v.Journal(), v.Clock()
		f.SELinux.Enforcing = v.Enforcing()
		return f
	})
	runtime := begin(func() core.RuntimeFacts {
		r := v.Runtime()
		if r.There && r.Owner == uid {
			r.BusErr = text(askUserBus(ctx, r.Want))
		}
		return r
	})
	ids := begin(func() core.SubIDFacts { return v.SubIDs(ctx) })
	podman := begin(func() core.PodmanFacts { return v.Podman(ctx, home, settings, p.Storage) })
	policy := begin(func() core.LogindPolicy { return askPolicy(ctx) })
	asked := begin(func() quadletsAsk { return readQuadletsAsk(p, home) })

	end, cancel := context.WithTimeout(ctx, hostLimit)
	defer cancel()
	f := wait(end, machine)
	f.Runtime, f.SubIDs = wait(end, runtime), wait(end, ids)
	f.Podman, f.Logind = wait(end, podman), wait(end, policy)
	q := wait(end, asked)
	f.CGroup.Uses = q.uses

	labels := begin(func() []core.LabelledMount {
		if !f.SELinux.Enforcing {
			return nil
		}
		var list []core.LabelledMount
		for _, m := range q.mounts {
			m.Type = v.Label(m.Path)
			list = append(list, m)
		}
		return list
	})
	disks := begin(func() []core.Disk {
		storage := p.Storage
		if f.Podman.GraphRoot.Path != "" {
			storage = f.Podman.GraphRoot.Path
		}
		return v.Disks(host.Room{Path: storage, What: "Podman's storage"}, host.Room{Path: p.State, What: "keeper's state"})
	})
	end, cancel = context.WithTimeout(ctx, hostLimit)
	defer cancel()
	f.SELinux.Mounts, f.Disks = wait(end, labels), wait(end, disks)
	return f
}

// begin has f called beside the caller; what waits for a disk cannot be called back.
func begin[T any](f func() T) <-chan T {
	c := make(chan T, 1)
	go func() { c <- f() }()
	return c
}

// wait returns the answer, or nothing at the end. Of several that one end holds for, each
// that has answered by then is heard.
func wait[T any](end context.Context, c <-chan T) (v T) {
	select {
	case v = <-c:
		return v
	case <-end.Done():
	}
	select {
	case v = <-c:
	default:
	}
	return v
}

// askUserBus says why the user bus does not answer.
func askUserBus(ctx context.Context, dir string) error {
	socket := filepath.Join(dir, "bus")
	if _, err := os.Stat(socket); err != nil {
		return fmt.Errorf("there is no such socket")
	}
	// What comes of it is that the bus is started anew: one that is slow under load, once,
	// is let be.
	for tries := 2; ; tries-- {
		c, err := logind.Dial(ctx, "unix:path="+socket)
		if err == nil {
			c.Close()
			return nil
		}
		if tries == 1 {
			return errors.Unwrap(err) // it is not the system bus that cannot be reached
		}
	}
}

func askPolicy(ctx context.Context) core.LogindPolicy {
	c, err := logind.Dial(ctx, "")
	if err != nil {
		return core.LogindPolicy{} // told as logind's
	}
	defer c.Close()
	p, err := c.Policy(ctx)
	if err != nil {
		return core.LogindPolicy{}
	}
	return p
}

// quadletsAsk is what the Quadlet files ask of the host.
type quadletsAsk struct {
	uses   []core.ControllerUse
	mounts []core.LabelledMount
}

func readQuadletsAsk(p paths.Paths, home string) (ask quadletsAsk) {
	found := config.FindQuadlets(p.Quadlets[:]...)
	for _, source := range found.Files {
		var container, service []config.UnitLine
		for _, file := range found.UnitFiles(source) {
			// One that cannot be read is told elsewhere.
			lines, _, _, _ := config.UnitLines(file, "Container")
			container = append(container, lines...)
			lines, _, _, _ = config.UnitLines(file, "Service")
			service = append(service, lines...)
		}
		ask.uses = append(ask.uses, controllerUses(source, container, service)...)
		for _, path := range unlabelledMounts(source, container, home, p.Runtime) {
			ask.mounts = append(ask.mounts, core.LabelledMount{File: source, Path: path})
		}
	}
	return ask
}
