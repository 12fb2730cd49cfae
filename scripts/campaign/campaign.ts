// A campaign: a supervisor and a dozen sandboxes, requests right and wrong, and faults one after the other; then quiet, and the account.
import {execFile} from 'node:child_process';
import {readdirSync, readFileSync} from 'node:fs';
import {chmod, mkdir, open, readFile, rename, rm} from 'node:fs/promises';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {promisify} from 'node:util';
import {type Status, statusSchema} from '../../supervisor/status/schema.ts';
import {Instance} from '../../test/support/instance.ts';
import type {Run} from '../../test/support/pairkeeper.ts';
import {until} from '../../test/support/until.ts';
import {type Fault, planOf} from './plan.ts';
import {type Asked, byCalls, byGateway, requestFor, type TriedSandbox} from './sandboxes.ts';

const run = promisify(execFile);

export interface CampaignOptions {
	readonly seed: number;
	readonly faults: number;
	/** Of each kind. */
	readonly sandboxes: number;
	/** A directory for status, state and log on a file system of its own that may be filled up; without it that fault is left out. */
	readonly smallFolder: string | null;
	readonly say: (line: string) => void;
	readonly signal: AbortSignal;
}

/** What a supervisor holds, when nothing happens. */
export interface Footprint {
	readonly descriptors: number;
	/** Resident, in bytes. */
	readonly memory: number;
}

export interface Report {
	/** How many of each kind were injected, and how many could not be. */
	readonly injected: Readonly<Record<string, number>>;
	readonly skipped: Readonly<Record<string, number>>;
	readonly asked: number;
	readonly right: number;
	readonly approved: number;
	/** Granted, and must not have been. */
	readonly wrong: readonly string[];
	/** Never granted, and should have been. */
	readonly lost: readonly string[];
	readonly twice: readonly string[];
	/** Processes that were there after the end. */
	readonly leftOver: readonly string[];
	readonly before: Footprint;
	readonly after: Footprint;
	/** The longest time from a request to its approval, in milliseconds, in a sandbox that was left in peace. */
	readonly longestWait: number;
}

/** How long what was asked may take when nothing goes wrong any more, in milliseconds. */
const PATIENCE = 120_000;

/** As much of a descriptor table as lets a supervisor go on, but start nothing. */
const FEW_DESCRIPTORS = 30;

/** Runs a campaign to its end, and cleans up after it. */
export async function runCampaign(options: CampaignOptions): Promise<Report> {
	const instance = await Instance.create();
	const campaign = new Campaign(instance, options);
	try {
		return await campaign.run();
	} finally {
		await campaign.end();
	}
}

class Campaign {
	readonly #instance: Instance;
	readonly #options: CampaignOptions;
	readonly #folder: string;
	readonly #sandboxes: TriedSandbox[] = [];
	readonly #asked: Asked[] = [];
	readonly #injected: Record<string, number> = {};
	readonly #skipped: Record<string, number> = {};
	/** Undo what lasts for a while. */
	readonly #undo = new Set<() => Promise<void>>();
	#run: Run | null = null;
	#longestWait = 0;

	constructor(instance: Instance, options: CampaignOptions) {
		this.#instance = instance;
		this.#options = options;
		this.#folder = options.smallFolder ?? instance.path('small');
	}

	async run(): Promise<Report> {
		const {seed, faults, sandboxes, say, signal} = this.#options;
		if (this.#options.smallFolder === null) await mkdir(this.#folder, {mode: 0o700});
		for (let index = 0; index < sandboxes; index++) {
			this.#sandboxes.push(await byCalls(this.#instance, `calls-${index}`, index === 0));
			this.#sandboxes.push(await byGateway(this.#instance, `gateway-${index}`, index === 0));
		}
		await this.#configure();
		await this.#start();
		await this.#untilHealthy();
		const before = this.#footprint();
		const watching = new AbortController();
		const watched = this.#watchTheHealthy(watching.signal);
		for (const [index, {wishes, fault, pauseMs}] of planOf(seed, faults).entries()) {
			signal.throwIfAborted();
			for (const [at, wish] of wishes.entries()) await this.#ask(wish, `q-${index}-${at}`);
			await this.#inject(fault);
			await sleep(pauseMs);
			if ((index + 1) % 100 === 0) say(`${index + 1} of ${faults} faults`);
		}
		for (const sandbox of this.#sandboxes) await sandbox.recover();
		await this.#reload();
		await this.#untilSettled();
		await this.#untilHealthy();
		watching.abort();
		await watched;
		const after = this.#footprint();
		const account = await this.#account();
		this.#run?.kill('SIGTERM');
		await this.#run?.ended;
		const leftOver = await this.#leftOver();
		const {injected, skipped} = {injected: this.#injected, skipped: this.#skipped};
		return {injected, skipped, ...account, leftOver, before, after, longestWait: Math.round(this.#longestWait)};
	}

	async end(): Promise<void> {
		for (const undo of this.#undo) await undo();
		for (const sandbox of this.#sandboxes) await sandbox.end();
		await this.#instance.end();
	}

	get #statusFile(): string {
		return join(this.#folder, 'status.json');
	}

	async #status(): Promise<Status> {
		return statusSchema.parse(JSON.parse(await readFile(this.#statusFile, 'utf8')));
	}

	async #configure(): Promise<void> {
		const keys = {
			statusFile: this.#statusFile,
			logFile: join(this.#folder, 'pairkeeper.log'),
			deadline: '12h',
			runTimeout: '3s',
			heartbeatTimeout: '8s',
			stopTimeout: '3s',
			policy: {onRefused: 'reject'},
		};
		await this.#instance.configure(keys, Object.fromEntries(this.#sandboxes.map(({name, keys}) => [name, keys])));
	}

	/** Starts a supervisor, again and again where a fault that lasts keeps it from starting. */
	async #start(): Promise<void> {
		await until('a supervisor', async () => {
			if (this.#run === null || !isThere(this.#run.pid)) this.#run = this.#instance.launch();
			const {pid, state} = (await this.#status()).supervisor;
			return pid === this.#run.pid && state === 'running';
		});
	}

	async #untilHealthy(): Promise<void> {
		const isHealthy = async () => {
			const {totals} = await this.#status();
			return totals.healthy === totals.sandboxes;
		};
		await until('all sandboxes to be healthy', isHealthy, {timeoutMs: PATIENCE, seen: () => this.#seen()});
	}

	#seen(): string {
		try {
			return readFileSync(this.#statusFile, 'utf8');
		} catch (error) {
			return String(error);
		}
	}

	async #ask(wish: Parameters<typeof requestFor>[0], requestId: string): Promise<void> {
		const sandbox = this.#sandbox(wish.sandbox);
		this.#asked.push({sandbox: sandbox.name, requestId, isRight: wish.wrong === null, at: performance.now()});
		await sandbox.ask(requestFor(wish, requestId));
	}

	#sandbox(pick: number, among: readonly TriedSandbox[] = this.#sandboxes): TriedSandbox {
		const sandbox = among[pick % among.length];
		if (!sandbox) throw new RangeError('a campaign needs two sandboxes of each kind at least');
		return sandbox;
	}

	/** One that is not left in peace. */
	#tried(pick: number, kind: TriedSandbox['kind'] | null = null): TriedSandbox {
		const isMeant = (sandbox: TriedSandbox) => !sandbox.isLeftInPeace && (kind === null || sandbox.kind === kind);
		return this.#sandbox(pick, this.#sandboxes.filter(isMeant));
	}

	async #inject(fault: Fault): Promise<void> {
		const detail = 'signal' in fault ? fault.signal : 'how' in fault ? fault.how : 'which' in fault ? fault.which : '';
		const name = `${fault.what} ${detail}`.trim();
		const tally = (await this.#isInjected(fault)) ? this.#injected : this.#skipped;
		tally[name] = (tally[name] ?? 0) + 1;
	}

	/** Whether there was anything to do it to. */
	async #isInjected(fault: Fault): Promise<boolean> {
		switch (fault.what) {
			case 'worker': {
				const {name} = this.#tried(fault.sandbox);
				const pid = (await this.#status().catch(() => null))?.sandboxes[name]?.pid ?? null;
				return pid !== null && signalTo(pid, fault.signal);
			}
			case 'call':
				return this.#signalCall(fault.pick, fault.signal);
			case 'supervisor':
				return this.#hitSupervisor(fault.signal, fault.holdMs);
			case 'answer':
				return this.#tried(fault.sandbox, 'calls').spoilCall(fault.command, fault.how);
			case 'gateway': {
				const undo = await this.#tried(fault.sandbox, 'gateway').spoilGateway(fault.how);
				if (undo) await this.#hold(fault.holdMs, undo);
				return undo !== null;
			}
			case 'files':
				return this.#spoilFiles(fault.how, fault.holdMs);
			case 'limit':
				return this.#tighten(fault.which, fault.holdMs);
			case 'garbage-configuration':
				await this.#instance.writeConfig(['', 'sandboxes: 7', '{"', 'a: &a [*a]', '\0'][fault.pick % 5] ?? '');
				this.#run?.kill('SIGHUP');
				await sleep(100);
				await this.#reload();
				return true;
			case 'hangups':
				for (let sent = 0; sent < fault.times; sent++) this.#run?.kill('SIGHUP');
				return true;
		}
	}

	/** The configuration is as it should be. */
	async #reload(): Promise<void> {
		await this.#configure();
		this.#run?.kill('SIGHUP');
	}

	#signalCall(pick: number, signal: NodeJS.Signals): boolean {
		const calls = [...this.#instance.processes()].filter(
			([, command]) => /openclaw devices|^sleep /.test(command) && !command.includes('launcher'),
		);
		const [pid] = calls[pick % (calls.length || 1)] ?? [];
		return pid !== undefined && signalTo(pid, signal);
	}

	/** Whatever has become of it, there is a supervisor again. */
	async #hitSupervisor(signal: NodeJS.Signals, holdMs: number): Promise<boolean> {
		const {pid, ended} = this.#run ?? {};
		if (pid === undefined) return false;
		signalTo(pid, signal);
		if (signal === 'SIGSTOP') {
			await sleep(holdMs);
			return signalTo(pid, 'SIGCONT');
		}
		await ended;
		await this.#start();
		return true;
	}

	async #hold(ms: number, undo: () => Promise<void>): Promise<void> {
		this.#undo.add(undo);
		await sleep(ms);
		this.#undo.delete(undo);
		await undo();
	}

	async #spoilFiles(how: 'full' | 'read-only' | 'vanished', holdMs: number): Promise<boolean> {
		const folder = this.#folder;
		switch (how) {
			case 'full': {
				if (this.#options.smallFolder === null) return false;
				const filler = join(folder, 'filler');
				await fill(filler);
				await this.#hold(holdMs, () => rm(filler, {force: true}));
				return true;
			}
			case 'read-only':
				await chmod(folder, 0o500);
				await this.#hold(holdMs, () => chmod(folder, 0o700));
				return true;
			case 'vanished': {
				// What is mounted there cannot be moved away, but all that stands in it.
				const aside = join(folder, 'aside');
				const names = (await readdirOf(folder)).filter(name => name !== 'aside');
				await mkdir(aside, {recursive: true, mode: 0o700});
				for (const name of names) await rename(join(folder, name), join(aside, name)).catch(() => {});
				await this.#hold(holdMs, async () => {
					// What was written anew meanwhile is newer; what was not comes back.
					for (const name of names) {
						if (!(await readdirOf(folder)).includes(name)) await rename(join(aside, name), join(folder, name));
					}
					await rm(aside, {recursive: true, force: true});
				});
				return true;
			}
		}
	}

	/** The supervisor can start no process, or open no file, for a while. */
	async #tighten(which: 'nproc' | 'nofile', holdMs: number): Promise<boolean> {
		const pid = this.#run?.pid;
		if (pid === undefined) return false;
		const limits = readFileSync(`/proc/${pid}/limits`, 'utf8');
		const row = which === 'nproc' ? /^Max processes\s+(\S+)\s+(\S+)/m : /^Max open files\s+(\S+)\s+(\S+)/m;
		const [, soft = '', hard = ''] = row.exec(limits) ?? [];
		const tight = which === 'nproc' ? 1 : FEW_DESCRIPTORS;
		const set = async (to: string | number) => {
			await run('prlimit', ['--pid', String(pid), `--${which}=${to}:${hard}`]).catch((error: unknown) => {
				if (isThere(pid)) throw error;
			});
		};
		await set(tight);
		await this.#hold(holdMs, () => set(soft));
		return true;
	}

	/** Notes how long those wait that nothing is done to. */
	async #watchTheHealthy(signal: AbortSignal): Promise<void> {
		const peaceful = this.#sandboxes.filter(({isLeftInPeace}) => isLeftInPeace);
		const seen = new Set<string>();
		while (!signal.aborted) {
			for (const {name, granted} of peaceful) {
				const ids = new Set(await granted());
				for (const {sandbox, requestId, isRight, at} of this.#asked) {
					if (sandbox !== name || !isRight || seen.has(requestId)) continue;
					this.#longestWait = Math.max(this.#longestWait, performance.now() - at);
					if (ids.has(requestId)) seen.add(requestId);
				}
			}
			await sleep(50, undefined, {signal}).catch(() => {});
		}
	}

	/** Waits until all that is right is granted; what is not by then is lost. */
	async #untilSettled(): Promise<void> {
		const isSettled = async () => (await this.#account()).lost.length === 0;
		await until('all that is right to be approved', isSettled, {timeoutMs: PATIENCE, everyMs: 500}).catch(() => {});
	}

	async #account(): Promise<Pick<Report, 'asked' | 'right' | 'approved' | 'wrong' | 'lost' | 'twice'>> {
		const lists = await Promise.all(this.#sandboxes.map(async ({granted}) => granted()));
		const granted = lists.flat();
		const known = new Set(granted);
		const right = this.#asked.filter(({isRight}) => isRight);
		const idsOf = (asked: readonly Asked[]) => asked.map(({sandbox, requestId}) => `${sandbox} ${requestId}`);
		return {
			asked: this.#asked.length,
			right: right.length,
			approved: granted.length,
			wrong: idsOf(this.#asked.filter(({isRight, requestId}) => !isRight && known.has(requestId))),
			lost: idsOf(right.filter(({requestId}) => !known.has(requestId))),
			twice: granted.filter((id, index) => granted.indexOf(id) !== index),
		};
	}

	async #leftOver(): Promise<string[]> {
		const processes = () => [...this.#instance.processes()].map(([pid, command]) => `${pid} ${command}`);
		// Whoever was killed is gone in a moment.
		await until('the end of all processes', () => processes().length === 0, {timeoutMs: 10_000}).catch(() => {});
		return processes();
	}

	#footprint(): Footprint {
		const pid = this.#run?.pid;
		const kilobytes = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
		return {descriptors: readdirSync(`/proc/${pid}/fd`).length, memory: Number(kilobytes) * 1024};
	}
}

/** Writes until there is no room left. */
async function fill(path: string): Promise<void> {
	const file = await open(path, 'w');
	try {
		for (const size of [2 ** 16, 2 ** 12, 1]) {
			const chunk = Buffer.alloc(size);
			for (;;) await file.write(chunk);
		}
	} catch {
		// It is full.
	} finally {
		await file.close();
	}
}

async function readdirOf(folder: string): Promise<string[]> {
	return readdirSync(folder);
}

function isThere(pid: number): boolean {
	return signalTo(pid, 0) && !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
}

function signalTo(pid: number, signal: NodeJS.Signals | 0): boolean {
	try {
		return process.kill(pid, signal);
	} catch {
		return false;
	}
}
