#!/bin/sh
# Builds the images of the demo stack, as the account that will run them.
# build.sh BASE.TAR MINIO: the Debian layer, and the MinIO program.
set -eu

base=$1 minio=$2
here=$(cd "$(dirname "$0")" && pwd)

podman import --quiet "$base" docker.io/library/debian:trixie-slim >/dev/null
cp "$minio" "$here/images/minio/minio"
build() {
	echo "building $1" >&2
	podman build --quiet --network=host --tag "$1" "$here/images/$2" >/dev/null
}
build docker.io/library/postgres:17 postgres
build docker.io/library/redis:8 redis
build quay.io/minio/minio:latest minio
build localhost/ledger:latest django
