# shellcheck shell=bash
# Sourced by the scripts that a fresh clone starts with: goes to the project's folder, and has what they share.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# The newer Node among the packages comes before the machine's own, which may be 20.
PATH="$PWD/node_modules/.bin:$PATH"

# step TEXT COMMAND…: runs a command quietly, says every 5 s that it goes on, and shows its output when it fails.
step() {
	local text=$1 output code=0 ticker before
	before=$(trap -p EXIT)
	shift
	output=$(mktemp)
	printf '%s…\n' "$text"
	(
		trap 'kill "$nap" 2>/dev/null; exit' TERM
		for ((seconds = 5; ; seconds += 5)); do
			sleep 5 &
			nap=$!
			wait "$nap"
			printf '%s, %s s so far…\n' "$text" "$seconds"
		done
	) &
	ticker=$!
	trap 'kill "$ticker" 2>/dev/null; rm -f "$output"' EXIT
	"$@" >"$output" 2>&1 </dev/null || code=$?
	kill "$ticker" 2>/dev/null || true
	wait "$ticker" 2>/dev/null || true
	eval "${before:-trap - EXIT}"
	if ((code != 0)); then
		tail -n 60 "$output" >&2
		printf '%s failed: %s (exit %s)\n' "$text" "$*" "$code" >&2
	fi
	rm -f "$output"
	return "$code"
}

# need COMMAND PACKAGE: installs a Debian package if its command is missing.
need() {
	if command -v "$1" >/dev/null; then
		return
	fi
	if [[ $(id -u) = 0 ]] && command -v apt-get >/dev/null; then
		step "Installing the Debian package $2" debian_package "$2"
	else
		# shellcheck disable=SC2016
		printf 'The command %s is missing. Please install it, with `apt-get install %s` on Debian, and try again.\n' "$1" "$2" >&2
		return 1
	fi
}

debian_package() {
	apt-get update
	DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$1"
}

# What everything here needs: npm's packages, as locked, and a Node that runs TypeScript.
install_packages() {
	need flock util-linux
	if ! command -v npm >/dev/null; then
		printf 'npm is missing: please install Node.js 20 or newer with npm, and try again.\n' >&2
		return 1
	fi
	# npm writes this file last; it is older than the lock file after a change of the dependencies.
	if [[ ! node_modules/.package-lock.json -nt package-lock.json ]]; then
		step 'Installing the npm packages' npm ci --no-audit --no-fund
	fi
	if ! node --input-type=module-typescript --eval 'const ok: boolean = true' 2>/dev/null; then
		printf 'Found Node %s, which does not run TypeScript: does npm allow the install script of the package "node"?\n' \
			"$(node --version)" >&2
		return 1
	fi
}
