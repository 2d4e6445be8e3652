package guard

import "strings"

// disk notes that a word is a disk, which is written over.
func (h *harm) disk(word string, sure match) {
	if at := isDisk(h.c.dir, word); at != no {
		h.hit("machine.disk", min(at, sure), shown(word))
	}
}

// isDisk says whether a word is a disk, or a part of one. Loop devices are files that
// somebody made, and not among them.
func isDisk(dir, word string) match {
	if !strings.HasPrefix(word, "/") && !strings.HasPrefix(dir, "/dev") {
		return no
	}
	p, ok := parsePath(dir, word)
	if !ok || p.rel || len(p.comps) < 2 || p.comps[0].text != "dev" {
		return no
	}
	c := p.comps[1]
	if c.kind == deep {
		return maybe
	}
	for _, kind := range [...]string{"sd", "hd", "vd", "xvd", "nvme", "mmcblk", "md", "dm-", "pmem", "nbd", "mem", "kmem", "disk", "mapper", "bcache", "dasd", "ubi", "mtd"} {
		switch rest, ok := strings.CutPrefix(c.text, kind); {
		case c.kind == exact && ok && (kind != "disk" && kind != "mapper" || len(p.comps) > 2 && rest == ""):
			return yes
		case c.kind == glob && ok && c.open:
			return maybe
		case c.kind == glob && ok:
			return yes
		}
	}
	// /dev/VOLUMEGROUP/VOLUME
	if c.kind == exact && len(p.comps) == 3 && p.comps[2].kind == exact {
		switch c.text {
		case "pts", "fd", "shm", "input", "net", "snd", "dri", "bus", "char", "block", "hugepages", "mqueue", "cpu", "vfio", "usb":
			return no
		}
		return maybe
	}
	return no
}

// disks are programs that write over disks, partitions and file systems.
func (j *judge) disks(c *call) {
	doing := diskVerb(c)
	if doing == no {
		return
	}
	h := j.harm(c)
	defer h.done()
	switch c.name {
	case "lvremove", "vgremove", "pvremove", "zpool", "zfs":
		h.hit("machine.disk", doing, "")
		return
	}
	for i, w := range c.args {
		switch {
		case strings.HasPrefix(w, "-"):
		case startsOpen(w) && i == len(c.args)-1 && c.name != "badblocks":
			h.hit("machine.disk", maybe, "the disk is not known")
		default:
			h.disk(w, doing)
		}
	}
}

// diskVerb says whether a call writes over the disk that it names.
func diskVerb(c *call) match {
	name := c.name
	if strings.HasPrefix(name, "mkfs.") {
		name = "mkfs"
	}
	switch name {
	case "mkfs", "mke2fs", "mkswap", "mkntfs", "mkdosfs", "wipefs", "blkdiscard", "sgdisk", "parted", "fdisk", "sfdisk", "gdisk", "cryptsetup",
		"lvremove", "vgremove", "pvremove", "zpool", "zfs", "mdadm", "hdparm", "nvme", "badblocks":
	default:
		return no
	}
	if helps(c) {
		return no
	}
	o := parseOptions(c.args, "", false)
	verb := func(n int, verbs ...string) match { return isAny(o.word(n), verbs...) }
	switch name {
	case "mkfs", "mke2fs":
		// Only a dry run; for mkfs.vfat -n is a name.
		dry := o.has("n") && (strings.Contains(c.name, "ext") || c.name == "mke2fs") || o.has("N") && c.name == "mkfs.xfs"
		return when(!dry)
	case "wipefs":
		return when((o.has("a", "o") || given(o, "all", 2) || given(o, "offset", 2)) && !o.has("n") && !given(o, "no-act", 4))
	case "sgdisk":
		return when(o.has("Z", "z", "o", "d", "zap-all", "zap", "clear", "delete") && !o.has("P", "pretend"))
	case "parted":
		found := no
		for i := range o.words {
			found = max(found, verb(i, "mklabel", "mktable", "rm"), min(maybe, verb(i, "mkpart", "resizepart")))
		}
		return found
	case "fdisk", "gdisk":
		return partitions(c, o)
	case "sfdisk":
		if o.has("d", "dump", "J", "json", "l", "list", "V", "verify", "n", "no-act", "F", "list-free", "T", "list-types", "B", "backup-pt-sectors") {
			return no
		}
		return when(c.fed || o.has("delete", "wipe", "w"))
	case "cryptsetup":
		return verb(0, "erase", "luksErase", "luksFormat")
	case "lvremove", "vgremove", "pvremove":
		return when(len(o.words) > 0 && !o.has("t", "test"))
	case "zpool":
		return max(verb(0, "destroy", "labelclear"))
	case "zfs":
		return when(o.word(0) == "destroy" && !o.has("n"))
	case "mdadm":
		return when(o.has("zero-superblock"))
	case "hdparm":
		return when(o.has("security-erase", "security-erase-enhanced", "trim-sector-ranges", "write-sector"))
	case "nvme":
		return verb(0, "format", "sanitize")
	case "badblocks":
		return when(o.has("w"))
	}
	return yes // mkswap, blkdiscard, mkntfs, mkdosfs
}

// partitions says whether what is fed to fdisk changes anything: only w writes.
func partitions(c *call, o options) match {
	switch {
	case !c.fed || o.has("l", "list", "x", "list-details"):
		return no
	case open(c.stdin):
		return maybe
	}
	for line := range strings.SplitSeq(c.stdin, "\n") {
		if strings.TrimSpace(line) == "w" {
			return yes
		}
	}
	return no
}
