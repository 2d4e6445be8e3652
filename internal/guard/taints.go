package guard

import "strings"

// keepsPID says that a file holds the id of a process of the stack.
func (j *judge) keepsPID(file string) bool {
	if file == "" {
		return false
	}
	for _, part := range []string{"conmon", "aardvark", "rootless-netns", "postmaster.pid", "overlay-containers", "cgroup.procs", "pidfile", "keeper"} {
		if strings.Contains(file, part) {
			return true
		}
	}
	for _, n := range j.host.Containers {
		if b := base(file); b == n+".pid" || b == n+"-conmon.pid" {
			return true
		}
	}
	return false
}
