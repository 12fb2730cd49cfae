import type {Clock} from '../clock.ts';
import type {DecisionResult} from '../protocol.ts';
import type {DeedDeps} from '../requests/carry-out.ts';
import {carryOutDecision} from '../requests/decision.ts';
import type {Ledger} from '../requests/ledger.ts';
import {type PassEvent, type PassOutcome, runPass} from '../requests/pass.ts';
import type {Transport} from '../transport/transport.ts';
import {
	advance,
	boundFastTime,
	buyFastPolls,
	type Cadence,
	type CadenceConfig,
	initialCadence,
	interval,
	type PolledOutcome,
} from './cadence.ts';
import {inStep} from './in-step.ts';
import type {Asked, Wakes} from './wakes.ts';

/** What the loop says of itself, besides what its passes say. */
export type WatchEvent =
	| PassEvent
	| {readonly kind: 'polling'; readonly cadence: Cadence}
	/** What became of a person's decision. */
	| ({readonly kind: 'decided'; readonly id: string} & DecisionResult)
	| {
			readonly kind: 'polled';
			readonly cadence: Cadence;
			/** Milliseconds until the next poll, if nothing happens before. */
			readonly wait: number;
			readonly outcome: PassOutcome;
			/** Who waited for this pass. */
			readonly passes: readonly string[];
	  };

/** What the loop works with. */
export interface WatchDeps {
	readonly cadence: CadenceConfig;
	readonly maxApprovals: number;
	readonly transport: Pick<Transport, 'client' | 'kind' | 'isEventDriven' | 'passBegins' | 'passEnded'>;
	readonly ledger: Ledger;
	readonly clock: Clock;
	readonly wakes: Wakes;
	readonly intend: DeedDeps['intend'];
	/** Is told what has happened, all of it that belongs together at once. */
	readonly report: (events: readonly WatchEvent[]) => void;
	readonly signal: AbortSignal;
	/** Where the predecessor's polling stood. */
	readonly resumed: Cadence | null;
}

/** One sandbox's life: a pass, then a wait for whichever comes first, the interval's end or a wake. Ends when `signal` aborts, and only then. */
export async function watch(deps: WatchDeps): Promise<void> {
	const {transport, clock, wakes, report, signal} = deps;
	signal.addEventListener('abort', () => wakes.wake(), {once: true});
	let cadence = deps.resumed ?? initialCadence(deps.cadence, clock.now());
	while (!signal.aborted) {
		const asked = wakes.take();
		cadence = nextCadence(cadence, asked, deps);
		report([{kind: 'polling', cadence}]);
		transport.passBegins();
		const outcome = await passOrStop(asked, deps);
		if (outcome === null) return;
		transport.passEnded(outcome);
		cadence = advance(cadence, toPolled(outcome, deps), deps.cadence, clock.now());
		const wait = inStep(pause(cadence, outcome, deps), clock.now());
		report([{kind: 'polled', cadence, wait, outcome, passes: asked.passes}]);
		await wakes.within(wait, clock);
	}
}

/** How to poll from now on: decided at the top of an iteration, before anything can fail. */
function nextCadence(cadence: Cadence, asked: Asked, {cadence: config, clock, transport}: WatchDeps): Cadence {
	const now = clock.now();
	const bounded = boundFastTime(cadence, config, now, transport.isEventDriven);
	return asked.kicked && !transport.isEventDriven ? buyFastPolls(bounded, config, now) : bounded;
}

/** What people have decided comes first. `null` when the pass was cut short by the stop. */
async function passOrStop({decisions}: Asked, deps: WatchDeps): Promise<PassOutcome | null> {
	const {transport, report} = deps;
	const passDeps = {...deps, client: transport.client, via: () => transport.kind};
	try {
		for (const {id, ...decision} of decisions)
			report([{kind: 'decided', id, ...(await carryOutDecision(decision, passDeps))}]);
		return await runPass(passDeps);
	} catch (error) {
		if (deps.signal.aborted) return null;
		throw error;
	}
}

function toPolled(outcome: PassOutcome, {ledger, transport}: WatchDeps): PolledOutcome {
	return {
		failed: outcome.error !== null,
		quiet: outcome.undecided <= 0,
		paired: outcome.paired || ledger.hasApproved,
		// Where requests are announced, the next one needs no fast polls to be met.
		allowed: transport.isEventDriven ? [] : outcome.allowed,
	};
}

/**
 * How long to wait for the next poll. Where polls cost next to nothing, what is due again is seen to when it is due, unless nothing can be seen to
 * because the list fails.
 */
function pause(
	cadence: Cadence,
	{error, hasMore}: PassOutcome,
	{cadence: config, clock, ledger, transport}: WatchDeps,
): number {
	const regular = interval(cadence, config);
	if (!transport.isEventDriven || error !== null) return regular;
	const soonest = Math.min(config.fastInterval, regular);
	if (hasMore) return soonest;
	return Math.min(Math.max(ledger.untilDue(clock.now()) ?? regular, soonest), regular);
}
