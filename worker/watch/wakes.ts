import type {Clock} from '../clock.ts';
import type {PersonalDecision} from '../protocol.ts';

/** A person's decision, and the name by which its outcome is waited for. */
export type AskedDecision = PersonalDecision & {readonly id: string};

/** What has been asked of the loop since its last look. */
export interface Asked {
	/** Poll fast for a while. */
	readonly kicked: boolean;
	/** Ids of those who wait for the outcome of a pass that begins after they asked. */
	readonly passes: readonly string[];
	/** What people have decided, in their order. */
	readonly decisions: readonly AskedDecision[];
}

/** Reasons to poll before the interval is over. Any number of them that come during a pass make one pass. */
export class Wakes {
	#kicked = false;
	#passes: string[] = [];
	#decisions: AskedDecision[] = [];
	#isDue = false;
	#notify: () => void = () => {};

	/** Something may be pending. */
	wake(): void {
		this.#isDue = true;
		this.#notify();
	}

	kick(): void {
		this.#kicked = true;
		this.wake();
	}

	/** A pass is wanted and its outcome waited for, by the name `id`. */
	requestPass(id: string): void {
		this.#passes.push(id);
		this.wake();
	}

	/** A person has decided about a request. */
	decide(decision: AskedDecision): void {
		this.#decisions.push(decision);
		this.wake();
	}

	/** All that has been asked; the next pass answers it. */
	take(): Asked {
		const asked = {kicked: this.#kicked, passes: this.#passes, decisions: this.#decisions};
		this.#kicked = false;
		this.#passes = [];
		this.#decisions = [];
		this.#isDue = false;
		return asked;
	}

	/** Resolves when there is a reason to poll, and after `ms` milliseconds at the latest. */
	async within(ms: number, clock: Pick<Clock, 'doze'>): Promise<void> {
		if (this.#isDue) return;
		const {over, wake} = clock.doze(ms);
		this.#notify = wake;
		await over;
		this.#notify = () => {};
	}
}
