#!/bin/sh
# The password comes by file and reaches Redis on standard input: neither the
# command line nor the environment shows it.
set -eu

password=$(cat /run/secrets/redis-password)
exec redis-server - <<CONF
bind * -::*
dir /data
appendonly yes
appendfsync always
requirepass $password
CONF
