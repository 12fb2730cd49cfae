import {spawnSync} from 'node:child_process';
import {readFileSync} from 'node:fs';
import path from 'node:path';
import {expect, it} from 'vitest';

/** What is read here of what the bundler says of its outputs (esbuild: metafile). */
interface Output {
	readonly imports: readonly {readonly path: string; readonly kind: string; readonly external?: boolean}[];
	readonly entryPoint?: string;
	readonly inputs: Readonly<Record<string, object>>;
}

const dist = path.resolve(import.meta.dirname, '../../dist');

/** What is read of it all. */
interface Metafile {
	readonly inputs: Readonly<Record<string, Pick<Output, 'imports'>>>;
	readonly outputs: Readonly<Record<string, Output>>;
}

function metafileOf(part: string): Metafile {
	return JSON.parse(readFileSync(path.join(dist, 'meta', `${part}.json`), 'utf8'));
}

function outputsOf(part: string): Metafile['outputs'] {
	return metafileOf(part).outputs;
}

/** The sources in a file of `dist/`, and in all that is loaded with it, whatever is done. */
function loadedWith(file: string, outputs: Readonly<Record<string, Output>>, seen = new Set<string>()): string[] {
	if (seen.has(file)) return [];
	seen.add(file);
	const output = outputs[file];
	if (!output) throw new Error(`${file} is not a file of the bundle`);
	const imported = output.imports.filter(({kind, external}) => kind === 'import-statement' && !external);
	return [...Object.keys(output.inputs), ...imported.flatMap(each => loadedWith(each.path, outputs, seen))];
}

function packagesIn(sources: readonly string[]): string[] {
	const names = sources.flatMap(source => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(source)?.[1] ?? []);
	return [...new Set(names)].sort();
}

/** The file that is loaded when that source is asked for by `import()`. */
function chunkOf(source: string, outputs: Readonly<Record<string, Output>>): string {
	const found = Object.entries(outputs).find(([, {entryPoint}]) => entryPoint === source);
	if (!found) throw new Error(`${source} is in no chunk of its own`);
	return found[0];
}

/** The worker's sources that are run with one of them: it is one script, whose parts are run when they are asked for. */
function runWith(file: string, inputs = metafileOf('worker').inputs, seen = new Set<string>()): string[] {
	if (seen.has(file)) return [];
	seen.add(file);
	const imports = inputs[file]?.imports;
	if (!imports) throw new Error(`${file} is not in the bundle`);
	const needed = imports.filter(({kind, external}) => kind !== 'dynamic-import' && !external);
	return [file, ...needed.flatMap(each => runWith(each.path, inputs, seen))];
}

it('a worker whose gateway answers runs OpenClaw’s client and what that needs, and no code for calls, schemas or logs', () => {
	const start = runWith('worker/main.ts');
	expect(packagesIn(start)).toEqual(['p-timeout']);
	expect(packagesIn([...start, ...runWith('worker/transport/gateway/open.ts')])).toEqual([
		'@openclaw/gateway-client',
		'@openclaw/gateway-protocol',
		'isexe',
		'p-timeout',
		'which',
		'ws',
	]);
});

it('a worker loads what its gateway may need of Node, and costs more than the worker itself, when it is needed', () => {
	const sources = [...runWith('worker/main.ts'), ...runWith('worker/transport/gateway/open.ts')];
	const costly = sources.filter(source => /^builtin:(dns|fs\/|https|tls|zlib)/.test(source));
	expect([...new Set(costly)].sort()).toEqual([
		'builtin:dns/promises?lazy',
		'builtin:fs/promises?lazy',
		'builtin:https?lazy',
		'builtin:tls?lazy',
		'builtin:zlib?lazy',
	]);
	// A plain import of Node's has all that hides behind its properties loaded.
	const imported = Object.values(outputsOf('worker')).flatMap(({imports}) => imports.filter(({external}) => external));
	expect(imported.filter(({path}) => path !== '<runtime>')).toEqual([
		{path: 'node:tls', kind: 'dynamic-import', external: true},
	]);
});

it('what a call of the CLI takes is run with the first one', () => {
	expect(packagesIn(runWith('worker/main.ts'))).not.toContain('execa');
	const call = packagesIn(runWith('worker/transport/cli/client.ts'));
	expect(call).toContain('execa');
	expect(call).not.toContain('zod');
	expect(call).not.toContain('ws');
});

it('the worker’s script is of ASCII characters only, as what loads it takes it to be', () => {
	expect(readFileSync(path.join(dist, 'worker/main.cjs')).every(byte => byte < 0x80)).toBe(true);
});

it('health, which monitors run all the time, loads nothing that supervises', () => {
	const outputs = outputsOf('supervisor');
	const health = packagesIn(loadedWith(chunkOf('supervisor/commands/health.ts', outputs), outputs));
	expect(health).toContain('zod');
	expect(health).not.toContain('winston');
	expect(health).not.toContain('execa');
});

it('is taken to be of old sources when anything changes that it is built with or of', () => {
	const root = path.resolve(import.meta.dirname, '../..');
	const {stdout} = spawnSync('sh', ['-c', '. scripts/support/sources.sh; sources'], {cwd: root, encoding: 'utf8'});
	const known = new Set(stdout.split('\n'));
	const makers = ['scripts/build.sh', 'scripts/bundle.ts', 'scripts/generate.ts'];
	const helpers = makers.flatMap(maker => {
		const text = readFileSync(path.join(root, maker), 'utf8');
		const named = [...text.matchAll(/from '(\.[^']*)'/g)].map(([, file = '']) => path.join(path.dirname(maker), file));
		return [...named, ...[...text.matchAll(/^\. (\S+)$/gm)].map(([, file = '']) => file)];
	});
	const parts = ['supervisor', 'worker'].flatMap(part => {
		const {inputs} = JSON.parse(readFileSync(path.join(dist, 'meta', `${part}.json`), 'utf8'));
		return Object.keys(inputs).filter(input => /^(supervisor|worker)\//.test(input));
	});
	expect(helpers).toContain('scripts/support/builtins.ts');
	expect([...makers, ...helpers, ...parts].filter(file => !known.has(file))).toEqual([]);
});
