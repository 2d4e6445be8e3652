package guard

import "strings"

// pod are the verbs about pods, whose containers go with them.
func (j *judge) pod(c *call, verb string, args []string) {
	switch verb {
	case "stop", "rm", "kill", "pause":
		takes := "t time pod-id-file"
		if verb == "kill" {
			takes = "s signal"
		}
		o := parseOptions(args, takes, false)
		if sig := o.value("s", "signal"); verb == "kill" && sig != "" && signalStrength(sig) <= gentle {
			return
		}
		if o.has("a", "all") {
			j.find(c, "stack.containers", yes, "")
			return
		}
		if o.has("l", "latest") {
			j.find(c, "stack.network", maybe, "which pod is the latest cannot be known")
		}
		j.objects(c, "stack.network", o.words, j.host.Pods, "pod")
	case "prune":
		j.find(c, "stack.prune", yes, "")
	case "create":
		j.replaced(c, args, "stack.network", j.host.Pods)
	}
}

// objects finds those that are kept among the names of pods, networks or volumes.
func (j *judge) objects(c *call, rule string, names, kept []string, what string) {
	for _, n := range names {
		sure, which := namedAny(n, kept...)
		detail := which + " is kept"
		switch {
		case blank(n):
			sure, detail = namedSure(n), "which "+what+" cannot be known"
		case sure == no && hexish(n):
			sure, detail = maybe, "which "+what+" the id is of cannot be known"
		}
		j.find(c, rule, sure, detail)
	}
}

// volume are the verbs about volumes. One that no Quadlet knows may still hold what
// nobody has elsewhere: a person is asked.
func (j *judge) volume(c *call, verb string, args []string) {
	switch verb {
	case "rm", "remove":
		o := parseOptions(args, "t time", false)
		if o.has("a", "all") {
			j.find(c, "stack.volume", yes, "all of them")
			return
		}
		for _, n := range o.words {
			sure, detail := j.keptVolume(n)
			j.find(c, "stack.volume", sure, detail)
		}
	case "prune":
		j.prune(c, parseOptions(args, "filter", false), "volumes that no container uses at this moment are removed")
	case "import":
		o := parseOptions(args, "", false)
		sure, detail := j.keptVolume(o.word(0))
		j.find(c, "data.import", sure, detail)
	}
}

// keptVolume is never no: Podman takes the beginning of a name for it where that is
// not ambiguous, and what is in a volume cannot be known.
func (j *judge) keptVolume(name string) (match, string) {
	if blank(name) {
		return namedSure(name), "which volume cannot be known"
	}
	for _, v := range j.host.Volumes {
		if named(name, v) == yes || len(name) > 2 && strings.HasPrefix(v, name) {
			return yes, v + " is kept"
		}
	}
	return maybe, shown(name) + " is not known to be kept, but what is in it is gone for good"
}

// network are the verbs about networks.
func (j *judge) network(c *call, verb string, args []string) {
	switch verb {
	case "rm", "remove":
		j.objects(c, "stack.network", parseOptions(args, "t time", false).words, j.host.Networks, "network")
	case "disconnect":
		o := parseOptions(args, "", false)
		j.objects(c, "stack.network", o.words[:min(1, len(o.words))], j.host.Networks, "network")
		if sure, _ := namedAny(o.word(0), j.host.Networks...); sure == no {
			s, detail := j.keptContainer(o.word(1))
			if o.word(1) != "" {
				j.find(c, "stack.network", s, detail)
			}
		}
	case "prune":
		j.prune(c, parseOptions(args, "filter", false), "networks that no container uses at this moment are removed")
	}
}

// secret are the verbs about secrets: which of them a service needs is not known.
func (j *judge) secret(c *call, verb string, args []string) {
	switch verb {
	case "rm", "remove":
		if o := parseOptions(args, "", false); o.has("a", "all") || len(o.words) > 0 {
			j.find(c, "stack.secret", yes, "")
		}
	case "create":
		if parseOptions(args, "d driver driver-opts l label", false).has("replace") {
			j.find(c, "stack.secret", yes, "its value is replaced")
		}
	}
}

// image are the verbs about images. What a container uses stays, unless it is forced.
func (j *judge) image(c *call, verb string, args []string) {
	switch verb {
	case "prune":
		o := parseOptions(args, "filter", false)
		if o.has("a", "all") {
			j.find(c, "stack.prune", maybe, "during an outage the stack's images are not in use")
		}
	case "rm", "remove":
		o := parseOptions(args, "", false)
		if o.has("a", "all") {
			j.find(c, "stack.prune", maybe, "it removes all images, those of services that do not run among them")
			return
		}
		if !o.has("f", "force") {
			return
		}
		for _, n := range o.words {
			name, _, _ := strings.Cut(base(n), ":")
			if sure, which := namedAny(name, j.host.Containers...); sure != no || tainted(n) {
				j.find(c, "stack.container", maybe, "a container of the image is removed with it: "+which)
			}
		}
	}
}

// system are the verbs about everything.
func (j *judge) system(c *call, verb string, args []string) {
	switch verb {
	case "reset", "migrate", "renumber":
		j.find(c, "stack.reset", yes, "")
	case "prune":
		j.find(c, "stack.prune", yes, "")
	case "check":
		if parseOptions(args, "m max", false).has("f", "force", "r", "repair") {
			j.find(c, "stack.reset", maybe, "it removes containers that it finds damaged")
		}
	}
}

// kube is podman kube down, podman kube play --down and --replace, and their older
// order of words.
func (j *judge) kube(c *call, group, verb string, args []string) {
	switch {
	case group == "kube" && verb == "down":
	case (verb == "play" || verb == "kube") && parseOptions(args, "", false).has("down", "replace"):
	default:
		return
	}
	j.find(c, "stack.containers", maybe, "which containers the file is about cannot be known")
}

// quadlet is podman quadlet rm, which stops a service and removes its Quadlet.
func (j *judge) quadlet(c *call, verb string, args []string) {
	if verb != "rm" {
		return
	}
	o := parseOptions(args, "", false)
	if o.has("a", "all") {
		j.find(c, "files.quadlet", yes, "all of them")
		return
	}
	for _, n := range o.words {
		name, _, _ := strings.Cut(n, ".")
		sure, which := j.keptUnit(name + ".service")
		if which != "" {
			which += " is kept"
		}
		j.find(c, "files.quadlet", sure, which)
	}
}
