#!/bin/bash
# The main job on real OpenClaw, from a fresh clone: scripts/demo.sh [--keep]
source "$(dirname "${BASH_SOURCE[0]}")/support/prepare.sh"

case "$*" in
'' | --keep) ;;
*)
	cat <<'USAGE'
Usage: scripts/demo.sh [--keep]
Starts two real OpenClaw gateways, as root each in a network of its own, and pairkeeper over them, and shows a late scope upgrade being approved: in one
sandbox by its gateway, reached from inside, in the other by the command line.
  --keep  leave the gateways and pairkeeper running, and say how to look at them and how to stop them
USAGE
	[[ $* = -h || $* = --help ]] && exit 0
	exit 2
	;;
esac
install_packages
# Networks of their own are root's; the demo does without them too.
if [[ $(id -u) = 0 ]]; then need ip iproute2 || true; fi
step 'Building pairkeeper' npm run --silent build
exec node scripts/demo.ts "$@"
