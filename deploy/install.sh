#!/bin/sh
# Installs keeper for one account: the program, its user units, linger. Needs no
# root; as root, --user NAME does the same as that user. Run again, it changes
# only what is not as it should be. --uninstall takes all of it out.
set -eu

usage() {
	cat <<'EOF'
usage: install.sh [--user NAME] [--binary FILE] [--replace]
       install.sh --uninstall [--user NAME] [--keep-linger]

  --user NAME     as root: the account to install for; written as that account
  --binary FILE   the keeper program (default: bin/keeper beside deploy/)
  --replace       replace files that keeper did not put there or that were edited
  --uninstall     stop keeper and remove everything it installed and kept
  --keep-linger   with --uninstall: leave linger on even if this script set it
EOF
}

say() { printf '%s\n' "keeper install: $*"; }
die() {
	printf '%s\n' "keeper install: $*" >&2
	exit 1
}

here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
user='' binary=$root/bin/keeper action=install replace='' keep_linger=''
while [ $# -gt 0 ]; do
	case $1 in
	--user | --binary)
		[ $# -ge 2 ] || die "$1 needs a value; see --help"
		if [ "$1" = --user ]; then user=$2; else binary=$2; fi
		shift
		;;
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

# As root: hand everything to the account and let it write its own files. Root
# never writes into a place that the account can change.
as_user() {
	entry=$(getent passwd "$user") || die "there is no account $user"
	uid=$(printf '%s' "$entry" | cut -d: -f3)
	home=$(printf '%s' "$entry" | cut -d: -f6)
	[ "$uid" -ne 0 ] || die "keeper is for an account that runs containers, not for root"
	set -- deploy/install.sh --binary ./keeper
	[ "$action" = install ] || set -- "$@" --uninstall
	[ -z "$replace" ] || set -- "$@" --replace
	[ -z "$keep_linger" ] || set -- "$@" --keep-linger
	pack=$(mktemp)
	trap 'rm -f "$pack"' EXIT
	if [ "$action" = install ]; then
		tar -chf "$pack" -C "$root" deploy/install.sh systemd -C "$(dirname "$binary")" keeper
	else
		tar -chf "$pack" -C "$root" deploy/install.sh systemd
	fi
	# setsid: the account gets no hold of root's terminal.
	# shellcheck disable=SC2016 # $d is the child's
	setsid -w runuser -u "$user" -- env -i PATH="$PATH" LANG="${LANG:-C.UTF-8}" HOME="$home" USER="$user" LOGNAME="$user" \
			XDG_RUNTIME_DIR="/run/user/$uid" \
			KEEPER_INSTALL_AS="$0 --user $user" \
			sh -euc 'd=$(mktemp -d); trap "rm -rf \"$d\"" EXIT; cd "$d"; tar -xf -; sh "$@" </dev/null' sh "$@" <"$pack"
}

case $binary in
/*) ;;
*) binary=$PWD/$binary ;;
esac
if [ "$action" = install ]; then
	[ -f "$binary" ] || die "no program at $binary; build it with: make build"
	[ "$(basename "$binary")" = keeper ] || die "the program must be named keeper, not $(basename "$binary")"
fi
if [ "$(id -u)" -eq 0 ]; then
	[ -n "$user" ] || die "as root, name the account: --user NAME"
	as_user
	exit
fi
me=$(id -un)
if [ -n "$user" ] && [ "$user" != "$me" ]; then
	die "only root can install for another account; you are $me"
fi

# After su the variable may still be the other account's.
if [ ! -O "${XDG_RUNTIME_DIR:-/}" ]; then
	XDG_RUNTIME_DIR=/run/user/$(id -u)
fi
export XDG_RUNTIME_DIR
bindir=$HOME/.local/bin
units=${XDG_CONFIG_HOME:-$HOME/.config}/systemd/user
state=${XDG_STATE_HOME:-$HOME/.local/state}/keeper
manifest=$state/installed # "sum path" of each file, "dir path" of each directory made
set_linger=$state/linger-was-off

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

# check NEW PATH: may PATH be written?
check() {
	if [ -e "$2" ] && [ -z "$replace" ] && ! mine "$2" && [ "$(sum "$1")" != "$(sum "$2")" ]; then
		die "$2 is not keeper's or was edited, and is left alone; move it away, or use --replace"
	fi
}

# put MODE NEW PATH: replaces PATH in one step, if it differs.
put() {
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

# each CALL: CALL MODE NEW PATH for every file there is to install.
each() {
	"$1" 0755 "$binary" "$bindir/keeper"
	"$1" 0644 "$work/keeper.service" "$units/keeper.service"
	"$1" 0644 "$work/keeper-session.service" "$units/keeper-session.service"
	for scope in podman-pause- rootless-netns- run-; do
		"$1" 0644 "$root/systemd/podman-helper.conf" "$units/$scope.scope.d/50-keeper.conf"
	done
}
check_each() { check "$2" "$3"; }

lingers() { [ "$(loginctl show-user "$me" --property=Linger --value 2>/dev/null)" = yes ]; }

wait_manager() {
	i=0
	until systemctl --user show-environment >/dev/null 2>&1; do
		i=$((i + 1))
		[ $i -le 100 ] || die "the user manager of $me does not start; see: systemctl status user@$(id -u)"
		sleep 0.1
	done
}

install_keeper() {
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT
	new_dirs='' changed=''
	for unit in keeper.service keeper-session.service; do
		sed "s|/usr/bin/keeper|%h/.local/bin/keeper|" "$root/systemd/$unit" >"$work/$unit"
	done
	each check_each

	make_dir "$state"
	chmod 0700 "$state"
	make_dir "$units/default.target.wants"
	if ! lingers; then
		[ -e "$manifest" ] || : >"$set_linger"
		loginctl enable-linger "$me" || {
			rm -f "$set_linger"
			die "logind does not let $me linger; as root: loginctl enable-linger $me"
		}
		say "linger is on"
	fi
	wait_manager
	# Noted first, beside what was noted before: a file is this script's own
	# whether it is replaced yet or not, so what is stopped half-way can be run
	# again, or taken out.
	each note
	each make_dir_of
	{
		cat "$work/manifest"
		[ ! -f "$manifest" ] || cat "$manifest"
		printf '%s' "$new_dirs" | sed 's/^/dir /'
	} | sort -u >"$manifest.new"
	mv -f "$manifest.new" "$manifest"
	each put
	{
		cat "$work/manifest"
		grep '^dir ' "$manifest" || :
	} >"$manifest.new"
	mv -f "$manifest.new" "$manifest"

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

uninstall_keeper() {
	[ -f "$manifest" ] || die "there is nothing here that this script installed ($manifest is missing)"
	if systemctl --user show-environment >/dev/null 2>&1; then
		systemctl --user disable --quiet --now keeper.service keeper-session.service ||
			die "keeper could not be stopped; see: systemctl --user status keeper"
	else
		say "the user manager of $me does not run; its files are removed all the same"
	fi
	rm -f "$units/default.target.wants/keeper.service" "$units/default.target.wants/keeper-session.service"
	grep -v '^dir ' "$manifest" | while read -r _ path; do
		if [ ! -e "$path" ]; then
			continue
		elif mine "$path"; then
			rm -f "$path"
		else
			say "$path was edited and stays"
		fi
	done
	dirs=$(sed -n 's/^dir //p' "$manifest" | sort -r)
	undo=''
	[ ! -e "$set_linger" ] || [ -n "$keep_linger" ] || undo=1
	rm -rf "$state"
	rmdir "$XDG_RUNTIME_DIR/keeper" 2>/dev/null || :
	printf '%s\n' "$dirs" | while read -r d; do
		[ -z "$d" ] || rmdir "$d" 2>/dev/null || :
	done
	systemctl --user daemon-reload 2>/dev/null || :
	if [ -n "$undo" ]; then
		say "keeper is removed; linger was off before it and is taken off: the services end with the last session of $me"
		loginctl disable-linger "$me"
	else
		say "keeper is removed; the services run on"
	fi
}

"${action}_keeper"
