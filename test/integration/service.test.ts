import {readFileSync} from 'node:fs';
import {chmod, rm, writeFile} from 'node:fs/promises';
import {describe, expect} from 'vitest';
import {DatagramReceiver} from '../support/datagram-receiver.ts';
import type {Instance} from '../support/instance.ts';
import {behaviours, cliAsk, strangerAsk} from '../support/scripted-openclaw.ts';
import {until} from '../support/until.ts';
import {test as withInstance} from '../support/with-instance.ts';

const test = withInstance.extend<{listen: (name: string) => Promise<DatagramReceiver>}>({
	listen: async ({task: _}, use) => {
		const receivers: DatagramReceiver[] = [];
		await use(async name => {
			const receiver = await DatagramReceiver.listen(name);
			receivers.push(receiver);
			return receiver;
		});
		for (const receiver of receivers) await receiver.end();
	},
});

/** What is said of the state, in order, and not again and again. */
function wordsOf({messages}: DatagramReceiver): string[] {
	return messages.map(message => message.split('=')[0] ?? '').filter(word => /^(READY|RELOADING|STOPPING)$/.test(word));
}

/** Whether worker and call run, and nothing but the supervisor has a variable that is for us; throws where one ends meanwhile. */
function isHandedOnToNobody(instance: Instance): boolean {
	const children = [...instance.processes().keys()].filter(pid => pid !== instance.pid);
	const environments = children.map(pid => readFileSync(`/proc/${pid}/environ`, 'latin1'));
	return environments.length > 1 && !environments.some(text => /(NOTIFY_SOCKET|WATCHDOG_[A-Z]+)=/.test(text));
}

describe.concurrent('a service manager', () => {
	test('hears of start, status, reload and end, and that the loop turns; what pairkeeper starts knows nothing of it', async ({
		instance,
		listen,
	}) => {
		const alpha = await instance.sandbox('alpha');
		// One call that lasts, to be looked at while it runs.
		await alpha.once('list', behaviours.hang);
		const file = instance.path('told.sh');
		await writeFile(file, `#!/bin/sh\nenv >${instance.path('env')}\n`);
		await chmod(file, 0o755);
		await instance.configure({notify: [file], runTimeout: '2s'});
		const socket = instance.path('notify.socket');
		const manager = await listen(socket);
		const run = await instance.start({env: {NOTIFY_SOCKET: socket, WATCHDOG_USEC: '1000000'}});
		await manager.untilTold('READY=1');
		// Whoever waited for that finds it in the status.
		expect((await instance.status()).supervisor.state).toBe('running');
		// Between its fork and its program a process still shows what its parent has.
		await until('a call, and nobody to be told what is for us', () => isHandedOnToNobody(instance));
		await manager.untilTold('WATCHDOG=1');
		await alpha.ask(cliAsk('cli-1'));
		await manager.untilTold('STATUS=1 of 1 sandbox healthy, 1 approved');
		await alpha.ask(strangerAsk('odd-1'));
		await until('the notify program', () => readFileSync(instance.path('env'), 'utf8').includes('PATH='));
		expect(readFileSync(instance.path('env'), 'utf8')).not.toMatch(/NOTIFY_SOCKET|WATCHDOG/);

		run.kill('SIGHUP');
		const reloading = await manager.untilTold('RELOADING=1');
		const [, begun] = /^RELOADING=1\nMONOTONIC_USEC=(\d+)$/.exec(reloading) ?? [];
		// The same clock as ours, a moment ago.
		expect(Number(begun)).toBeLessThan(Number(process.hrtime.bigint() / 1000n));
		expect(Number(begun)).toBeGreaterThan(Number(process.hrtime.bigint() / 1000n) - 60e6);
		await until('the end of the reload', () => wordsOf(manager).length === 3);
		await instance.configure({deadline: 'soon'});
		expect(await instance.command(['reload'])).toMatchObject({exitCode: 2});
		await manager.untilTold('the new configuration is refused');
		run.kill('SIGTERM');
		expect(await run.ended).toEqual({code: 0, signal: null});
		const words = ['READY', 'RELOADING', 'READY', 'RELOADING', 'READY', 'STOPPING'];
		await until('the last word', () => wordsOf(manager).length >= words.length);
		expect(wordsOf(manager)).toEqual(words);
	});

	test('with an abstract name that goes away is warned of once, and approvals go on', async ({instance, listen}) => {
		const alpha = await instance.sandbox('alpha');
		await instance.configure();
		const name = `@pairkeeper-test-${process.pid}-${instance.folder}`;
		const manager = await listen(name);
		const env = {NOTIFY_SOCKET: name, WATCHDOG_USEC: '200000', WATCHDOG_PID: ''};
		const run = await instance.start({env});
		await manager.untilTold('READY=1');
		await manager.end();
		const gone = 'the service manager cannot be told how we are';
		await instance.untilLogged(gone, 'ECONNREFUSED');
		await alpha.ask(cliAsk('cli-1'));
		await instance.untilSandbox('alpha', 'to approve', ({approved}) => approved === 1);
		run.kill('SIGTERM');
		expect(await run.ended).toEqual({code: 0, signal: null});
		expect(await instance.log(gone)).toHaveLength(1);
	});

	test('that is not there, or somewhere that cannot be, keeps nobody from running', async ({instance}) => {
		await instance.sandbox('alpha');
		await instance.configure();
		for (const [NOTIFY_SOCKET, warning] of [
			[instance.path('none'), 'ENOENT'],
			['relative/path', 'neither an absolute path'],
		] as const) {
			const run = await instance.start({env: {NOTIFY_SOCKET}});
			expect(await instance.untilLogged(warning)).toHaveLength(1);
			run.kill('SIGTERM');
			expect(await run.ended).toEqual({code: 0, signal: null});
			await rm(instance.logFile);
		}
	});
});
