#!/bin/bash
# Every check and every test, from a fresh clone: scripts/test.sh [arguments for vitest…]
source "$(dirname "${BASH_SOURCE[0]}")/support/prepare.sh"

install_packages
# Networks and containers of their own are root's; without them the tests that need them are left out.
if [[ $(id -u) = 0 ]]; then
	need ip iproute2 || true
	need runc runc || true
	# What Prometheus and a browser say of what is shown to them.
	need promtool prometheus || true
	need chromium chromium || true
fi
# Beside the downloads, which leave a core idle.
(
	step 'Linting' biome check .
	step 'Checking types' tsc -p test/tsconfig.json --noEmit
) &
checks=$!
installed=0
node scripts/setup-openclaw.ts || installed=$?
wait "$checks"
((installed == 0)) || exit "$installed"
# It begins with a build, unless dist/ is of these very sources.
exec vitest run --config test/vitest.config.ts --reporter=default --reporter="$PWD/test/support/closing-line.ts" "$@"
