#!/bin/bash
# Every check and every test, from a fresh clone: scripts/test.sh [arguments for vitest…]
source "$(dirname "${BASH_SOURCE[0]}")/support/prepare.sh"

install_and_build
node scripts/setup-openclaw.ts
step 'Linting' biome check .
step 'Checking types' tsc -p test/tsconfig.json --noEmit
exec vitest run --config test/vitest.config.ts --reporter=default --reporter="$PWD/test/support/closing-line.ts" "$@"
