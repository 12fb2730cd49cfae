// Installs real OpenClaw versions from npm into `.openclaw/<version>/`, for the demo, the end-to-end tests and the
// benchmark: `node scripts/setup-openclaw.ts [version…]`.
import {type ChildProcess, spawn} from 'node:child_process';
import {existsSync} from 'node:fs';
import {mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile} from 'node:fs/promises';
import {join, resolve} from 'node:path';
import {interruption} from './support/interruption.ts';

/** The OpenClaw versions that the tests drive: one that pairs local clients by itself, one that can be told not to. */
export const openclawVersions = ['2026.5.27', '2026.9.6'] as const;

const store = resolve(import.meta.dirname, '../.openclaw');
const progressEveryMs = 5000;

/** How an install is watched and broken off. */
export interface InstallOptions {
	/** Gets one line at the start, one about every 5 s while npm works, and one at the end. */
	readonly log?: (line: string) => void;
	/** Ends npm and removes what it has written so far. */
	readonly signal?: AbortSignal;
}

/** Where {@link installOpenclaw} puts the `openclaw` program of a version; an absolute path. */
export function openclawBinary(version: string): string {
	return join(store, version, 'node_modules/.bin/openclaw');
}

/** True once this version is installed whole: its folder appears only by a rename after npm has finished. */
export function isInstalled(version: string): boolean {
	return existsSync(openclawBinary(version));
}

/**
 * Installs one OpenClaw version unless it is there, and returns the absolute path of its `openclaw`.
 * Safe to interrupt and to run twice at once: npm works in a folder of its own, which is renamed when it is complete.
 * @throws when npm fails (the message holds the end of its output) or `signal` aborts.
 */
export async function installOpenclaw(version: string, {log, signal}: InstallOptions = {}): Promise<string> {
	if (!/^\d[\w.-]*$/.test(version)) throw new Error(`Not an OpenClaw version: ${JSON.stringify(version)}`);
	const target = join(store, version);
	const binary = openclawBinary(version);
	if (isInstalled(version)) {
		log?.(`openclaw ${version} is installed`);
		return binary;
	}
	await mkdir(store, {recursive: true});
	await removeAbandoned();
	const staging = await mkdtemp(join(store, `.installing-${process.pid}-`));
	try {
		log?.(`openclaw ${version}: npm installs it into .openclaw/ (about 600 MB, half a minute or more)`);
		await writeFile(join(staging, 'package.json'), '{"private": true}\n');
		await npmInstall(`openclaw@${version}`, staging, {
			signal,
			onProgress: seconds => log?.(`openclaw ${version}: npm is at work, ${seconds} s so far`),
		});
		const installed = JSON.parse(await readFile(join(staging, 'node_modules/openclaw/package.json'), 'utf8'));
		if (installed.version !== version) throw new Error(`npm installed openclaw ${installed.version}, not ${version}`);
		await publish(staging, target, version);
	} finally {
		await rm(staging, {recursive: true, force: true});
	}
	log?.(`openclaw ${version} is installed`);
	return binary;
}

/** Renames the finished install into place. Whoever comes second keeps the first one's. */
async function publish(staging: string, target: string, version: string): Promise<void> {
	for (let attempt = 0; attempt < 3; attempt++) {
		try {
			await rename(staging, target);
			return;
		} catch (error) {
			if (isInstalled(version)) return;
			if (attempt === 2) throw new Error(`Cannot put openclaw ${version} into ${target}`, {cause: error});
			await rm(target, {recursive: true, force: true});
		}
	}
}

/** Removes staging folders whose process is gone: an interrupted install leaves 600 MB. */
async function removeAbandoned(): Promise<void> {
	for (const name of await readdir(store)) {
		const pid = /^\.installing-(\d+)-/.exec(name)?.[1];
		if (pid && !existsSync(`/proc/${pid}`)) await rm(join(store, name), {recursive: true, force: true});
	}
}

interface NpmOptions {
	readonly signal: AbortSignal | undefined;
	readonly onProgress: (seconds: number) => void;
}

async function npmInstall(spec: string, folder: string, {signal, onProgress}: NpmOptions): Promise<void> {
	signal?.throwIfAborted();
	// OpenClaw runs without its install scripts, and they need a newer Node than npm may be running under.
	const args = ['install', spec, '--prefix', folder, '--ignore-scripts', '--no-audit', '--no-fund'];
	// A process group of its own, so that npm goes with all it has started.
	const npm = spawn('npm', [...args, '--no-package-lock', '--no-progress', '--loglevel=error'], {
		cwd: folder,
		stdio: ['ignore', 'pipe', 'pipe'],
		detached: true,
	});
	const startedAt = performance.now();
	const progress = setInterval(() => onProgress(Math.round((performance.now() - startedAt) / 1000)), progressEveryMs);
	const abort = () => endGroup(npm);
	signal?.addEventListener('abort', abort);
	process.on('exit', abort);
	let output = '';
	const collect = (chunk: Buffer) => {
		output = (output + chunk).slice(-4000);
	};
	npm.stdout.on('data', collect);
	npm.stderr.on('data', collect);
	try {
		const end = await new Promise<string>((done, fail) => {
			npm.on('error', error => fail(new Error('Cannot run npm: is it on the PATH?', {cause: error})));
			npm.on('close', (code, ended) => done(code === 0 ? '' : `exit ${code ?? ended}`));
		});
		signal?.throwIfAborted();
		if (end) throw new Error(`npm could not install ${spec} (${end}):\n${output.trim()}`);
	} finally {
		clearInterval(progress);
		signal?.removeEventListener('abort', abort);
		process.off('exit', abort);
	}
}

function endGroup(child: ChildProcess): void {
	if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
	try {
		process.kill(-child.pid, 'SIGKILL');
	} catch {
		// It has just ended.
	}
}

if (import.meta.main) {
	const signal = interruption('; run it again, it starts over cleanly');
	const wanted = process.argv.length > 2 ? process.argv.slice(2) : openclawVersions;
	try {
		for (const version of wanted) {
			await installOpenclaw(version, {log: line => console.log(line), signal});
		}
	} catch (error) {
		console.error(error instanceof Error ? error.message : error);
		process.exitCode ||= 1;
	}
}
