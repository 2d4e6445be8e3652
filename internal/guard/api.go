package guard

import "strings"

const curlTakes = "X request d data data-raw data-binary data-urlencode data-ascii F form form-string T upload-file json H header o output " +
	"m max-time u user A user-agent w write-out b cookie c cookie-jar e referer x proxy K config url r range E cert C continue-at y speed-time " +
	"Y speed-limit z time-cond t telnet-option P ftp-port Q quote D dump-header unix-socket abstract-unix-socket connect-timeout retry " +
	"retry-delay retry-max-time cacert capath key resolve connect-to interface limit-rate max-redirs max-filesize stderr trace trace-ascii url-query " +
	"variable proto oauth2-bearer output-dir"

// request is curl or HTTPie on a socket of Podman's or keeper's.
func (j *judge) request(c *call) {
	var socket, method string
	var urls []string
	if c.name == "curl" {
		o := parseLong(c.args, curlTakes, "head get")
		socket, urls = o.value("unix-socket", "abstract-unix-socket"), append(o.words, o.all["url"]...)
		switch {
		case o.has("X", "request"):
			method = o.value("X", "request")
		case o.has("I", "head"):
			method = "HEAD"
		case o.has("T", "upload-file"):
			method = "PUT"
		case o.has("G", "get"):
		case o.has("d", "data", "data-raw", "data-binary", "data-urlencode", "data-ascii", "F", "form", "form-string", "json"):
			method = "POST"
		}
	} else {
		socket, method, urls = httpieRequest(c.args)
	}
	if method == "" {
		method = "GET"
	}
	for _, u := range urls {
		j.asked(c, socket, strings.ToUpper(method), u)
	}
}

// httpieRequest is [METHOD] URL [ITEM...]: with an item that is sent it is a POST.
func httpieRequest(args []string) (socket, method string, urls []string) {
	o := parseOptions(args, "unix-socket a auth A auth-type o output p print s style session timeout verify cert proxy", false)
	words := o.words
	if len(words) > 1 && (open(words[0]) || strings.Trim(words[0], "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") == "" && !strings.Contains(words[0], ".")) {
		method, words = words[0], words[1:]
	} else {
		for _, w := range words[min(1, len(words)):] {
			if strings.Contains(w, "=") && !strings.Contains(w, "==") {
				method = "POST"
			}
		}
	}
	return o.value("unix-socket"), method, words[:min(1, len(words))]
}

// asked judges a request by the socket it goes through and what it asks for.
func (j *judge) asked(c *call, socket, method, url string) {
	where := socket
	if socket == "" {
		where = strings.NewReplacer("%2F", "/", "%2f", "/").Replace(url)
	}
	unsafe := yes
	switch {
	case open(method) && method != "":
		unsafe = maybe
	case method == "GET" || method == "HEAD" || method == "OPTIONS":
		return
	}
	switch {
	case strings.Contains(where, "keeper.sock"):
		j.find(c, "keeper.socket", unsafe, "")
	case strings.Contains(where, "podman.sock"), strings.Contains(where, "docker.sock"), strings.Contains(url, "/libpod/"):
		j.find(c, "stack.socket", min(unsafe, j.api(method, url)), "")
	case open(socket):
		j.find(c, "stack.socket", min(maybe, unsafe, j.api(method, url)), "which socket cannot be known")
	}
}

// api says whether a request to Podman ends something that is kept. See
// https://docs.podman.io/en/latest/_static/api.html.
func (j *judge) api(method, url string) match {
	parts := apiPath(url)
	part := func(n int) string {
		if n < len(parts) {
			return parts[n]
		}
		return ""
	}
	kind, name, verb := part(0), part(1), part(2)
	if open(kind) || kind == "" && open(url) {
		return maybe
	}
	may := func(m string) bool { return method == m || open(method) && is(method, m) != no }
	best := no
	if may("POST") {
		switch {
		case name == "prune" && kind != "images" && kind != "build":
			best = yes
		case kind == "system" && (name == "reset" || name == "migrate" || name == "renumber"):
			best = yes
		case (kind == "containers" || kind == "pods") && isAny(verb, "stop", "kill", "pause", "rename", "checkpoint") != no:
			if _, sig, ok := strings.Cut(url, "signal="); ok && verb == "kill" {
				if sig, _, _ = strings.Cut(sig, "&"); signalStrength(sig) <= gentle {
					break
				}
			}
			best = min(j.keptObject(kind, name), isAny(verb, "stop", "kill", "pause", "rename", "checkpoint"))
		case kind == "networks" && verb == "disconnect":
			best = j.keptObject(kind, name)
		case open(name):
			best = maybe
		}
	}
	if may("DELETE") {
		switch kind {
		case "containers", "pods", "networks", "volumes", "secrets":
			best = max(best, j.keptObject(kind, name))
		case "play", "kube":
			best = max(best, maybe)
		}
	}
	return best
}

// apiPath is what a request is about: the words of its path without the host, the
// version and "libpod".
func apiPath(url string) []string {
	if _, after, ok := strings.Cut(url, "://"); ok {
		url = after
	}
	url, _, _ = strings.Cut(url, "?")
	words := strings.Split(url, "/")
	words = words[min(1, len(words)):] // the host
	for len(words) > 0 {
		w := words[0]
		version := len(w) > 1 && w[0] == 'v' && strings.Trim(w[1:], "0123456789."+holeWord) == ""
		if w != "" && w != "libpod" && !version {
			break
		}
		words = words[1:]
	}
	return words
}

// keptObject says whether something that the API has is kept.
func (j *judge) keptObject(kind, name string) match {
	if name == "" {
		return no
	}
	var sure match
	if list, ok := strings.CutPrefix(name, "{"); ok { // curl's {one,two}
		for one := range strings.SplitSeq(strings.TrimSuffix(list, "}"), ",") {
			sure = max(sure, j.keptObject(kind, one))
		}
		return sure
	}
	switch kind {
	case "containers":
		sure, _ = j.keptContainer(name)
	case "volumes":
		sure, _ = j.keptVolume(name)
	case "pods":
		sure, _ = namedAny(name, j.host.Pods...)
	case "networks":
		sure, _ = namedAny(name, j.host.Networks...)
	case "secrets":
		sure = yes
	}
	if tainted(name) {
		return yes
	}
	if sure == no && (hexish(name) || open(name) && blank(name)) {
		sure = maybe
	}
	return sure
}

// maxRaw is how much of what is fed to netcat is looked at.
const maxRaw = 64 << 10

// rawRequest is HTTP written by hand to nc or socat.
func (j *judge) rawRequest(c *call) {
	socket := ""
	for _, a := range c.args {
		for _, s := range []string{"podman.sock", "docker.sock", "keeper.sock"} {
			if strings.Contains(a, s) {
				socket = s
			}
		}
	}
	if socket == "" || !c.fed {
		return
	}
	text := strings.NewReplacer(`\r`, "", `\n`, "\n").Replace(c.stdin[:min(len(c.stdin), maxRaw)])
	for _, line := range strings.Split(text, "\n") {
		words := strings.Fields(line)
		switch {
		case blank(strings.TrimSpace(line)):
			rule := "stack.socket"
			if socket == "keeper.sock" {
				rule = "keeper.socket"
			}
			j.find(c, rule, maybe, "what is asked for cannot be known")
		case len(words) >= 2 && (strings.HasPrefix(words[1], "/") || open(words[1])) && len(words[0]) < 16:
			j.asked(c, socket, strings.ToUpper(words[0]), "http://d"+words[1])
		}
	}
}
