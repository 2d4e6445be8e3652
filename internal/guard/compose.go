package guard

const composeTakes = "f file p project-name project-directory profile env-file ansi progress parallel c context H host l log-level " +
	"podman-path podman-args podman-pull-args podman-push-args podman-build-args podman-inspect-args podman-run-args podman-start-args " +
	"podman-stop-args podman-rm-args podman-volume-args in-pod pod-args"

// compose judges Compose: down takes the volumes along with -v. What is in its file is
// not looked at.
func (j *judge) compose(c *call, args []string) {
	o := parseOptions(args, composeTakes, true)
	if asksForHelp(o) || o.has("h", "dry-run") {
		return
	}
	verb := o.word(0)
	takes := "t timeout rmi index"
	if verb == "kill" {
		takes = "s signal" // for rm, -s is --stop
	}
	rest := parseLong(o.rest(1), takes, "volumes")
	if rest.has("help", "h", "dry-run") {
		return
	}
	if open(verb) {
		if isAny(verb, "down", "rm") != no {
			j.find(c, "guard.unknown", maybe, "what compose is to do cannot be known")
		}
		return
	}
	switch verb {
	case "down", "rm":
		if rest.has("v", "volumes") && rest.value("v", "volumes") != "false" {
			j.find(c, "stack.compose", yes, "")
			return
		}
		for _, w := range rest.words {
			if isAny(w, "-v", "--volumes") != no && verb == "down" {
				j.find(c, "stack.compose", maybe, "whether the volumes go as well cannot be known")
			}
		}
	case "stop", "pause":
	case "kill":
		if sig := rest.value("s", "signal"); sig != "" && signalStrength(sig) <= gentle {
			return
		}
	default:
		return
	}
	for _, w := range rest.words {
		if sure, which := namedAny(w, j.host.Containers...); sure == yes {
			j.find(c, "stack.container", maybe, which+" is kept, if it is that project's")
		}
	}
}
