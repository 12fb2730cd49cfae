// What a worker's process starts with: runs the worker, which is one script (scripts/bundle.ts), with what another worker has compiled of it where its
// supervisor has that at hand. To compile it anew is the largest part of what a start costs. Node's own compile cache (node:module, enableCompileCache)
// keeps what is compiled when a file is loaded, and not what is compiled when it is first called, which is most of it.
const {createHash}: typeof import('node:crypto') = require('node:crypto');
const {closeSync, fstatSync, readFileSync, readSync}: typeof import('node:fs') = require('node:fs');
const {join}: typeof import('node:path') = require('node:path');
const {constants, Script}: typeof import('node:vm') = require('node:vm');

/** The argument that says that compiled code comes by this descriptor (supervisor/sandbox/compiled-code.ts). Without it the descriptor is Node's own. */
const HAS_CODE = '--compiled';
const DESCRIPTOR = 4;

/** How long a digest is, in bytes. */
const DIGEST = 32;

/** V8 looks at neither: it takes the code of another script of the same length, and what is damaged, and goes wrong by it. */
function digestOf(source: Buffer, code: Buffer): Buffer {
	return createHash('sha256').update(source).update(code).digest();
}

/** What was compiled of that source; `undefined` where that cannot be read, or is not what was written. No program that is started later gets the descriptor. */
function codeFor(source: Buffer): Buffer | undefined {
	try {
		const {size} = fstatSync(DESCRIPTOR);
		const given = Buffer.allocUnsafeSlow(size);
		// From its beginning: the offset is one for all workers.
		const length = readSync(DESCRIPTOR, given, 0, size, 0);
		const code = given.subarray(DIGEST, length);
		return given.subarray(0, DIGEST).equals(digestOf(source, code)) ? code : undefined;
	} catch {
		// It is only a help.
		return undefined;
	} finally {
		closeSync(DESCRIPTOR);
	}
}

function run(): void {
	const file = join(__dirname, 'main.cjs');
	const source = readFileSync(file);
	const cachedData = process.argv.includes(HAS_CODE) ? codeFor(source) : undefined;
	// All its characters are ASCII.
	const script = new Script(source.toString('latin1'), {
		filename: file,
		importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
		...(cachedData ? {cachedData} : {}),
	});
	script.runInThisContext();
	process.on('message', ({kind}: {readonly kind: string}) => {
		if (kind !== 'compile') return;
		const code = script.createCachedData();
		const whole = Buffer.concat([digestOf(source, code), code]).toString('base64');
		// The supervisor may have gone meanwhile.
		if (process.connected) process.send?.({kind: 'compiled', code: whole}, undefined, undefined, () => {});
	});
}

// Node maps the traces of modules alone back to the sources.
if (process.sourceMapsEnabled) require('./main.cjs');
else run();
