#!/bin/sh
# Installs keeper for one account: its programs, its user units, linger. Needs no
# root; as root, --user NAME does the same as that user, and --system puts in
# root's part, too (docs/explanation/root.md). Run again, it changes only what is not as it
# should be. --uninstall takes all of it out.
set -eu
# Whoever became root from an account may have that account's PATH.
[ "$(/usr/bin/id -u)" -ne 0 ] || PATH=/usr/sbin:/usr/bin:/sbin:/bin

usage() {
	cat <<'END'
usage: install.sh [--user NAME [--system [--no-armor] [--shutdown-delay SECONDS]]]
                  [--binary FILE] [--replace]
       install.sh --uninstall [--user NAME [--system]] [--keep-linger] [--replace]

  --user NAME     as root: the account to install for; written as that account
  --system        as root: also root's part, which makes terminate-user harmless
                  and brings the user manager back; with --uninstall: only that
  --no-armor      with --system: leave the first of the two out
  --shutdown-delay SECONDS
                  with --system: have logind wait so long for what keeper must stop
                  before a shutdown, if it waits less: 6 to 30; keeper doctor says
                  what is needed; 0 takes it back
  --binary FILE   the keeper program (default: bin/keeper beside deploy/);
                  keeper-adopt and keeper-guard, which go with it, are taken from
                  beside it
  --replace       replace files that keeper did not put there or that were edited;
                  with --uninstall: remove those that were edited as well, and
                  the journal of an adoption that is not finished
  --uninstall     stop keeper and remove everything it installed and kept
  --keep-linger   with --uninstall: leave linger on even if this script set it
END
}

say() { printf '%s\n' "keeper install: $*"; }
die() {
	printf '%s\n' "keeper install: $*" >&2
	exit 1
}

here=$(cd "$(dirname "$0")" && pwd -P)
root=$(dirname "$here")
user='' binary=$root/bin/keeper action=install system='' armor=1 delay='' replace='' keep_linger=''
while [ $# -gt 0 ]; do
	case $1 in
	--user | --binary | --shutdown-delay)
		[ $# -ge 2 ] || die "$1 needs a value; see --help"
		case $1 in
		--user) user=$2 ;;
		--binary) binary=$2 ;;
		*) delay=$2 ;;
		esac
		shift
		;;
	--system) system=1 ;;
	--no-armor) armor='' ;;
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
[ -n "$system" ] || [ -n "$armor" ] || die "--no-armor is for root's part: add --system"

case $delay in
'') ;;
0 | [6-9] | [12][0-9] | 30) [ -n "$system" ] || die "--shutdown-delay is root's to set: add --system" ;;
*) die "--shutdown-delay $delay: give seconds from 6 to 30, or 0; every local user can delay a shutdown by as much" ;;
esac

# ---- files: both parts are written, noted and removed in the same way --------

# A part sets $manifest: "sum path" of each file, "dir path" of each directory made.
manifest='' work='' new_dirs='' changed=''

sum() { sha256sum <"$1" | cut -d' ' -f1; }

# make_dir DIR: makes it, and notes which directories were not there.
make_dir() {
	[ -d "$1" ] && return
	make_dir "$(dirname "$1")"
	mkdir "$1"
	new_dirs="$1
$new_dirs"
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
	rm -f "$3".new.* # of a run that was stopped
	if ! cmp -s "$2" "$3"; then
		cp "$2" "$3.new.$$"
		chmod "$1" "$3.new.$$"
		mv -f "$3.new.$$" "$3"
		changed=1
		say "wrote $3"
	fi
}
note() { printf '%s %s\n' "$(sum "$2")" "$3" >>"$work/manifest"; }
make_dir_of() { make_dir "$(dirname "$3")"; }

# write_files EACH: EACH CALL calls CALL MODE NEW PATH for every file there is.
write_files() {
	# Noted first, beside what was noted before: a file is this script's own
	# whether it is replaced yet or not, so what is stopped half-way can be run
	# again, or taken out.
	: >"$work/manifest"
	"$1" note
	"$1" make_dir_of
	{
		cat "$work/manifest"
		[ ! -f "$manifest" ] || cat "$manifest"
		printf '%s' "$new_dirs" | sed 's/^/dir /'
	} | sort -u >"$manifest.new"
	mv -f "$manifest.new" "$manifest"
	new_dirs=''
	"$1" put
	{
		cat "$work/manifest"
		grep '^dir ' "$manifest" || :
	} >"$manifest.new"
	mv -f "$manifest.new" "$manifest"
}

# remove_files: what $manifest notes, but for what was edited. That stays noted,
# so that it can be removed later; returns 1 if there is any.
remove_files() {
	: >"$work/left"
	grep -v '^dir ' "$manifest" | while read -r sum path; do
		rm -f "$path".new.*
		if [ ! -e "$path" ]; then
			continue
		elif [ -n "$replace" ] || mine "$path"; then
			rm -f "$path"
		else
			say "$path was edited and stays"
			printf '%s %s\n' "$sum" "$path" >>"$work/left"
		fi
	done
	[ -s "$work/left" ] || return 0
	grep '^dir ' "$manifest" >>"$work/left" || :
	cp "$work/left" "$manifest.new"
	mv -f "$manifest.new" "$manifest"
	return 1
}

# noted_dirs: the directories that $manifest notes, innermost first.
noted_dirs() { sed -n 's/^dir //p' "$manifest" | sort -r; }
remove_dirs() {
	printf '%s\n' "$1" | while read -r d; do
		[ -z "$d" ] || rmdir "$d" 2>/dev/null || :
	done
}

# root_owned PATH: can nobody but root change it, or put another in its place?
root_owned() {
	p=$1
	while :; do
		[ "$(stat -Lc %u "$p")" -eq 0 ] || return 1
		# A sticky directory, such as /tmp, keeps other people's hands off.
		[ -z "$(find -L "$p" -prune \( -perm -o=w -o -perm -g=w ! -gid 0 \) ! -perm -1000)" ] || return 1
		[ "$p" != / ] || return 0
		p=$(dirname "$p")
	done
}

# ---- the account's part, as the account --------------------------------------

# hand_over: as root, to the account, which writes its own files. Root never
# writes into a place that the account can change.
hand_over() {
	set -- deploy/install.sh --binary ./keeper
	[ "$action" = install ] || set -- "$@" --uninstall
	[ -z "$replace" ] || set -- "$@" --replace
	[ -z "$keep_linger" ] || set -- "$@" --keep-linger
	for p in "$root/deploy/install.sh" "$root/systemd"/* "$root/systemd/system"/*; do
		root_owned "$p" || die "$p is not root's alone, and root must not run what others can write: copy all of $root to a place of root's, and install from there; or run this as $user"
	done
	if [ "$action" = install ]; then
		# Where others could put a link in its place, root reads no more than the
		# account itself could. Here and below, setsid: the account gets no hold of
		# root's terminal.
		for program in "$binary" "$beside/keeper-adopt" "$beside/keeper-guard"; do
			to=$work/$(basename "$program")
			if root_owned "$(readlink -f "$program")"; then
				cp "$program" "$to"
			else
				setsid -w runuser -u "$user" -- cat "$program" </dev/null >"$to" || die "$program is not root's alone, and $user cannot read it; copy it to a place of root's"
			fi
			chmod 0755 "$to"
		done
		tar -chf "$work/pack" -C "$root" deploy/install.sh systemd -C "$work" keeper keeper-adopt keeper-guard
	else
		tar -chf "$work/pack" -C "$root" deploy/install.sh systemd
	fi
	# shellcheck disable=SC2016 # $d is the child's
	setsid -w runuser -u "$user" -- env -i PATH="$PATH" LANG="${LANG:-C.UTF-8}" HOME="$home" USER="$user" LOGNAME="$user" \
			XDG_RUNTIME_DIR="/run/user/$uid" \
			KEEPER_INSTALL_AS="$0 --user $user" \
			sh -euc 'd=$(mktemp -d); trap "rm -rf \"$d\"" EXIT; cd "$d"; tar -xf -; sh "$@" </dev/null' sh "$@" <"$work/pack"
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
		[ $i -le 100 ] || die "the user manager of $me does not start; see: systemctl status user@$(id -u)"
		sleep 0.1
	done
}

install_account() {
	for unit in keeper.service keeper-session.service; do
		sed "s|/usr/bin/keeper|%h/.local/bin/keeper|" "$root/systemd/$unit" >"$work/$unit"
	done
	each_of_account check

	was_here='' # then it is not this run that sets linger first
	[ ! -e "$manifest" ] || [ -e "$set_linger" ] || was_here=1
	make_dir "$state"
	chmod 0700 "$state"
	make_dir "$units/default.target.wants"
	# What is stopped from here on can be taken out.
	[ -e "$manifest" ] || printf '%s' "$new_dirs" | sed 's/^/dir /' >"$manifest"
	if ! lingers; then
		[ -n "$was_here" ] || : >"$set_linger"
		loginctl enable-linger "$me" || {
			rm -f "$set_linger"
			die "logind does not let $me linger; as root: loginctl enable-linger $me"
		}
		say "linger is on"
	fi
	wait_manager
	write_files each_of_account

	systemctl --user daemon-reload
	systemctl --user enable --quiet keeper.service
	if [ -n "$changed" ]; then
		# Replacing the daemon touches nothing of the stack.
		systemctl --user try-restart keeper.service
	fi
	systemctl --user start keeper-session.service keeper.service
	[ -n "$changed" ] || say "nothing had to be changed"
	say "done; see: keeper status (in $bindir). To undo: ${KEEPER_INSTALL_AS:-$0} --uninstall"
}

uninstall_account() {
	[ -f "$manifest" ] || die "there is nothing here that this script installed ($manifest is missing)"
	# Its journal alone knows where the data of the containers is.
	[ ! -e "$state/adoption.json" ] || [ -n "$replace" ] ||
		die "an adoption of containers is under way or was interrupted: first type: keeper adopt --undo; or run this again with --replace, and what it did stays as it is"
	# While the program is there: settings of agents that name it would be left behind.
	[ ! -x "$bindir/keeper-guard" ] || "$bindir/keeper-guard" uninstall --all ||
		die "the guard could not be taken out of an agent's settings, see above; mend that, and run this again"
	if systemctl --user show-environment >/dev/null 2>&1; then
		systemctl --user disable --quiet --now keeper.service keeper-session.service ||
			die "keeper could not be stopped; see: systemctl --user status keeper"
	else
		say "the user manager of $me does not run; its files are removed all the same"
	fi
	rm -f "$units/default.target.wants/keeper.service" "$units/default.target.wants/keeper-session.service"
	remove_files || die "keeper is stopped and disabled, but what was edited stays: remove it, or run this again with --replace"
	dirs=$(noted_dirs)
	undo=''
	[ ! -e "$set_linger" ] || [ -n "$keep_linger" ] || undo=1
	rmdir "$XDG_RUNTIME_DIR/keeper" 2>/dev/null || :
	systemctl --user daemon-reload 2>/dev/null || :
	[ ! -e "$etc/users/$(id -u)" ] ||
		say "root's part stays, and brings nothing back any more; root takes it out by: install.sh --uninstall --system --user $me"
	if [ -n "$undo" ]; then
		say "keeper is removed; linger was off before it and is taken off: the services end with the last session of $me"
		loginctl disable-linger "$me"
	else
		say "keeper is removed; the services run on"
	fi
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
	"$1" 0755 "$root/systemd/system/revive" "$helper"
	"$1" 0644 "$root/systemd/system/keeper-revive@.service" "$units_of_root/keeper-revive@.service"
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
		die "root's part is there for uid $uid, which was $(cat "$etc/users/$uid") then; take that out first: $0 --uninstall --system --user $(cat "$etc/users/$uid")"
	fi
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
	shared_manifest && each_shared check
	root_manifest && each_of_root check
}

install_root() {
	umask 022
	changed='' new_dirs=''
	make_dir "$etc/installed"
	make_dir "$etc/users"
	reread=''
	shared_manifest
	if [ "$delay" = 0 ] && [ -e "$logind" ] && mine "$logind"; then
		rm -f "$logind"
		say "removed $logind"
		reread=1
	fi
	[ ! -f "$work/logind" ] || cmp -s "$work/logind" "$logind" || reread=1
	write_files each_shared
	root_manifest && write_files each_of_root
	if command -v restorecon >/dev/null; then
		restorecon -R "$etc" "$helper" "$units_of_root/keeper-revive@.service" \
			"$units_of_root/user@$uid.service.d" "$units_of_root/user-runtime-dir@$uid.service.d"
	fi
	# No session ends by that, even where it is a restart.
	[ -z "$reread" ] || systemctl reload-or-restart systemd-logind
	if [ -n "$changed" ] || ! as_wanted; then
		systemctl daemon-reload
	fi
	systemctl enable --quiet "keeper-revive@$uid.service"
	as_wanted || die "another drop-in overrules keeper's; see: systemctl cat user@$uid user-runtime-dir@$uid"
	[ -n "$changed" ] || say "nothing had to be changed in root's part"
	say "root's part is in force for $user (uid $uid), $([ -n "$armor" ] && echo "armor and revive" || echo "revive without armor"). To undo: $0 --uninstall --system --user $user"
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
	systemctl disable --quiet "keeper-revive@$uid.service" || :
	stays=''
	remove_files || stays=1
	dirs=$(noted_dirs)
	shared='' reread=''
	if [ -z "$stays" ] && [ -z "$(find "$etc/users" -type f ! -name '*.new.*')" ]; then
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
	systemctl daemon-reload
	[ -z "$reread" ] || systemctl reload-or-restart systemd-logind
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
	say "root's part is removed for $user (uid $uid); the services run on"
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
		account=$uid
		if find_root_part; then
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
	if [ -n "$system" ]; then
		prepare_root
		hand_over
		install_root
	else
		hand_over
	fi
}

case $binary in
/*) ;;
*) binary=$PWD/$binary ;;
esac
beside=$(dirname "$binary")
if [ "$action" = install ]; then
	[ -f "$binary" ] || die "no program at $binary; build it with: make build"
	[ "$(basename "$binary")" = keeper ] || die "the program must be named keeper, not $(basename "$binary")"
	for program in keeper-adopt keeper-guard; do
		[ -f "$beside/$program" ] || die "no program at $beside/$program, which goes with keeper; build all with: make build"
	done
fi
me=$(id -un)
if [ "$(id -u)" -ne 0 ]; then
	[ -z "$system" ] || die "root's part is root's to put in and to take out; as root: $0 $([ "$action" = install ] || echo "--uninstall ")--system --user $me"
	[ -z "$user" ] || [ "$user" = "$me" ] || die "only root can install for another account; you are $me"
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if [ "$(id -u)" -eq 0 ]; then
	as_root
else
	account_paths
	"${action}_account"
fi
