// A real `pairkeeper run` on a configuration of the test's, through the built launcher.
import {type ChildProcess, spawn} from 'node:child_process';
import {closeSync, openSync} from 'node:fs';
import {readFile, rename, writeFile} from 'node:fs/promises';
import {join, resolve} from 'node:path';
import {type SandboxStatus, type Status, statusSchema} from '../../supervisor/status.ts';
import {guardGroup, unguard} from './guard.ts';
import {type CallOptions, type CallResult, endGroup, hasEnded, plainEnvironment, runCommand} from './real-gateway.ts';
import {GiveUp, type UntilOptions, until} from './until.ts';

/** The program that users run; `npm run build` makes it. */
export const launcher = resolve(import.meta.dirname, '../../dist/supervisor/launcher.cjs');

/** Where a supervisor of the tests keeps its files. */
export interface PairkeeperFiles {
	readonly config: string;
	readonly status: string;
	readonly log: string;
}

/** A running supervisor. */
export class Pairkeeper {
	readonly files: PairkeeperFiles;
	readonly #process: ChildProcess;

	private constructor(files: PairkeeperFiles, child: ChildProcess) {
		this.files = files;
		this.#process = child;
	}

	/** Starts `pairkeeper run` with its files in `folder`, and waits until the status file says that it runs. */
	static async start(
		folder: string,
		config: object,
		{signal}: {readonly signal?: AbortSignal} = {},
	): Promise<Pairkeeper> {
		const files = {
			config: join(folder, 'config.yaml'),
			status: join(folder, 'status.json'),
			log: join(folder, 'pairkeeper.log'),
		};
		await writeConfig(files, config);
		const log = openSync(files.log, 'a', 0o600);
		const child = spawn('node', [launcher, 'run', '--config', files.config], {
			cwd: folder,
			env: plainEnvironment({HOME: folder}),
			stdio: ['ignore', log, log],
			detached: true,
		});
		closeSync(log);
		if (child.pid !== undefined) guardGroup(child.pid);
		const pairkeeper = new Pairkeeper(files, child);
		try {
			const running = ({supervisor}: Status) => supervisor.pid === child.pid && supervisor.state === 'running';
			await pairkeeper.until('pairkeeper to run', running, {signal});
		} catch (error) {
			await pairkeeper.stop();
			throw error;
		}
		return pairkeeper;
	}

	/** Pid of the supervisor, and its process group. */
	get pid(): number {
		if (this.#process.pid === undefined) throw new Error('pairkeeper did not start');
		return this.#process.pid;
	}

	/** What the status file says now. */
	async status(): Promise<Status> {
		return statusSchema.parse(JSON.parse(await readFile(this.files.status, 'utf8')));
	}

	/** What the status file says now of one sandbox. */
	async sandbox(name: string): Promise<SandboxStatus> {
		return sandboxIn(await this.status(), name);
	}

	/** Waits until the status file satisfies a condition. @throws with log and status when it never does. */
	async until(what: string, condition: (status: Status) => boolean, options: UntilOptions = {}): Promise<Status> {
		let last: Status | undefined;
		const look = async () => {
			if (hasEnded(this.#process)) throw new GiveUp(`pairkeeper ended (exit ${this.#process.exitCode})`);
			last = await this.status();
			return condition(last) && last;
		};
		try {
			return await until(what, look, options);
		} catch (error) {
			options.signal?.throwIfAborted();
			const reason = error instanceof Error ? error.message : error;
			const seen = JSON.stringify(last, undefined, 1);
			throw new Error(`${reason}. Status: ${seen}\nThe end of its log:\n${await this.logTail()}`, {cause: error});
		}
	}

	/** As {@link until}, of one sandbox. */
	async untilSandbox(
		name: string,
		what: string,
		condition: (sandbox: SandboxStatus) => boolean,
		options: UntilOptions = {},
	): Promise<SandboxStatus> {
		const status = await this.until(`${name} ${what}`, all => condition(sandboxIn(all, name)), options);
		return sandboxIn(status, name);
	}

	/** Runs another pairkeeper command on the same configuration. */
	async command(args: readonly string[], options: CallOptions = {}): Promise<CallResult> {
		return runCommand(['node', launcher, ...args, '--config', this.files.config], options);
	}

	/** Gives it another configuration. @throws when the running supervisor refuses it. */
	async reload(config: object): Promise<void> {
		await writeConfig(this.files, config);
		const {exitCode, stdout, stderr} = await this.command(['reload']);
		if (exitCode !== 0) throw new Error(`pairkeeper reload: exit ${exitCode}: ${stderr}${stdout}`);
	}

	/** The lines of its log that hold all these texts. */
	async logLines(...texts: readonly string[]): Promise<string[]> {
		const lines = (await readFile(this.files.log, 'utf8')).split('\n');
		return lines.filter(line => line !== '' && texts.every(text => line.includes(text)));
	}

	/** The last 20 lines of its log. */
	async logTail(): Promise<string> {
		return (await this.logLines()).slice(-20).join('\n');
	}

	/** Ends it, SIGTERM first, and returns its exit code; `null` after a signal. */
	async stop(): Promise<number | null> {
		await endGroup(this.#process);
		await until('the exit code of pairkeeper', () => hasEnded(this.#process));
		return this.#process.exitCode;
	}

	/** Lets it outlive our process. */
	release(): void {
		unguard(this.pid);
		this.#process.unref();
	}
}

function sandboxIn(status: Status, name: string): SandboxStatus {
	const sandbox = status.sandboxes[name];
	if (!sandbox) throw new GiveUp(`The status file knows no sandbox ${name}`);
	return sandbox;
}

async function writeConfig(files: PairkeeperFiles, config: object): Promise<void> {
	const fresh = `${files.config}.new`;
	const whole = {statusFile: files.status, logFormat: 'json', ...config};
	await writeFile(fresh, `${JSON.stringify(whole, undefined, '  ')}\n`, {mode: 0o600});
	await rename(fresh, files.config);
}
