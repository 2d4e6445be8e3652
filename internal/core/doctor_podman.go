package core

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// SubIDFacts are about the ids of the account's containers.
type SubIDFacts struct {
	// Users are those of /etc/subuid, Groups those of /etc/subgid.
	Users, Groups SubIDs
	// Tools is what is wrong with newuidmap and newgidmap, a line each.
	Tools []string
}

// SubIDs are the ranges of ids of one kind.
type SubIDs struct {
	Known bool
	// From is where they are from: a file, or a command.
	From string
	// Own are the account's, Others those of other accounts.
	Own, Others []IDRange
}

// IDRange is a line of subuid(5).
type IDRange struct {
	Owner        string
	Start, Count uint64
}

// End is the first id after it.
func (r IDRange) End() uint64 { return r.Start + r.Count }

func (r IDRange) overlaps(o IDRange) bool { return r.Start < o.End() && o.Start < r.End() }

// leastIDs is how many ids an image may use: those of 16 bits, with nobody (65534).
const leastIDs = 65536

// PodmanFacts are about Podman as the account has it, without asking any container.
type PodmanFacts struct {
	Known bool
	// Missing says that there is no program of this name. Version is what --version says,
	// Err why it says nothing.
	Missing      bool
	Version, Err string
	// GraphRoot is where images and volumes are, RunRoot and TmpDir where the runtime
	// state is, each with the kind of its file system where that is known.
	GraphRoot, RunRoot, TmpDir Place
	// Database is what knows the containers: sqlite, boltdb, or nothing yet.
	Database string
	// Mistakes are files of Podman's configuration that cannot be read.
	Mistakes []string
}

// Place is a directory and the kind of its file system: tmpfs, nfs, or other.
type Place struct{ Path, Kind string }

// The kinds of file systems that matter.
const (
	KindTmpfs = "tmpfs"
	KindNFS   = "nfs"
	KindOther = "other"
)

func (d *diagnosis) subIDs(h Health, f SubIDFacts) {
	before := len(*d)
	for _, tool := range f.Tools {
		fix := "install the package that has newuidmap and newgidmap again"
		switch {
		case h.Host.RedHat:
			fix = "as root: dnf install shadow-utils, or if it is installed: rpm --restore shadow-utils"
		case h.Host.Debian:
			fix = "as root: apt install --reinstall uidmap"
		}
		d.add("subids", Bad, tool, "the user namespace of rootless containers cannot be set up: none starts", fix)
	}
	d.ids(h, f.Users, "subordinate user ids", "--add-subuids")
	d.ids(h, f.Groups, "subordinate group ids", "--add-subgids")
	if len(*d) == before && f.Users.Known && f.Groups.Known {
		d.add("subids", Good, fmt.Sprintf("%s has %d subordinate user ids and %d group ids of its own", h.User, total(f.Users.Own), total(f.Groups.Own)), "", "")
	}
}

func total(list []IDRange) (n uint64) {
	for _, r := range list {
		n += r.Count
	}
	return n
}

func (d *diagnosis) ids(h Health, s SubIDs, kind, option string) {
	if !s.Known {
		return
	}
	n := total(s.Own)
	if n < leastIDs {
		// Where nothing runs that has the old ids, nothing is lost by it.
		start := freeID(append(slices.Clone(s.Own), s.Others...))
		fix := fmt.Sprintf("as root: usermod %s %d-%d %s; then stop the containers when it suits, and podman system migrate", option, start, start+leastIDs-1, h.User)
		if !strings.HasPrefix(s.From, "/") { // usermod writes files, which nobody reads then
			fix = "have a range of 65536 given to " + h.User + " in the directory service that subid: in /etc/nsswitch.conf names"
		}
		if n == 0 {
			d.add("subids", Bad, h.User+" has no "+kind+" ("+s.From+")", "most images cannot be unpacked, and a container with more than one user does not start", fix)
		} else {
			d.add("subids", Warn, fmt.Sprintf("%s has %d %s (%s), fewer than %d", h.User, n, kind, s.From, leastIDs), "images with higher ids cannot be unpacked", fix)
		}
	}
	for _, own := range s.Own {
		for _, other := range s.Others {
			if own.overlaps(other) {
				d.add("subids", Warn, fmt.Sprintf("%s of %s (%d-%d) are also %s's (%d-%d) in %s", kind, h.User, own.Start, own.End()-1, other.Owner, other.Start, other.End()-1, s.From),
					"the containers of either can read and kill the other's", "as root: give one of the two, the one with less data, another range in "+s.From)
				return
			}
		}
	}
}

// freeID is the first id after all ranges at which useradd would begin one.
func freeID(list []IDRange) uint64 {
	free := uint64(100000) // SUB_UID_MIN of login.defs(5)
	for _, r := range list {
		free = max(free, r.End())
	}
	return free
}

// podmanNumbers are the first two numbers of a version such as 5.4.2-rc1.
func podmanNumbers(version string) (major, minor int, ok bool) {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 2 {
		return 0, 0, false
	}
	major, err1 := strconv.Atoi(parts[0])
	minor, err2 := strconv.Atoi(parts[1])
	return major, minor, err1 == nil && err2 == nil && major >= 0 && minor >= 0
}

func (d *diagnosis) podman(h Health, p PodmanFacts) {
	if !p.Known {
		return
	}
	before := len(*d)
	d.podmanVersion(h, p)
	for _, m := range p.Mistakes {
		d.add("podman-config", Warn, m, "Podman does not start anything while it cannot read its configuration", "mend the file")
	}
	d.storage(p)
	if len(*d) == before && p.Version != "" {
		what := "Podman " + p.Version
		if p.Database != "" {
			what += ", its database is " + p.Database
		}
		d.add("podman", Good, what+", its storage is in "+p.GraphRoot.Path, "", "")
	}
}

func (d *diagnosis) podmanVersion(h Health, p PodmanFacts) {
	upgrade := "upgrade Podman"
	switch {
	case h.Host.RedHat:
		upgrade = "as root: dnf upgrade podman"
	case h.Host.Debian:
		upgrade = "as root: apt install podman, from a release that has 4.4 or later"
	}
	major, minor, ok := podmanNumbers(p.Version)
	switch {
	case p.Missing:
		fix := "install podman"
		if h.Host.RedHat {
			fix = "as root: dnf install podman"
		} else if h.Host.Debian {
			fix = "as root: apt install podman"
		}
		d.add("podman", Bad, "there is no podman in the PATH", "no container can run, and no Quadlet file becomes a unit", fix)
	case p.Err != "":
		// Without its runtime directory it says not even its version, and that is told.
		if h.Host.Runtime.There {
			d.add("podman", Warn, "podman --version: "+p.Err, "what Podman cannot do for a question it may not do for a container", "podman info")
		}
	case !ok:
		d.add("podman", Info, "podman --version says "+p.Version+", which is no version that keeper knows", "", "")
	case major < 4 || major == 4 && minor < 4:
		d.add("podman", Bad, "Podman "+p.Version+" knows no Quadlet (4.4 does)", "containers cannot be units, and are not brought back", upgrade)
	case major == 4 && minor < 9:
		d.add("podman", Info, "Podman "+p.Version+": keeper adopt needs 4.9", "Quadlet files written by hand are kept all the same", upgrade)
	}
	switch {
	case p.Database != "boltdb" || !ok:
	case major >= 6:
		d.add("podman-database", Bad, "the database of Podman "+p.Version+" is BoltDB, which it cannot read", "it does not see its containers",
			"install Podman 5.8 again, stop the services, and podman system migrate --migrate-db")
	case major == 5 && minor >= 8:
		d.add("podman-database", Warn, "Podman's database is BoltDB, which Podman 6 cannot read", "after that upgrade it would not see its containers",
			"when it suits: stop the services, podman system migrate --migrate-db, and start them; a reboot does the same")
	case major == 5:
		d.add("podman-database", Warn, "Podman's database is BoltDB, which Podman 5 deprecates and Podman 6 cannot read", "after that upgrade it would not see its containers",
			"go by way of Podman 5.8: its podman system migrate --migrate-db, or a reboot, makes it SQLite")
	default:
		d.add("podman-database", Info, "Podman's database is BoltDB, which Podman 6 cannot read", "nothing is to be done now",
			"on the way to Podman 6 go by way of 5.8, which makes it SQLite")
	}
}

func (d *diagnosis) storage(p PodmanFacts) {
	switch p.GraphRoot.Kind {
	case KindTmpfs:
		d.add("podman-storage", Bad, "Podman's storage, "+p.GraphRoot.Path+", is in memory (tmpfs)", "all images, volumes and the data in them are gone after a boot",
			"put graphroot of storage.conf on a disk; what is in volumes has to be copied")
	case KindNFS:
		d.add("podman-storage", Bad, "Podman's storage, "+p.GraphRoot.Path+", is on NFS", "rootless containers cannot have files of other ids there, and its locks are not to be trusted",
			"put graphroot of ~/.config/containers/storage.conf on a local disk")
	}
	for _, v := range []struct {
		name string
		Place
	}{{"runroot of storage.conf", p.RunRoot}, {"tmp_dir of containers.conf", p.TmpDir}} {
		if v.Kind != "" && v.Kind != KindTmpfs {
			d.add("podman-storage", Warn, v.Path+" ("+v.name+") is not in memory (tmpfs)", "after a crash or a power cut it says that containers run which do not",
				"take the line out of the file: by itself it is below XDG_RUNTIME_DIR")
		}
	}
}
