/**
 * What a turn can be wanted for: a call of the CLI, or a program that prints a gateway's token. `urgent-list`: somebody asks, or lately has, or waits for
 * the pass.
 */
export const TURN_KINDS = ['list', 'urgent-list', 'approve', 'reject', 'token'] as const;
export type TurnKind = (typeof TURN_KINDS)[number];

/** How the call ended that a turn was taken for. */
export type TurnOutcome = 'answered' | 'failed' | 'timeout';

/** A turn among the host's calls; it is held until `over` is called. */
export interface Turn {
	/** Names the call; not used twice by one worker. */
	readonly id: number;
	over(outcome: TurnOutcome): void;
}

/** Hands out turns, so that the calls of all sandboxes together stay within what the host can bear. */
export interface Turns {
	/** Waits for a turn, as long as it takes; rejects with the signal's reason when it aborts. */
	take(kind: TurnKind, signal: AbortSignal): Promise<Turn>;
}
