// Loaded into every Node process of a run by NODE_OPTIONS=--import. Only a worker acts on it: the first that finds the trigger file takes it
// and goes wrong in the way that the file names. Nothing in pairkeeper knows of it.
import {readFileSync, renameSync, writeFileSync} from 'node:fs';

const trigger = process.env.FAULT_TRIGGER;

const faults = {
	/** The event loop turns no more. */
	block() {
		for (;;);
	},
	/** The event loop turns, but whoever waits from now on waits for ever. */
	stall() {
		const {setTimeout} = globalThis;
		// What resolves a promise, and nothing else.
		globalThis.setTimeout = (act, ...rest) =>
			/native code/.test(act) ? setTimeout(() => {}, ...rest) : setTimeout(act, ...rest);
	},
	/** More and more memory, as fast as it can without blocking the event loop. */
	bloat() {
		const kept = [];
		setInterval(() => kept.push(Buffer.alloc(16 * 2 ** 20, 1)), 10);
	},
	/** More and more objects, faster than anybody looks. */
	fill() {
		const kept = [];
		for (;;) kept.push([[], []]);
	},
	/** Its code, for which nobody asks, again and again. */
	recompile() {
		setInterval(() => process.send({kind: 'compiled', code: 'AAAA', source: ''}), 1);
	},
	/** Messages that nobody understands, again and again. */
	babble() {
		setInterval(() => process.send({kind: 'nonsense'}), 1);
	},
	/** Many objects that live for a second; once they are collected, a file says so. */
	litter() {
		let litter = Array.from({length: 500_000}, (_, index) => [index]);
		globalThis.littered = new FinalizationRegistry(() => writeFileSync(`${trigger}.collected`, ''));
		globalThis.littered.register(litter);
		setTimeout(() => {
			litter = null;
		}, 1000);
	},
	/** An end without an error. */
	leave() {
		process.exit(0);
	},
};

/** It was forked without a sandbox, and has none yet that would go wrong with it. */
function standsBy() {
	return process.argv[2] === '(standby)' && !/^pairkeeper: [^(]/.test(process.title);
}

if (trigger !== undefined && process.argv[1]?.endsWith('worker/launcher.cjs')) {
	const look = setInterval(() => {
		if (standsBy()) return;
		const mine = `${trigger}.${process.pid}`;
		try {
			renameSync(trigger, mine);
		} catch {
			return;
		}
		clearInterval(look);
		faults[readFileSync(mine, 'utf8')]?.();
	}, 20);
	look.unref();
}
