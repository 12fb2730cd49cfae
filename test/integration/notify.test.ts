import {readFileSync} from 'node:fs';
import {chmod, writeFile} from 'node:fs/promises';
import {describe, expect} from 'vitest';
import type {NotifyEvent} from '../../supervisor/notify/event.ts';
import type {Instance} from '../support/instance.ts';
import {behaviours, cliAsk, strangerAsk} from '../support/scripted-openclaw.ts';
import {until} from '../support/until.ts';
import {test} from '../support/with-instance.ts';

/** A program that does this with its standard input. */
async function program(instance: Instance, script: string): Promise<string[]> {
	const file = instance.path('notify.sh');
	await writeFile(file, `#!/bin/sh\n${script}\n`);
	await chmod(file, 0o755);
	return [file];
}

function told(instance: Instance): NotifyEvent[] {
	return readFileSync(instance.path('told'), 'utf8')
		.split('\n')
		.slice(0, -1)
		.map(line => JSON.parse(line));
}

describe.concurrent('notify', () => {
	test('tells of what waits for a person, and of a sandbox that is unhealthy and healthy again', async ({instance}) => {
		const alpha = await instance.sandbox('alpha');
		await writeFile(instance.path('told'), '');
		const notify = await program(instance, `env >${instance.path('env')}; cat >>${instance.path('told')}`);
		await instance.configure({notify, runTimeout: '3s'});
		await instance.start({env: {SECRET_TOKEN: 'planted', NOTIFY_SOCKET: ''}});
		await instance.untilSandbox('alpha', 'to be healthy', ({healthy}) => healthy);
		await alpha.ask(strangerAsk('odd-1'));
		await until('the refusal', () => told(instance).some(({event}) => event === 'refused'));
		expect(told(instance).find(({event}) => event === 'refused')).toMatchObject({
			event: 'refused',
			sandbox: 'alpha',
			message: expect.stringMatching(/stranger .*unknown-client.*pairkeeper pending/),
			request: {requestId: 'odd-1', sandbox: 'alpha', digest: expect.any(String)},
		});
		const environment = readFileSync(instance.path('env'), 'utf8');
		expect(environment).toContain('PATH=');
		expect(environment).not.toContain('planted');

		await alpha.always('list', behaviours.exit7);
		await until('it to be unhealthy', () => told(instance).at(-1)?.event === 'unhealthy');
		await alpha.recover('list');
		await until('it to be healthy', () => told(instance).at(-1)?.event === 'healthy');
		expect(told(instance).filter(({event}) => event === 'refused')).toHaveLength(1);
	});

	test('is never in the way of an approval, whatever its program does, and ends with the supervisor', async ({
		instance,
	}) => {
		const alpha = await instance.sandbox('alpha');
		const notify = await program(instance, "trap '' TERM; sleep 1000 & setsid sleep 1000 & exec sleep 1000");
		for (let index = 0; index < 40; index++) await alpha.ask(strangerAsk(`odd-${index}`));
		await alpha.ask(cliAsk('cli-1'));
		await instance.configure({notify});
		const run = await instance.start();
		await instance.untilSandbox('alpha', 'to approve', ({approved}) => approved === 1);
		await until(
			'the program',
			() => [...instance.processes().values()].filter(line => /sleep 1000/.test(line)).length >= 3,
		);
		run.kill('SIGTERM');
		expect(await run.ended).toEqual({code: 0, signal: null});
		expect([...instance.processes().values()]).toEqual([]);
	});
});
