// One instance of pairkeeper, through its real command line: a folder of its own with scripted sandboxes, and whatever runs in it.
import {type ChildProcess, spawn} from 'node:child_process';
import {closeSync, openSync, readdirSync, readFileSync} from 'node:fs';
import {chmod, copyFile, mkdir, mkdtemp, readFile, rename, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {delimiter, join} from 'node:path';
import {type SandboxStatus, type Status, statusSchema} from '../../supervisor/status.ts';
import {guardFolder, guardGroup, unguard} from './guard.ts';
import {launcher} from './pairkeeper.ts';
import {type CallOptions, type CallResult, hasEnded, plainEnvironment, runCommand} from './real-gateway.ts';
import {ScriptedOpenclaw} from './scripted-openclaw.ts';
import {type UntilOptions, until} from './until.ts';

/** Milliseconds that a condition may take to come about on a busy machine. */
const patience = 30_000;

/** Every process of an instance inherits this, its sandboxes' calls included. */
const mark = 'TEST_INSTANCE';

/** Cadences short enough for a test; all else is the default. */
const quick = {
	logFormat: 'json',
	fastInterval: '100ms',
	slowInterval: '300ms',
	fastReentryInterval: '100ms',
	maxConcurrentCalls: 4,
	restart: {minDelay: '50ms', maxDelay: '1s', stableAfter: '60s'},
};

/** One line of a JSON log. */
export interface LogLine {
	readonly level: string;
	readonly message: string;
	readonly timestamp: string;
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
}

export class Instance {
	readonly folder: string;
	readonly #sandboxes = new Map<string, ScriptedOpenclaw>();
	readonly #runs: ChildProcess[] = [];

	private constructor(folder: string) {
		this.folder = folder;
	}

	static async create(): Promise<Instance> {
		const instance = new Instance(await mkdtemp(join(tmpdir(), 'pairkeeper-instance-')));
		guardFolder(instance.folder);
		await chmod(instance.folder, 0o700);
		await mkdir(instance.path('bin'));
		await copyFile(join(import.meta.dirname, 'scripted-openclaw.sh'), instance.path('bin/openclaw'));
		await chmod(instance.path('bin/openclaw'), 0o755);
		return instance;
	}

	get configFile(): string {
		return this.path('config.yaml');
	}

	get statusFile(): string {
		return this.path('status.json');
	}

	/** What the supervisors of this instance have printed: their logs. */
	get logFile(): string {
		return this.path('log');
	}

	path(name: string): string {
		return join(this.folder, name);
	}

	/** The scripted sandbox of that name, made when it is asked for first; {@link configure} takes in all there are. */
	async sandbox(name: string): Promise<ScriptedOpenclaw> {
		const openclaw = this.#sandboxes.get(name) ?? (await ScriptedOpenclaw.create(this.path(`sandbox-${name}`)));
		this.#sandboxes.set(name, openclaw);
		return openclaw;
	}

	/** Writes a configuration of all scripted sandboxes; `keys` and `sandboxKeys` come over what is usual here. `null` leaves a sandbox out. */
	async configure(keys: object = {}, sandboxKeys: Readonly<Record<string, object | null>> = {}): Promise<void> {
		const sandboxes = [...this.#sandboxes]
			.filter(([name]) => sandboxKeys[name] !== null)
			.map(([name, {folder}]) => ({name, env: {OPENCLAW_STATE_DIR: folder}, ...sandboxKeys[name]}));
		const config = {statusFile: this.statusFile, ...quick, ...keys, sandboxes};
		await this.writeConfig(`${JSON.stringify(config, undefined, '  ')}\n`);
	}

	async writeConfig(text: string): Promise<void> {
		const fresh = `${this.configFile}.new`;
		await writeFile(fresh, text, {mode: 0o600});
		await rename(fresh, this.configFile);
	}

	/** Starts `pairkeeper run` and waits until its status says that it runs. */
	async start(options: RunOptions = {}): Promise<Run> {
		const run = this.launch(options);
		const ended = new AbortController();
		void run.ended.then(({code, signal}) => ended.abort(new Error(`pairkeeper run ended (${code ?? signal})`)));
		const isUp = ({supervisor}: Status) => supervisor.pid === run.pid && supervisor.state === 'running';
		await this.until('the supervisor to run', isUp, {signal: ended.signal});
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

	/** Runs another command of pairkeeper on this instance, to its end; `prefix` is put before it. */
	command(
		args: readonly string[],
		{env = {}, ...options}: CallOptions = {},
		prefix: readonly string[] = [],
	): Promise<CallResult> {
		const command = [...prefix, 'node', launcher, ...args, '--config', this.configFile];
		return runCommand(command, {timeoutMs: 60_000, ...options, env: this.environment(env)});
	}

	/** As {@link command}, without `--config`. */
	plainCommand(args: readonly string[], {env = {}, ...options}: CallOptions = {}): Promise<CallResult> {
		return runCommand(['node', launcher, ...args], {...options, env: this.environment(env)});
	}

	/** What a process of this instance sees: scripted `openclaw` and the newer Node first in PATH. */
	environment(extra: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
		const plain = plainEnvironment();
		const path = [this.path('bin'), plain.PATH].join(delimiter);
		return {...plain, PATH: path, HOME: this.folder, [mark]: this.folder, ...extra};
	}

	/** What the status file says now. */
	async status(): Promise<Status> {
		return statusSchema.parse(JSON.parse(await readFile(this.statusFile, 'utf8')));
	}

	/** Waits until the status satisfies a condition. @throws with the status and the end of the log when it never does. */
	async until(
		what: string,
		condition: (status: Status) => boolean | Promise<boolean>,
		options: UntilOptions = {},
	): Promise<Status> {
		let last: Status | undefined;
		const look = async () => {
			last = await this.status();
			return (await condition(last)) && last;
		};
		try {
			return await until(what, look, {timeoutMs: patience, ...options});
		} catch (error) {
			const why = options.signal?.aborted ? options.signal.reason : error;
			const reason = why instanceof Error ? why.message : why;
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

	/** Waits until so many lists have begun and ended that were not there before: whatever could be done about what stands there now, was done. */
	async untilPolled(name: string, times = 2): Promise<void> {
		const openclaw = await this.sandbox(name);
		const before = (await openclaw.calls('list')).length;
		await until(`${times} more polls of ${name}`, async () => (await openclaw.calls('list')).length > before + times, {
			timeoutMs: patience,
		});
	}

	/** The JSON lines of the log so far that hold all these texts. */
	async log(...texts: readonly string[]): Promise<LogLine[]> {
		const text = await readFile(this.logFile, 'utf8').catch(() => '');
		const lines = text.split('\n').filter(line => line.startsWith('{') && texts.every(each => line.includes(each)));
		return lines.map(line => JSON.parse(line));
	}

	/** The last 20 lines of the log. */
	async logTail(): Promise<string> {
		const text = await readFile(this.logFile, 'utf8').catch(() => '');
		return text.trim().split('\n').slice(-20).join('\n');
	}

	/** The processes of this instance that live, by pid, with their command lines; their environment gives them away. */
	processes(): Map<number, string> {
		const found = new Map<number, string>();
		for (const name of readdirSync('/proc')) {
			const pid = Number(name);
			if (!Number.isInteger(pid)) continue;
			try {
				const environment = readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0');
				if (!environment.includes(`${mark}=${this.folder}`)) continue;
				found.set(pid, readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ').trim());
			} catch {
				// It has ended meanwhile.
			}
		}
		return found;
	}

	/** Waits until no process of this instance lives. */
	async untilNothingRuns(options: UntilOptions = {}): Promise<void> {
		const seen = () => Object.fromEntries(this.processes());
		await until('the end of all processes', () => this.processes().size === 0, {timeoutMs: patience, seen, ...options});
	}

	/** Ends all that runs, whatever state it is in, and removes the folder. */
	async end(): Promise<void> {
		for (const child of this.#runs) if (!hasEnded(child)) child.kill('SIGKILL');
		await this.untilKilled();
		for (const {pid} of this.#runs) if (pid !== undefined) unguard(pid);
		await rm(this.folder, {recursive: true, force: true, maxRetries: 3});
		unguard(this.folder);
	}

	private async untilKilled(): Promise<void> {
		await until(
			'the end of all processes',
			() => {
				const alive = this.processes();
				for (const pid of alive.keys()) endProcess(pid);
				return alive.size === 0;
			},
			{timeoutMs: patience, everyMs: 20},
		);
	}
}

/** Whether a process lives; a zombie does not. */
export function isAlive(pid: number): boolean {
	try {
		return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
	} catch {
		return false;
	}
}

function endProcess(pid: number): void {
	try {
		process.kill(pid, 'SIGKILL');
	} catch {
		// It has ended meanwhile.
	}
}
