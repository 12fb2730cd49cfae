#!/bin/bash
# The main job on real OpenClaw, from a fresh clone: scripts/demo.sh [--keep]
source "$(dirname "${BASH_SOURCE[0]}")/support/prepare.sh"

case "$*" in
'' | --keep) ;;
*)
	cat <<'USAGE'
Usage: scripts/demo.sh [--keep]
Starts two real OpenClaw gateways on loopback and pairkeeper over them, and shows a late scope upgrade being approved.
  --keep  leave the gateways and pairkeeper running, and say how to look at them and how to stop them
USAGE
	[[ $* = -h || $* = --help ]] && exit 0
	exit 2
	;;
esac
install_packages
step 'Building pairkeeper' npm run --silent build
exec node scripts/demo.ts "$@"
