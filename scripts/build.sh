#!/bin/sh
# Checks and bundles to dist/, and writes beside the code what is made from it: scripts/build.sh [--if-needed]
# --if-needed: unless dist/ is of these very sources.
set -eu
cd "$(dirname "$0")/.."
. scripts/support/sources.sh
if [ "${1-}" = --if-needed ] && is_built; then exit; fi
compiled=node_modules/.cache/pairkeeper/compiled
rm -rf dist "$compiled" "$built_from"
sources=$(sources_digest)
node_modules/.bin/tsc -p tsconfig.json --outDir "$compiled"
node_modules/.bin/node scripts/bundle.ts
# Not bundled: every Node has to understand the one, so that it can say that it is too old; the other loads a bundle as what it is, a script.
cp "$compiled/supervisor/launcher.cjs" dist/supervisor/
cp "$compiled/worker/launcher.cjs" dist/worker/
chmod +x dist/supervisor/launcher.cjs
mkdir -p dist/supervisor/http
cp supervisor/http/page.html dist/supervisor/http/
node_modules/.bin/node scripts/generate.ts
printf '%s\n' "$sources" >"$built_from"
