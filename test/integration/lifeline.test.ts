import {spawn} from 'node:child_process';
import {text} from 'node:stream/consumers';
import {describe, expect, it} from 'vitest';
import {LIFELINE_GREETING, LIFELINE_SCRIPT} from '../../worker/transport/cli/lifeline.ts';
import {isAlive} from '../support/processes.ts';
import {until} from '../support/until.ts';

/** A script of sh(1) on a lifeline that is held by its input. */
function onLifeline(script: string, lifeline = LIFELINE_SCRIPT) {
	const child = spawn('sh', ['-c', lifeline, 'pairkeeper', 'sh', '-c', script], {stdio: 'pipe'});
	const exited = new Promise(resolve => child.once('exit', (code, signal) => resolve(signal ?? code)));
	child.stdin.on('error', () => {});
	return {child, exited, stdout: text(child.stdout), stderr: text(child.stderr)};
}

describe.concurrent('what runs on a lifeline', () => {
	it('says what it says, has no input, and ends with its own code', async () => {
		const {child, exited, stdout, stderr} = onLifeline('cat; echo out; echo err >&2; exit 7');
		child.stdin.write(LIFELINE_GREETING);
		expect([await exited, await stdout, await stderr]).toEqual([7, 'out\n', 'err\n']);
	});

	it('goes on where no input is handed on', async () => {
		const {child, exited, stdout} = onLifeline('sleep 0.5; echo out');
		child.stdin.end();
		expect([await exited, await stdout]).toEqual([0, 'out\n']);
	});

	it('goes on where input stays open and nothing comes', async () => {
		const {exited, stdout} = onLifeline('echo out');
		expect([await exited, await stdout]).toEqual([0, 'out\n']);
	});

	it.each(['exec sleep 1000', "trap '' TERM; while :; do sleep 1; done"])('ends with its input: %s', async script => {
		const {child, exited} = onLifeline(`echo $$ >&2; ${script}`);
		const [pid] = await new Promise<number[]>(resolve => child.stderr.once('data', data => resolve([Number(data)])));
		child.stdin.write(LIFELINE_GREETING);
		child.stdin.end();
		await exited;
		expect(isAlive(pid ?? 0)).toBe(false);
	});

	it('ends with the shell around it, when that is asked to end', async () => {
		const {child} = onLifeline('echo $$ >&2; exec sleep 1000');
		const [pid] = await new Promise<number[]>(resolve => child.stderr.once('data', data => resolve([Number(data)])));
		child.kill('SIGTERM');
		await until('its end', () => !isAlive(pid ?? 0));
	});

	it('ends with the shell around it, when that is asked to end before it has seen to anything', async () => {
		const slowly = LIFELINE_SCRIPT.replace('pairkeeper_call=$!', 'sleep 1\npairkeeper_call=$!');
		expect(slowly).not.toBe(LIFELINE_SCRIPT);
		const {child} = onLifeline('echo $$ >&2; kill "$PPID"; exec sleep 1000', slowly);
		const [pid] = await new Promise<number[]>(resolve => child.stderr.once('data', data => resolve([Number(data)])));
		await until('its end', () => !isAlive(pid ?? 0), {timeoutMs: 30_000});
	});
});
