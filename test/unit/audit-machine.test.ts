import fc from 'fast-check';
import {expect, it} from 'vitest';
import {emptyEntry} from '../../supervisor/audit/line.ts';
import {transition} from '../../supervisor/audit/machine.ts';
import {
	type FileNumber,
	initialWriting,
	type WriterEffect,
	type WriterEvent,
	type WriterState,
} from '../../supervisor/audit/writing.ts';

/** What the world may do next: `pick` says to which of the operations under way, or with which file. */
const steps = fc.array(
	fc.record({
		what: fc.constantFrom(
			'add',
			'add-intent',
			'succeed',
			'succeed',
			'fail',
			'vanish',
			'unsynced',
			'retry',
			'impatient',
			'replace',
			'replace-late',
			'open-late',
			'close',
		),
		pick: fc.nat(20),
	}),
	{maxLength: 80},
);

/** Files that are written, and all that was said of each line. */
class World {
	state: WriterState;
	readonly added = new Set<number>();
	readonly settled = new Map<number, string>();
	readonly written: number[] = [];
	readonly #intents: number[] = [];
	#pending: Extract<WriterEffect, {kind: 'open' | 'write'}>[] = [];
	#open = new Set<FileNumber>();
	#count = 0;

	constructor(auditFailure: 'continue' | 'stop') {
		this.state = initialWriting('/audit', {auditFailure, runTimeout: 10_000});
	}

	on(event: WriterEvent): void {
		const {state, effects} = transition(this.state, event, this.#count++);
		this.state = state;
		for (const effect of effects) this.#perform(effect);
	}

	step({what, pick}: {readonly what: string; readonly pick: number}): void {
		switch (what) {
			case 'add':
			case 'add-intent': {
				const id = this.#count++;
				this.added.add(id);
				if (what === 'add-intent') this.#intents.push(id);
				const phase = what === 'add-intent' ? 'intent' : 'outcome';
				const line = {...emptyEntry, time: '', sandbox: 'alpha', action: 'approve', phase} as const;
				this.on({kind: 'add', entry: {id, line, isAwaited: what === 'add-intent'}});
				return;
			}
			case 'impatient': {
				const id = this.#intents[pick % this.#intents.length];
				if (id !== undefined && !this.settled.has(id)) this.on({kind: 'out-of-patience', id, error: 'slow'});
				return;
			}
			case 'replace': {
				const file = this.#count++;
				this.#open.add(file);
				this.on({kind: 'replace', place: {path: `/audit-${file}`, config: this.state.config, file}});
				return;
			}
			case 'open-late':
				this.on({kind: 'open-late', error: 'late'});
				return;
			case 'retry':
			case 'replace-late':
			case 'close':
				this.on({kind: what});
				return;
			default:
				this.#end(what, this.#pending[pick % this.#pending.length]);
		}
	}

	/** An operation comes to its end. */
	#end(how: string, operation: Extract<WriterEffect, {kind: 'open' | 'write'}> | undefined): void {
		if (!operation) return;
		const {file} = operation;
		this.#pending = this.#pending.filter(each => each !== operation);
		if (operation.kind === 'open') {
			if (how === 'succeed') this.#open.add(file);
			this.on(
				how === 'succeed' ? {kind: 'opened', file, path: operation.path} : {kind: 'open-failed', file, error: how},
			);
			return;
		}
		if (how === 'fail') {
			this.on({kind: 'write-failed', file, error: how});
			return;
		}
		if (how === 'vanish') {
			this.on({kind: 'missing', file});
			return;
		}
		this.written.push(...operation.entries.map(({id}) => id));
		this.on({kind: 'written', file, unsynced: how === 'unsynced' ? how : null});
	}

	#perform(effect: WriterEffect): void {
		switch (effect.kind) {
			case 'write':
				// One write at most to a file that is open.
				expect(this.#open.has(effect.file)).toBe(true);
				expect(this.#pending.filter(({file}) => file === effect.file)).toEqual([]);
				this.#pending.push(effect);
				break;
			case 'open':
				this.#pending.push(effect);
				break;
			case 'close-file':
				expect(this.#open.delete(effect.file)).toBe(true);
				break;
			case 'settle':
				expect(this.settled.has(effect.id)).toBe(false);
				this.settled.set(effect.id, effect.recorded.kind);
				break;
		}
	}

	/** Whatever is under way succeeds. */
	finish(): void {
		while (this.#pending.length > 0) this.#end('succeed', this.#pending[0]);
	}

	get openFiles(): number {
		return this.#open.size;
	}
}

it.each(['continue', 'stop'] as const)(
	'whatever happens to files, each line is written once, or counted, or never carried out; with %s',
	auditFailure => {
		fc.assert(
			fc.property(steps, all => {
				const world = new World(auditFailure);
				for (const step of all) world.step(step);
				world.finish();
				world.on({kind: 'close'});
				world.finish();
				const {written, added, settled, state} = world;
				expect(state.phase.kind).toBe('ended');
				expect(new Set(written).size).toBe(written.length);
				const refused = [...added].filter(id => !written.includes(id) && settled.get(id) === 'unrecorded');
				expect(added.size).toBeLessThanOrEqual(written.length + state.lost + refused.length);
				expect(written.length + state.lost).toBeLessThanOrEqual(added.size);
				expect(state.unanswered).toEqual([]);
				expect(world.openFiles).toBe(0);
			}),
			{numRuns: 2000},
		);
	},
);
