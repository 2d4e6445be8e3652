#!/bin/sh
# Puts the demo stack's units and secrets in place, for the account that runs
# this, and starts it. What is already there stays as it is.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
units=${XDG_CONFIG_HOME:-$HOME/.config}/containers/systemd

have=$(podman secret ls --format '{{.Name}}')
for name in postgres-password redis-password minio-user minio-password django-secret-key; do
	if ! printf '%s\n' "$have" | grep -qx "$name"; then
		head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n' | podman secret create "$name" - >/dev/null
	fi
done
mkdir -p "$units"
for file in "$here"/quadlet/*; do
	[ -e "$units/${file##*/}" ] || cp "$file" "$units/"
done
systemctl --user daemon-reload
systemctl --user start django.service
