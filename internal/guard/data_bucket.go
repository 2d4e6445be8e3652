package guard

import "strings"

// goOptions tells options from words as Go programs do: -name and --name are the same,
// and no option is joined to another one.
func goOptions(args []string, takes string) options {
	o := options{flags: map[string]string{}, all: map[string][]string{}, after: -1}
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			o.after = len(o.words)
			o.words = append(o.words, args[i+1:]...)
			break
		}
		if len(arg) < 2 || arg[0] != '-' {
			o.words = append(o.words, arg)
			continue
		}
		name, value, joined := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		if !joined && i+1 < len(args) && strings.Contains(" "+takes+" ", " "+name+" ") {
			i++
			value = args[i]
		}
		if value == "false" {
			continue
		}
		o.flags[name] = value
		o.all[name] = append(o.all[name], value)
	}
	return o
}

// scratch says that all of these are directories of this host that nobody keeps, for
// the clients that take a path as well as a bucket.
func scratch(words []string) bool {
	for _, w := range words {
		if !strings.HasPrefix(w, "/tmp/") && !strings.HasPrefix(w, "/var/tmp/") || strings.Contains(w, "..") {
			return false
		}
	}
	return len(words) > 0
}

// mc judges the client of MinIO. Midnight Commander has the same name, and none of its
// words: what is no verb of MinIO's is nothing.
func (j *judge) mc(c *call) {
	o := goOptions(c.args, "config-dir C custom-header H resolve limit-upload limit-download older-than newer-than version-id vid exec enc-c tags attr name maxdepth rewind")
	if o.has("help", "h", "version") {
		return
	}
	verb, rest := o.word(0), o.rest(1)
	dry := o.has("dry-run", "fake")
	switch {
	case onlyMarks(verb):
		j.find(c, "guard.unknown", maybe, "what mc is to do is not known")
	case dry:
	case verb == "rb":
		if o.has("force") || o.has("dangerous") {
			j.find(c, "data.bucket", yes, strings.Join(rest, " "))
		} else {
			j.find(c, "data.bucket", maybe, "it removes an empty bucket only, or one that has none of its own")
		}
	case verb == "rm" && !scratch(rest):
		switch {
		case o.has("recursive", "r", "versions", "rf", "fr"):
			j.find(c, "data.bucket", yes, strings.Join(rest, " "))
		case o.has("stdin"):
			j.find(c, "data.bucket", maybe, "which objects is not known")
		}
	case verb == "mirror" && o.has("remove"):
		j.find(c, "data.bucket", maybe, "it removes what the source does not have")
	case verb == "undo":
		j.find(c, "data.bucket", maybe, "undo")
	case verb == "find" && o.has("exec"):
		if w := strings.Fields(o.value("exec")); len(w) > 1 && (base(w[0]) == c.name || base(w[0]) == "mc") && hasAny(w[1:], "rm", "rb") {
			j.find(c, "data.bucket", yes, "every object that it finds")
		}
		j.nested(c, strings.ReplaceAll(o.value("exec"), "{}", holeWord), "mc find")
	case verb == "ilm":
		// An age after which objects go is a removal by the tree, only later.
		if o.has("expire-days", "expiry-days", "expire-delete-marker", "noncurrent-expire-days", "expire-all-object-versions") || hasAny(rest, "import") {
			j.find(c, "data.bucket", maybe, "objects go by themselves from then on")
		}
	case verb == "retention" || verb == "legalhold":
		j.find(c, "data.bucket", min(maybe, is(o.word(1), "clear")), verb+" clear")
	case verb == "batch":
		j.find(c, "data.bucket", min(maybe, is(o.word(1), "start")), "batch start")
	case verb == "admin":
		j.mcAdmin(c, o)
	}
}

// mcAdmin are the commands for the server.
func (j *judge) mcAdmin(c *call, o options) {
	what, verb := o.word(1), o.word(2)
	detail := "admin " + shown(what) + " " + shown(verb)
	var sure match
	switch what {
	case "service":
		sure = max(isAny(verb, "stop", "freeze"), min(maybe, is(verb, "restart")))
	case "user":
		sure = isAny(verb, "rm", "remove", "disable")
		if verb == "svcacct" || verb == "sts" {
			sure = min(maybe, isAny(o.word(3), "rm", "remove", "revoke", "disable"))
		}
	case "policy", "group", "accesskey", "replicate", "tier", "idp":
		sure = min(maybe, isAny(verb, "rm", "remove", "disable", "detach"))
	case "config":
		sure = min(maybe, isAny(verb, "set", "reset", "import", "restore"))
	case "decommission", "decom":
		sure = is(verb, "start")
	case "rebalance":
		sure = min(maybe, is(verb, "start"))
	case "update":
		sure = maybe
	case "cluster":
		j.find(c, "data.import", is(o.word(3), "import"), detail)
	}
	j.find(c, "data.bucket", sure, detail)
}

func (j *judge) aws(c *call) {
	o := goOptions(c.args, "endpoint-url profile region output query cli-read-timeout cli-connect-timeout ca-bundle color cli-binary-format"+
		" exclude include bucket key delete-file version-id page-size request-payer storage-class acl")
	service, verb := o.word(0), o.word(1)
	if o.has("dryrun") || verb == "help" || o.word(2) == "help" {
		return
	}
	switch service {
	case "s3":
		switch {
		case onlyMarks(verb):
			j.find(c, "guard.unknown", maybe, "what aws s3 is to do is not known")
		case verb == "rb" && o.has("force"), verb == "rm" && o.has("recursive"):
			j.find(c, "data.bucket", yes, strings.Join(o.rest(2), " "))
		case verb == "rb":
			j.find(c, "data.bucket", maybe, "it removes an empty bucket only, or one that has none of its own")
		case verb == "sync" && o.has("delete"):
			j.find(c, "data.bucket", maybe, "it removes what the source does not have")
		}
	case "s3api":
		j.find(c, "data.bucket", isAny(verb, "delete-bucket", "delete-objects"), shown(verb))
		j.find(c, "data.bucket", min(maybe, isAny(verb, "put-bucket-lifecycle", "put-bucket-lifecycle-configuration")), "objects go by themselves from then on")
	}
}

// objects are the other clients of object stores, and of backups.
func (j *judge) objectStores(c *call) {
	o := parseOptions(c.args, "c config access_key secret_key host host-bucket endpoint-url profile credentials-file log numworkers"+
		" remote-path exclude include filter filter-from exclude-from include-from transfers checkers bwlimit backup-dir max-age min-age max-delete r repo", false)
	if c.name == "s3cmd" || c.name == "gsutil" || c.name == "borg" {
		o = parseOptions(c.args, "c config access_key secret_key host host-bucket exclude include o h repo", false)
	}
	if o.has("dry-run", "n", "help") {
		return
	}
	verb := o.word(0)
	target := strings.Join(o.rest(1), " ")
	tree := o.has("r", "R", "recursive", "f", "force")
	var sure match
	switch c.name + " " + verb {
	case "s3cmd rb", "s5cmd rb", "gsutil rb":
		sure = maybe
		if tree {
			sure = yes
		}
	case "s3cmd rm", "s3cmd del", "gsutil rm":
		if o.has("r", "R", "recursive") || strings.Contains(target, "*") {
			sure = yes
		}
	case "s5cmd rm":
		if strings.Contains(target, "*") {
			sure = yes
		}
	case "s3cmd sync", "s3cmd expire", "gsutil rsync", "s5cmd sync":
		if verb == "expire" || o.has("delete-removed", "delete", "d") {
			sure = maybe
		}
	case "rclone purge", "rclone delete":
		if !scratch(o.rest(1)) {
			sure = yes
		}
	case "rclone sync", "rclone bisync", "rclone cleanup", "rclone dedupe":
		if !scratch(o.rest(2)) {
			sure, target = maybe, "it removes what the source does not have"
		}
	case "restic forget":
		if o.has("prune", "unsafe-allow-remove-all") && !keeps(o) {
			sure, target = maybe, "the backups"
		}
	case "borg delete":
		if !strings.Contains(target, "::") && len(o.rest(1)) < 2 {
			sure, target = maybe, "the backups"
		}
	}
	j.find(c, "data.bucket", sure, shown(target))
}

// keeps says that something says what is to be kept.
func keeps(o options) bool {
	for name := range o.flags {
		if strings.HasPrefix(name, "keep-") {
			return true
		}
	}
	return false
}
