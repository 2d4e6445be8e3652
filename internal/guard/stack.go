package guard

// stack are the rules stack.* about Podman and its kin. Where they run in a container
// they have a storage of their own.
func (j *judge) stack(c *call) {
	if c.place.kind == inContainer {
		return
	}
	switch c.name {
	case "podman", "podman-remote", "docker", "nerdctl":
		j.podman(c)
	case "podman-compose", "docker-compose":
		j.compose(c, c.args)
	case "crun", "runc":
		j.runtime(c)
	case "curl", "http", "https", "httpie", "xh", "xhs":
		j.request(c)
	case "nc", "ncat", "netcat", "nc.openbsd", "socat":
		j.rawRequest(c)
	}
}

// runtime is crun and runc, which know containers by their ids alone.
func (j *judge) runtime(c *call) {
	o := parseOptions(c.args, "root log log-format cgroup-manager criu rootless", true)
	verb := o.word(0)
	switch verb {
	case "kill", "delete", "pause", "checkpoint":
	default:
		if open(verb) && isAny(verb, "kill", "delete", "pause") != no {
			j.find(c, "guard.unknown", maybe, "what "+c.name+" is to do cannot be known")
		}
		return
	}
	o = parseOptions(o.rest(1), "s signal", false)
	ids := o.words
	if verb == "kill" && len(ids) > 1 {
		if signalStrength(ids[1]) == nothing {
			return
		}
		ids = ids[:1]
	}
	for _, id := range ids {
		sure, _ := namedAny(id, j.host.Containers...)
		switch {
		case tainted(id) || o.has("regex"):
			sure = yes
		case open(id) || hexish(id):
			sure = max(sure, maybe)
		}
		j.find(c, "stack.helpers", sure, "it ends a container behind Podman's back")
	}
}
