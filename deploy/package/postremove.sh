# shellcheck shell=sh
# When the units are gone, for good (deb: remove, purge; rpm: 0). What accounts have
# stays, at a purge as well: settings, history, linger, and that they enabled keeper.
case ${1-} in
remove | 0) ;;
*) exit 0 ;;
esac
if booted; then
	reload_system
	for uid in $(managers); do
		reload_manager "$uid" || :
	done
fi
exit 0
