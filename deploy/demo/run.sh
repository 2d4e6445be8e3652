#!/bin/sh
# Starts the demo stack by hand, as people do who have no units yet: plain podman
# run, PostgreSQL on an anonymous volume. For the account that runs this.
set -eu

have=$(podman secret ls --format '{{.Name}}')
for name in postgres-password redis-password minio-user minio-password django-secret-key; do
	if ! printf '%s\n' "$have" | grep -qx "$name"; then
		head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n' | podman secret create "$name" - >/dev/null
	fi
done
podman network exists stack || podman network create stack >/dev/null

run() { podman run --detach --pull=never --network=stack "$@" >/dev/null; }
run --name postgres --secret postgres-password,mode=0444 --volume /var/lib/postgresql/data docker.io/library/postgres:17
run --name redis --secret redis-password,mode=0444 --volume redis:/data docker.io/library/redis:8
run --name minio --secret minio-user,mode=0444 --secret minio-password,mode=0444 --volume minio:/data quay.io/minio/minio:latest
run --name django --publish 127.0.0.1:8000:8000 --volume django:/var/lib/ledger --stop-timeout 15 \
	--secret django-secret-key,mode=0444 --secret postgres-password,mode=0444 --secret redis-password,mode=0444 \
	--secret minio-user,mode=0444 --secret minio-password,mode=0444 localhost/ledger:latest
