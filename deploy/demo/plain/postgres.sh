#!/bin/sh
# Makes the cluster on the first start, then becomes PostgreSQL. The cluster is
# made under another name and renamed when it is whole: a start that is cut
# short leaves nothing that the next one would take for a database.
set -eu

PATH=/usr/lib/postgresql/15/bin:$PATH
data=$HOME/.local/share/ledger/postgres
if [ ! -d "$data" ]; then
	new=$data.new
	rm -rf "$new"
	initdb --pgdata="$new" --username=ledger --pwfile=/run/secrets/postgres-password \
		--auth=scram-sha-256 --locale=C.UTF-8 --encoding=UTF8 >/dev/null
	echo 'CREATE DATABASE ledger' | postgres --single -D "$new" postgres >/dev/null
	sync
	mv "$new" "$data"
	sync
fi
# After a power cut the number in postmaster.pid may be that of another process
# of this account, and PostgreSQL would refuse to start for ever. Of an earlier
# boot nothing lives; of this one the file is to be believed.
boot=$(cat /proc/sys/kernel/random/boot_id)
[ "$(cat "$data.boot" 2>/dev/null)" = "$boot" ] || rm -f "$data/postmaster.pid"
printf '%s\n' "$boot" >"$data.boot"
exec postgres -D "$data" -c listen_addresses=127.0.0.1 -c unix_socket_directories= \
	-c synchronous_commit=on -c fsync=on
