package guard

import "strings"

const podmanTakes = "c connection identity url root runroot log-level storage-driver storage-opt cgroup-manager runtime runtime-flag tmpdir module " +
	"events-backend hooks-dir network-cmd-path network-config-dir volumepath namespace imagestore conmon cdi-spec-dir out pull-option ssh " +
	"tls-ca tls-cert tls-key " + // podman
	"H host context l config tlscacert tlscert tlskey " + // docker
	"a address n data-root cni-path cni-netconfpath snapshotter storage-driver" // nerdctl

// podman judges podman and what takes its words: docker, nerdctl.
func (j *judge) podman(c *call) {
	o := parseOptions(c.args, podmanTakes, true)
	if asksForHelp(o) || o.has("h") {
		return
	}
	group, verb, args := o.word(0), o.word(0), o.rest(1)
	switch group {
	case "container", "pod", "volume", "network", "secret", "image", "system", "kube", "play", "quadlet":
		if len(args) == 0 {
			return
		}
		verb, args = args[0], args[1:]
	case "compose":
		j.compose(c, args)
		return
	case "rmi":
		group, verb = "image", "rm"
	case "container-compose", "buildx", "builder", "manifest", "machine", "generate", "artifact", "farm", "healthcheck", "context":
		return
	default:
		group = "container"
	}
	for _, a := range args {
		if a == "--help" {
			return
		}
	}
	if open(verb) {
		if blank(verb) && len(args) > 0 && podmanReads(args[0]) {
			return // podman $OPTIONS ps
		}
		if isAny(verb, "stop", "kill", "rm", "remove", "pause", "prune", "reset", "migrate", "renumber", "system", "volume", "disconnect", "rename") != no {
			j.find(c, "guard.unknown", maybe, "what "+c.name+" is to do cannot be known")
		}
		return
	}
	switch group {
	case "container":
		j.container(c, verb, args)
	case "pod":
		j.pod(c, verb, args)
	case "volume":
		j.volume(c, verb, args)
	case "network":
		j.network(c, verb, args)
	case "secret":
		j.secret(c, verb, args)
	case "image":
		j.image(c, verb, args)
	case "system":
		j.system(c, verb, args)
	case "kube", "play":
		j.kube(c, group, verb, args)
	case "quadlet":
		j.quadlet(c, verb, args)
	}
}

// container are the verbs about containers, with and without the word.
func (j *judge) container(c *call, verb string, args []string) {
	switch verb {
	case "stop":
		o := parseOptions(args, "t time timeout cidfile f filter s signal", false)
		j.containers(c, o, o.words)
	case "kill":
		o := parseOptions(args, "s signal cidfile", false)
		if sig := o.value("s", "signal"); sig != "" && signalStrength(sig) <= gentle {
			return
		}
		j.containers(c, o, o.words)
	case "rm", "remove":
		o := parseOptions(args, "t time cidfile filter", false)
		j.containers(c, o, o.words)
	case "pause":
		o := parseOptions(args, "cidfile f filter", false)
		j.containers(c, o, o.words)
	case "checkpoint":
		o := parseOptions(args, "c compress e export P print-stats create-image", false)
		if !o.has("R", "leave-running") {
			j.containers(c, o, o.words)
		}
	case "rename":
		o := parseOptions(args, "", false)
		j.containers(c, o, o.words[:min(1, len(o.words))])
	case "prune":
		o := parseOptions(args, "filter", false)
		j.prune(c, o, "containers that do not run are removed")
	case "run", "create":
		j.replaced(c, args, "stack.container", j.host.Containers)
	case "clone":
		if o := parseOptions(args, "name pod cpus memory m", false); o.has("destroy") {
			j.containers(c, o, o.words[:min(1, len(o.words))])
		}
	}
}

// containers judges a verb that ends containers, by whom it is about.
func (j *judge) containers(c *call, o options, names []string) {
	for _, f := range o.all["cidfile"] {
		sure, which := namedAny(strings.TrimSuffix(base(f), ".cid"), j.host.Containers...)
		j.find(c, "stack.container", sure, which+" is kept")
	}
	if filters := filtersOf(o); o.has("a", "all") || len(filters) > 0 {
		j.find(c, "stack.containers", j.filtered(filters, j.host.Containers), "")
		if len(names) == 0 {
			return
		}
	}
	if o.has("l", "latest") {
		j.find(c, "stack.container", maybe, "which container is the latest cannot be known")
	}
	for _, n := range names {
		if tainted(n) {
			j.find(c, "stack.containers", yes, "they come of a listing")
			continue
		}
		sure, detail := j.keptContainer(n)
		j.find(c, "stack.container", sure, detail)
	}
}

// keptContainer says whether a container is kept, by its name or id.
func (j *judge) keptContainer(name string) (match, string) {
	if blank(name) {
		return maybe, "which container cannot be known"
	}
	sure, which := namedAny(name, j.host.Containers...)
	if sure == no {
		for _, p := range j.host.Pods {
			if m := named(name, p+"-infra"); m > sure {
				sure, which = m, p+"-infra"
			}
		}
	}
	switch {
	case sure != no:
		return sure, which + " is kept"
	case hexish(name):
		return maybe, "which container the id is of cannot be known"
	}
	return no, ""
}

// filtered says whether what is kept may be among what filters leave over.
func (j *judge) filtered(filters, kept []string) match {
	sure := yes
	for _, f := range filters {
		key, value, _ := strings.Cut(f, "=")
		switch strings.TrimSuffix(key, "!") {
		case "name":
			// It is an expression, which fits anywhere in the name.
			test, best := matching{pattern: value}.test(), no
			for _, n := range kept {
				if test(n) {
					best = yes
				}
			}
			if best == yes && open(value) && !tainted(value) {
				best = maybe
			}
			sure = min(sure, best)
		case "status", "health", "exited", "since", "before", "until", "restart-policy", "should-start-on-boot", "is-task", "dangling", "driver", "":
		default: // label, ancestor, pod, network, volume, id, ...
			about := maybe
			for _, names := range [][]string{kept, j.host.Networks, j.host.Volumes, j.host.Pods} {
				for _, n := range names {
					if strings.Contains(value, n) {
						about = yes
					}
				}
			}
			sure = min(sure, about)
		}
	}
	return sure
}

// prune takes away all that does not run, or is not used.
func (j *judge) prune(c *call, o options, detail string) {
	j.find(c, "stack.prune", j.filtered(filtersOf(o), j.host.Containers), detail)
}

// filtersOf are the filters among the options. -f is --filter for some verbs and
// --force for others, where it has no value.
func filtersOf(o options) []string {
	var list []string
	for _, name := range []string{"filter", "f"} {
		for _, f := range o.all[name] {
			if f != "" {
				list = append(list, f)
			}
		}
	}
	return list
}

// replaced finds --replace with the name of something that is kept. The options of run
// are many: what looks like these two is taken for them.
func (j *judge) replaced(c *call, args []string, rule string, kept []string) {
	replace, name := no, ""
	for i, a := range args {
		switch {
		case a == "--replace" || a == "--replace=true":
			replace = yes
		case a == "--name" && i+1 < len(args):
			name = args[i+1]
		case strings.HasPrefix(a, "--name="):
			name = a[len("--name="):]
		}
	}
	if replace == no || name == "" {
		return
	}
	sure, which := namedAny(name, kept...)
	if which != "" {
		which += " is kept"
	}
	j.find(c, rule, sure, which)
}

// podmanReads says that a verb ends nothing, whatever its words.
func podmanReads(verb string) bool {
	switch verb {
	case "ps", "ls", "list", "images", "logs", "inspect", "info", "version", "start", "restart", "exec", "build", "pull", "push", "top", "stats", "port", "exists":
		return true
	}
	return false
}
