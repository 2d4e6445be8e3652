#!/bin/sh
# Starts the demo stack as plain user services, for the account that runs this,
# where Podman is older than Quadlet. Needs ~/.local/bin/minio, and /run/secrets
# to lead to ~/.config/ledger/secrets. What is already there stays as it is.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
units=${XDG_CONFIG_HOME:-$HOME/.config}/systemd/user
secrets=$HOME/.config/ledger/secrets
data=$HOME/.local/share/ledger

umask 077
mkdir -p "$secrets" "$units" "$data/redis" "$data/minio"
for name in postgres-password redis-password minio-user minio-password django-secret-key; do
	[ -e "$secrets/$name" ] || head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$secrets/$name"
done
for file in "$here"/*.service; do
	[ -e "$units/${file##*/}" ] || cp "$file" "$units/"
done
systemctl --user daemon-reload
systemctl --user enable --quiet --now postgres.service redis.service minio.service django.service
