// What a campaign does, drawn from its seed alone: the same seed gives the same faults, requests and pauses, in the same order.

/** What is done to a process; SIGSTOP is followed by a SIGCONT where nobody else would see to it. */
const SIGNALS = ['SIGKILL', 'SIGSTOP', 'SIGSEGV', 'SIGTERM'] as const;

/** What a call of the CLI can do instead of what it should. */
const CALL_FAULTS = [
	'hang',
	'hang-with-children',
	'flood',
	'half-json',
	'garbage',
	'exit',
	'leave-child',
	'late',
	'grant-and-hang',
	// As if it were done, or as if something else were.
	'no-approval',
	'other-ids',
	'many-requests',
] as const;
export type CallFault = (typeof CALL_FAULTS)[number];

const GATEWAY_FAULTS = [
	'drop',
	'silent',
	'restart',
	'not-json',
	'refuse',
	// These lie.
	'empty-list',
	'no-approval',
	'other-ids',
	// These flood.
	'many-requests',
	'many-events',
	'large-frame',
] as const;
export type GatewayFault = (typeof GATEWAY_FAULTS)[number];

/** What the way into a sandbox can do instead of what it should: the sandbox answers in place of the relay. */
const INSIDE_FAULTS = ['silent', 'garbage', 'chatty', 'other-port', 'other-token', 'no-way', 'gone'] as const;
export type InsideFault = (typeof INSIDE_FAULTS)[number];

const FILE_FAULTS = ['full', 'read-only', 'vanished'] as const;
export type FileFault = (typeof FILE_FAULTS)[number];

/** What happens to the directory of the audit file alone; a full disk is full for all files. */
const AUDIT_FAULTS = ['read-only', 'vanished'] as const;
export type AuditFault = (typeof AUDIT_FAULTS)[number];

/** The wall clock is set so far, in seconds: a minute to half a day. */
const SMALLEST_JUMP = 60;
const JUMPS = 12 * 3600 - SMALLEST_JUMP;

const LIMITS = ['nproc', 'nofile'] as const;

/** One thing that goes wrong; `sandbox` and `pick` are numbers to choose by among what there is then, `holdMs` is for how long it lasts. */
export type Fault =
	| {readonly what: 'worker'; readonly signal: (typeof SIGNALS)[number]; readonly sandbox: number}
	| {readonly what: 'call'; readonly signal: (typeof SIGNALS)[number]; readonly pick: number}
	| {readonly what: 'supervisor'; readonly signal: (typeof SIGNALS)[number]; readonly holdMs: number}
	| {readonly what: 'answer'; readonly command: 'list' | 'approve'; readonly how: CallFault; readonly sandbox: number}
	| {readonly what: 'gateway'; readonly how: GatewayFault; readonly sandbox: number; readonly holdMs: number}
	| {readonly what: 'inside'; readonly how: InsideFault; readonly sandbox: number; readonly holdMs: number}
	| {readonly what: 'files'; readonly how: FileFault; readonly holdMs: number}
	| {readonly what: 'audit'; readonly how: AuditFault; readonly holdMs: number}
	/** The wall clock is `seconds` ahead, or behind, and then right again. */
	| {readonly what: 'clock'; readonly how: 'forwards' | 'backwards'; readonly seconds: number; readonly holdMs: number}
	| {readonly what: 'limit'; readonly which: (typeof LIMITS)[number]; readonly holdMs: number}
	| {readonly what: 'garbage-configuration'; readonly pick: number}
	| {readonly what: 'hangups'; readonly times: number};

/** A request of some client; what is wrong with it, or `null` where it must be approved. */
export interface Wish {
	readonly sandbox: number;
	readonly wrong: (typeof WRONGS)[number] | null;
}

const WRONGS = ['stranger', 'admin', 'node-role', 'odd-scope', 'no-client'] as const;

/** A fault, what is asked for just before it, and what passes before the next one. */
export interface Step {
	readonly wishes: readonly Wish[];
	readonly fault: Fault;
	readonly pauseMs: number;
}

/** How often each kind of fault comes, in relation to the others. */
const WEIGHTS = {
	worker: 24,
	call: 14,
	supervisor: 3,
	answer: 26,
	gateway: 18,
	inside: 6,
	files: 6,
	audit: 4,
	clock: 3,
	limit: 5,
	'garbage-configuration': 4,
	hangups: 4,
} as const satisfies Record<Fault['what'], number>;

/** So many steps. Pure. */
export function planOf(seed: number, faults: number): Step[] {
	const draw = new Draw(seed);
	return Array.from({length: faults}, () => ({
		wishes: Array.from({length: draw.below(3)}, () => wish(draw)),
		fault: fault(draw),
		pauseMs: draw.below(300),
	}));
}

function wish(draw: Draw): Wish {
	return {sandbox: draw.below(1000), wrong: draw.below(4) === 0 ? draw.of(WRONGS) : null};
}

function fault(draw: Draw): Fault {
	const what = draw.weighted(WEIGHTS);
	const sandbox = draw.below(1000);
	const holdMs = 100 + draw.below(600);
	switch (what) {
		case 'worker':
			return {what, signal: draw.of(SIGNALS), sandbox};
		case 'call':
			return {what, signal: draw.of(SIGNALS), pick: draw.below(1000)};
		case 'supervisor':
			return {what, signal: draw.of(SIGNALS), holdMs};
		case 'answer':
			return {what, command: draw.of(['list', 'approve']), how: draw.of(CALL_FAULTS), sandbox};
		case 'gateway':
			return {what, how: draw.of(GATEWAY_FAULTS), sandbox, holdMs};
		case 'inside':
			return {what, how: draw.of(INSIDE_FAULTS), sandbox, holdMs};
		case 'audit':
			return {what, how: draw.of(AUDIT_FAULTS), holdMs};
		case 'clock':
			return {what, how: draw.of(['forwards', 'backwards']), seconds: SMALLEST_JUMP + draw.below(JUMPS), holdMs};
		case 'files':
			return {what, how: draw.of(FILE_FAULTS), holdMs};
		case 'limit':
			return {what, which: draw.of(LIMITS), holdMs};
		case 'garbage-configuration':
			return {what, pick: draw.below(1000)};
		case 'hangups':
			return {what, times: 1 + draw.below(30)};
	}
}

/** Numbers from a seed (Tommy Ettinger's mulberry32: small, and good enough to choose by). */
class Draw {
	#state: number;

	constructor(seed: number) {
		this.#state = seed >>> 0;
	}

	/** A whole number from 0 to below `end`. */
	below(end: number): number {
		this.#state = (this.#state + 0x6d2b79f5) >>> 0;
		let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
		mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
		return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * end);
	}

	of<const T>(choices: readonly [T, ...T[]]): T {
		return choices[this.below(choices.length)] ?? choices[0];
	}

	weighted<K extends string>(weights: Readonly<Record<K, number>>): K {
		const keys = Object.keys(weights) as [K, ...K[]];
		let left = this.below(keys.reduce((sum, key) => sum + weights[key], 0));
		for (const key of keys) {
			left -= weights[key];
			if (left < 0) return key;
		}
		return keys[0];
	}
}
