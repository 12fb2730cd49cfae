// Real OpenClaw gateways in sandboxes of their own: a temporary folder, HOME, state folder, port and token each.
import {type ChildProcess, spawn} from 'node:child_process';
import {randomBytes} from 'node:crypto';
import {closeSync, openSync} from 'node:fs';
import {chmod, mkdir, mkdtemp, readFile, rm, writeFile} from 'node:fs/promises';
import {createServer} from 'node:net';
import {tmpdir} from 'node:os';
import {delimiter, join, resolve} from 'node:path';
import {type InstallOptions, isInstalled, openclawBinary} from '../../scripts/setup-openclaw.ts';
import {guardFolder, guardGroup, unguard} from './guard.ts';
import {GiveUp, until} from './until.ts';

const root = resolve(import.meta.dirname, '../..');
const startTimeoutMs = 90_000;
const stopTimeoutMs = 10_000;
const callTimeoutMs = 90_000;

/** What a process that OpenClaw or pairkeeper is started from may see: nothing of the test runner, Node 24 first. */
export function plainEnvironment(extra: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
	const path = [join(root, 'node_modules/.bin'), '/usr/local/bin', '/usr/bin', '/bin'].join(delimiter);
	return {PATH: path, LANG: 'C.UTF-8', NO_COLOR: '1', ...extra};
}

/** How a gateway is started. */
export interface GatewayOptions {
	readonly version: string;
	/** A word for messages and the folder's name. */
	readonly name?: string;
	/** `false` asks even local clients to pair (2026.9.6 and later; earlier versions refuse to start with it). */
	readonly autoApproveLocal?: boolean;
	readonly signal?: InstallOptions['signal'];
}

/** What a finished command left behind. */
export interface CallResult {
	/** `null` after a signal. */
	readonly exitCode: number | null;
	readonly stdout: string;
	readonly stderr: string;
}

/** How one command is run. */
export interface CallOptions {
	/** Added to the plain environment, and in a sandbox to the sandbox's own. */
	readonly env?: NodeJS.ProcessEnv;
	readonly cwd?: string;
	readonly timeoutMs?: number;
	readonly signal?: AbortSignal | undefined;
}

/** A pending request, as `openclaw devices list --json` prints it. */
export interface PendingRequest {
	readonly requestId: string;
	readonly deviceId: string;
	readonly clientId?: string;
	readonly clientMode?: string;
	readonly scopes?: readonly string[];
	readonly ts: number;
}

/** A paired device, as `openclaw devices list --json` prints it. */
export interface PairedDevice {
	readonly deviceId: string;
	readonly clientId?: string;
	readonly scopes?: readonly string[];
	readonly tokens?: readonly {readonly role: string; readonly scopes?: readonly string[]}[];
}

/** One real gateway and its sandbox. */
export class RealGateway {
	readonly version: string;
	readonly name: string;
	/** The sandbox's folder: 0700, removed by {@link stop}. */
	readonly folder: string;
	readonly port: number;
	readonly #autoApproveLocal: boolean;
	#token = newToken();
	#process: ChildProcess | undefined;

	private constructor(options: GatewayOptions, folder: string, port: number) {
		this.version = options.version;
		this.name = options.name ?? 'gateway';
		this.#autoApproveLocal = options.autoApproveLocal ?? true;
		this.folder = folder;
		this.port = port;
	}

	/** Starts a gateway and waits until it answers on /healthz. @throws with the end of its log when it does not. */
	static async start(options: GatewayOptions): Promise<RealGateway> {
		if (!isInstalled(options.version)) {
			throw new Error(`openclaw ${options.version} is missing: run \`node scripts/setup-openclaw.ts\``);
		}
		const folder = await mkdtemp(join(tmpdir(), `pairkeeper-${options.name ?? 'gateway'}-`));
		guardFolder(folder);
		const gateway = new RealGateway(options, folder, await freePort());
		await mkdir(gateway.home, {mode: 0o700});
		await mkdir(gateway.stateDir, {mode: 0o700});
		try {
			await gateway.#launch(options.signal);
		} catch (error) {
			await gateway.stop();
			throw error;
		}
		return gateway;
	}

	/** The gateway's WebSocket. */
	get url(): string {
		return `ws://127.0.0.1:${this.port}`;
	}

	/** The gateway's shared secret; {@link restart} may change it. */
	get token(): string {
		return this.#token;
	}

	/** Pid and process group of the gateway. @throws when it is not running. */
	get pid(): number {
		if (this.#process?.pid === undefined) throw new Error(`The gateway ${this.name} is not running`);
		return this.#process.pid;
	}

	/** The sandbox's HOME. */
	get home(): string {
		return join(this.folder, 'home');
	}

	/** The sandbox's OPENCLAW_STATE_DIR. */
	get stateDir(): string {
		return join(this.folder, 'state');
	}

	/** What the gateway has printed. */
	get logFile(): string {
		return join(this.folder, 'gateway.log');
	}

	/** Absolute path of the `openclaw` of this sandbox's version. */
	get binary(): string {
		return openclawBinary(this.version);
	}

	/** What names this sandbox to an `openclaw` command. */
	get environment(): {HOME: string; OPENCLAW_STATE_DIR: string} {
		return {HOME: this.home, OPENCLAW_STATE_DIR: this.stateDir};
	}

	/** Runs one `openclaw` command in this sandbox, as its user would. Never throws for the command's own failure. */
	async cli(args: readonly string[], options: CallOptions = {}): Promise<CallResult> {
		return runCommand([this.binary, ...args], {...options, env: {...this.environment, ...options.env}});
	}

	/** What `openclaw devices list --json` says. @throws when it fails. */
	async devices(): Promise<{pending: PendingRequest[]; paired: PairedDevice[]}> {
		const {exitCode, stdout, stderr} = await this.cli(['devices', 'list', '--json']);
		if (exitCode !== 0) throw new Error(`openclaw devices list failed (exit ${exitCode}): ${stderr}${stdout}`);
		return JSON.parse(stdout.slice(stdout.indexOf('{')));
	}

	/** Ends the gateway and starts it again on the same port and state, with another token if one is given. */
	async restart({token}: {readonly token?: string} = {}): Promise<void> {
		await this.#end();
		if (token !== undefined) this.#token = token;
		await this.#launch();
	}

	/** Sends a signal to the gateway's process group. */
	kill(signal: NodeJS.Signals): void {
		process.kill(-this.pid, signal);
	}

	/** Ends the gateway, SIGTERM first, and removes its sandbox. */
	async stop(): Promise<void> {
		await this.#end();
		await rm(this.folder, {recursive: true, force: true});
		unguard(this.folder);
	}

	/** Lets the gateway and its folder outlive our process. */
	release(): void {
		unguard(this.pid);
		unguard(this.folder);
		this.#process?.unref();
	}

	async #launch(signal?: AbortSignal): Promise<void> {
		const config = join(this.stateDir, 'openclaw.json');
		const gateway = {
			mode: 'local',
			port: this.port,
			auth: {mode: 'token', token: this.#token},
			...(this.#autoApproveLocal ? {} : {nodes: {pairing: {autoApproveLocal: false}}}),
		};
		await writeFile(config, JSON.stringify({gateway, update: {checkOnStart: false}}));
		await chmod(config, 0o600);
		const log = openSync(this.logFile, 'a', 0o600);
		const child = spawn(this.binary, ['gateway', 'run'], {
			cwd: this.folder,
			env: plainEnvironment(this.environment),
			stdio: ['ignore', log, log],
			detached: true,
		});
		closeSync(log);
		let failure: Error | undefined;
		child.on('error', error => {
			failure = error;
		});
		if (child.pid !== undefined) guardGroup(child.pid);
		this.#process = child;
		const healthz = `http://127.0.0.1:${this.port}/healthz`;
		try {
			await until(
				`the gateway ${this.name} (openclaw ${this.version})`,
				async () => {
					if (failure) throw new GiveUp('Cannot start openclaw', {cause: failure});
					if (hasEnded(child)) throw new GiveUp(`The gateway ${this.name} ended (${child.exitCode})`);
					return (await fetch(healthz, {signal: AbortSignal.timeout(2000)})).ok;
				},
				{timeoutMs: startTimeoutMs, everyMs: 100, signal},
			);
		} catch (error) {
			signal?.throwIfAborted();
			const tail = (await readFile(this.logFile, 'utf8')).trim().split('\n').slice(-15).join('\n');
			throw new Error(`${error instanceof Error ? error.message : error}. The end of its log:\n${tail}`, {
				cause: error,
			});
		}
	}

	async #end(): Promise<void> {
		const child = this.#process;
		this.#process = undefined;
		if (child) await endGroup(child);
	}
}

/** True once this process has ended. */
export function hasEnded(child: ChildProcess): boolean {
	return child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
}

/** Ends a child that leads its own process group, and the whole group: SIGTERM, SIGKILL after 10 s. */
export async function endGroup(child: ChildProcess): Promise<void> {
	const {pid} = child;
	if (pid === undefined) return;
	const ended = () => !signalGroup(pid, 0);
	signalGroup(pid, 'SIGTERM');
	// A stopped process would not act on it.
	signalGroup(pid, 'SIGCONT');
	try {
		await until('the end of a process group', ended, {timeoutMs: stopTimeoutMs, everyMs: 20});
	} catch {
		signalGroup(pid, 'SIGKILL');
		await until('the end of a killed process group', ended, {everyMs: 20});
	}
	unguard(pid);
}

function signalGroup(pid: number, signal: NodeJS.Signals | 0): boolean {
	try {
		return process.kill(-pid, signal);
	} catch {
		return false;
	}
}

/** Runs a command to its end, with its output; its process group is ended at the time limit and on `signal`. */
export async function runCommand(command: readonly string[], options: CallOptions = {}): Promise<CallResult> {
	const {env = {}, cwd = '/', timeoutMs = callTimeoutMs, signal} = options;
	signal?.throwIfAborted();
	const [file = '', ...args] = command;
	const child = spawn(file, args, {
		cwd,
		env: plainEnvironment(env),
		stdio: ['ignore', 'pipe', 'pipe'],
		detached: true,
	});
	if (child.pid !== undefined) guardGroup(child.pid);
	let late = false;
	const timer = setTimeout(() => {
		late = true;
		if (child.pid !== undefined) signalGroup(child.pid, 'SIGKILL');
	}, timeoutMs);
	const abort = () => child.pid !== undefined && signalGroup(child.pid, 'SIGKILL');
	signal?.addEventListener('abort', abort);
	try {
		const [exitCode, stdout, stderr] = await Promise.all([
			new Promise<number | null>((done, fail) => {
				child.on('error', fail);
				child.on('close', done);
			}),
			text(child.stdout),
			text(child.stderr),
		]);
		signal?.throwIfAborted();
		if (late) throw new Error(`${command.join(' ')} took longer than ${timeoutMs / 1000} s:\n${stderr}${stdout}`);
		return {exitCode, stdout, stderr};
	} finally {
		clearTimeout(timer);
		signal?.removeEventListener('abort', abort);
		if (child.pid !== undefined) unguard(child.pid);
	}
}

async function text(stream: NodeJS.ReadableStream): Promise<string> {
	let all = '';
	stream.setEncoding('utf8');
	for await (const chunk of stream) all += chunk;
	return all;
}

function newToken(): string {
	return randomBytes(16).toString('hex');
}

/** A port below the ephemeral range whose next ones are free too: a gateway also takes some of those for itself. */
async function freePort(): Promise<number> {
	for (;;) {
		const port = 20_000 + 20 * Math.floor(Math.random() * 600);
		const free = await Promise.all(Array.from({length: 8}, (_, offset) => isFree(port + offset)));
		if (free.every(Boolean)) return port;
	}
}

async function isFree(port: number): Promise<boolean> {
	const server = createServer();
	return new Promise(done => {
		server.once('error', () => done(false));
		server.listen(port, '127.0.0.1', () => server.close(() => done(true)));
	});
}
