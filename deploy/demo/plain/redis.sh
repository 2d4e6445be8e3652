#!/bin/sh
# The password comes by file and reaches Redis on standard input: neither the
# command line nor the environment shows it.
set -eu

password=$(cat /run/secrets/redis-password)
exec redis-server - <<CONF
bind 127.0.0.1
dir $HOME/.local/share/ledger/redis
appendonly yes
appendfsync always
supervised systemd
requirepass $password
CONF
