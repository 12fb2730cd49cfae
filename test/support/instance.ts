// One instance of pairkeeper: a folder of its own with scripted sandboxes, and whatever runs in it.
import {readdirSync, readFileSync} from 'node:fs';
import {chmod, copyFile, mkdir, mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {delimiter, join} from 'node:path';
import {guardFolder, unguard} from './guard.ts';
import {Pairkeeper} from './pairkeeper.ts';
import {ScriptedOpenclaw} from './scripted-openclaw.ts';
import {type UntilOptions, until} from './until.ts';

/** Every process of an instance inherits this, its sandboxes' calls included. */
const mark = 'TEST_INSTANCE';

/** Cadences short enough for a test; all else is the default. */
const quick = {
	fastInterval: '250ms',
	slowInterval: '500ms',
	fastReentryInterval: '250ms',
	maxConcurrentCalls: 4,
	restart: {minDelay: '50ms', maxDelay: '1s', stableAfter: '60s'},
};

export class Instance extends Pairkeeper {
	readonly #sandboxes = new Map<string, ScriptedOpenclaw>();

	static async create(): Promise<Instance> {
		const instance = new Instance(await mkdtemp(join(tmpdir(), 'pairkeeper-instance-')));
		guardFolder(instance.folder);
		await chmod(instance.folder, 0o700);
		await mkdir(instance.path('bin'));
		await copyFile(join(import.meta.dirname, 'scripted-openclaw.sh'), instance.path('bin/openclaw'));
		await chmod(instance.path('bin/openclaw'), 0o755);
		return instance;
	}

	/** The scripted sandbox of that name, made when it is asked for first; {@link configure} takes in all there are. */
	async sandbox(name: string): Promise<ScriptedOpenclaw> {
		const openclaw = this.#sandboxes.get(name) ?? (await ScriptedOpenclaw.create(this.path(`sandbox-${name}`)));
		this.#sandboxes.set(name, openclaw);
		return openclaw;
	}

	/** Writes a configuration of all scripted sandboxes; `keys` and `sandboxKeys` come over what is usual here. `null` leaves a sandbox out. */
	async configure(
		keys: Readonly<Record<string, unknown>> & {readonly passEnv?: readonly string[]} = {},
		sandboxKeys: Readonly<Record<string, object | null>> = {},
	): Promise<void> {
		const sandboxes = [...this.#sandboxes]
			.filter(([name]) => sandboxKeys[name] !== null)
			.map(([name, {folder}]) => ({name, env: {OPENCLAW_STATE_DIR: folder}, ...sandboxKeys[name]}));
		// What the tests find processes by, and what makes workers go wrong.
		const passEnv = [mark, 'FAULT_TRIGGER', ...(keys.passEnv ?? [])];
		await this.writeConfig({...quick, ...keys, passEnv, sandboxes});
	}

	/** As any pairkeeper's, with the scripted `openclaw` first in PATH. */
	override environment(extra: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
		const plain = super.environment();
		const path = [this.path('bin'), plain.PATH].join(delimiter);
		return {...plain, PATH: path, [mark]: this.folder, ...extra};
	}

	/** Waits until so many lists have begun and ended that were not there before: whatever could be done about what stands there now, was done. */
	async untilPolled(name: string, times = 2): Promise<void> {
		const openclaw = await this.sandbox(name);
		const before = (await openclaw.calls('list')).length;
		await until(`${times} more polls of ${name}`, async () => (await openclaw.calls('list')).length > before + times);
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
				found.set(pid, commandLineOf(pid));
			} catch {
				// It has ended meanwhile.
			}
		}
		return found;
	}

	/** Waits until a worker stands by for the next sandbox that needs one, and is none of `before`; its pid. */
	untilOneStandsBy(...before: readonly number[]): Promise<number> {
		return until('a worker to stand by', () => {
			const all = [...this.processes()].filter(([, words]) => words.startsWith('pairkeeper: (standby)'));
			return all.map(([pid]) => pid).find(pid => !before.includes(pid));
		});
	}

	/** Waits until no process of this instance lives. */
	async untilNothingRuns(options: UntilOptions = {}): Promise<void> {
		const seen = () => Object.fromEntries(this.processes());
		await until('the end of all processes', () => this.processes().size === 0, {seen, ...options});
	}

	/** Ends all that runs, whatever state it is in, and removes the folder. */
	async end(): Promise<void> {
		this.killRuns();
		await until(
			'the end of all processes',
			() => {
				const alive = this.processes();
				for (const pid of alive.keys()) endProcess(pid);
				return alive.size === 0;
			},
			{everyMs: 20},
		);
		this.unguardRuns();
		await rm(this.folder, {recursive: true, force: true, maxRetries: 3});
		unguard(this.folder);
	}
}

function endProcess(pid: number): void {
	try {
		process.kill(pid, 'SIGKILL');
	} catch {
		// It has ended meanwhile.
	}
}

/** The words of a process's command line; throws where there is no such process. */
export function commandLineOf(pid: number): string {
	return readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ').trim();
}
