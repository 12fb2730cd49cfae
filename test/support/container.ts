// A container as docker and Kubernetes have them: networks, processes, hostname and environment of its own, by runc(8), without an image to download.
import {execFileSync, spawn} from 'node:child_process';
import {
	closeSync,
	mkdirSync,
	mkdtempSync,
	openSync,
	readdirSync,
	readFileSync,
	readlinkSync,
	rmSync,
	symlinkSync,
	writeFileSync,
} from 'node:fs';
import {mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {dirname, join} from 'node:path';
import {openclawBinary} from '../../scripts/setup-openclaw.ts';
import {guardFolder, guardGroup, unguard} from './guard.ts';
import {openPassage} from './passage.ts';
import {until} from './until.ts';

/** Where Node keeps what it has compiled, as OpenClaw has it do: without it a gateway in a new container would compile all of itself again. */
const compileCache = '/tmp/node-compile-cache';

/** The Node that OpenClaw runs on there: ours. */
const node = dirname(process.execPath);

/** Why this user cannot have containers here, found by having one; `null`: they can. */
export function whyNoContainers(): string | null {
	if (process.getuid?.() !== 0) return 'containers need root';
	const folder = mkdtempSync(join(tmpdir(), 'pairkeeper-container-try-'));
	try {
		const name = `pairkeeper-try-${process.pid}`;
		makeBundle(folder, specOf({name, args: ['true'], path: '/usr/bin', readable: [], writable: [], env: {}}));
		execFileSync('runc', ['--root', join(folder, 'runc'), 'run', '--bundle', folder, name], {encoding: 'utf8'});
		return null;
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'runc is not installed (Debian package runc)';
		const said = error instanceof Error && 'stderr' in error ? String(error.stderr) : String(error);
		return `runc cannot start one here: ${said.trim().split('\n')[0]}`;
	} finally {
		rmSync(folder, {recursive: true, force: true});
	}
}

/** What a container is made of. */
export interface ContainerOptions {
	readonly name: string;
	/** The OpenClaw that is in its PATH. */
	readonly version: string;
	/** Folders of ours that it may write, at the same paths. */
	readonly folders: readonly string[];
	/** What all its processes see, besides PATH. */
	readonly env: Readonly<Record<string, string>>;
}

/** A container that runs, and does nothing by itself. */
export class Container implements AsyncDisposable {
	readonly name: string;
	readonly #folder: string;
	readonly #pid: number;
	readonly #passages: AsyncDisposable[] = [];

	private constructor(name: string, folder: string, pid: number) {
		this.name = name;
		this.#folder = folder;
		this.#pid = pid;
	}

	static async start(options: ContainerOptions): Promise<Container> {
		const {name} = options;
		const folder = await mkdtemp(join(tmpdir(), `pairkeeper-container-${name}-`));
		guardFolder(folder);
		const openclaw = openclawBinary(options.version);
		makeBundle(
			folder,
			specOf({
				...options,
				// Ends those whose parents are gone, as an init does.
				args: ['bash', '-c', 'trap exit TERM; while :; do sleep 1000 & wait $!; done'],
				path: [node, dirname(openclaw), '/usr/bin', '/bin'].join(':'),
				readable: [node, dirname(dirname(dirname(openclaw)))],
				writable: options.folders,
			}),
		);
		// What it starts in the background keeps no descriptor of ours.
		const log = openSync(join(folder, 'log'), 'a');
		const words = ['--root', join(folder, 'runc'), 'run', '--detach', '--bundle', folder, name];
		const child = spawn('runc', words, {stdio: ['ignore', log, log]});
		closeSync(log);
		const code = await new Promise(done => child.once('error', done).once('exit', done));
		if (code !== 0) throw new Error(`runc run: ${code}: ${readFileSync(join(folder, 'log'), 'utf8')}`);
		const state = execFileSync('runc', ['--root', join(folder, 'runc'), 'state', name], {encoding: 'utf8'});
		const {pid} = JSON.parse(state) as {pid: number};
		// Its first process leads a group, and all others end with it.
		guardGroup(pid);
		return new Container(name, folder, pid);
	}

	/** Runs what follows inside. */
	get exec(): readonly string[] {
		return ['runc', '--root', join(this.#folder, 'runc'), 'exec', this.name];
	}

	/** Lets our loopback lead to a port inside, for what the test itself asks there. */
	async openPassage(port: number): Promise<void> {
		this.#passages.push(await openPassage(this.exec, port));
	}

	/** The processes inside, by their pids on the host, with their words and environment. The first one is left out. */
	processes(): ReadonlyMap<number, {readonly words: string; readonly environment: readonly string[]}> {
		const inside = namespaceOf(this.#pid);
		const found = new Map<number, {words: string; environment: string[]}>();
		for (const pid of readdirSync('/proc').map(Number).filter(Number.isInteger)) {
			if (pid === this.#pid || namespaceOf(pid) !== inside) continue;
			try {
				const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
				const environment = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
				// One that has ended has no words any more.
				if (words !== '') found.set(pid, {words, environment});
			} catch {
				// It has ended meanwhile.
			}
		}
		return found;
	}

	/** The program on the host that has led to a process inside, by their pids there. */
	leaderOf(pid: number): number {
		const parent = parentOf(pid);
		return parent === this.#pid || namespaceOf(parent) !== namespaceOf(this.#pid) ? parent : this.leaderOf(parent);
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await Promise.all(this.#passages.map(passage => passage[Symbol.asyncDispose]()));
		execFileSync('runc', ['--root', join(this.#folder, 'runc'), 'delete', '--force', this.name]);
		await until('the end of the container', () => namespaceOf(this.#pid) === null);
		unguard(this.#pid);
		await rm(this.#folder, {recursive: true, force: true});
		unguard(this.#folder);
	}
}

/** proc_pid_status(5): PPid. */
function parentOf(pid: number): number {
	return Number(/^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

/** The process namespace of a process, or `null` where it has ended. */
function namespaceOf(pid: number): string | null {
	try {
		return readlinkSync(`/proc/${pid}/ns/pid`);
	} catch {
		return null;
	}
}

/** What runc needs to start a container: a root folder, and what to make of it. The host's own system is to be mounted there. */
function makeBundle(folder: string, spec: object): void {
	mkdirSync(join(folder, 'rootfs'));
	mkdirSync(compileCache, {recursive: true});
	for (const each of ['bin', 'sbin', 'lib', 'lib64']) symlinkSync(`usr/${each}`, join(folder, 'rootfs', each));
	writeFileSync(join(folder, 'config.json'), JSON.stringify(spec));
}

interface Spec {
	readonly name: string;
	readonly args: readonly string[];
	readonly path: string;
	readonly readable: readonly string[];
	readonly writable: readonly string[];
	readonly env: Readonly<Record<string, string>>;
}

/** OCI Runtime Specification 1.0.2, config.md. */
function specOf({name, args, path, readable, writable, env}: Spec): object {
	const bind = (folder: string, mode: 'ro' | 'rw') => ({
		destination: folder,
		source: folder,
		type: 'bind',
		options: ['rbind', mode],
	});
	return {
		ociVersion: '1.0.2',
		process: {
			terminal: false,
			user: {uid: 0, gid: 0},
			args,
			env: Object.entries({PATH: path, ...env}).map(([key, value]) => `${key}=${value}`),
			cwd: '/',
			noNewPrivileges: true,
		},
		root: {path: 'rootfs'},
		hostname: name,
		mounts: [
			{destination: '/proc', type: 'proc', source: 'proc'},
			{destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'mode=755', 'size=65536k']},
			{destination: '/tmp', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'nodev', 'mode=1777']},
			...['/usr', '/etc', ...readable].map(folder => bind(folder, 'ro')),
			...[compileCache, ...writable].map(folder => bind(folder, 'rw')),
		],
		linux: {namespaces: ['pid', 'network', 'ipc', 'uts', 'mount'].map(type => ({type}))},
	};
}
