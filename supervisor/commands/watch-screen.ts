import {emitKeypressEvents} from 'node:readline';
import {messageOf} from '../../worker/text.ts';
import {isSupervisorAlive, readStatus} from '../status/reading.ts';
import {EXIT} from './exit-codes.ts';
import {noStatusAt} from './instance.ts';
import {isReallyLive} from './status-table.ts';
import {type Frame, initialWatch, pageOf, press, type Reading, screenLines} from './watch-view.ts';

/** How often the status is read, in milliseconds. */
const INTERVAL = 1000;

/** The alternate screen without a cursor, and back (xterm: Control Sequences, DEC private modes 1049 and 25). */
const ENTER = '\u001b[?1049h\u001b[?25l';
const LEAVE = '\u001b[?25h\u001b[?1049l';
const HOME = '\u001b[H';
const CLEAR_LINE = '\u001b[K';
const CLEAR_BELOW = '\u001b[J';

/** A terminal, as far as the screen needs one. */
export interface Terminal {
	readonly input: NodeJS.ReadableStream & {setRawMode?: (isRaw: boolean) => unknown};
	readonly output: NodeJS.WritableStream & {readonly columns?: number; readonly rows?: number};
}

/**
 * `pairkeeper status --watch` on a terminal: the alternate screen, until `q`, a signal or the end of the input. The terminal is as it was afterwards,
 * also where this process crashes. `find`: the status file, looked for again while nobody lives. Resolves with an exit code; rejects with whatever
 * keeps it from going on. No library for this: Ink brings React and a layout engine for what is one string a second.
 */
export async function watchScreen(
	find: () => string,
	{input, output}: Terminal = {input: process.stdin, output: process.stdout},
): Promise<number> {
	let file = find();
	let reading = read(file);
	let state = initialWatch;
	if (reading.kind === 'none') {
		process.stderr.write(`${reading.reason}\n`);
		return EXIT.notRunning;
	}
	const {promise: ended, resolve: end, reject: fail} = Promise.withResolvers<void>();
	const frame = (): Frame => ({width: output.columns || 80, height: output.rows || 24, now: Date.now()});
	let isShown = false;
	const draw = () => {
		// Before a stop and after it the screen is somebody else's.
		if (!isShown) return;
		const lines = screenLines(state, reading, frame());
		output.write(`${HOME}${lines.map(line => `${line}${CLEAR_LINE}`).join('\r\n')}${CLEAR_BELOW}`);
	};
	const guarded =
		<A extends unknown[]>(act: (...args: A) => void) =>
		(...args: A) => {
			try {
				act(...args);
			} catch (error) {
				fail(error);
			}
		};
	const look = guarded(() => {
		if (reading.kind === 'none' || !isReallyLive(reading.status, reading)) file = find();
		reading = read(file);
		draw();
	});
	const onKey = guarded((text: string | undefined, key: {name?: string; ctrl?: boolean}) => {
		const isCtrl = key.ctrl ?? false;
		if (isCtrl && key.name === 'z') return suspend();
		const next = press(state, {name: key.name ?? '', text: text ?? '', isCtrl}, reading, pageOf(reading, frame()));
		if (next === 'quit') return end();
		state = next;
		draw();
	});
	const enter = () => {
		isShown = true;
		input.setRawMode?.(true);
		output.write(ENTER);
		draw();
	};
	const leave = () => {
		if (!isShown) return;
		isShown = false;
		input.setRawMode?.(false);
		output.write(LEAVE);
	};
	const suspend = () => {
		leave();
		process.kill(process.pid, 'SIGSTOP');
	};
	const signals = ['SIGTERM', 'SIGHUP', 'SIGINT'] as const;
	const stop = () => end();
	emitKeypressEvents(input);
	input.on('keypress', onKey);
	input.once('end', stop);
	output.on('resize', look);
	output.once('error', stop);
	process.once('exit', leave);
	process.on('SIGCONT', enter);
	for (const signal of signals) process.on(signal, stop);
	const timer = setInterval(look, INTERVAL);
	try {
		input.resume();
		enter();
		await ended;
	} finally {
		clearInterval(timer);
		leave();
		input.pause();
		input.off('keypress', onKey);
		input.off('end', stop);
		output.off('resize', look);
		output.off('error', stop);
		process.off('exit', leave);
		process.off('SIGCONT', enter);
		for (const signal of signals) process.off(signal, stop);
	}
	return reading.kind === 'status' && isReallyLive(reading.status, reading) ? EXIT.ok : EXIT.notRunning;
}

function read(file: string): Reading {
	try {
		const status = readStatus(file);
		if (status === null) return {kind: 'none', reason: noStatusAt(file)};
		return {kind: 'status', status, isAlive: isSupervisorAlive(status, Date.now())};
	} catch (error) {
		return {kind: 'none', reason: messageOf(error)};
	}
}
