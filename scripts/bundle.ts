// Bundles the sources into dist/: of the supervisor a file that it starts with, and chunks for what it loads only when that is needed; of the worker one
// script. The code of packages is in it, and their licences beside it. Run by build.sh.
import {mkdir, writeFile} from 'node:fs/promises';
import path from 'node:path';
import {type BuildOptions, build} from 'esbuild';
import {frugalBuiltins} from './support/builtins.ts';
import {licencesOf} from './support/licences.ts';

const root = path.resolve(import.meta.dirname, '..');

/** What packages that are CommonJS take to be there, and is not in a module (Node: docs/esm, differences between ES modules and CommonJS). */
const commonJs = 'const __filename = import.meta.filename; const __dirname = import.meta.dirname;';

/** The two are processes of their own and share nothing in memory, so that each has all its code in as few files as can be. */
const parts: Readonly<Record<string, BuildOptions>> = {
	supervisor: {format: 'esm', splitting: true, chunkNames: 'supervisor/[name]-[hash]', banner: {js: commonJs}},
	// One script, so that it can be compiled once for all workers (worker/launcher.cts); what is imported when it is needed is run only then.
	worker: {format: 'iife', outExtension: {'.js': '.cjs'}},
};

await mkdir(path.join(root, 'dist/meta'), {recursive: true});
const inputs: string[] = [];
for (const [part, options] of Object.entries(parts)) {
	const {metafile} = await build({
		absWorkingDir: root,
		entryPoints: {[`${part}/main`]: `${part}/main.ts`},
		outdir: 'dist',
		bundle: true,
		platform: 'node',
		// It brings a binary for each machine, and is the one package that npm fetches beside ours.
		external: ['koffi'],
		target: 'node22.19',
		plugins: [frugalBuiltins],
		// What ws would look for in all folders above its own, at each start.
		define: {'process.env.WS_NO_BUFFER_UTIL': '"1"', 'process.env.WS_NO_UTF_8_VALIDATE': '"1"'},
		legalComments: 'none',
		// A process keeps its source in memory. Names stay, and lines are short enough for a stack trace to say where.
		minifyWhitespace: true,
		lineLimit: 120,
		// Read only where NODE_OPTIONS has --enable-source-maps: they cost memory.
		sourcemap: 'linked',
		sourcesContent: false,
		logLevel: 'warning',
		...options,
		metafile: true,
	});
	inputs.push(...Object.keys(metafile.inputs));
	// What is in which file, for tests and for whoever wonders; it is not packed.
	await writeFile(path.join(root, 'dist/meta', `${part}.json`), JSON.stringify(metafile));
}
await writeFile(path.join(root, 'dist/LICENCES.txt'), await licencesOf(inputs, root));
