#!/bin/sh
# Installs keeper for one account: what it needs of the distribution, its programs,
# its user units, linger, and as root also root's part (docs/explanation/root.md).
# As an account it needs no root. Run again, it changes only what is not as it
# should be; stopped half-way, it can be run again. --uninstall takes all of it out.
# Everything about it: docs/how-to/install.md.
set -eu
# Whoever became root from an account may have that account's PATH.
if [ "$(/usr/bin/id -u)" -eq 0 ]; then PATH=/usr/sbin:/usr/bin:/sbin:/bin; else PATH=$PATH:/usr/sbin:/sbin; fi
unset CDPATH # cd would go elsewhere, and print where

usage() {
	cat <<'END'
usage: install.sh [--user NAME] [--no-root] [SOURCE] [--yes] [--dry-run] [--replace]
                  [--no-armor] [--shutdown-delay SECONDS]
       install.sh --uninstall [--user NAME [--system | --no-root]] [--keep-linger]
                  [--replace] [--dry-run]

  --user NAME     as root: the account to install for; written as that account
  --no-root       as root: leave root's part out, which makes terminate-user
                  harmless and brings the user manager back
  --system        as root, with --uninstall: only root's part
  --no-armor      as root: leave the first of the two out
  --shutdown-delay SECONDS
                  as root: have logind wait so long for what keeper must stop
                  before a shutdown, if it waits less: 6 to 30; keeper doctor says
                  what is needed; 0 takes it back
  --yes           install missing packages without asking
  --dry-run       say what would be done, and change nothing
  --replace       replace files that keeper did not put there or that were edited;
                  with --uninstall: remove those that were edited as well, and
                  the journal of an adoption that is not finished
  --uninstall     stop keeper and remove everything it installed and kept
  --keep-linger   with --uninstall: leave linger on even if this script set it

SOURCE, where the programs come from; a package that is installed goes before all:
  --package FILE  as root: this .rpm or .deb, installed by dnf or apt-get
  --tarball FILE  this tarball, if its check sum is right: that of --sha256 SUM, or
                  of the file SHA256SUMS beside it
  --binary FILE   the keeper program; keeper-adopt and keeper-guard, which go with
                  it, are taken from beside it
  without any     bin/ beside deploy/; if there are no programs in it they are built
END
}

say() { printf '%s\n' "keeper install: $*"; }
die() {
	printf '%s\n' "keeper install: $*" >&2
	exit 1
}
wrong() {
	printf '%s\n' "keeper install: $*; see --help" >&2
	exit 2
}

# run COMMAND: does it, or says that it would.
run() { if [ -n "$dry" ]; then say "would run: $*"; else "$@"; fi; }

here=$(cd "$(dirname "$0")" && pwd -P)
script=$here/$(basename "$0")
self=${KEEPER_INSTALL_AS:-sh $0} # root's, where root hands over to the account
root=$(dirname "$here")
user='' binary='' package='' tarball='' sha256='' action=install system='' no_root='' armor=1 delay=''
replace='' keep_linger='' dry='' yes=''
while [ $# -gt 0 ]; do
	case $1 in
	--user | --binary | --package | --tarball | --sha256 | --shutdown-delay)
		{ [ $# -ge 2 ] && [ -n "$2" ]; } || wrong "$1 needs a value"
		case $1 in
		--user) user=$2 ;;
		--binary) binary=$2 ;;
		--package) package=$2 ;;
		--tarball) tarball=$2 ;;
		--sha256) sha256=$(printf '%s' "$2" | tr A-F a-f) ;;
		*) delay=$2 ;;
		esac
		shift
		;;
	--system) system=1 ;;
	--no-root) no_root=1 ;;
	--no-armor) armor='' ;;
	--yes) yes=1 ;;
	--dry-run) dry=1 ;;
	--replace) replace=1 ;;
	--uninstall) action=uninstall ;;
	--keep-linger) keep_linger=1 ;;
	-h | --help)
		usage
		exit 0
		;;
	*)
		usage >&2
		exit 2
		;;
	esac
	shift
done
[ -z "$no_root" ] || { [ -z "$system$delay" ] && [ -n "$armor" ]; } || wrong "--no-root leaves root's part out, which --system, --no-armor and --shutdown-delay are about"
set -- "$package" "$tarball" "$binary"
[ -z "$1" ] || [ -z "$2$3" ] || wrong "give one of --package, --tarball and --binary"
[ -z "$2" ] || [ -z "$3" ] || wrong "give one of --package, --tarball and --binary"
[ -z "$sha256" ] || [ -n "$tarball" ] || wrong "--sha256 is for --tarball"
case $delay in
'' | 0 | [6-9] | [12][0-9] | 30) ;;
*) die "--shutdown-delay $delay: give seconds from 6 to 30, or 0; every local user can delay a shutdown by as much" ;;
esac

is_root() { [ "$(id -u)" -eq 0 ]; }

# ---- the host ------------------------------------------------------------------

# os_release KEY: its value. The file is read, not run.
os_release() {
	for f in /etc/os-release /usr/lib/os-release; do
		[ -f "$f" ] || continue
		sed -n "s/^$1=//p" "$f" | tail -n 1 | sed "s/^[\"']//; s/[\"']\$//" | tr -cd '[:print:]'
		return
	done
}

# recognise sets family, which is empty where the distribution is unknown, and major.
recognise() {
	version=$(os_release VERSION_ID)
	major=${version%%.*} family='' id=$(os_release ID)
	for name in "$id" $(os_release ID_LIKE); do
		case $name in
		ol | rhel | centos | almalinux | rocky) family=rhel ;;
		fedora) family=fedora ;;
		debian | ubuntu) family=debian ;;
		*) continue ;;
		esac
		break
	done
	case $family$major in rhel8 | rhel9 | rhel10) ;; rhel*) family='' ;; esac
	what=$(os_release PRETTY_NAME)
	if [ -n "$family" ]; then
		say "this host is ${what:-$id $version}"
	else
		say "this host is ${what:-of no name}, which this script does not know; it goes on if all is here that keeper needs"
	fi
}

# check_cgroup: Quadlet, and with it all that keeper does, needs cgroup v2.
check_cgroup() {
	[ "$(stat -fc %T /sys/fs/cgroup 2>/dev/null)" != cgroup2fs ] || return 0
	argument=systemd.unified_cgroup_hierarchy=1
	case $family in
	rhel | fedora) how="grubby --update-kernel=ALL --args=\"$argument\"" ;;
	debian) how="add $argument to GRUB_CMDLINE_LINUX in /etc/default/grub; update-grub" ;;
	*) how="give the kernel the argument $argument" ;;
	esac
	die "this host runs with cgroup v1, where Podman's Quadlet cannot work. Nothing was changed. As root:
  $how
  reboot
and then run this again"
}

# need NAME RPM DEB WHAT...: notes the package, unless one of the programs or files is here.
need() {
	name=$1 rpm=$2 deb=$3
	shift 3
	for path in "$@"; do
		case $path in
		/*) [ ! -e "$path" ] || return 0 ;;
		*) ! command -v "$path" >/dev/null || return 0 ;;
		esac
	done
	lacking="$lacking, $name"
	case $family$major:$rpm in
	debian*) rpm=$deb ;;
	rhel8:container-tools) # a module there, with a stream of the distribution's own
		module=container-tools:rhel8
		[ "$id" != ol ] || module=container-tools:ol8
		return
		;;
	fedora*:container-tools) rpm=podman ;;
	esac
	case " $packages " in *" $rpm "*) ;; *) packages="$packages $rpm" ;; esac
}

# needs sets what the host lacks: lacking in words, module and packages for dnf
# or apt-get.
needs() {
	lacking='' packages='' module=''
	need Podman container-tools podman podman
	case $family$major:$id in
	rhel8:* | debian12:debian | debian2[0-3]:ubuntu | debian24:ubuntu) net=slirp4netns ;; # what their Podman uses
	*) net=passt ;;
	esac
	need "the network of rootless containers" $net $net pasta slirp4netns
	need newuidmap shadow-utils uidmap newuidmap
	need usermod shadow-utils passwd usermod
	need polkit polkit polkitd /usr/lib/polkit-1/polkitd /usr/libexec/polkitd
	need "the user bus" dbus-daemon dbus-user-session /usr/lib/systemd/user/dbus.socket
	need "the message bus" dbus-daemon dbus dbus-daemon dbus-broker-launch
	need pam_systemd systemd-pam libpam-systemd /usr/lib*/security/pam_systemd.so /usr/lib/*/security/pam_systemd.so /lib/*/security/pam_systemd.so
	need runuser util-linux util-linux runuser
	need setsid util-linux util-linux setsid
	need tar tar tar tar
	need cmp diffutils diffutils cmp
	[ ! -e /sys/fs/selinux/enforce ] || need restorecon policycoreutils policycoreutils restorecon
	packages=${packages# } lacking=${lacking#, }
}

# each_install EACH: EACH COMMAND for every command that installs what is missing.
each_install() {
	[ -z "$module" ] || "$1" dnf --assumeyes module install "$module"
	# shellcheck disable=SC2086 # several packages
	set -- "$1" $packages ${package:+"$package"}
	[ $# -gt 1 ] || return 0
	each=$1
	shift
	case $family:$package in
	debian:* | :*.deb) "$each" env DEBIAN_FRONTEND=noninteractive apt-get --yes install "$@" ;;
	*) "$each" dnf --assumeyes install "$@" ;;
	esac
}
show() { printf '  %s\n' "$*"; }
install_by() {
	run "$@" && return
	case $* in *apt-get*) say "apt-get failed; its lists may be missing or old: apt-get update" && apt-get --quiet=2 update && "$@" && return ;; esac
	die "$* failed, see above; nothing of keeper is installed yet. Mend that, and run this again"
}

# check_host: what has to be right before anything is changed.
check_host() {
	recognise
	check_cgroup
	command -v systemctl >/dev/null || die "there is no systemd here, which is what keeper keeps"
	needs
	if [ -n "$lacking" ] && [ -z "$family" ]; then
		die "missing here: $lacking. Install that by the means of your distribution, and run this again. Nothing was changed"
	elif [ -n "$lacking" ] && ! is_root; then
		printf '%s\n' "keeper install: missing here: $lacking. Nothing was changed. As root:" >&2
		each_install show >&2
		exit 1
	fi
}

# install_packages: what is missing, and keeper's own package, if it is given.
install_packages() {
	[ -n "$module$packages$package" ] || return 0
	[ -z "$lacking" ] || say "missing here: $lacking"
	if [ -z "$dry" ] && [ -z "$yes" ]; then
		if [ ! -t 0 ]; then
			{
				say "without a terminal nothing is installed unasked. Nothing was changed. Run this again with --yes, or type:"
				each_install show
			} >&2
			exit 1
		fi
		each_install show
		printf 'keeper install: type that? [y/N] '
		read -r answer || answer=''
		case $answer in y | Y | yes) ;; *) die "nothing was changed" ;; esac
	fi
	each_install install_by
	[ -z "$dry" ] || return 0
	did="$did; installed ${lacking:+what was missing: $lacking}${package:+${lacking:+, and }$package}"
	needs
	[ -z "$lacking" ] || die "still missing after that: $lacking"
}

# has_sub uid|gid: are there subordinate ids for the account? A directory may have
# them as well (subid in nsswitch.conf).
has_sub() {
	cut -d: -f1 "/etc/sub$1" 2>/dev/null | grep -qxF -e "$user" -e "$uid" && return
	case $1 in uid) set -- ;; gid) set -- -g ;; esac
	[ -n "$(getsubids "$@" "$user" 2>/dev/null)" ]
}

# free_range: the first of 65536 ids that no account has, nor is given by either file.
free_range() {
	low=100000
	{
		sed -n 's/^SUB_[UG]ID_MIN[[:space:]]*\([0-9]*\)[[:space:]]*$/0:\1/p' /etc/login.defs 2>/dev/null || :
		cat /etc/subuid /etc/subgid 2>/dev/null | cut -d: -f2,3
		cat /etc/passwd /etc/group | cut -d: -f3 | sed 's/$/:1/'
	} | grep -x '[0-9]\{1,10\}:[0-9]\{1,10\}' | sort -n | {
		while IFS=: read -r from count; do
			[ "$from" -lt $((low + 65536)) ] || break
			[ $((from + count)) -le "$low" ] || low=$((from + count))
		done
		printf '%s\n' "$low"
	}
}

give_sub_ids() {
	options=''
	first=$(free_range)
	range=$first-$((first + 65535))
	for kind in uid gid; do
		has_sub $kind && continue
		options="$options --add-sub${kind}s $range"
		[ -e /etc/sub$kind ] || run touch /etc/sub$kind # usermod wants it there
	done
	[ -n "$options" ] || return 0
	[ $((first + 65535)) -lt 4294967295 ] || die "there is no range of 65536 free subordinate ids for $user; see /etc/subuid and /etc/subgid"
	# shellcheck disable=SC2086 # several options
	run usermod $options "$user" || die "$user cannot be given subordinate ids; have whoever keeps the account put $user:$first:65536 into /etc/subuid and /etc/subgid, and run this again"
	[ -z "$dry" ] || return 0
	say "$user has subordinate ids now, which its containers live on: $range"
	did="$did; gave $user the subordinate ids $range"
	[ ! -e "/run/user/$uid/libpod/tmp/pause.pid" ] ||
		say "Podman of $user takes them after: podman system migrate. That stops every container of $user; type it as $user when none may be missed"
}

# ---- files: both parts are written, noted and removed in the same way --------

# A part sets $manifest: "sum path" of each file, "dir path" of each directory made.
manifest='' work='' new_dirs='' changed='' unsettled='' did=''

sum() { sha256sum <"$1" | cut -d' ' -f1; }

# label PATH: with SELinux, as the policy has it. The account may do that, too.
label() {
	{ [ -e /sys/fs/selinux/enforce ] && command -v restorecon >/dev/null; } || return 0
	restorecon "$1" || say "the SELinux context of $1 could not be set"
}

# want_dir DIR: it is to be there: new_dirs is what is not yet.
want_dir() {
	[ ! -d "$1" ] || return 0
	case "
$new_dirs" in *"
$1
"*) return 0 ;; esac
	want_dir "$(dirname "$1")"
	new_dirs="$1
$new_dirs"
}

# make_dirs: they are noted by then, or are so at once.
make_dirs() {
	[ -z "$dry" ] || return 0
	printf '%s' "$new_dirs" | sort | while read -r d; do
		[ -d "$d" ] || { mkdir "$d" && label "$d"; }
	done
}

# start_manifest: with its own directories.
start_manifest() {
	make_dirs
	[ -n "$dry" ] || [ -e "$manifest" ] || printf '%s' "$new_dirs" | sed 's/^/dir /' >"$manifest"
}

# mine PATH: is the file as this script left it?
mine() { [ -f "$manifest" ] && grep -qxF "$(sum "$1") $1" "$manifest"; }

# check MODE NEW PATH: may PATH be written?
check() {
	if [ -e "$3" ] && [ -z "$replace" ] && ! mine "$3" && [ "$(sum "$2")" != "$(sum "$3")" ]; then
		die "$3 is not keeper's or was edited, and is left alone; move it away, or use --replace"
	fi
}

# put MODE NEW PATH: replaces PATH in one step, if it differs.
put() {
	[ -n "$dry" ] || rm -f "$3".new.* # of a run that was stopped
	! cmp -s "$2" "$3" || return 0
	changed=$((${changed:-0} + 1))
	if [ -n "$dry" ]; then
		say "would write $3"
		return
	fi
	cp "$2" "$3.new.$$"
	chmod "$1" "$3.new.$$"
	# Some file systems have the name on disk before the content.
	sync "$3.new.$$"
	mv -f "$3.new.$$" "$3"
	label "$3"
	say "wrote $3"
}
note() { printf '%s %s\n' "$(sum "$2")" "$3" >>"$work/manifest"; }
want_dir_of() { want_dir "$(dirname "$3")"; }

# theirs PATH: does it belong to the package by now?
theirs() { [ -n "$packaged" ] && [ "$1" = "$helper" ]; }

# plan EACH sets $work/manifest, what is to be there, and $work/obsolete: what was
# noted before, and is not to be there any more.
plan() {
	: >"$work/manifest"
	"$1" note
	: >"$work/obsolete"
	[ ! -f "$manifest" ] || {
		cut -d' ' -f2- "$work/manifest" >"$work/wanted"
		grep -v '^dir ' "$manifest" | cut -d' ' -f2- | sort -u | grep -vxF -f "$work/wanted" >"$work/obsolete" || :
	}
}

# check_files EACH: may all of that be?
check_files() {
	"$1" check
	plan "$1"
	while read -r path; do
		[ ! -e "$path" ] || [ -n "$replace" ] || theirs "$path" || mine "$path" ||
			die "$path was edited, and goes before what is to be installed; move it away, or use --replace"
	done <"$work/obsolete"
}

# write_files EACH: EACH CALL calls CALL MODE NEW PATH for every file there is.
write_files() {
	# Noted first, beside what was noted before: a file is this script's own
	# whether it is replaced yet or not, so what is stopped half-way can be run
	# again, or taken out.
	plan "$1"
	{ cat "$work/manifest" && grep '^dir ' "$manifest"; } 2>/dev/null | cmp -s - "$manifest" || unsettled=1
	"$1" want_dir_of
	[ -n "$dry" ] || {
		cat "$work/manifest"
		[ ! -f "$manifest" ] || cat "$manifest"
		printf '%s' "$new_dirs" | sed 's/^/dir /'
	} | sort -u >"$work/noted"
	note_down "$work/noted"
	make_dirs
	new_dirs=''
	"$1" put
	while read -r path; do
		{ [ -e "$path" ] && ! theirs "$path"; } || continue
		changed=$((${changed:-0} + 1))
		run rm -f "$path"
		[ -n "$dry" ] || say "removed $path"
	done <"$work/obsolete"
}

# settle EACH: what is written is in force; nothing of before is noted any longer.
settle() {
	[ -z "$dry" ] || return 0
	plan "$1"
	grep '^dir ' "$manifest" >>"$work/manifest" || :
	note_down "$work/manifest"
}

# note_down FILE makes it the manifest, in one step.
note_down() {
	[ -z "$dry" ] || return 0
	cmp -s "$1" "$manifest" || {
		cp "$1" "$manifest.new"
		mv -f "$manifest.new" "$manifest"
	}
}

# remove_files: what $manifest notes, but for what was edited. That stays noted,
# so that it can be removed later; returns 1 if there is any.
remove_files() {
	: >"$work/left"
	grep -v '^dir ' "$manifest" | while read -r sum path; do
		[ -n "$dry" ] || rm -f "$path".new.*
		if [ ! -e "$path" ] || theirs "$path"; then
			continue
		elif [ -n "$replace" ] || mine "$path"; then
			if [ -n "$dry" ]; then
				say "would remove $path"
			elif ! rm -f "$path"; then # it stays noted
				printf '%s %s\n' "$sum" "$path" >>"$work/left"
			fi
		else
			say "$path was edited and stays"
			printf '%s %s\n' "$sum" "$path" >>"$work/left"
		fi
	done
	[ -s "$work/left" ] || return 0
	grep '^dir ' "$manifest" >>"$work/left" || :
	note_down "$work/left"
	return 1
}

# noted_dirs: the directories that $manifest notes, innermost first.
noted_dirs() { sed -n 's/^dir //p' "$manifest" | sort -r; }
remove_dirs() {
	printf '%s\n' "$1" | while read -r d; do
		[ -z "$d" ] || rmdir "$d" 2>/dev/null || :
	done
}

# ---- where the programs come from ------------------------------------------------

# root_owned PATH: can nobody but root change it, or put another in its place?
root_owned() {
	p=$1
	while :; do
		[ "$(stat -Lc %u "$p")" -eq 0 ] || return 1
		# A sticky directory, such as /tmp, keeps other people's hands off.
		[ -z "$(find -L "$p" -prune \( -perm -o=w -o -perm -g=w ! -gid 0 \) ! -perm -1000)" ] || return 1
		# Where there is an access control list, these bits are the most that it gives.
		case $(ls -Lld "$p") in ?????w????+*) return 1 ;; esac
		[ "$p" != / ] || return 0
		p=$(dirname "$p")
	done
}

# roots FILE: its path, without links: what was looked at is what is used. As root, if
# it is root's alone.
roots() {
	of=$(readlink -f "$1")
	! is_root || root_owned "$of" || die "$1 is not root's alone, and root must not take what others can change: copy it to a place of root's"
	printf '%s\n' "$of"
}

# absolute FILE: its path, which must be there.
absolute() {
	[ -f "$1" ] || die "there is no file $1"
	printf '%s\n' "$(cd "$(dirname "$1")" && pwd)/$(basename "$1")"
}

# is_packaged: is keeper here as a package? Then its programs and units are used, and
# copies of this script's own, which would go before them, are taken out.
is_packaged() { [ -x /usr/bin/keeper ] && [ -f /usr/lib/systemd/user/keeper.service ]; }

# unpack: the tarball, into a directory of this run's own, after a look at all of it.
unpack() {
	tarball=$(absolute "$tarball")
	cp "$tarball" "$work/tarball" # what is checked is what is unpacked
	if [ -z "$sha256" ]; then
		sums=$(dirname "$tarball")/SHA256SUMS
		[ -f "$sums" ] || die "$tarball is not installed without its check sum: give --sha256 SUM, or put SHA256SUMS beside it"
		sums=$(roots "$sums")
		sha256=$(sed -n 's/^\([0-9a-f]\{64\}\) [ *]/\1 /p' "$sums" | while read -r of name; do [ "$name" != "$(basename "$tarball")" ] || printf '%s\n' "$of"; done | head -n 1)
		[ -n "$sha256" ] || die "$sums does not name $(basename "$tarball")"
	fi
	[ "$(sum "$work/tarball")" = "$sha256" ] || die "$tarball has the check sum $(sum "$work/tarball"), and should have $sha256: it is damaged or another. Nothing was changed"
	{ tar -tzf "$work/tarball" >"$work/entries" && tar -tvzf "$work/tarball" >"$work/kinds"; } || die "$tarball cannot be read; see above"
	! grep -E '^/|(^|/)\.\.(/|$)' "$work/entries" || die "$tarball is refused: it has the entries above, which lead out of it"
	! grep -v '^[-d]' "$work/kinds" || die "$tarball is refused: the entries above are neither files nor directories"
	mkdir "$work/unpacked"
	tar -xzf "$work/tarball" -C "$work/unpacked" --no-same-owner --no-same-permissions
	for root in "$work/unpacked" "$work/unpacked"/*; do
		[ ! -d "$root/systemd" ] || [ ! -f "$root/bin/keeper" ] || break
		root=''
	done
	[ -n "$root" ] || die "$tarball is not keeper's: it has no bin/keeper and systemd/"
	binary=$root/bin/keeper
}

# build: in a checkout without programs, if Go is here.
build() {
	{ [ -f "$root/go.mod" ] && [ -f "$root/Makefile" ]; } || die "no program at $binary; give --package, --tarball or --binary, or run this in keeper's sources, with Go"
	PATH=$PATH:/usr/local/go/bin
	wants=$(sed -n 's/^go //p' "$root/go.mod")
	# Go notes in HOME that it ran, and fetches a newer Go unless told.
	has=$(cd / && HOME=$work XDG_CONFIG_HOME=$work GOTOOLCHAIN=local go version 2>/dev/null | sed -n 's/^go version go\([0-9.]*\).*/\1/p')
	{ [ -n "$has" ] && [ "$(printf '%s\n' "$wants" "$has" | sort -V | head -n 1)" = "$wants" ] && command -v make >/dev/null; } ||
		die "no program at $binary, and to build it from $root needs make and Go $wants or later (here: ${has:-no Go}); or give --package or --tarball"
	others=$(find "$root" ! -type l \( ! -user 0 -o -perm -o=w -o -perm -g=w ! -group 0 \) -print | head -n 1)
	! is_root || { [ -z "$others" ] && root_owned "$root"; } ||
		die "no program at $binary, and root does not build where others can write (${others:-$root}): type as its owner: make -C $root build; then copy all of it to a place of root's and install from there"
	say "no program at $binary: it is built from source"
	run make -C "$root" build || die "it could not be built, see above. Nothing was changed but $root"
	[ -z "$dry" ] || [ -f "$binary" ] || { # stand-ins, to say the rest
		mkdir "$work/bin"
		binary=$work/bin/keeper
		touch "$binary" "$work/bin/keeper-adopt" "$work/bin/keeper-guard"
	}
}

# find_programs sets packaged, or root, where systemd/ is, and binary.
find_programs() {
	packaged=''
	if is_packaged || [ -n "$package" ]; then
		[ -z "$tarball$binary" ] || die "keeper is here as a package, which goes before all else: take that out first, or leave --tarball and --binary out"
		packaged=1 root=/usr/share/keeper binary=/usr/bin/keeper beside=/usr/libexec/keeper
		[ "$action" = uninstall ] || [ -n "${KEEPER_INSTALL_AS-}" ] || say "keeper is${package:+ to be} here as a package: its programs and units are used"
		[ -z "$package" ] || {
			is_root || die "a package is root's to install; as root: $self --package $package --user $me"
			package=$(absolute "$package")
			package=$(roots "$package")
			case $package in *.rpm | *.deb) ;; *) die "$package is neither an .rpm nor a .deb" ;; esac
		}
		return
	fi
	[ "$action" = install ] || return 0
	if [ -n "$tarball" ]; then
		unpack
	elif [ -n "$binary" ]; then
		binary=$(absolute "$binary")
	else
		binary=$root/bin/keeper
		[ -f "$binary" ] || build
	fi
	beside=$(dirname "$binary")
	[ "$(basename "$binary")" = keeper ] || die "the program must be named keeper, not $(basename "$binary")"
	for program in keeper-adopt keeper-guard; do
		[ -f "$beside/$program" ] || die "no program at $beside/$program, which goes with keeper; build all with: make build"
	done
	[ -f "$root/systemd/keeper.service" ] || die "there is no $root/systemd, which goes with this script"
}

# ---- the account's part, as the account --------------------------------------

# as_account COMMAND: with nothing of root's environment. setsid: the account gets
# no hold of root's terminal.
as_account() {
	setsid -w runuser -u "$user" -- env -i PATH="$PATH" LANG="${LANG:-C.UTF-8}" HOME="$home" USER="$user" LOGNAME="$user" \
		XDG_RUNTIME_DIR="/run/user/$uid" KEEPER_INSTALL_AS="$self" "$@"
}

# look_again: the daemon of the account, if it runs, is to see what root changed.
look_again() {
	[ -n "$home" ] || return 0
	as_account timeout 10 systemctl --user try-reload-or-restart keeper.service </dev/null >/dev/null 2>&1 || :
}

# check_source: as root: is what is installed from root's alone?
check_source() {
	set -- "$script"
	[ "$action" = uninstall ] || [ -n "$packaged" ] || set -- "$@" "$root/systemd"/* "$root/systemd/system"/*
	for source; do
		root_owned "$source" || die "$source is not root's alone, and root must not run what others can write: copy all of $(dirname "$here") to a place of root's, and install from there; or run this as $user. Nothing was changed"
	done
}

# plain: what an account prints is bounded, and no order to a terminal.
plain() { head -c 65536 | tr -d '\000-\010\013-\037\177'; }

# hand_over: as root, to the account, which writes its own files. Root never
# writes into a place that the account can change.
hand_over() {
	mkdir "$work/pack" "$work/pack/deploy"
	cp "$script" "$work/pack/deploy/install.sh"
	set -- deploy/install.sh
	if [ "$action" = install ] && [ -z "$packaged" ]; then
		set -- "$@" --binary ./keeper
		cp -R "$root/systemd" "$work/pack/systemd"
		# Where others could put a link in its place, root reads no more than the
		# account itself could.
		for program in "$binary" "$beside/keeper-adopt" "$beside/keeper-guard"; do
			to=$work/pack/$(basename "$program")
			of=$(readlink -f "$program") # a link could be another by the time of the copy
			if root_owned "$of"; then
				cp "$of" "$to"
			else
				as_account cat "$program" </dev/null >"$to" 2>/dev/null || die "$program is not root's alone, and $user cannot read it; copy it to a place of root's"
			fi
			chmod 0755 "$to"
		done
	fi
	[ "$action" = install ] || set -- "$@" --uninstall
	[ -z "$replace" ] || set -- "$@" --replace
	[ -z "$keep_linger" ] || set -- "$@" --keep-linger
	[ -z "$dry" ] || set -- "$@" --dry-run
	tar -chf "$work/pack.tar" -C "$work/pack" .
	# It runs programs that the account can put there, which get no hold of root's
	# terminal: whoever has it open can read what root types.
	status=0
	# shellcheck disable=SC2016 # $d is the child's
	as_account sh -euc 'd=$(mktemp -d); trap "rm -rf \"$d\"" EXIT; cd "$d"; tar -xf -; sh "$@" </dev/null' sh "$@" <"$work/pack.tar" >"$work/said" 2>&1 || status=$?
	[ $status -eq 0 ] || {
		plain <"$work/said" >&2
		exit 1
	}
	plain <"$work/said"
}

# account_paths: where the account's part is.
account_paths() {
	# After su the variable may still be the other account's.
	if [ ! -O "${XDG_RUNTIME_DIR:-/}" ]; then
		XDG_RUNTIME_DIR=/run/user/$(id -u)
	fi
	export XDG_RUNTIME_DIR
	bindir=$HOME/.local/bin
	units=${XDG_CONFIG_HOME:-$HOME/.config}/systemd/user
	state=${XDG_STATE_HOME:-$HOME/.local/state}/keeper
	manifest=$state/installed
	set_linger=$state/linger-was-off
}

each_of_account() {
	[ -z "$packaged" ] || return 0
	"$1" 0755 "$binary" "$bindir/keeper"
	"$1" 0755 "$beside/keeper-adopt" "$bindir/keeper-adopt"
	"$1" 0755 "$beside/keeper-guard" "$bindir/keeper-guard"
	"$1" 0644 "$work/keeper.service" "$units/keeper.service"
	"$1" 0644 "$work/keeper-session.service" "$units/keeper-session.service"
	for scope in podman-pause- rootless-netns- run-; do
		"$1" 0644 "$root/systemd/podman-helper.conf" "$units/$scope.scope.d/50-keeper.conf"
	done
}

lingers() { [ "$(loginctl show-user "$me" --property=Linger --value 2>/dev/null)" = yes ]; }

wait_manager() {
	i=0
	until systemctl --user show-environment >/dev/null 2>&1; do
		i=$((i + 1))
		[ $i -le 300 ] || die "the user manager of $me does not start; see: systemctl status user@$(id -u)"
		sleep 0.1
	done
}

# move_guard: where agents' settings name the guard of an earlier run, they name the
# package's from now on.
move_guard() {
	grep -qxF "$bindir/keeper-guard" "$work/obsolete" && [ -x "$bindir/keeper-guard" ] || return 0
	for agent in claude gemini copilot codex shell; do
		[ -n "$("$bindir/keeper-guard" uninstall "$agent" --dry-run 2>/dev/null)" ] || continue
		{ run "$bindir/keeper-guard" uninstall "$agent" && run "$beside/keeper-guard" install "$agent"; } ||
			die "the guard of $agent could not be put in the package's place, see above; mend that, and run this again"
	done
}

is() { systemctl --user --quiet "$1" "$2" 2>/dev/null; }

install_account() {
	if [ -z "$packaged" ]; then
		for unit in keeper.service keeper-session.service; do
			sed "s|/usr/bin/keeper|%h/.local/bin/keeper|" "$root/systemd/$unit" >"$work/$unit"
		done
	fi
	check_files each_of_account

	was_here='' # then it is not this run that sets linger first
	[ ! -e "$manifest" ] || [ -e "$set_linger" ] || was_here=1
	want_dir "$state"
	want_dir "$units/default.target.wants"
	start_manifest # what is stopped from here on can be taken out
	[ -n "$dry" ] || chmod 0700 "$state"
	if ! lingers; then
		[ -n "$was_here$dry" ] || : >"$set_linger"
		run loginctl enable-linger "$me" || {
			rm -f "$set_linger"
			die "logind does not let $me linger; as root: loginctl enable-linger $me"
		}
		[ -n "$dry" ] || say "linger is on"
		did="$did; set linger"
	fi
	[ -n "$dry" ] || wait_manager
	move_guard
	write_files each_of_account
	[ -z "$changed" ] || did="$did; wrote or removed $changed files"
	if [ -n "$packaged" ]; then
		for unit in keeper.service keeper-session.service; do # to what is no longer there
			link=$units/default.target.wants/$unit
			[ "$(readlink "$link")" != "$units/$unit" ] || [ -e "$link" ] || run rm -f "$link"
		done
	fi

	run_daemon
	settle each_of_account
	did=${did#; }
	if [ -z "$did" ]; then
		say "nothing had to be changed"
	elif [ -z "$dry" ]; then
		say "for $me: $did"
	fi
}

# run_daemon: the units are enabled and run, as they are now.
run_daemon() {
	restart=$changed$unsettled
	# A program that was replaced, by a package or a run that was stopped, runs on.
	pid=$(systemctl --user show --property=MainPID --value keeper.service 2>/dev/null) || pid=0
	case $(readlink "/proc/${pid:-0}/exe" 2>/dev/null) in *' (deleted)') restart=1 ;; esac
	[ "$(systemctl --user show --property=NeedDaemonReload --value keeper.service 2>/dev/null)" != yes ] || restart=1

	[ -z "$restart" ] || run systemctl --user daemon-reload
	if ! is is-enabled keeper.service || ! is is-enabled keeper-session.service; then
		run systemctl --user enable --quiet keeper.service
		did="$did; enabled keeper.service and keeper-session.service"
	fi
	if [ -n "$restart" ] && is is-active keeper.service; then
		# Replacing the daemon touches nothing of the stack.
		run systemctl --user try-restart keeper.service
		did="$did; restarted the daemon"
	fi
	if ! is is-active keeper-session.service || ! is is-active keeper.service; then
		run systemctl --user start keeper-session.service keeper.service
		did="$did; started them"
	fi
}

# containers_run: do any of the account? Without linger they end at once, or with the last
# session, and with them goes what is in volumes without a name.
containers_run() {
	for dir in /proc/[0-9]*; do # a process may be gone by now
		if [ -O "$dir" ] && { read -r comm <"$dir/comm"; } 2>/dev/null && [ "$comm" = conmon ]; then return 0; fi
	done
	return 1
}

uninstall_account() {
	[ -f "$manifest" ] || die "there is nothing here that this script installed ($manifest is missing)"
	# Its journal alone knows where the data of the containers is.
	[ ! -e "$state/adoption.json" ] || [ -n "$replace" ] ||
		die "an adoption of containers is under way or was interrupted: first type: keeper adopt --undo; or run this again with --replace, and what it did stays as it is"
	# While the program is there: settings of agents that name it would be left behind.
	guard=$bindir/keeper-guard
	[ -z "$packaged" ] || guard=$beside/keeper-guard
	[ ! -x "$guard" ] || "$guard" uninstall --all ${dry:+--dry-run} ||
		die "the guard could not be taken out of an agent's settings, see above; mend that, and run this again"
	if systemctl --user show-environment >/dev/null 2>&1; then
		run systemctl --user disable --quiet --now keeper.service keeper-session.service ||
			die "keeper could not be stopped; see: systemctl --user status keeper"
	else
		say "the user manager of $me does not run; its files are removed all the same"
	fi
	run rm -f "$units/default.target.wants/keeper.service" "$units/default.target.wants/keeper-session.service"
	remove_files || die "${dry:+would end so: }keeper is stopped and disabled, but what was edited stays: remove it, or run this again with --replace"
	dirs=$(noted_dirs)
	undo=''
	[ ! -e "$set_linger" ] || [ -n "$keep_linger" ] || undo=1
	if [ -n "$undo" ] && containers_run; then
		undo=''
		say "linger stays on, though it was off before keeper: containers of $me run, and without it they would end with the last session. If they are to: loginctl disable-linger $me"
	fi
	[ -n "$dry" ] || rmdir "$XDG_RUNTIME_DIR/keeper" 2>/dev/null || :
	run systemctl --user daemon-reload 2>/dev/null || :
	[ ! -e "$etc/users/$(id -u)" ] || [ -n "$dry" ] ||
		say "root's part stays, and brings nothing back any more; root takes it out by: $self --uninstall --system --user $me"
	if [ -n "$dry" ]; then
		[ -z "$undo" ] || run loginctl disable-linger "$me"
		say "would remove $state"
		return
	elif [ -n "$undo" ]; then
		say "keeper is removed; linger was off before it and is taken off: what else runs ends with the last session of $me"
		loginctl disable-linger "$me"
	else
		say "keeper is removed; the services run on"
	fi
	[ -z "$packaged" ] || say "the package stays for other accounts; root removes it by dnf or apt-get"
	# Last: what was stopped before can be run again.
	rm -rf "$state"
	remove_dirs "$dirs"
}

# ---- root's part ---------------------------------------------------------------

etc=/etc/keeper
units_of_root=/etc/systemd/system
helper=/usr/libexec/keeper/revive
logind=/etc/systemd/logind.conf.d/50-keeper.conf

# What all accounts share, and what is of one. The drop-ins come last: they call
# the rest.
each_shared() {
	[ -n "$packaged" ] || {
		"$1" 0755 "$root/systemd/system/revive" "$helper"
		"$1" 0644 "$root/systemd/system/keeper-revive@.service" "$units_of_root/keeper-revive@.service"
	}
	[ ! -f "$work/logind" ] || "$1" 0644 "$work/logind" "$logind"
}
each_of_root() {
	"$1" 0644 "$work/name" "$etc/users/$uid"
	for unit in user-runtime-dir@ user@; do
		"$1" 0644 "$work/$unit" "$units_of_root/$unit$uid.service.d/50-keeper.conf"
	done
}
shared_manifest() { manifest=$etc/installed/shared; }
root_manifest() { manifest=$etc/installed/$uid; }

# in_force PROPERTY: what systemd has in mind for the user manager.
in_force() { systemctl show --property="$1" --value "user@$uid.service"; }
as_wanted() {
	case $(in_force ExecStopPost) in
	*keeper-revive@*) ;;
	*) return 1 ;;
	esac
	[ "$(in_force RefuseManualStop)" = "$wanted" ] &&
		[ "$(systemctl show --property=RefuseManualStop --value "user-runtime-dir@$uid.service")" = "$wanted" ]
}

# grant: how long logind waits, in whole seconds.
grant() {
	us=$(busctl get-property org.freedesktop.login1 /org/freedesktop/login1 org.freedesktop.login1.Manager InhibitDelayMaxUSec 2>/dev/null | cut -d' ' -f2)
	printf '%s\n' "$((${us:-0} / 1000000))"
}

# prepare_delay: the file that raises logind's patience, if there is to be one.
prepare_delay() {
	shared_manifest
	if [ "${delay:-0}" -gt 0 ] && { [ -e "$logind" ] || [ "$(grant)" -lt "$delay" ]; }; then
		printf '# keeper: what it must stop before a shutdown takes that long (keeper doctor).\n[Login]\nInhibitDelayMaxSec=%s\n' "$delay" >"$work/logind"
	elif [ -n "$delay" ] && [ "$delay" -gt 0 ]; then
		say "logind waits $(grant) s already; nothing is changed there"
	elif [ -z "$delay" ] && [ -e "$logind" ] && mine "$logind"; then
		cp "$logind" "$work/logind"
	fi
}

prepare_root() {
	if [ -e "$etc/users/$uid" ] && [ "$(cat "$etc/users/$uid")" != "$user" ] && [ -z "$replace" ]; then
		die "root's part is there for uid $uid, which was $(cat "$etc/users/$uid") then; take that out first: $self --uninstall --system --user $(cat "$etc/users/$uid")"
	fi
	[ -f "$root/systemd/system/user@.service.conf" ] || die "there is no $root/systemd/system, from which root's part is made; install keeper's package again"
	printf '%s\n' "$user" >"$work/name"
	wanted=yes
	for unit in user-runtime-dir@ user@; do
		if [ -n "$armor" ]; then
			cp "$root/systemd/system/$unit.service.conf" "$work/$unit"
		else
			wanted=no
			sed '/^# The armor/,/^RefuseManualStop=/d' "$root/systemd/system/$unit.service.conf" >"$work/$unit"
		fi
	done
	prepare_delay
	shared_manifest && check_files each_shared
	root_manifest && check_files each_of_root
}

install_root() {
	umask 022
	changed='' unsettled='' new_dirs=''
	want_dir "$etc/installed"
	want_dir "$etc/users"
	shared_manifest
	start_manifest
	reread=''
	if [ -f "$work/logind" ]; then cmp -s "$work/logind" "$logind" || reread=1; elif [ -e "$logind" ]; then reread=1; fi
	write_files each_shared
	root_manifest && write_files each_of_root
	# No session ends by that, even where it is a restart.
	[ -z "$reread" ] || run systemctl reload-or-restart systemd-logind
	if [ -n "$changed$unsettled" ] || ! as_wanted; then
		run systemctl daemon-reload
	fi
	systemctl --quiet is-enabled "keeper-revive@$uid.service" 2>/dev/null || run systemctl enable --quiet "keeper-revive@$uid.service"
	# The unit was elsewhere before there was a package.
	link=$units_of_root/multi-user.target.wants/keeper-revive@$uid.service
	[ ! -L "$link" ] || [ -e "$link" ] || run systemctl reenable --quiet "keeper-revive@$uid.service"
	if [ -n "$dry" ]; then
		[ -n "$changed" ] || say "nothing had to be changed in root's part"
		return
	fi
	as_wanted || die "another drop-in overrules keeper's; see: systemctl cat user@$uid user-runtime-dir@$uid"
	shared_manifest && settle each_shared
	root_manifest && settle each_of_root
	if [ -n "$changed" ]; then
		look_again
		did="$did; wrote or removed $changed files of root's part"
	else
		say "nothing had to be changed in root's part"
	fi
	say "root's part is in force for $user (uid $uid), $([ -n "$armor" ] && echo "armor and revive" || echo "revive without armor"). To undo it alone: $self --uninstall --system --user $user"
}

# find_root_part sets uid to that which root's part is there for: the account's,
# or if that is gone, or another one's by now, the one that it was.
find_root_part() {
	for uid in $(getent passwd "$user" | cut -d: -f3) $(cd "$etc/users" 2>/dev/null && grep -lxF -e "$user" -- * 2>/dev/null); do
		root_manifest
		[ ! -f "$manifest" ] || return 0
	done
	return 1
}

uninstall_root() {
	run systemctl disable --quiet "keeper-revive@$uid.service" || :
	stays=''
	remove_files || stays=1
	dirs=$(noted_dirs)
	shared='' reread=''
	if [ -z "$stays" ] && [ -z "$(find "$etc/users" -type f ! -name '*.new.*' ! -name "$([ -z "$dry" ] || echo "$uid")")" ]; then
		shared_manifest
		[ ! -f "$manifest" ] || {
			shared=$manifest
			[ ! -e "$logind" ] || ! mine "$logind" || reread=1
			remove_files || stays=1
			dirs="$dirs
$(noted_dirs)"
		}
		root_manifest
	fi
	run systemctl daemon-reload
	[ -z "$reread" ] || run systemctl reload-or-restart systemd-logind
	[ -z "$dry" ] || return 0
	# It may be waiting for its time.
	systemctl stop "keeper-revive@$uid.service" 2>/dev/null || :
	systemctl reset-failed "keeper-revive@$uid.service" 2>/dev/null || :
	[ -z "$stays" ] || die "what was edited stays, and with it that part of root's part: remove it and run systemctl daemon-reload, or run this again with --replace"
	rm -f "/run/keeper/revive/$uid" "/run/keeper/revive/$uid.new"
	rmdir /run/keeper/revive /run/keeper 2>/dev/null || :
	rm -f "$manifest" ${shared:+"$shared"}
	remove_dirs "$dirs"
	# logind still means to stop a user whose end the armor refused, or has
	# forgotten one whose user manager was brought back: to it the user lingers.
	if [ -e "/var/lib/systemd/linger/$user" ] && systemctl --quiet is-active "user@$uid.service"; then
		case $(loginctl show-user "$user" --property=State --value 2>/dev/null) in
		closing | '') loginctl enable-linger "$user" || say "logind does not know that $user lingers; see: loginctl user-status $user" ;;
		esac
	fi
	[ "$account" != "$uid" ] || look_again
	say "root's part is removed for $user (uid $uid); the services run on"
}

# doctor: what keeper thinks of this host. It mends nothing and undoes nothing.
doctor() {
	if [ -n "$dry" ]; then
		say "would run: keeper doctor"
		return
	fi
	program=/usr/bin/keeper
	[ -n "$packaged" ] || program=${home:-$HOME}/.local/bin/keeper
	say "keeper doctor says:"
	{
		status=0
		"$@" timeout 60 "$program" doctor </dev/null 2>&1 || status=$?
		echo $status >"$work/doctor"
	} | plain
	status=$(cat "$work/doctor")
	case $status in
	0) ;;
	3) say "doctor found what is to be mended, see above; keeper is installed all the same" ;;
	*) say "doctor could not look (status $status); keeper is installed all the same; type: keeper doctor" ;;
	esac
}

# ---- what is asked for ----------------------------------------------------------

# as_root: both parts, for an account.
as_root() {
	[ -n "$user" ] || die "as root, name the account: --user NAME"
	entry=$(getent passwd "$user") || entry=''
	# The name as the account has it: some directories know others for it.
	[ -z "$entry" ] || user=${entry%%:*}
	uid=$(printf '%s' "$entry" | cut -d: -f3)
	home=$(printf '%s' "$entry" | cut -d: -f6)
	if [ "$action" = uninstall ]; then
		find_programs
		[ -n "$system" ] || check_source
		account=$uid
		# Said by the account's part, too, and then root's would be out already.
		if [ -z "$system$replace" ] && [ -n "$account" ] && as_account test -e "$home/.local/state/keeper/adoption.json" </dev/null; then
			die "an adoption of containers of $user is under way or was interrupted: first type, as $user: keeper adopt --undo; or run this again with --replace, and what it did stays as it is"
		fi
		if [ -z "$no_root" ] && find_root_part; then
			uninstall_root
			# An account that is gone took its own part along.
			[ -n "$account" ] || return 0
		elif [ -n "$system" ]; then
			die "root's part is not installed for $user (nothing in $etc/installed)"
		fi
		[ -z "$system" ] || return 0
		uid=$account
	fi
	[ -n "$uid" ] || die "there is no account $user"
	[ "$uid" -ne 0 ] || die "keeper is for an account that runs containers, not for root"
	if [ "$action" = uninstall ]; then
		hand_over
		return
	fi
	check_host
	find_programs
	check_source
	install_packages
	if [ -n "$dry" ] && ! is_packaged && [ -n "$package" ]; then
		say "would then set linger for $user, enable and start keeper, and put in root's part, unless told --no-root"
		return
	fi
	[ -n "$no_root" ] || prepare_root
	give_sub_ids
	hand_over
	did=$did$(plain <"$work/said" | grep -F "keeper install: for $user: " | tail -n 1 | sed 's/^keeper install: for [^ ]*: /; /')
	[ -n "$no_root" ] || install_root
	doctor as_account
	sum_up "--user $user"
}

# sum_up OPTIONS: what this run did, and how to undo it.
sum_up() {
	[ -z "$dry" ] || return 0
	say "done${did:+: ${did#; }}"
	say "see: keeper status$([ -n "$packaged" ] || echo " (in ~/.local/bin)"). To undo: $self --uninstall${1:+ $1}"
}

me=$(id -un)
if ! is_root; then
	{ [ -z "$system$delay" ] && [ -n "$armor" ]; } || die "root's part is root's to put in and to take out; as root: $self $([ "$action" = install ] || echo "--uninstall --system ")--user $me"
	[ -z "$user" ] || [ "$user" = "$me" ] || die "only root can install for another account; you are $me"
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' HUP TERM
[ -z "$dry" ] || [ -n "${KEEPER_INSTALL_AS-}" ] || say "a dry run: nothing is changed"
if is_root; then
	as_root
elif [ "$action" = uninstall ]; then
	account_paths
	find_programs
	uninstall_account
elif [ -n "${KEEPER_INSTALL_AS-}" ]; then # by root, which has looked at the host
	account_paths
	find_programs
	install_account
else
	account_paths
	check_host
	find_programs
	install_account
	doctor env
	sum_up ''
	[ -e "$etc/users/$(id -u)" ] || [ -n "$dry" ] || say "root can add more (docs/explanation/root.md): $self --user $me"
fi
