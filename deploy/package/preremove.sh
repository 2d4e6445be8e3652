# shellcheck shell=sh
# Before the programs go, for good (deb: remove, rpm: 0); not before an upgrade.
case ${1-} in
remove | 0) ;;
*) exit 0 ;;
esac

# Root's part calls what goes, and would refuse to stop a user manager with nothing
# left that could take it out. No service ends by that.
# A name that two uids had is there twice, and is taken out of one at a time.
cat /etc/keeper/users/* 2>/dev/null | sort | while read -r name; do
	timeout -k 5 120 sh /usr/libexec/keeper/install.sh --uninstall --system --user "$name" </dev/null >&2 ||
		say "root's part for $name could not be taken out, see above; by hand: remove /etc/systemd/system/user@UID.service.d/50-keeper.conf and user-runtime-dir@UID.service.d/50-keeper.conf, then systemctl daemon-reload"
done

# The hooks of agents refuse everything once the program is gone; the settings are
# the accounts' own.
guard=/usr/libexec/keeper/keeper-guard
hooks() { say "$1 has AI agents behind keeper-guard: without it they refuse every command. Install keeper again and type, $2: keeper guard uninstall --all$3"; }
[ -z "$(timeout -k 2 10 "$guard" uninstall --all --system --dry-run 2>/dev/null | head -c 1)" ] ||
	hooks "this host" "as root" " --system"

if booted; then
	for uid in $(managers); do
		home=$(field "$uid" 6)
		[ -z "$(as "$uid" 10 env HOME="$home" "$guard" uninstall --all --dry-run | head -c 1)" ] ||
			hooks "$(name_of "$uid")" "as that account" ""
		ours "$uid" || continue
		# While the manager itself goes on, neither does anything to the containers.
		# Both, so that no stop of the manager looks for a program that is gone.
		ask "$uid" 75 stop keeper.service keeper-session.service ||
			say "keeper of $(name_of "$uid") could not be stopped; as that account: systemctl --user stop keeper keeper-session"
	done
fi
exit 0
