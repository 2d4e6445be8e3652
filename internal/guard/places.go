package guard

import (
	"path"
	"slices"
	"strings"
)

// systemDirs are guarded on every host by files.home.
var systemDirs = [...]string{
	"/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib64", "/opt", "/proc", "/root", "/run", "/sbin", "/srv", "/sys", "/usr", "/var",
	"/etc/systemd", "/usr/bin", "/usr/lib", "/usr/lib64", "/usr/libexec", "/usr/local", "/usr/sbin", "/usr/share", "/var/lib", "/var/lib/systemd",
}

// handedOut says that the mode of such a directory may well be changed, with all that
// is in it: people hand it to an account as they set a host up, or it is one of the
// account's own. To take it away is another thing.
func (h *harm) handedOut(p string) bool {
	return p == "/opt" || p == "/srv" || p == "/usr/local" || within(p, h.j.host.Home)
}

// dataDirs are where the images of databases and object stores keep their data.
var dataDirs = [...]string{"/var/lib/postgresql", "/var/lib/postgresql/data", "/var/lib/mysql", "/data"}

// placesOf returns what is guarded where a call runs.
func (j *judge) placesOf(c *call) []Place {
	if c.place.kind == inContainer {
		return j.placesInside(c.place)
	}
	if j.places == nil {
		j.places = make([]Place, 0, len(j.host.Places)+len(systemDirs)+1)
		j.places = append(j.places, j.host.Places...)
		for _, d := range systemDirs {
			j.places = append(j.places, Place{Path: d, Rule: "files.home", What: "a directory of the system"})
		}
		if home := j.host.Home; strings.HasPrefix(home, "/") {
			j.places = append(j.places, Place{Path: path.Clean(home), Rule: "files.home", What: "the home of " + j.host.User})
		}
	}
	return j.places
}

// placesInside returns what is guarded in a container: what is mounted there of kept
// volumes, and of guarded places of the host.
func (j *judge) placesInside(in place) []Place {
	var list []Place
	data := func(p, what string, all bool) {
		list = append(list, Place{Path: p, Rule: "data.directory", Within: all, What: what})
	}
	for _, m := range in.mounts {
		inside := path.Clean("/" + m.Inside)
		switch {
		case strings.HasPrefix(m.Source, "/"):
			list = append(list, j.mounted(path.Clean(m.Source), inside)...)
		case slices.Contains(j.host.Volumes, m.Source):
			data(inside, "volume "+m.Source, true)
		}
	}
	if in.kept {
		data("/", "container "+in.name, false)
		if len(in.mounts) == 0 {
			for _, d := range dataDirs {
				data(d, "the data of "+in.name, true)
			}
		}
	}
	return list
}

// mounted returns the guarded places of the host that a container has by a mount.
func (j *judge) mounted(source, inside string) []Place {
	var list []Place
	for _, p := range j.placesOf(&call{}) {
		switch {
		case p.Path == source, p.Within && within(source, p.Path):
			p.Path = inside
		case within(p.Path, source):
			p.Path = path.Join(inside, strings.TrimPrefix(p.Path, source))
		default:
			continue
		}
		list = append(list, p)
	}
	return list
}
