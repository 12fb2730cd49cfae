// A campaign: a supervisor and a dozen sandboxes, requests right and wrong, and faults one after the other; then quiet, and the account.
import {readFileSync} from 'node:fs';
import {mkdir, readFile} from 'node:fs/promises';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {type Status, statusSchema} from '../../supervisor/status/schema.ts';
import {Instance} from '../../test/support/instance.ts';
import type {Run} from '../../test/support/pairkeeper.ts';
import {until} from '../../test/support/until.ts';
import {type Account, type Asked, type AuditAccount, accountOf, auditAccountOf, lossOf} from './account.ts';
import {byGateway, byInside} from './gateways.ts';
import {
	type Footprint,
	footprintOf,
	isThere,
	moveAside,
	signalTo,
	spoilFolder,
	tighten,
	WallClock,
} from './host-faults.ts';
import {type Fault, planOf} from './plan.ts';
import {byCalls, requestFor, type TriedSandbox, type Undo} from './sandboxes.ts';

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

export interface Report extends Omit<Account, 'lost'> {
	/** Never granted, and should have been; with what could tell why. */
	readonly lost: readonly string[];
	/** How many of each kind were injected, and how many could not be. */
	readonly injected: Readonly<Record<string, number>>;
	readonly skipped: Readonly<Record<string, number>>;
	readonly audit: AuditAccount;
	/** Processes that were there after the end. */
	readonly leftOver: readonly string[];
	/** What a supervisor held before, and at the end, when nothing happened. */
	readonly before: Footprint;
	readonly after: Footprint;
	/** The longest time from a request to its approval, in milliseconds, in a sandbox that was left in peace. */
	readonly longestWait: number;
}

/** How long what was asked may take when nothing goes wrong any more, in milliseconds. */
const PATIENCE = 120_000;

/** So many faults lie between two looks at the alarms. */
const CLEARED_EVERY = 25;

/** So long lies between two looks at the alarms after the last fault, in milliseconds; the status file knows by then what the one before has cleared. */
const LATE_ALARMS_EVERY = 5000;

/** A clock that was set is looked at within this time, in milliseconds. */
const CLOCK_GAP = 1200;

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
	readonly #undo = new Set<Undo>();
	readonly #clock: WallClock;
	#run: Run | null = null;
	#longestWait = 0;

	constructor(instance: Instance, options: CampaignOptions) {
		this.#instance = instance;
		this.#options = options;
		this.#folder = options.smallFolder ?? instance.path('small');
		this.#clock = new WallClock(instance.path('clock'));
	}

	async run(): Promise<Report> {
		const {seed, faults, sandboxes, say, signal} = this.#options;
		if (this.#options.smallFolder === null) await mkdir(this.#folder, {mode: 0o700});
		for (let index = 0; index < sandboxes; index++) {
			this.#sandboxes.push(await byCalls(this.#instance, `calls-${index}`, index === 0));
			this.#sandboxes.push(await byGateway(this.#instance, `gateway-${index}`, index === 0));
			this.#sandboxes.push(await byInside(this.#instance, `inside-${index}`, index === 0));
		}
		await mkdir(this.#auditFolder, {mode: 0o700});
		await this.#clock.set(0);
		await this.#configure();
		await this.#start();
		await this.#untilHealthy();
		const before = footprintOf(this.#run?.pid ?? 0);
		const watching = new AbortController();
		const watched = this.#watchTheHealthy(watching.signal);
		for (const [index, {wishes, fault, pauseMs}] of planOf(seed, faults).entries()) {
			signal.throwIfAborted();
			for (const [at, wish] of wishes.entries()) await this.#ask(wish, `q-${index}-${at}`);
			await this.#inject(fault);
			await sleep(pauseMs);
			// What lies is not approved for until somebody has looked at it.
			if ((index + 1) % CLEARED_EVERY === 0) await this.#clearAlarms();
			if ((index + 1) % 100 === 0) say(`${index + 1} of ${faults} faults`);
		}
		for (const sandbox of this.#sandboxes) await sandbox.recover();
		await this.#reload();
		await this.#clearAlarms();
		await this.#untilSettled();
		await this.#untilHealthy();
		watching.abort();
		await watched;
		const after = footprintOf(this.#run?.pid ?? 0);
		const account = await accountOf(this.#asked, this.#sandboxes);
		const status = await this.#status().catch(() => null);
		const lost = account.lost.map(each => lossOf(each, status, this.#auditFile));
		this.#run?.kill('SIGTERM');
		await this.#run?.ended;
		const leftOver = await this.#leftOver();
		return {
			injected: this.#injected,
			skipped: this.#skipped,
			...account,
			lost,
			audit: auditAccountOf(this.#auditFile, (await this.#granted()).flat()),
			leftOver,
			before,
			after,
			longestWait: Math.round(this.#longestWait),
		};
	}

	async end(): Promise<void> {
		for (const undo of this.#undo) await undo();
		for (const sandbox of this.#sandboxes) await sandbox.end();
		await this.#instance.end();
	}

	get #statusFile(): string {
		return join(this.#folder, 'status.json');
	}

	get #auditFolder(): string {
		return join(this.#folder, 'audit');
	}

	get #auditFile(): string {
		return join(this.#auditFolder, 'audit.jsonl');
	}

	#granted(): Promise<(readonly string[])[]> {
		return Promise.all(this.#sandboxes.map(async ({granted}) => granted()));
	}

	async #status(): Promise<Status> {
		return statusSchema.parse(JSON.parse(await readFile(this.#statusFile, 'utf8')));
	}

	async #configure(): Promise<void> {
		const keys = {
			statusFile: this.#statusFile,
			logFile: join(this.#folder, 'pairkeeper.log'),
			auditFile: this.#auditFile,
			// So that whatever is approved must be on record.
			auditFailure: 'stop',
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
			if (this.#run === null || !isThere(this.#run.pid))
				this.#run = this.#instance.launch({env: this.#clock.environment ?? {}});
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

	/** One that is not left in peace, of these kinds or any. */
	#tried(pick: number, ...kinds: readonly TriedSandbox['kind'][]): TriedSandbox {
		const isMeant = ({isLeftInPeace, kind}: TriedSandbox) =>
			!isLeftInPeace && (kinds.length === 0 || kinds.includes(kind));
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
				const undo = await this.#tried(fault.sandbox, 'gateway', 'inside').spoilGateway(fault.how);
				return this.#hold(fault.holdMs, undo);
			}
			case 'inside':
				return this.#hold(fault.holdMs, await this.#tried(fault.sandbox, 'inside').spoilInside(fault.how));
			case 'files':
				if (fault.how === 'full' && this.#options.smallFolder === null) return false;
				return this.#hold(fault.holdMs, await spoilFolder(this.#folder, fault.how));
			case 'audit':
				return this.#hold(
					fault.holdMs,
					fault.how === 'vanished'
						? await moveAside(this.#auditFolder)
						: await spoilFolder(this.#auditFolder, fault.how),
				);
			case 'clock': {
				if (this.#clock.environment === null) return false;
				await this.#clock.set(fault.how === 'forwards' ? fault.seconds : -fault.seconds);
				await this.#hold(fault.holdMs + CLOCK_GAP, () => this.#clock.set(0));
				return true;
			}
			case 'limit': {
				const pid = this.#run?.pid;
				return pid !== undefined && this.#hold(fault.holdMs, await tighten(pid, fault.which));
			}
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

	/** Lets it last for a while, and makes it good again; `false`: there was nothing to do it to. */
	async #hold(ms: number, undo: Undo | null): Promise<boolean> {
		if (undo === null) return false;
		this.#undo.add(undo);
		await sleep(ms);
		this.#undo.delete(undo);
		await undo();
		return true;
	}

	/** Somebody looks at what raised alarms, and lets approvals go on. */
	async #clearAlarms(): Promise<void> {
		await until('a reload', async () => (await this.#instance.command(['reload'])).exitCode === 0, {timeoutMs: 60_000});
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

	/** Waits until all that is right is granted; what is not by then is lost. Spoilt answers that no call has given yet are given now, and are looked at too. */
	async #untilSettled(): Promise<void> {
		let nextLook = performance.now() + LATE_ALARMS_EVERY;
		const isSettled = async () => {
			if ((await accountOf(this.#asked, this.#sandboxes)).lost.length === 0) return true;
			if (performance.now() >= nextLook) {
				await this.#clearLateAlarms();
				nextLook = performance.now() + LATE_ALARMS_EVERY;
			}
			return false;
		};
		await until('all that is right to be approved', isSettled, {timeoutMs: PATIENCE, everyMs: 500}).catch(() => {});
	}

	/** As {@link #clearAlarms}, where all alarms are of sandboxes whose calls may lie even now: no other has a reason for one any more. */
	async #clearLateAlarms(): Promise<void> {
		const {sandboxes} = await this.#status();
		const alarmed = this.#sandboxes.flatMap(({name, kind, isLeftInPeace}) => {
			const alarm = sandboxes[name]?.warnings.find(warning => warning.startsWith('alarm: '));
			return alarm === undefined ? [] : [{text: `${name}: ${alarm}`, mayLie: kind === 'calls' && !isLeftInPeace}];
		});
		if (alarmed.length === 0 || !alarmed.every(({mayLie}) => mayLie)) return;
		for (const {text} of alarmed) this.#options.say(`after the last fault: ${text}`);
		await this.#clearAlarms();
	}

	async #leftOver(): Promise<string[]> {
		const processes = () => [...this.#instance.processes()].map(([pid, command]) => `${pid} ${command}`);
		// Whoever was killed is gone in a moment.
		await until('the end of all processes', () => processes().length === 0, {timeoutMs: 10_000}).catch(() => {});
		return processes();
	}
}
