import {conditionOf} from '../status/condition.ts';
import type {Status} from '../status/schema.ts';
import {sandboxLines} from './sandbox-view.ts';
import {headLines, inOrder, type Named, remarksOn, rowOf, sandboxColumns, type View} from './status-table.ts';
import {cut, styled, table} from './table.ts';

/** What the live screen is about: the status, or why there is none. */
export type Reading =
	| {readonly kind: 'status'; readonly status: Status; readonly isAlive: boolean}
	| {readonly kind: 'none'; readonly reason: string};

/** Where whoever watches has got to. */
export interface WatchState {
	/** Only sandboxes with this in their name, state, condition or transport. */
	readonly filter: string;
	/** The filter is being typed. */
	readonly isTyping: boolean;
	/** The sandbox under the cursor, or `null`: the first. */
	readonly selected: string | null;
	/** One sandbox is shown in full. */
	readonly isOpen: boolean;
	/** The first line of it that is shown. */
	readonly scroll: number;
}

/** The screen as it begins. */
export const initialWatch: WatchState = {filter: '', isTyping: false, selected: null, isOpen: false, scroll: 0};

/** A key as `readline` names it; `text`: what it types, or the empty string. */
export interface Key {
	readonly name: string;
	readonly text: string;
	readonly isCtrl: boolean;
}

/** How many cells and lines there are, and the wall clock in milliseconds. */
export interface Frame {
	readonly width: number;
	readonly height: number;
	readonly now: number;
}

/** What a key does; `quit` ends the screen. `page`: lines of a screenful. Pure. */
export function press(state: WatchState, key: Key, reading: Reading, page: number): WatchState | 'quit' {
	if (key.isCtrl && (key.name === 'c' || key.name === 'd')) return 'quit';
	if (state.isTyping) return typed(state, key);
	if (key.name === 'q') return 'quit';
	const step = stepOf(key, page);
	if (state.isOpen) {
		// How long it is, is not known here.
		if (step !== null && step < Number.POSITIVE_INFINITY) return {...state, scroll: Math.max(state.scroll + step, 0)};
		return ['return', 'enter', 'escape', 'backspace', 'left', 'h'].includes(key.name)
			? {...state, isOpen: false, scroll: 0}
			: state;
	}
	const names = shownIn(state, reading).map(([name]) => name);
	const at = Math.max(names.indexOf(state.selected ?? ''), 0);
	if (step !== null) return {...state, selected: names[Math.min(Math.max(at + step, 0), names.length - 1)] ?? null};
	if (key.text === '/') return {...state, isTyping: true};
	if (key.name === 'escape') return {...state, filter: ''};
	if (key.name === 'return' || key.name === 'enter') {
		const selected = names[at] ?? null;
		return selected === null ? state : {...state, selected, isOpen: true, scroll: 0};
	}
	return state;
}

/** How far a key moves, or `null` where it does not. */
function stepOf({name, text, isCtrl}: Key, page: number): number | null {
	if (name === 'down' || text === 'j') return 1;
	if (name === 'up' || text === 'k') return -1;
	if (name === 'pagedown' || text === ' ' || (isCtrl && name === 'f')) return page;
	if (name === 'pageup' || (isCtrl && name === 'b')) return -page;
	if (name === 'home' || text === 'g') return Number.NEGATIVE_INFINITY;
	return name === 'end' || text === 'G' ? Number.POSITIVE_INFINITY : null;
}

function typed(state: WatchState, {name, text, isCtrl}: Key): WatchState {
	if (name === 'return' || name === 'enter') return {...state, isTyping: false};
	if (name === 'escape') return {...state, isTyping: false, filter: ''};
	if (name === 'backspace') return {...state, filter: [...state.filter].slice(0, -1).join('')};
	const isText = !isCtrl && /^[\p{L}\p{N}\p{P} ]+$/u.test(text);
	return isText ? {...state, filter: state.filter + text} : state;
}

/** The sandboxes that the filter lets through, in the table's order. */
function shownIn({filter}: WatchState, reading: Reading): Named[] {
	if (reading.kind === 'none') return [];
	const wanted = filter.toLowerCase();
	return inOrder(reading.status, reading).filter(([name, sandbox]) =>
		`${name} ${sandbox.state} ${conditionOf(sandbox)} ${sandbox.transport}`.includes(wanted),
	);
}

/** The whole screen: `height` lines at most, each of `width` cells at most. Pure but for colours. */
export function screenLines(state: WatchState, reading: Reading, frame: Frame): string[] {
	const {width, height} = frame;
	const lines =
		reading.kind === 'none'
			? [styled('red', reading.reason), '', footer('q quits', width)]
			: state.isOpen
				? openLines(state, reading, frame)
				: listLines(state, reading, frame);
	return lines.slice(0, height).map(line => cut(line, width));
}

/** How many lines a screenful of sandboxes has. */
export function pageOf(reading: Reading, frame: Frame): number {
	const head = reading.kind === 'none' ? 0 : headOf(reading, frame).length;
	// The headings, the remark and the footer.
	return Math.max(frame.height - head - 3, 1);
}

type WithStatus = Extract<Reading, {kind: 'status'}>;

function viewOf({isAlive}: WithStatus, {now, width}: Frame): View {
	return {isAlive, now, width, all: true};
}

/** Many warnings must not push the sandboxes off the screen. */
function headOf(reading: WithStatus, frame: Frame): string[] {
	return headLines(reading.status, viewOf(reading, frame)).slice(0, Math.max(Math.floor(frame.height / 3), 1));
}

function listLines(state: WatchState, reading: WithStatus, frame: Frame): string[] {
	const {status} = reading;
	const view = viewOf(reading, frame);
	const shown = shownIn(state, reading);
	const page = pageOf(reading, frame);
	const at = Math.max(
		shown.findIndex(([name]) => name === state.selected),
		0,
	);
	// The page on which the cursor is: lines that move only when it leaves the screen.
	const top = Math.floor(at / page) * page;
	const [headings = '', ...rows] = table(
		sandboxColumns,
		shown.map(each => rowOf(each, status, view)),
		frame.width - 2,
	).split('\n');
	const visible = rows.slice(top, top + page).map((row, line) => (top + line === at ? `> ${row}` : `  ${row}`));
	const cursor = shown[at];
	const remark = cursor === undefined ? '' : (remarksOn(cursor[1], frame.now)[0] ?? '');
	const none = state.filter === '' ? 'no sandboxes' : 'no sandbox matches';
	const range = shown.length === 0 ? none : `${top + 1}-${Math.min(top + page, shown.length)} of ${shown.length}`;
	const filter = state.isTyping ? `/${state.filter}_` : state.filter === '' ? '' : `/${state.filter}`;
	return [
		...headOf(reading, frame),
		`  ${headings}`,
		...visible,
		...Array.from({length: page - visible.length}, () => ''),
		remark === '' ? '' : `${cursor?.[0]}: ${remark}`,
		footer(
			[filter, range, state.isTyping ? 'Enter done, Esc clears' : 'q quit, j/k move, / filter, Enter one sandbox']
				.filter(part => part !== '')
				.join('   '),
			frame.width,
		),
	];
}

function openLines(state: WatchState, reading: WithStatus, frame: Frame): string[] {
	const named = Object.entries(reading.status.sandboxes).find(([name]) => name === state.selected);
	if (named === undefined)
		return [`${state.selected} is not in the configuration any more`, '', footer('Esc back', frame.width)];
	const head = headOf(reading, frame);
	const all = sandboxLines(named, reading.status, viewOf(reading, frame));
	const room = Math.max(frame.height - head.length - 2, 1);
	const top = Math.min(state.scroll, Math.max(all.length - room, 0));
	const visible = all.slice(top, top + room);
	return [
		...head,
		'',
		...visible,
		...Array.from({length: room - visible.length}, () => ''),
		footer('Esc back, j/k scroll, q quit', frame.width),
	];
}

function footer(text: string, width: number): string {
	return styled('gray', cut(text, width));
}
