package guard

import (
	"path"
	"slices"
	"strings"
)

// files are the rules about programs that take files away or change them.
func (j *judge) files(c *call) {
	switch c.name {
	case "rm", "srm", "rimraf", "del-cli", "trash", "trash-put", "rip", "gio", "gvfs-trash", "unlink", "shred", "wipe":
		j.removes(c)
	case "mv", "rename", "prename", "perl-rename", "file-rename":
		j.moves(c)
	case "umount", "fusermount", "fusermount3", "systemd-tmpfiles", "btrfs":
		j.unmounts(c)
	case "rsync", "tar", "bsdtar", "gtar", "zip", "unzip", "scp":
		j.copiesTrees(c)
	case "find":
		j.finds(c)
	case "chmod", "chown", "chgrp", "chattr", "setfacl", "chcon":
		j.changesMode(c)
	case ">", ">>", "tee", "sponge", "truncate", "touch", "mkdir", "dd", "cp", "install", "ln", "link", "curl", "wget", "patch":
		j.writes(c)
	case "sed", "gsed", "perl", "ruby", "awk", "gawk", "yq", "crudini", "ed", "ex", "red", "vi", "vim", "nvim", "nano", "emacs", "micro":
		j.edits(c)
	default:
		j.disks(c)
	}
}

// given is options.has for long options too, which getopt_long(3) takes by any beginning
// that only one of them has.
func given(o options, long string, shortest int) bool {
	for name := range o.flags {
		if len(name) >= shortest && strings.HasPrefix(long, name) {
			return true
		}
	}
	return false
}

// helps says that a program only says how it is used.
func helps(c *call) bool {
	return slices.Contains(c.args, "--help") || slices.Contains(c.args, "--version")
}

func (j *judge) removes(c *call) {
	if helps(c) {
		return
	}
	h := j.harm(c)
	defer h.done()
	takes, rec := "", no
	switch c.name {
	case "shred":
		takes = "n iterations s size random-source"
	case "rimraf", "del-cli", "trash", "trash-put", "rip", "gvfs-trash":
		rec = yes
	case "gio":
		if len(c.args) == 0 || c.args[0] != "trash" && c.args[0] != "remove" {
			return
		}
		rec = when(c.args[0] == "trash")
	}
	o := parseOptions(c.args, takes, false)
	switch {
	case c.name == "trash-put" && given(o, "trash-dir", 9), c.name == "shred", c.name == "unlink":
	case o.has("r", "R") || given(o, "recursive", 3):
		rec = yes
	case len(o.words) > 1 && startsOpen(o.words[0]):
		rec = max(rec, maybe) // rm $FLAGS DIR
	}
	if c.name == "gio" {
		o.words = o.rest(1)
		if o.has("empty") {
			return
		}
	}
	for _, w := range o.words {
		if c.name == "shred" {
			h.disk(w, yes)
		}
		if rec == maybe && open(w) {
			h.take(w, no) // two files, more likely than options
			continue
		}
		h.take(w, rec)
	}
}

func (j *judge) moves(c *call) {
	h := j.harm(c)
	defer h.done()
	if c.name != "mv" {
		o := parseOptions(c.args, "e", false)
		if o.has("n", "no-act", "nono", "V", "h", "help") {
			return
		}
		from := 1
		if o.has("e") {
			from = 0
		}
		for _, w := range o.rest(from) {
			h.take(w, no)
		}
		return
	}
	from, to := h.copied("S suffix t target-directory", c.args)
	for _, w := range from {
		h.take(w, yes)
	}
	for _, w := range to {
		h.write(w)
	}
}

// copied tells sources and what they may overwrite, for cp, mv, install and ln.
func (h *harm) copied(takes string, args []string) (from, to []string) {
	o := parseOptions(args, takes, false)
	from = o.words
	dir, into := o.value("t", "target-directory"), o.has("t") || given(o, "target-directory", 3)
	if v := o.flags["target-directory"]; v != "" {
		dir = v
	}
	switch {
	case given(o, "help", 3) || given(o, "version", 4):
		return nil, nil
	case !into && len(from) == 1 && h.c.name == "ln":
		dir = "."
	case !into && len(from) < 2:
		return nil, nil
	case !into:
		dir, from = from[len(from)-1], from[:len(from)-1]
		to = append(to, dir)
	}
	if h.c.name == "mv" || h.c.name == "cp" {
		if o.has("n") || given(o, "no-clobber", 4) || o.flags["update"] == "none" {
			return from, nil
		}
	}
	if o.has("T") || given(o, "no-target-directory", 4) {
		return from, to
	}
	for _, w := range from {
		if b := path.Base(w); !startsOpen(b) && b != "." && b != ".." && b != "/" {
			to = append(to, strings.TrimRight(dir, "/")+"/"+b)
		}
	}
	return from, to
}

func (j *judge) unmounts(c *call) {
	h := j.harm(c)
	defer h.done()
	switch c.name {
	case "systemd-tmpfiles":
		o := parseOptions(c.args, "user-mode prefix exclude-prefix root image image-policy replace", false)
		switch {
		case o.has("help", "h", "version", "dry-run", "cat-config", "tldr"):
		case o.has("purge"):
			h.hit("files.home", maybe, "it deletes all that the lines of tmpfiles.d create")
		case o.has("remove"):
			h.hit("files.runtime", maybe, "it deletes what the lines of tmpfiles.d say")
		}
		return
	case "btrfs":
		if len(c.args) > 2 && strings.HasPrefix("subvolume", c.args[0]) && strings.HasPrefix("delete", c.args[1]) {
			for _, w := range c.args[2:] {
				h.take(w, yes)
			}
		}
		return
	}
	o := parseOptions(c.args, "t types O test-opts N namespace o", false)
	switch {
	case o.has("h", "help", "V", "version", "fake") || c.name != "umount" && !o.has("u", "z"):
		return
	case o.has("a", "all") && c.name == "umount" && !o.has("t", "types", "O", "test-opts"):
		h.hit("files.runtime", yes, "umount --all")
	}
	for _, w := range o.words {
		h.take(w, yes)
	}
	// The rest of the system is not taken away by that: what is in use stays.
	h.hits = slices.DeleteFunc(h.hits, func(x hit) bool { return x.rule != "files.runtime" && x.rule != "files.storage" })
}

// rsyncTakes are the options of rsync(1) that have a value.
const rsyncTakes = "e f T B M @ rsh rsync-path suffix backup-dir block-size exclude include exclude-from include-from files-from filter temp-dir " +
	"compare-dest copy-dest link-dest max-size min-size bwlimit timeout contimeout port log-file log-file-format out-format password-file partial-dir " +
	"chmod chown usermap groupmap info debug compress-level zl skip-compress max-delete max-alloc checksum-choice cc compress-choice zc protocol iconv " +
	"sockopts modify-window outbuf remote-option address stop-after stop-at time-limit"

func (j *judge) copiesTrees(c *call) {
	h := j.harm(c)
	defer h.done()
	switch c.name {
	case "rsync":
		h.rsync()
	case "scp":
		o := parseOptions(c.args, "c D F i J l o P S X", false)
		for _, w := range h.ends(o.words) {
			h.write(w)
		}
	case "zip":
		if o := parseOptions(c.args, "x i n t tt b O P s", false); o.has("m", "move") {
			for _, w := range o.rest(1) {
				h.take(w, yes)
			}
		}
	case "unzip":
		if o := parseOptions(c.args, "d x P", false); !o.has("l", "t", "p", "v", "Z") {
			h.unpack(o.value("d"))
		}
	default:
		h.tar()
	}
}

// unpack is what comes out of an archive, into a directory or the working one.
func (h *harm) unpack(dir string) {
	h.inside(strings.TrimRight(dir, "/") + "/*")
	if dir == "" {
		h.inside("*")
	}
}

func (h *harm) tar() {
	args := h.c.args
	if len(args) > 0 && args[0] != "" && args[0][0] != '-' {
		args = append([]string{"-" + args[0]}, args[1:]...) // tar xzf: the first word is options
	}
	// The letters of such a word take what comes after it, one by one.
	clean := make([]string, 0, len(args)+1)
	for _, a := range args {
		if len(a) > 2 && a[0] == '-' && a[1] != '-' && strings.Contains(a[1:len(a)-1], "f") {
			a = strings.Replace(a, "f", "", 1) + "f"
		}
		clean = append(clean, a)
	}
	o := parseOptions(clean, "f file C directory X exclude-from T files-from exclude I use-compress-program transform xform b H format g listed-incremental", false)
	if o.has("remove-files") {
		for _, w := range o.words {
			h.take(w, yes)
		}
	}
	if o.has("x", "extract", "get") {
		h.unpack(o.value("C", "directory"))
	}
}

func (h *harm) rsync() {
	o := parseOptions(h.c.args, rsyncTakes, false)
	if o.has("n", "dry-run", "list-only", "help") || len(o.words) < 2 {
		return
	}
	from, to := o.words[:len(o.words)-1], o.words[len(o.words)-1]
	if o.has("remove-source-files", "remove-sent-files") {
		for _, w := range from {
			h.at(w, func(at *harm, p string) { at.take(p, yes) })
		}
	}
	deletes := false
	for name := range o.flags {
		deletes = deletes || name == "del" || strings.HasPrefix(name, "delete") && name != "delete-missing-args"
	}
	for _, w := range from {
		into := to
		// Without a slash at its end the directory itself is copied, and only what is in
		// the copy is compared.
		if last := path.Base(w); !strings.HasSuffix(w, "/") && last != "." && last != ".." && !open(last) {
			into = strings.TrimRight(to, "/") + "/" + last
			if strings.HasSuffix(to, ":") {
				into = to + last
			}
		}
		if deletes {
			h.at(into, func(at *harm, p string) { at.take(p, yes) })
		}
	}
	for _, w := range h.ends(o.words) {
		h.write(w)
	}
}

// ends are the files of this host that a copy from elsewhere may write to.
func (h *harm) ends(words []string) []string {
	if len(words) < 2 {
		return nil
	}
	to := words[len(words)-1]
	if _, _, elsewhere := hostPath(to); elsewhere {
		return nil
	}
	list := []string{to}
	for _, w := range words[:len(words)-1] {
		if b := path.Base(w[strings.LastIndexByte(w, ':')+1:]); b != "." && b != ".." && b != "/" && !startsOpen(b) && !strings.HasSuffix(w, "/") {
			list = append(list, strings.TrimRight(to, "/")+"/"+b)
		}
	}
	return list
}

// hostPath takes [USER@]HOST:PATH apart, as scp(1) and rsync(1) do.
func hostPath(word string) (host, p string, ok bool) {
	host, p, ok = strings.Cut(word, ":")
	if !ok || host == "" || strings.Contains(host, "/") {
		return "", word, false
	}
	return host, p, true
}

// at looks at a path where it is: on this host, or on another one, where paths begin in
// the home.
func (h *harm) at(word string, do func(*harm, string)) {
	host, p, elsewhere := hostPath(word)
	if !elsewhere {
		do(h, word)
		return
	}
	if strings.HasPrefix(p, ":") { // a module of a daemon
		return
	}
	c := *h.c
	c.place, c.dir = place{kind: remote, name: host}, h.j.host.Home
	if p == "~" || strings.HasPrefix(p, "~/") {
		p = "." + p[1:]
	}
	if p == "" {
		p = "."
	}
	there := h.j.harm(&c)
	do(there, p)
	for _, x := range there.hits {
		h.hit(x.rule, x.sure, x.detail+" on "+shown(host))
	}
}
