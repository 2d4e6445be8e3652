# shellcheck shell=sh
# After an installation, an upgrade, and a removal that was given up. The daemon is
# replaced, and nothing else: keeper-session.service, whose stop is the last act,
# stays as it is, with the new program behind it. Where it is not there though the
# account enabled keeper, a removal stopped it, or the package is new to an account
# that enabled it before: it is started.
if booted; then
	reload_system
	for uid in $(managers); do
		reload_manager "$uid" || continue
		ours "$uid" || continue
		if ask "$uid" 10 is-active keeper-session.service; then
			ask "$uid" 30 try-restart keeper.service
		elif ask "$uid" 10 is-enabled keeper.service; then
			ask "$uid" 60 start keeper.service
		fi || say "keeper of $(name_of "$uid") did not start; as that account: systemctl --user status keeper"
	done
fi
# Root's part of each account was written by install.sh, and is as it was then: with
# the armor, or without.
shipped=/usr/share/keeper/systemd/system/user@.service.conf
for conf in /etc/systemd/system/user@*.service.d/50-keeper.conf; do
	[ -e "$conf" ] || continue
	cmp -s "$shipped" "$conf" && continue
	sed '/^# The armor/,/^RefuseManualStop=/d' "$shipped" | cmp -s - "$conf" && continue
	say "$conf is not as in this version; to bring root's part up to date: sh /usr/libexec/keeper/install.sh --user NAME"
done
exit 0
