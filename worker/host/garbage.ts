import {setFlagsFromString} from 'node:v8';
import {runInNewContext} from 'node:vm';

/** How often it is looked at, in milliseconds. */
const LOOK_GAP = 30_000;

/** Less than this is no matter, in bytes: what lives in a worker that has approved a lot is two thirds of it. */
const LITTLE = 12 * 2 ** 20;

/** Objects that take so many times what they took after the last collection are taken for garbage. */
const GROWTH = 1.5;

/** With each look that collects nothing so much of that is left: what lived at the last collection, by chance or by somebody's choice, says less and less. */
const FADING = 0.95;

/** What it works with. */
export interface GarbageDeps {
	/** Monotonic milliseconds. */
	readonly now: () => number;
	/** How much objects take, garbage among them, in bytes. */
	readonly used: () => number;
	/** Collects all garbage. */
	readonly collect: () => void;
}

/**
 * Collects a worker's garbage where there is much of it: at rest V8 is kept from that (supervisor/sandbox/heap-limit.ts), and at work it is in no hurry. Else
 * what a sandbox once had its worker read would stay for hours, and a host has hundreds of them.
 */
export class Garbage {
	readonly #deps: GarbageDeps;
	#lookAt: number;
	#enough = LITTLE;

	constructor(deps: GarbageDeps) {
		this.#deps = deps;
		this.#lookAt = deps.now() + LOOK_GAP;
	}

	/** Looks, unless it did lately; costs next to nothing; a collection costs tens of milliseconds. */
	look(): void {
		const {now, used, collect} = this.#deps;
		if (now() < this.#lookAt) return;
		this.#lookAt = now() + LOOK_GAP;
		const isMuch = used() >= this.#enough;
		if (isMuch) collect();
		this.#enough = Math.max(isMuch ? used() * GROWTH : this.#enough * FADING, LITTLE);
	}
}

/** What V8's `gc` takes (deps/v8: src/extensions/gc-extension.cc): all garbage, and the room that it had given back. */
const ALL = {type: 'major', execution: 'sync', flavor: 'last-resort'};

let gc: ((options: typeof ALL) => void) | undefined;

/**
 * Has V8 collect all garbage of this process. V8 gives the function for that to contexts that are made while this flag is set; without it again, Node's own
 * code that is still to be loaded is found compiled.
 */
export function collectGarbage(): void {
	if (gc === undefined) {
		setFlagsFromString('--expose-gc');
		gc = runInNewContext('gc') as NonNullable<typeof gc>;
		setFlagsFromString('--no-expose-gc');
	}
	gc(ALL);
}
