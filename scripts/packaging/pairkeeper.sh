#!/bin/sh
# Starts pairkeeper by the Node that was packed with it, else by $PAIRKEEPER_NODE, else by the first in PATH.
set -eu
program=/usr/lib/pairkeeper
for node in "$program/node" "${PAIRKEEPER_NODE:-}" node; do
	if [ -n "$node" ] && command -v "$node" >/dev/null; then
		exec "$node" "$program/dist/supervisor/launcher.cjs" "$@"
	fi
done
echo 'pairkeeper needs Node 22.19 or newer, and there is no node in PATH; install it (nodejs), or name it: PAIRKEEPER_NODE=/path/to/node' >&2
exit 1
