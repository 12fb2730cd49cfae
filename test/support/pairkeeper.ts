// pairkeeper as its users have it: one folder with its configuration, status and log, and the built launcher.
import {type ChildProcess, spawn} from 'node:child_process';
import {closeSync, openSync} from 'node:fs';
import {readFile, rename, writeFile} from 'node:fs/promises';
import {join, resolve} from 'node:path';
import {type SandboxStatus, type Status, statusSchema} from '../../supervisor/status/schema.ts';
import {guardGroup, unguard} from './guard.ts';
import {type CallOptions, type CallResult, endGroup, hasEnded, plainEnvironment, runCommand} from './processes.ts';
import {GiveUp, type UntilOptions, until} from './until.ts';

/** The program that users run; `npm run build` makes it. */
export const launcher = resolve(import.meta.dirname, '../../dist/supervisor/launcher.cjs');

/** One line of a JSON log. */
export interface LogLine {
	readonly level: string;
	readonly message: string;
	readonly time: string;
	readonly sandbox?: string;
	readonly [field: string]: unknown;
}

/** How a process ended. */
export interface ProcessEnd {
	readonly code: number | null;
	readonly signal: NodeJS.Signals | null;
}

/** A `pairkeeper run`. */
export interface Run {
	readonly pid: number;
	readonly ended: Promise<ProcessEnd>;
	/** Signals the supervisor alone. */
	kill(signal: NodeJS.Signals): void;
}

export interface RunOptions {
	readonly env?: NodeJS.ProcessEnv;
	readonly args?: readonly string[];
	/** Breaks off the wait until it runs. */
	readonly signal?: AbortSignal | undefined;
}

/** A folder with a configuration, its supervisor, and the commands that speak to that. */
export class Pairkeeper {
	readonly folder: string;
	readonly #runs: ChildProcess[] = [];

	constructor(folder: string) {
		this.folder = folder;
	}

	/** Writes a configuration into `folder`, and starts a supervisor that it waits for. */
	static async start(folder: string, config: object, options: RunOptions = {}): Promise<Pairkeeper> {
		const pairkeeper = new Pairkeeper(folder);
		await pairkeeper.writeConfig(config);
		try {
			await pairkeeper.start(options);
		} catch (error) {
			await pairkeeper.stop();
			throw error;
		}
		return pairkeeper;
	}

	get configFile(): string {
		return this.path('config.yaml');
	}

	get statusFile(): string {
		return this.path('status.json');
	}

	/** What its supervisors have printed: their logs. */
	get logFile(): string {
		return this.path('pairkeeper.log');
	}

	path(name: string): string {
		return join(this.folder, name);
	}

	/** What its processes see. */
	environment(extra: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
		return plainEnvironment({HOME: this.folder, ...extra});
	}

	/** Writes the configuration: text as it is, anything else with its files' places and a JSON log, unless it says otherwise. */
	async writeConfig(config: object | string): Promise<void> {
		const whole = typeof config === 'string' ? config : {statusFile: this.statusFile, logFormat: 'json', ...config};
		const text = typeof whole === 'string' ? whole : `${JSON.stringify(whole, undefined, '  ')}\n`;
		// In one step, since a supervisor may be reading.
		const fresh = `${this.configFile}.new`;
		await writeFile(fresh, text, {mode: 0o600});
		await rename(fresh, this.configFile);
	}

	/** Starts `pairkeeper run` and waits until its status says that it runs. */
	async start(options: RunOptions = {}): Promise<Run> {
		const run = this.launch(options);
		const isUp = ({supervisor}: Status) => supervisor.pid === run.pid && supervisor.state === 'running';
		await this.until('the supervisor to run', isUp, {signal: options.signal});
		return run;
	}

	/** Starts `pairkeeper run` and waits for nothing. */
	launch({env = {}, args = []}: RunOptions = {}): Run {
		const log = openSync(this.logFile, 'a', 0o600);
		const child = spawn('node', [launcher, 'run', '--config', this.configFile, ...args], {
			cwd: this.folder,
			env: this.environment(env),
			stdio: ['ignore', log, log],
			detached: true,
		});
		closeSync(log);
		this.#runs.push(child);
		const {pid} = child;
		if (pid === undefined) throw new Error('pairkeeper run could not be started');
		guardGroup(pid);
		const ended = new Promise<ProcessEnd>(done => child.once('exit', (code, signal) => done({code, signal})));
		return {pid, ended, kill: signal => void child.kill(signal)};
	}

	/** Pid of the supervisor that was started last, and its process group. */
	get pid(): number {
		const pid = this.#runs.at(-1)?.pid;
		if (pid === undefined) throw new Error('pairkeeper did not start');
		return pid;
	}

	/** Runs another pairkeeper command on the same configuration, to its end; `prefix` is put before it. */
	command(args: readonly string[], options: CallOptions = {}, prefix: readonly string[] = []): Promise<CallResult> {
		return this.plainCommand([...args, '--config', this.configFile], options, prefix);
	}

	/** As {@link command}, without `--config`. */
	plainCommand(
		args: readonly string[],
		{env = {}, ...options}: CallOptions = {},
		prefix: readonly string[] = [],
	): Promise<CallResult> {
		return runCommand([...prefix, 'node', launcher, ...args], {...options, env: this.environment(env)});
	}

	/** Gives it another configuration. @throws when the running supervisor refuses it. */
	async reload(config: object): Promise<void> {
		await this.writeConfig(config);
		const {exitCode, stdout, stderr} = await this.command(['reload']);
		if (exitCode !== 0) throw new Error(`pairkeeper reload: exit ${exitCode}: ${stderr}${stdout}`);
	}

	/** What the status file says now. */
	async status(): Promise<Status> {
		return statusSchema.parse(JSON.parse(await readFile(this.statusFile, 'utf8')));
	}

	/** What the status file says now of one sandbox. */
	async statusOf(name: string): Promise<SandboxStatus> {
		const sandbox = (await this.status()).sandboxes[name];
		if (!sandbox) throw new GiveUp(`The status file knows no sandbox ${name}`);
		return sandbox;
	}

	/** Waits until the status file satisfies a condition. @throws with log and status when it never does, at once when its supervisor has ended. */
	async until(
		what: string,
		condition: (status: Status) => boolean | Promise<boolean>,
		options: UntilOptions = {},
	): Promise<Status> {
		let last: Status | undefined;
		const look = async () => {
			// Looked at before the status is read: what it wrote last still counts.
			const run = this.#runs.at(-1);
			const isOver = run !== undefined && hasEnded(run);
			try {
				last = await this.status();
				if (await condition(last)) return last;
			} catch (error) {
				if (!isOver) throw error;
			}
			if (isOver) throw new GiveUp(`pairkeeper ended (${run.exitCode ?? run.signalCode}) before ${what}`);
			return null;
		};
		try {
			return await until(what, look, options);
		} catch (error) {
			options.signal?.throwIfAborted();
			const reason = error instanceof Error ? error.message : error;
			const seen = JSON.stringify(last, undefined, 1);
			throw new Error(`${reason}. Status: ${seen}\nThe end of the log:\n${await this.logTail()}`, {cause: error});
		}
	}

	/** As {@link until}, of one sandbox. */
	async untilSandbox(
		name: string,
		what: string,
		condition: (sandbox: SandboxStatus) => boolean | Promise<boolean>,
		options: UntilOptions = {},
	): Promise<SandboxStatus> {
		const look = ({sandboxes}: Status) => {
			const sandbox = sandboxes[name];
			return sandbox !== undefined && condition(sandbox);
		};
		const {sandboxes} = await this.until(`${name} ${what}`, look, options);
		return sandboxes[name] as SandboxStatus;
	}

	/** The lines of the log so far that hold all these texts. */
	async logLines(...texts: readonly string[]): Promise<string[]> {
		const text = await readFile(this.logFile, 'utf8').catch(() => '');
		// What stands behind the last line break is still being written.
		const lines = text.split('\n').slice(0, -1);
		return lines.filter(line => line !== '' && texts.every(each => line.includes(each)));
	}

	/** As {@link logLines}, read: those that are JSON. */
	async log(...texts: readonly string[]): Promise<LogLine[]> {
		const lines = await this.logLines(...texts);
		return lines.filter(line => line.startsWith('{')).map(line => JSON.parse(line));
	}

	/** Waits until there is such a line, and returns all of them: the status may tell sooner than the log. */
	async untilLogged(...texts: readonly string[]): Promise<LogLine[]> {
		return until(
			`the log to say ${texts.join(' and ')}`,
			async () => {
				const lines = await this.log(...texts);
				return lines.length > 0 && lines;
			},
			{seen: () => this.logTail()},
		);
	}

	/** The last 20 lines of the log. */
	async logTail(): Promise<string> {
		return (await this.logLines()).slice(-20).join('\n');
	}

	/** Ends its supervisors, SIGTERM first. */
	async stop(): Promise<void> {
		for (const child of this.#runs) {
			await endGroup(child);
			await until('the exit code of pairkeeper', () => hasEnded(child));
		}
	}

	/** Lets the supervisor outlive our process. */
	release(): void {
		unguard(this.pid);
		this.#runs.at(-1)?.unref();
	}

	/** Kills its supervisors, and them alone. */
	protected killRuns(): void {
		for (const child of this.#runs) if (!hasEnded(child)) child.kill('SIGKILL');
	}

	/** Nothing of its supervisors is left. */
	protected unguardRuns(): void {
		for (const {pid} of this.#runs) if (pid !== undefined) unguard(pid);
	}
}
