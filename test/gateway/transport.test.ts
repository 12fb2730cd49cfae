import {writeFile} from 'node:fs/promises';
import {describe, expect} from 'vitest';
import {type Script, type ScriptedGateway, scriptedToken} from '../support/scripted-gateway.ts';
import {behaviours, cliAsk} from '../support/scripted-openclaw.ts';
import {until} from '../support/until.ts';
import {never, test, throughGateway} from './sandboxes.ts';

/** Waits until a gateway has been asked to approve a request. */
function untilApproved(gateway: ScriptedGateway, requestId: string): Promise<unknown> {
	const isApproved = () => gateway.approved.includes(requestId);
	return until(`${requestId} to be approved`, isApproved, {seen: () => gateway.requests});
}

describe.concurrent('transport: auto', () => {
	test('approves what the gateway announces, without a call of the CLI', async ({instance, startGateway}) => {
		const gateway = await startGateway();
		await instance.configure(never, await throughGateway(instance, 'alpha', gateway));
		const run = await instance.start();
		await instance.untilSandbox('alpha', 'to be connected', ({transport}) => transport === 'gateway');
		const asked = Date.now();
		gateway.ask(cliAsk('cli-1'));
		const {lastApproval, transportReason} = await instance.untilSandbox(
			'alpha',
			'to approve',
			({approved}) => approved === 1,
		);
		const seen = Date.now();

		expect(lastApproval).toMatchObject({requestId: 'cli-1', clientId: 'cli'});
		// By the test's own clock: it was asked and approved within this time.
		expect(lastApproval?.latencyMs).toBeGreaterThanOrEqual(0);
		expect(lastApproval?.latencyMs).toBeLessThanOrEqual(seen - asked);
		expect(Date.parse(lastApproval?.at ?? '')).toBeGreaterThanOrEqual(asked);
		expect(transportReason).toBeNull();
		expect(gateway.approved).toEqual(['cli-1']);
		expect(await (await instance.sandbox('alpha')).calls()).toEqual([]);

		// The end of the connection that comes with the stop is no news.
		run.kill('SIGTERM');
		await run.ended;
		expect(await instance.log('transport: cli')).toEqual([]);
	});

	test('finds by a list what was pending before it connected', async ({instance, startGateway}) => {
		const gateway = await startGateway();
		gateway.ask(cliAsk('cli-1'));
		await instance.configure(never, await throughGateway(instance, 'alpha', gateway));
		await instance.start();
		await untilApproved(gateway, 'cli-1');
	});

	test('finds by a list what was never announced, within the slow interval', async ({instance, startGateway}) => {
		const gateway = await startGateway();
		await instance.configure({}, await throughGateway(instance, 'alpha', gateway));
		await instance.start();
		await instance.untilSandbox('alpha', 'to be connected', ({transport}) => transport === 'gateway');
		gateway.ask(cliAsk('cli-1'), {isSilent: true});
		await untilApproved(gateway, 'cli-1');
	});

	test('falls back to the CLI while the gateway is down, and returns; each is logged once', async ({
		instance,
		startGateway,
	}) => {
		const gateway = await startGateway();
		const alpha = await instance.sandbox('alpha');
		await instance.configure({}, await throughGateway(instance, 'alpha', gateway));
		await instance.start();
		await instance.untilSandbox('alpha', 'to be connected', ({transport}) => transport === 'gateway');

		await gateway.shut();
		await alpha.ask(cliAsk('cli-down'));
		await instance.untilSandbox('alpha', 'to approve by the CLI', ({approved}) => approved === 1);
		const {transportReason} = await instance.untilSandbox(
			'alpha',
			'to say why',
			({transport, transportReason}) => transport === 'cli' && transportReason?.includes('ECONNREFUSED') === true,
		);
		expect(transportReason).toContain(String(gateway.port));
		// Tries that fail for the same reason are not told again.
		await instance.untilPolled('alpha', 6);
		expect(await instance.untilLogged('transport: cli', 'ECONNREFUSED')).toHaveLength(1);

		gateway.ask(cliAsk('cli-back'));
		await gateway.open();
		await instance.untilSandbox('alpha', 'to return', ({transport}) => transport === 'gateway');
		await untilApproved(gateway, 'cli-back');
		await until('its return to be told', async () => (await instance.log('transport: gateway')).length >= 2);
		expect(await instance.log('transport: gateway')).toHaveLength(2);
		expect(await alpha.idsOf('approve')).toEqual(['cli-down']);
		await instance.untilSandbox('alpha', 'to be well', s => s.transportReason === null && s.lastError === null);
	});

	test('says why when a name stands for several addresses and none answers', async ({instance, startGateway}) => {
		const gateway = await startGateway();
		await gateway.shut();
		const url = gateway.url.replace('127.0.0.1', 'localhost');
		await instance.configure({}, await throughGateway(instance, 'alpha', {url}));
		await instance.start();
		await instance.untilSandbox('alpha', 'to say why', ({transportReason}) =>
			/ECONNREFUSED/.test(transportReason ?? ''),
		);
	});

	test('leaves a hanging CLI for a gateway that is back', async ({instance, startGateway}) => {
		const gateway = await startGateway();
		await gateway.shut();
		const alpha = await instance.sandbox('alpha');
		await alpha.always('list', behaviours.hang);
		await instance.configure({...never, runTimeout: '10m'}, await throughGateway(instance, 'alpha', gateway));
		await instance.start();
		await until('the CLI to hang', async () => (await alpha.calls('list')).length > 0);
		gateway.ask(cliAsk('cli-1'));
		await gateway.open();
		await untilApproved(gateway, 'cli-1');
	});

	test('waits for no turns any more when the gateway is back', async ({instance, startGateway}) => {
		const gateway = await startGateway();
		await gateway.shut();
		const alpha = await instance.sandbox('alpha');
		await alpha.always('list', 'sleep 3; answer');
		const bounds = {maxConcurrentCalls: 1, fastInterval: '100ms', slowInterval: '1s'};
		await instance.configure(bounds, await throughGateway(instance, 'beta', gateway));
		await instance.start();
		const isStretched = (warnings: readonly string[]) => warnings.join().includes('instead of');
		await instance.untilSandbox('beta', 'to wait for a turn', ({warnings}) => isStretched(warnings));
		await gateway.open();
		await instance.untilSandbox('beta', 'to be connected', ({transport}) => transport === 'gateway');
		await instance.untilSandbox(
			'beta',
			'to poll as told',
			({interval, warnings}) => interval === 1 && warnings.length === 0,
		);
	});

	test('reads the token anew at every try, so that a rotated one heals by itself', async ({instance, startGateway}) => {
		const gateway = await startGateway();
		gateway.token = 'another-token-of-the-tests';
		gateway.ask(cliAsk('cli-1'));
		await instance.configure({}, await throughGateway(instance, 'alpha', gateway));
		await instance.start();
		await instance.untilSandbox(
			'alpha',
			'to be refused',
			({transport, transportReason}) => transport === 'cli' && /token mismatch/.test(transportReason ?? ''),
		);
		await writeFile(instance.path('alpha.token'), 'another-token-of-the-tests\n');
		await untilApproved(gateway, 'cli-1');
		await instance.untilSandbox('alpha', 'to be connected', ({transport}) => transport === 'gateway');
	});

	test('asks for the scopes of the policy, and to pair, and for nothing more', async ({instance, startGateway}) => {
		const gateway = await startGateway();
		const policy = {clients: [{mode: 'cli'}], scopes: ['operator.read']};
		await instance.configure({...never, policy}, await throughGateway(instance, 'alpha', gateway));
		await instance.start();
		await instance.untilSandbox('alpha', 'to be connected', ({transport}) => transport === 'gateway');
		expect(gateway.connects.at(-1)).toMatchObject({
			role: 'operator',
			scopes: ['operator.pairing', 'operator.read'],
		});
	});
});

describe.concurrent('a gateway that says hello', () => {
	test.for([
		{
			what: 'and refuses to list',
			answer: (gateway: ScriptedGateway) => {
				gateway.script = {request: (connection, frame) => connection.refuse(frame, 'missing scope: operator.pairing')};
			},
			reason: /missing scope: operator\.pairing/,
		},
		{
			what: 'and lists something else',
			answer: (gateway: ScriptedGateway) => {
				gateway.script = {request: (connection, frame) => connection.answer(frame, {pending: 'none'})};
			},
			reason: /not answered with a listing/,
		},
		{
			what: 'and nothing more',
			answer: (gateway: ScriptedGateway) => {
				gateway.script = {request: () => {}};
			},
			reason: /device\.pair\.list.*time/,
		},
	])(
		'$what is not used; the CLI takes over, and the status says why',
		async ({answer, reason}, {instance, startGateway}) => {
			const gateway = await startGateway();
			answer(gateway);
			const alpha = await instance.sandbox('alpha');
			await alpha.ask(cliAsk('cli-1'));
			await instance.configure({runTimeout: '3s'}, await throughGateway(instance, 'alpha', gateway));
			await instance.start();
			await instance.untilSandbox(
				'alpha',
				'to approve by the CLI',
				({approved, transport, transportReason}) =>
					approved === 1 && transport === 'cli' && reason.test(transportReason ?? ''),
			);
			await gateway.untilGreeted(3);
			await instance.untilPolled('alpha');
			// Told once, unless a busy machine brings about another reason.
			const told = (await instance.untilLogged('"transport: ')).map(line => line.reason);
			expect(told.filter((each, index) => each === told[index - 1])).toEqual([]);
			await instance.untilSandbox('alpha', 'to be well by the CLI', s => s.transport === 'cli' && s.lastError === null);

			gateway.script = {};
			await instance.untilSandbox('alpha', 'to return', ({transport}) => transport === 'gateway');
		},
	);
});

describe.concurrent('transport: gateway', () => {
	test('never runs the CLI, whatever the gateway does', async ({instance, startGateway}) => {
		const gateway = await startGateway();
		await gateway.shut();
		const alpha = await instance.sandbox('alpha');
		await alpha.ask(cliAsk('cli-1'));
		await instance.configure({}, await throughGateway(instance, 'alpha', gateway, {transport: 'gateway'}));
		await instance.start();
		const {lastError, transport} = await instance.untilSandbox('alpha', 'to fail', ({failures}) => failures > 2);
		expect(lastError).toMatch(/not connected.*ECONNREFUSED/);
		expect(transport).toBe('gateway');

		gateway.ask(cliAsk('cli-2'));
		await gateway.open();
		await untilApproved(gateway, 'cli-2');
		expect(await alpha.calls()).toEqual([]);
	});

	test('counts a gateway that accepts and says nothing as a failure, within runTimeout', async ({
		instance,
		startGateway,
	}) => {
		const gateway = await startGateway({accept: () => false});
		const keys = await throughGateway(instance, 'alpha', gateway, {transport: 'gateway'});
		await instance.configure({runTimeout: '500ms'}, keys);
		await instance.start();
		const {lastError} = await instance.untilSandbox('alpha', 'to fail', ({failures}) => failures > 0);
		expect(lastError).toMatch(/no answer within 0\.5 s/);
		await until('further tries', () => gateway.accepted > 2);
		expect(await instance.untilLogged('transport: ', 'no answer')).toHaveLength(1);
	});
});

describe.concurrent('transport: cli', () => {
	test('never connects', async ({instance, startGateway}) => {
		const gateway = await startGateway();
		const alpha = await instance.sandbox('alpha');
		await alpha.ask(cliAsk('cli-1'));
		await instance.configure({}, await throughGateway(instance, 'alpha', gateway, {transport: 'cli'}));
		await instance.start();
		const {transport, transportReason} = await instance.untilSandbox(
			'alpha',
			'to approve',
			({approved}) => approved === 1,
		);
		await instance.untilPolled('alpha', 3);
		expect({transport, transportReason}).toEqual({
			transport: 'cli',
			transportReason: 'the configuration says transport: cli',
		});
		expect(gateway.accepted).toBe(0);
	});
});

describe.concurrent('`pairkeeper approve` and `pairkeeper check`', () => {
	test('use the gateway where it answers, without a call of the CLI', async ({instance, startGateway}) => {
		const gateway = await startGateway();
		gateway.ask(cliAsk('cli-1'));
		const alpha = await instance.sandbox('alpha');
		await instance.configure({}, await throughGateway(instance, 'alpha', gateway, {transport: 'gateway'}));

		const check = await instance.command(['check']);
		expect(check).toMatchObject({exitCode: 0, stdout: expect.stringMatching(/alpha.*ok.*gateway.*1 pending/)});
		expect(gateway.approved).toEqual([]);

		await instance.configure({}, await throughGateway(instance, 'alpha', gateway));

		const approve = await instance.command(['approve', 'alpha', '--strict', '--timeout', '60s']);
		expect(approve).toMatchObject({exitCode: 0, stdout: expect.stringContaining('1 approved')});
		expect(gateway.approved).toEqual(['cli-1']);
		expect(await alpha.calls()).toEqual([]);
	});

	test('check tries both ways by transport: auto, since either may be needed', async ({instance, startGateway}) => {
		const gateway = await startGateway();
		const alpha = await instance.sandbox('alpha');
		await instance.configure({}, await throughGateway(instance, 'alpha', gateway));
		const both = await instance.command(['check']);
		expect(both).toMatchObject({
			exitCode: 0,
			stdout: expect.stringMatching(/alpha +ok +gateway +answers, 0 pending\n/),
		});
		expect(await alpha.calls('list')).toHaveLength(1);

		await alpha.always('list', behaviours.exit7);
		const one = await instance.command(['check']);
		expect(one).toMatchObject({
			exitCode: 0,
			stdout: expect.stringMatching(/ok +gateway .*not by the cli: .*exited with 7/),
		});
		expect(one.stdout).toContain('try it yourself');

		await gateway.shut();
		const none = await instance.command(['check']);
		expect(none).toMatchObject({exitCode: 1, stdout: expect.stringMatching(/failed +gateway, cli/)});
		expect(none.stdout).toMatch(/not by the gateway: .*ECONNREFUSED.*not by the cli: .*exited with 7/);
	});

	test('check waits for its turns, however many sandboxes there are', async ({instance, startGateway}) => {
		const names = ['alpha', 'beta', 'gamma', 'delta', 'epsilon'];
		let sandboxes = {};
		for (const name of names) {
			const gateway = await startGateway();
			sandboxes = {...sandboxes, ...(await throughGateway(instance, name, gateway))};
			await (await instance.sandbox(name)).always('list', behaviours.slow);
		}
		await instance.configure({maxConcurrentCalls: 1}, sandboxes);
		const {exitCode, stdout} = await instance.command(['check']);
		expect(exitCode).toBe(0);
		for (const name of names) expect(stdout).toMatch(new RegExp(`${name} +ok +gateway +answers, 0 pending\\n`));
	});

	test('a one-shot approve leaves time for the CLI where the gateway says nothing', async ({
		instance,
		startGateway,
	}) => {
		const gateway = await startGateway({accept: () => false});
		const alpha = await instance.sandbox('alpha');
		await alpha.ask(cliAsk('cli-1'));
		await instance.configure({runTimeout: '1h'}, await throughGateway(instance, 'alpha', gateway));
		const approve = await instance.command(['approve', 'alpha', '--strict', '--timeout', '40s']);
		expect(approve).toMatchObject({exitCode: 0, stdout: expect.stringContaining('1 approved')});
		expect(await alpha.idsOf('approve')).toEqual(['cli-1']);
	});

	test('a one-shot approve by transport: gateway says what is wrong, not that its time is over', async ({
		instance,
		startGateway,
	}) => {
		const gateway = await startGateway({accept: () => false});
		await instance.configure(
			{runTimeout: '1h'},
			await throughGateway(instance, 'alpha', gateway, {transport: 'gateway'}),
		);
		const approve = await instance.command(['approve', 'alpha', '--strict', '--timeout', '12s']);
		expect(approve).toMatchObject({exitCode: 1, stderr: expect.stringContaining('no answer within')});
	});

	test('use the CLI where the gateway does not answer, and check says what to do', async ({instance, startGateway}) => {
		const gateway = await startGateway();
		await gateway.shut();
		const alpha = await instance.sandbox('alpha');
		await alpha.ask(cliAsk('cli-1'));
		await instance.configure({}, await throughGateway(instance, 'alpha', gateway));

		const check = await instance.command(['check']);
		expect(check).toMatchObject({exitCode: 1, stdout: expect.stringMatching(/alpha.*degraded.*cli/)});
		expect(check.stdout).toContain('ECONNREFUSED');
		expect(check.stdout).toContain('gateway.url');

		const approve = await instance.command(['approve', 'alpha', '--strict', '--timeout', '60s']);
		expect(approve).toMatchObject({exitCode: 0, stdout: expect.stringContaining('1 approved')});
		expect(await alpha.idsOf('approve')).toEqual(['cli-1']);
	});

	test('check says at once that a token is wrong, though the CLI answers', async ({instance, startGateway}) => {
		const gateway = await startGateway();
		await instance.configure({}, await throughGateway(instance, 'alpha', gateway));
		gateway.token = 'another-token-of-the-tests';
		const {exitCode, stdout} = await instance.command(['check'], {env: {COLUMNS: '80'}});
		expect(exitCode).toBe(1);
		expect(stdout).toMatch(/^alpha +degraded +cli +see below$/m);
		expect(stdout.replaceAll('\n  ', ' ')).toMatch(/^alpha: fix: compare the token with the gateway's own/m);
		expect(
			Math.max(
				...stdout
					.split('\n')
					.slice(1)
					.map(line => line.length),
			),
		).toBeLessThanOrEqual(80);
	});

	test.for([
		['ws', /not a gateway, it rejected the WebSocket \(HTTP 200\)/],
		['wss', /does not speak TLS; is the gateway's url ws:/],
	] as const)(
		'check says of a web server at %s: that it is no gateway',
		async ([scheme, text], {instance, startGateway}) => {
			const page = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno';
			const server = await startGateway({accept: socket => !socket.write(page) && false});
			const url = server.url.replace('ws:', `${scheme}:`);
			await instance.configure({}, await throughGateway(instance, 'alpha', {url}, {transport: 'gateway'}));
			const {exitCode, stdout} = await instance.command(['check']);
			expect(exitCode).toBe(1);
			expect(stdout).toMatch(text);
			expect(stdout).toMatch(/gateway\.url must lead to a gateway/);
			expect(stdout).not.toContain('token');
		},
	);

	test('fail by transport: gateway where it does not answer, and never run the CLI', async ({
		instance,
		startGateway,
	}) => {
		const gateway = await startGateway();
		gateway.token = 'another-token-of-the-tests';
		const alpha = await instance.sandbox('alpha');
		await instance.configure({}, await throughGateway(instance, 'alpha', gateway, {transport: 'gateway'}));

		const check = await instance.command(['check']);
		expect(check).toMatchObject({exitCode: 1, stdout: expect.stringMatching(/alpha.*failed.*gateway/)});
		expect(check.stdout).toContain('tokenFile');
		expect((await instance.command(['approve', 'alpha', '--strict'])).exitCode).toBe(1);
		expect((await instance.command(['approve', 'alpha'])).exitCode).toBe(0);
		expect(await alpha.calls()).toEqual([]);
	});

	test.for([
		['says nothing', {opened: () => {}}, /no answer within 3 s.*is the gateway running/],
		[
			'refuses the token',
			{connect: (to, frame) => to.refuse(frame, 'unauthorized')},
			/unauthorized.*compare the token/,
		],
		['closes on us', {connect: to => to.close(1008, 'unauthorized')}, /closed \(1008\).*compare the token/],
		['closes for another reason', {connect: to => to.close(1013)}, /closed \(1013\).*is the gateway running/],
		['lists what is no listing', {request: (to, frame) => to.answer(frame, 5)}, /not answered.*a gateway of OpenClaw/],
	] satisfies [string, Script, RegExp][])(
		'check has a remedy for a gateway that %s',
		async ([, script, remedy], {instance, startGateway}) => {
			const gateway = await startGateway(script);
			await instance.configure(
				{runTimeout: '3s'},
				await throughGateway(instance, 'alpha', gateway, {transport: 'gateway'}),
			);
			const {exitCode, stdout} = await instance.command(['check']);
			expect(exitCode).toBe(1);
			expect(stdout).toMatch(remedy);
		},
	);

	test('do not connect by transport: cli', async ({instance, startGateway}) => {
		const gateway = await startGateway();
		await instance.configure({}, await throughGateway(instance, 'alpha', gateway, {transport: 'cli'}));
		expect((await instance.command(['check'])).stdout).toMatch(/alpha.*ok.*cli/);
		expect((await instance.command(['approve', 'alpha', '--strict'])).exitCode).toBe(0);
		expect(gateway.accepted).toBe(0);
	});
});

test.concurrent('the token shows nowhere: not in an argument, the log, the status, an error or what commands print', async ({
	instance,
	startGateway,
}) => {
	const gateway = await startGateway();
	// A gateway that repeats the token in every message that can be shown.
	gateway.script = {
		request: (connection, frame) =>
			frame.method === 'device.pair.list'
				? gateway.serve(connection, frame)
				: connection.refuse(frame, `cannot approve, ${scriptedToken} is nothing that will do`),
	};
	await instance.configure({}, await throughGateway(instance, 'alpha', gateway, {transport: 'gateway'}));
	await instance.start();
	await instance.untilSandbox('alpha', 'to be connected', ({lastListAt}) => lastListAt !== null);
	gateway.ask(cliAsk(`cli-1`));
	await instance.untilLogged('nothing that will do');
	gateway.script = {connect: (connection, frame) => connection.refuse(frame, `not ${scriptedToken}, sorry`)};
	for (const client of gateway.clients) client.close(1008, `${scriptedToken} is over`);
	await instance.untilSandbox('alpha', 'to be refused', ({lastError}) => /sorry/.test(lastError ?? ''));
	const commands = [await instance.command(['status']), await instance.command(['check'])];
	const seen = {
		arguments: [...instance.processes().values()],
		log: await instance.log(),
		status: await instance.status(),
		commands,
	};
	expect(seen.arguments.length).toBeGreaterThan(1);
	expect(JSON.stringify(seen)).not.toContain(scriptedToken);
});
