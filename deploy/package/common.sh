#!/bin/sh
# What the packages' scripts share, for deb and rpm alike: stage puts it before
# each of them. Nothing here may fail the installation or the removal, nor hold it
# up for long, because one account's user manager is ill: it is said, and that is all.
#
# systemd's own way to a user manager from outside (systemctl --user -M UID@) is
# there from 248 on, and Oracle Linux 8 has 239: so each is asked as its account.
set -u
PATH=/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C
export PATH LC_ALL

program=/usr/bin/keeper

say() { printf 'keeper: %s\n' "$*" >&2; }

# Nothing runs in a container image or a chroot that is being built.
booted() { [ -d /run/systemd/system ]; }

reload_system() { timeout -k 2 60 systemctl daemon-reload || say "systemd could not be told of the change; later: systemctl daemon-reload"; }

# managers: the uids whose user manager runs. PID 1 is asked: what is below
# /run/user is the accounts' own.
managers() {
	timeout -k 2 10 systemctl list-units --type=service --state=active --plain --no-legend 'user@*.service' |
		sed -n 's/^user@\([0-9][0-9]*\)\.service .*/\1/p'
}

field() { timeout -k 2 5 getent passwd "$1" | cut -d: -f"$2"; }
name_of() {
	name=$(field "$1" 1)
	printf '%s\n' "${name:-uid $1}"
}

# as UID SECONDS COMMAND…: runs it as that account, for so long at most, without
# root's terminal and environment. The user manager lets its own uid in.
as() {
	uid=$1 limit=$2
	shift 2
	timeout -k 2 "$limit" setsid -w setpriv --reuid="$uid" --regid=65534 --clear-groups --inh-caps=-all --no-new-privs \
		env -i PATH="$PATH" LC_ALL=C XDG_RUNTIME_DIR="/run/user/$uid" "$@" </dev/null 2>/dev/null
}
ask() {
	who=$1 limit=$2
	shift 2
	as "$who" "$limit" systemctl --user "$@" >/dev/null
}

# ours UID: does its keeper.service run the package's program? An account may have
# its own (install.sh without the package), which is none of the package's business.
ours() {
	case $(as "$1" 10 systemctl --user show --property=ExecStart keeper.service | head -c 4096) in
	*"path=$program ;"*) return 0 ;;
	esac
	return 1
}

# reload_manager UID has it read the units anew, or returns 1.
reload_manager() {
	ask "$1" 20 daemon-reload && return
	say "the user manager of $(name_of "$1") could not be told of the change; as that account: systemctl --user daemon-reload"
	return 1
}
