import {createHash} from 'node:crypto';
import {existsSync} from 'node:fs';
import {mkdir, readdir, readFile, writeFile} from 'node:fs/promises';
import {dirname, join, resolve} from 'node:path';
import {isInstalled, openclawVersions} from '../../scripts/setup-openclaw.ts';
import {launcher} from './pairkeeper.ts';
import {runCommand} from './processes.ts';

const root = resolve(import.meta.dirname, '../..');
const sources = [
	'supervisor',
	'worker',
	'scripts/build.sh',
	'scripts/bundle.ts',
	'scripts/support/licences.ts',
	'scripts/generate.ts',
	'scripts/support/man-page.ts',
	'package.json',
	'package-lock.json',
	'tsconfig.json',
];
const stamp = join(root, 'node_modules/.cache/pairkeeper/built-from');

/** Runs once before all tests: builds `dist/` unless it is of these very sources, and looks for OpenClaw. */
export default async function setup(): Promise<void> {
	const missing = openclawVersions.filter(version => !isInstalled(version));
	if (missing.length > 0) {
		console.warn(`openclaw ${missing.join(' and ')} missing: run \`node scripts/setup-openclaw.ts\` for test/e2e`);
	}
	const digest = await digestOfSources();
	if (existsSync(launcher) && (await readFile(stamp, 'utf8').catch(() => '')) === digest) return;
	const env = {HOME: process.env.HOME};
	const {exitCode, stdout, stderr} = await runCommand(['npm', 'run', '--silent', 'build'], {
		env,
		cwd: root,
		timeoutMs: 300_000,
	});
	if (exitCode !== 0) throw new Error(`npm run build failed:\n${stdout}${stderr}`);
	await mkdir(dirname(stamp), {recursive: true});
	await writeFile(stamp, digest);
}

async function digestOfSources(): Promise<string> {
	const hash = createHash('sha256');
	for (const source of sources) {
		for (const file of await filesIn(join(root, source))) hash.update(file).update(await readFile(file));
	}
	return hash.digest('hex');
}

async function filesIn(path: string): Promise<string[]> {
	if (!existsSync(path)) return [];
	const entries = await readdir(path, {recursive: true, withFileTypes: true}).catch(() => undefined);
	if (!entries) return [path];
	const files = entries.filter(entry => entry.isFile());
	return files.map(entry => join(entry.parentPath, entry.name)).sort();
}
