#!/bin/sh
# Compiles to dist/, and writes beside the code what is made from it.
set -eu
cd "$(dirname "$0")/.."
rm -rf dist
node_modules/.bin/tsc -p tsconfig.json
chmod +x dist/supervisor/launcher.cjs
node_modules/.bin/node scripts/generate.ts
