package guard

import "strings"

// keepsPID says that a file holds the ids of processes of the stack.
func (j *judge) keepsPID(file string) bool {
	b := base(file)
	switch {
	case b == "postmaster.pid", b == "cgroup.procs", strings.HasPrefix(b, "conmon"), strings.HasPrefix(b, "aardvark"),
		strings.Contains(file, "rootless-netns"), strings.Contains(file, "overlay-containers"):
		return true
	}
	for _, n := range j.host.Containers {
		if b == n+".pid" || b == n+"-conmon.pid" {
			return true
		}
	}
	return false
}
