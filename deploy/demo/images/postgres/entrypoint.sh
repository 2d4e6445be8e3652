#!/bin/sh
# Makes the cluster on the first start, then becomes PostgreSQL. The cluster is
# made under another name and renamed when it is whole: a start that is cut
# short leaves nothing that the next one would take for a database.
set -eu

if [ ! -d "$PGDATA" ]; then
	new=$PGDATA.new
	rm -rf "$new"
	initdb --pgdata="$new" --username=ledger --pwfile=/run/secrets/postgres-password \
		--auth-host=scram-sha-256 --auth-local=peer --locale=C.UTF-8 --encoding=UTF8 >/dev/null
	echo 'host all all all scram-sha-256' >>"$new/pg_hba.conf"
	echo 'CREATE DATABASE ledger' | postgres --single -D "$new" postgres >/dev/null
	sync
	mv "$new" "$PGDATA"
	sync
fi
exec "$@" -c listen_addresses='*' -c synchronous_commit=on -c fsync=on
