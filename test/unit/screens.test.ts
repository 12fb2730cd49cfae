import stringWidth from 'string-width';
import {describe, expect, it} from 'vitest';
import {pendingText} from '../../supervisor/commands/pending-text.ts';
import {sandboxLines} from '../../supervisor/commands/sandbox-view.ts';
import {statusTable} from '../../supervisor/commands/status-table.ts';
import {table, wrapped} from '../../supervisor/commands/table.ts';
import {
	type Frame,
	initialWatch,
	type Key,
	pageOf,
	press,
	type Reading,
	screenLines,
	type WatchState,
} from '../../supervisor/commands/watch-view.ts';
import type {SandboxStatus} from '../../supervisor/status/schema.ts';
import {composedStatus, sickSandboxes, wellSandbox} from './composed-status.ts';

const now = Date.parse('2026-11-22T12:00:00Z');
const widths = [80, 120] as const;

function widest(text: string): number {
	return Math.max(...text.split('\n').map(line => stringWidth(line)));
}

describe('the status table', () => {
	const shown = (count: number, isSick: boolean, width: number, all = false) =>
		statusTable(composedStatus(now, count, isSick), {isAlive: true, now, width, all});

	it.each(widths)('of two sandboxes that are well, %i cells wide', width => {
		expect(shown(2, false, width)).toMatchSnapshot();
	});

	it.each(widths)('of seven sandboxes that are not, %i cells wide', width => {
		expect(shown(7, true, width)).toMatchSnapshot();
	});

	it.each([40, 60, 80, 100, 120, 200])('is never wider than a terminal of %i cells', width => {
		for (const count of [2, 50, 200]) expect(widest(shown(count, true, width, true))).toBeLessThanOrEqual(width);
	});

	it('of 200 sandboxes has those first that need somebody, and says each thing once', () => {
		const sick = Object.fromEntries(
			Array.from({length: 60}, (_, index) => [`s${index}`, wellSandbox(now, {healthy: false, lastError: 'no answer'})]),
		);
		const status = composedStatus(now, 140, false);
		const text = statusTable({...status, sandboxes: {...status.sandboxes, ...sick}}, {isAlive: true, now, width: 80});
		expect(text.split('\n').findIndex(line => line.startsWith('s59 '))).toBeLessThan(65);
		expect(text.match(/no answer/g)).toHaveLength(1);
		expect(text).toContain('s0, s1, s2, s3, s4 and 55 more: error: no answer');
	});

	it('calls no sandbox healthy that has not answered yet, whatever it is warned of', () => {
		const alpha = wellSandbox(now, {
			healthy: false,
			starting: true,
			lastListAt: null,
			warnings: ['polled every 3 s instead of 1 s'],
		});
		const text = statusTable({...composedStatus(now, 0, false), sandboxes: {alpha}}, {isAlive: true, now, width: 120});
		expect(text).toMatch(/^alpha +running +not yet /m);
	});

	it('says of the way that was chosen no more than that it is the way', () => {
		const chosen = wellSandbox(now, {
			transport: 'cli',
			route: null,
			transportReason: 'the configuration says transport: cli',
		});
		const status = {...composedStatus(now, 0, false), sandboxes: {alpha: chosen}};
		const text = statusTable(status, {isAlive: true, now, width: 120});
		expect(text).toMatch(/^alpha .* cli /m);
		expect(text).not.toContain('gateway');
	});

	it('says of a connected gateway that its requests are events, and of one that is lost how it is polled', () => {
		const lost = wellSandbox(now, {transportReason: 'ECONNREFUSED'});
		const status = {...composedStatus(now, 1, false), sandboxes: {up: wellSandbox(now), lost}};
		const text = statusTable(status, {isAlive: true, now, width: 120});
		expect(text).toMatch(/^up .* events +gateway /m);
		expect(text).toMatch(/^lost .* slow, 30 s +gateway /m);
		expect(text).toContain('lost: not by the gateway: ECONNREFUSED');
	});
});

describe('one sandbox in full', () => {
	const status = composedStatus(now, 0, true);

	it.each(widths)('%i cells wide', width => {
		const all = Object.entries(sickSandboxes(now)).map(named =>
			sandboxLines(named, status, {isAlive: true, now, width}).join('\n'),
		);
		expect(all.join('\n\n')).toMatchSnapshot();
		expect(widest(all.join('\n'))).toBeLessThanOrEqual(width);
	});

	it('says of paired devices that have more than the policy grants', () => {
		const linesOf = (change: Partial<SandboxStatus>) =>
			sandboxLines(['alpha', wellSandbox(now, change)], status, {isAlive: true, now, width: 200}).join('\n');
		expect(linesOf({widePaired: 1})).toMatch(/^ {2}devices +1 paired device has more than the policy grants/m);
		expect(linesOf({widePaired: 3})).toMatch(/^ {2}devices +3 paired devices have more/m);
		expect(linesOf({})).not.toMatch(/devices +\d/);
	});

	it('of a supervisor that is gone suggests nothing that only one that lives can do', () => {
		const text = (isAlive: boolean) =>
			sandboxLines(['alpha', wellSandbox(now, {pending: 2})], status, {isAlive, now, width: 200}).join('\n');
		expect(text(true)).toMatch(/pairkeeper kick alpha/);
		expect(text(true)).toMatch(/pairkeeper pending/);
		expect(text(false)).not.toMatch(/pairkeeper (kick|pending)/);
		expect(text(false)).toMatch(/look further +pairkeeper run.*nobody watches/);
	});
});

describe('a table', () => {
	it('counts wide characters, and keeps the last columns that it can do without', () => {
		const columns = [{title: 'NAME', narrowest: 6}, {title: 'ONE'}, {title: 'TWO', dispensable: 1}];
		expect(table(columns, [['日本語の箱', '1', '2']], 20)).toBe('NAME        ONE  TWO\n日本語の箱  1    2');
		expect(table(columns, [['日本語の箱', '1', '2']], 16)).toBe('NAME    ONE  TWO\n日本…   1    2');
		expect(table(columns, [['日本語の箱', '1', '2']], 12)).toBe('NAME     ONE\n日本語…  1');
	});

	it('breaks a long text into lines, and cuts it after so many', () => {
		expect(wrapped('one two three four', 9, {indent: 2})).toEqual(['one two', '  three', '  four']);
		expect(wrapped('one two three four', 9, {indent: 2, most: 2})).toEqual(['one two', '  three…']);
		expect(wrapped('short', 9)).toEqual(['short']);
	});
});

describe('the live screen', () => {
	const frames: Frame[] = [
		{width: 120, height: 40, now},
		{width: 80, height: 24, now},
		{width: 20, height: 5, now},
	];
	const reading: Reading = {kind: 'status', status: composedStatus(now, 200, true), isAlive: true};
	const frame = {width: 120, height: 40, now};
	const key = (name: string, text = name.length === 1 ? name : ''): Key => ({name, text, isCtrl: false});

	/** The state after these keys, or `quit`. */
	function typed(...keys: readonly Key[]): WatchState | 'quit' {
		let state: WatchState = initialWatch;
		for (const each of keys) {
			const next = press(state, each, reading, pageOf(reading, frame));
			if (next === 'quit') return next;
			state = next;
		}
		return state;
	}

	function shownAfter(...keys: readonly Key[]): string[] {
		const state = typed(...keys);
		return state === 'quit' ? [] : screenLines(state, reading, frame);
	}

	it.each(frames)('fits $width x $height', size => {
		for (const state of [initialWatch, {...initialWatch, selected: 'night-build', isOpen: true}]) {
			const lines = screenLines(state, reading, size);
			expect(lines.length).toBeLessThanOrEqual(size.height);
			expect(widest(lines.join('\n'))).toBeLessThanOrEqual(size.width);
		}
	});

	it('of 200 sandboxes, 80 x 24', () => {
		expect(screenLines(initialWatch, reading, {width: 80, height: 24, now}).join('\n')).toMatchSnapshot();
	});

	it('follows the cursor to the last sandbox and back', () => {
		expect(shownAfter().find(line => line.startsWith('>'))).toMatch(/^> night-build /);
		expect(shownAfter(key('down'), key('j', 'j')).find(line => line.startsWith('>'))).toMatch(/^> 日本語の箱 /);
		expect(shownAfter(key('g', 'G')).find(line => line.startsWith('>'))).toMatch(/^> retired /);
		expect(shownAfter(key('g', 'G'), key('home'), key('up')).find(line => line.startsWith('>'))).toMatch(
			/^> night-build /,
		);
		expect(shownAfter(key('pagedown')).join('\n')).toContain('34-66 of 200');
	});

	it('says so where no sandbox matches what is typed, and where there is none', () => {
		const [x, y] = [key('x'), key('z')];
		expect(shownAfter(key('/', '/'), x, y, x, y).at(-1)).toMatch(/no sandbox matches/);
		const empty: Reading = {kind: 'status', status: composedStatus(now, 0, false), isAlive: true};
		expect(screenLines(initialWatch, empty, frame).at(-1)).toMatch(/^no sandboxes /);
	});

	it('filters by what is typed, until Escape', () => {
		const typing = [key('/', '/'), key('s'), key('i'), key('c'), key('k')];
		expect(shownAfter(...typing).join('\n')).toContain('/sick_   1-2 of 2');
		expect(shownAfter(...typing, key('return')).join('\n')).toContain('/sick   1-2 of 2');
		expect(shownAfter(...typing, key('backspace'), key('x'), key('return')).join('\n')).toContain(
			'/sicx   no sandbox matches',
		);
		expect(shownAfter(...typing, key('escape')).join('\n')).toContain('1-33 of 200');
		// A letter that is typed is no command.
		expect(typed(key('/', '/'), key('q'))).toMatchObject({filter: 'q', isTyping: true});
	});

	it('shows one sandbox in full, until Escape', () => {
		const open = [key('down'), key('return')];
		expect(shownAfter(...open).join('\n')).toMatch(/^review: unhealthy, backoff, crash looping$/m);
		expect(shownAfter(...open, key('escape')).find(line => line.startsWith('>'))).toMatch(/^> review /);
	});

	it('ends by q and Ctrl-C', () => {
		expect(typed(key('q'))).toBe('quit');
		expect(typed({name: 'c', text: '\u0003', isCtrl: true})).toBe('quit');
		expect(typed(key('/', '/'), {name: 'c', text: '\u0003', isCtrl: true})).toBe('quit');
	});

	it('says so where there is no status any more', () => {
		expect(screenLines(initialWatch, {kind: 'none', reason: 'there is no status at /x'}, frame)[0]).toBe(
			'there is no status at /x',
		);
	});
});

describe('what waits for a person', () => {
	const at = (seconds: number) => new Date(now + seconds * 1000).toISOString();
	const request = {
		sandbox: 'alpha',
		requestId: '0d0c8a52-8f6d-4c5e-9a41-b1b5c8e6a7f2',
		deviceId: 'd'.repeat(64),
		clientId: 'openclaw-control-ui',
		clientMode: 'webchat',
		role: 'operator',
		roles: ['operator'],
		scopes: ['operator.admin', 'operator.read', 'operator.write', 'operator.approvals', 'operator.pairing'],
		gives: ['operator.admin'],
		reason: 'disallowed-scope' as const,
		since: at(-20),
		rejectAt: at(40),
		digest: 'u3QZ0c8b_7hN2k1x',
	};

	it('is a table where there is room', () => {
		const shown = pendingText([request], now, Number.POSITIVE_INFINITY);
		expect(shown.split('\n')).toHaveLength(2);
	});

	it.each([40, 80, 120])('is in lines where %i cells are not enough, with ids and digest whole', width => {
		const shown = pendingText([request, {...request, sandbox: 'beta'}], now, width);
		for (const text of [request.requestId, 'in beta', request.digest, 'operator.approvals'])
			expect(shown).toContain(text);
		expect(shown).not.toContain('…');
	});
});
