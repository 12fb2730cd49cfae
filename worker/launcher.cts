// What a worker's process starts with: runs the worker, which is one script (scripts/bundle.ts), with what another worker has compiled of it where its
// supervisor has that at hand. To compile it anew is the largest part of what a start costs. Node's own compile cache (node:module, enableCompileCache)
// keeps what is compiled when a file is loaded, and not what is compiled when it is first called, which is most of it.
const {closeSync, fstatSync, readFileSync, readSync, statSync}: typeof import('node:fs') = require('node:fs');
const {join}: typeof import('node:path') = require('node:path');
const {constants, Script}: typeof import('node:vm') = require('node:vm');

/** The descriptor that the compiled code comes by (supervisor/sandbox/compiled-code.ts). */
const COMPILED = 4;

const file = join(__dirname, 'main.cjs');

/** Names the script as it is on the disk: V8 takes another one of the same length for it. */
function identify(): string {
	const {dev, ino, size, mtimeMs} = statSync(file);
	return [dev, ino, size, mtimeMs].join(' ');
}

/** What was compiled of that script; `undefined`: nothing is at hand. No program that is started later gets the descriptor. */
function compiledOf(identity: string): Buffer | undefined {
	const {size} = fstatSync(COMPILED);
	const given = Buffer.allocUnsafeSlow(size);
	// From its beginning: the offset is one for all workers.
	const length = readSync(COMPILED, given, 0, size, 0);
	closeSync(COMPILED);
	const end = given.indexOf('\n');
	return end > 0 && length === size && given.toString('latin1', 0, end) === identity
		? given.subarray(end + 1)
		: undefined;
}

function run(): void {
	const identity = identify();
	const cachedData = compiledOf(identity);
	// All its characters are ASCII.
	const script = new Script(readFileSync(file, 'latin1'), {
		filename: file,
		importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
		...(cachedData ? {cachedData} : {}),
	});
	script.runInThisContext();
	process.on('message', ({kind}: {readonly kind: string}) => {
		if (kind !== 'compile') return;
		const code = Buffer.concat([Buffer.from(`${identity}\n`, 'latin1'), script.createCachedData()]).toString('base64');
		process.send?.({kind: 'compiled', code});
	});
}

// Node maps the traces of modules alone back to the sources.
if (process.sourceMapsEnabled) require('./main.cjs');
else run();
