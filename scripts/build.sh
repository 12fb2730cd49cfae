#!/bin/sh
# Compiles to dist/ and writes the JSON Schema of the configuration beside the code it is made from.
set -eu
cd "$(dirname "$0")/.."
rm -rf dist
node_modules/.bin/tsc -p tsconfig.json
chmod +x dist/supervisor/launcher.cjs
mkdir -p dist/supervisor/http
cp supervisor/http/page.html dist/supervisor/http/
node_modules/.bin/node --input-type=module -e '
	import {writeFileSync} from "node:fs";
	import {configJsonSchema} from "./dist/supervisor/config/schema.js";
	writeFileSync("dist/config.schema.json", JSON.stringify(configJsonSchema(), null, "\t") + "\n");
'
