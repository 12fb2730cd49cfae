// Real OpenClaw gateways in sandboxes of their own: a temporary folder, HOME, state folder, port and token each.
import {type ChildProcess, spawn} from 'node:child_process';
import {randomBytes} from 'node:crypto';
import {closeSync, fstatSync, openSync} from 'node:fs';
import {chmod, mkdir, mkdtemp, readFile, rm, writeFile} from 'node:fs/promises';
import {createServer} from 'node:net';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {type InstallOptions, isInstalled, openclawBinary} from '../../scripts/setup-openclaw.ts';
import {guardFolder, guardGroup, unguard} from './guard.ts';
import {type CallOptions, type CallResult, endGroup, hasEnded, plainEnvironment, runCommand} from './processes.ts';
import {requestAsPerson} from './session.ts';
import {GiveUp, until} from './until.ts';

/** Ten seconds are usual; on a machine that others keep busy it takes minutes. */
const startTimeoutMs = 300_000;

/** How a gateway is started. */
export interface GatewayOptions {
	readonly version: string;
	/** A word for messages and the folder's name. */
	readonly name?: string;
	/** Put before the gateway and its calls, as `exec` is before pairkeeper's: what it reaches must listen on our loopback too, under the same port. */
	readonly exec?: (place: GatewayPlace) => readonly string[] | Promise<readonly string[]>;
	readonly signal?: InstallOptions['signal'];
}

/** What there is of a gateway before it starts: its folder, where its HOME and state go, and its port. */
export interface GatewayPlace {
	readonly folder: string;
	readonly port: number;
	readonly environment: {readonly HOME: string; readonly OPENCLAW_STATE_DIR: string};
}

/** A pending request, as a gateway lists it (`device.pair.list`). */
export interface PendingRequest {
	readonly requestId: string;
	readonly deviceId: string;
	readonly clientId?: string;
	readonly clientMode?: string;
	readonly scopes?: readonly string[];
	readonly ts: number;
}

/** A paired device, as a gateway lists it. */
export interface PairedDevice {
	readonly deviceId: string;
	readonly clientId?: string;
	readonly scopes?: readonly string[];
	readonly tokens?: readonly {readonly role: string; readonly scopes?: readonly string[]}[];
}

/** One real gateway and its sandbox. Where its version can be told to, it asks even local clients to pair. */
export class RealGateway {
	readonly version: string;
	readonly name: string;
	/** The sandbox's folder: 0700, removed by {@link stop}. */
	readonly folder: string;
	#port: number;
	#token = newToken();
	#exec: readonly string[] = [];
	#process: ChildProcess | undefined;

	private constructor(options: GatewayOptions, folder: string, port: number) {
		this.version = options.version;
		this.name = options.name ?? 'gateway';
		this.folder = folder;
		this.#port = port;
	}

	/** Starts a gateway and waits until it answers on /healthz. @throws with the end of its log when it does not. */
	static async start(options: GatewayOptions): Promise<RealGateway> {
		if (!isInstalled(options.version)) {
			throw new Error(`openclaw ${options.version} is missing: run \`node scripts/setup-openclaw.ts\``);
		}
		const folder = await mkdtemp(join(tmpdir(), `pairkeeper-${options.name ?? 'gateway'}-`));
		guardFolder(folder);
		const gateway = new RealGateway(options, folder, await freePort());
		gateway.#exec = (await options.exec?.(gateway)) ?? [];
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

	/** The port it listens on; {@link restart} may change it. */
	get port(): number {
		return this.#port;
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
		return runCommand([...this.#exec, this.binary, ...args], {...options, env: {...this.environment, ...options.env}});
	}

	/** What the gateway lists; `openclaw devices list --json` prints the same, for more than a second of a core. @throws when it does not answer. */
	async devices(): Promise<{pending: PendingRequest[]; paired: PairedDevice[]}> {
		const listing = await requestAsPerson(this, ['operator.pairing'], 'device.pair.list');
		return listing as {pending: PendingRequest[]; paired: PairedDevice[]};
	}

	/** Ends the gateway and starts it again on the same state, with another token or port if one is given. */
	async restart({token, port}: {readonly token?: string; readonly port?: number} = {}): Promise<void> {
		await this.#end();
		if (token !== undefined) this.#token = token;
		if (port !== undefined) this.#port = port;
		await this.#launch();
	}

	/** Lets it go on where it was stopped, and starts it again where it has ended. */
	async ensureItRuns(): Promise<void> {
		if (this.#process && !hasEnded(this.#process)) this.kill('SIGCONT');
		else await this.#launch();
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
			...(canAskLocals(this.version) ? {nodes: {pairing: {autoApproveLocal: false}}} : {}),
		};
		await writeFile(config, JSON.stringify({gateway, update: {checkOnStart: false}}));
		await chmod(config, 0o600);
		const log = openSync(this.logFile, 'a', 0o600);
		const saidBefore = fstatSync(log).size;
		const [file = '', ...args] = [...this.#exec, this.binary, 'gateway', 'run'];
		const child = spawn(file, args, {
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
					// Each look through a passage is a process of its own, which takes from what it waits for.
					if (this.#exec.length > 0 && !(await this.#saysItListens(saidBefore))) return false;
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

	/** Whether it has said so in its log, after so many bytes. */
	async #saysItListens(after: number): Promise<boolean> {
		const log = await readFile(this.logFile);
		return /\[gateway\] (http server listening|ready)/.test(log.subarray(after).toString());
	}

	async #end(): Promise<void> {
		const child = this.#process;
		this.#process = undefined;
		if (child) await endGroup(child);
	}
}

/** Whether a version can be told not to pair local devices by itself; the others refuse to start with the key for it. */
export function canAskLocals(version: string): boolean {
	return version.localeCompare('2026.8.2', 'en', {numeric: true}) >= 0;
}

function newToken(): string {
	return randomBytes(16).toString('hex');
}

/** A port below the ephemeral range whose next ones are free too: a gateway also takes some of those for itself. */
export async function freePort(): Promise<number> {
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
