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

/** What follows the script and its code, in bytes: the digest of the code, and how long the script is. */
const DIGEST = 32;
const LENGTH = 4;

/** The script, and what was compiled of it. All its characters are ASCII. */
interface Code {
	readonly source: string;
	readonly compiled?: Buffer;
}

/** What the supervisor keeps; `undefined` where that cannot be read, or is not what was written. No program that is started later gets the descriptor. */
function givenCode(): Code | undefined {
	try {
		const {size} = fstatSync(DESCRIPTOR);
		const given = Buffer.allocUnsafeSlow(size);
		// From its beginning: the offset is one for all workers.
		const content = given.subarray(0, readSync(DESCRIPTOR, given, 0, size, 0));
		const end = content.length - LENGTH;
		const length = content.readUInt32LE(end);
		const compiled = content.subarray(length, end - DIGEST);
		// V8 takes what is damaged, and goes wrong by it.
		if (!content.subarray(end - DIGEST, end).equals(sha256(compiled))) return undefined;
		return {source: content.toString('latin1', 0, length), compiled};
	} catch {
		// It is only a help.
		return undefined;
	} finally {
		closeSync(DESCRIPTOR);
	}
}

function sha256(data: Buffer): Buffer {
	return createHash('sha256').update(data).digest();
}

function run(): void {
	const file = join(__dirname, 'main.cjs');
	const given = process.argv.includes(HAS_CODE) ? givenCode() : undefined;
	const {source, compiled}: Code = given ?? {source: readFileSync(file, 'latin1')};
	const script = new Script(source, {
		filename: file,
		importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
		...(compiled ? {cachedData: compiled} : {}),
	});
	// Freed at once: an idle worker collects no garbage for hours.
	(compiled?.buffer as ArrayBuffer | undefined)?.transfer(0);
	script.runInThisContext();
	process.on('message', ({kind}: {readonly kind: string}) => {
		// The supervisor may have gone meanwhile.
		if (kind !== 'compile' || !process.connected) return;
		const code = script.createCachedData().toString('base64');
		const digest = sha256(Buffer.from(source, 'latin1')).toString('hex');
		process.send?.({kind: 'compiled', code, source: digest}, undefined, undefined, () => {});
	});
}

// Node maps the traces of modules alone back to the sources.
if (process.sourceMapsEnabled) require('./main.cjs');
else run();
