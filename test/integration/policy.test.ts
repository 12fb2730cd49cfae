import {describe, expect} from 'vitest';
import {untilHealth} from '../support/health.ts';
import {browserAsk, cliAsk, type ScriptedOpenclaw, strangerAsk} from '../support/scripted-openclaw.ts';
import {until} from '../support/until.ts';
import {test} from '../support/with-instance.ts';

/** Waits until exactly this request has been rejected. */
async function untilRejected(openclaw: ScriptedOpenclaw, id: string): Promise<void> {
	await until('the rejection', async () => (await openclaw.settled('rejected')).length > 0);
	expect(await openclaw.idsOf('reject')).toEqual([id]);
}

const adminAsk = (id: string) => cliAsk(id, {scopes: ['operator.admin']});

describe.concurrent('a refused request of a known client', () => {
	test('is held for refusalHold, then rejected, and the next ask of its device is clean', async ({instance}) => {
		const alpha = await instance.sandbox('alpha');
		const refused = adminAsk('admin-1');
		await alpha.ask(refused);
		await instance.configure({policy: {onRefused: 'hold', refusalHold: '2s'}});
		await instance.start();
		await untilRejected(alpha, 'admin-1');
		expect(await instance.untilLogged('"refused"', 'admin-1', 'disallowed-scope')).toHaveLength(1);
		const {lastRefusal} = await instance.untilSandbox('alpha', 'to tell', ({refused}) => refused === 1);
		const [rejection] = await alpha.calls('reject');
		// No sooner than was promised, by their own times; how much later is the machine's affair.
		expect((rejection?.startedAt ?? 0) - Date.parse(lastRefusal?.at ?? '')).toBeGreaterThanOrEqual(1950);

		await alpha.ask(cliAsk('clean-1', {deviceId: refused.deviceId}));
		await instance.untilSandbox('alpha', 'to approve', ({lastApproval}) => lastApproval?.requestId === 'clean-1');
		expect(await alpha.idsOf('approve')).toEqual(['clean-1']);
	});

	test('is left to a human for a minute by default', async ({instance}) => {
		const alpha = await instance.sandbox('alpha');
		await alpha.ask(adminAsk('admin-1'));
		await instance.configure();
		await instance.start();
		await instance.untilSandbox('alpha', 'to refuse', ({refused}) => refused === 1);
		await instance.untilPolled('alpha', 5);
		expect(await alpha.calls('reject')).toEqual([]);
	});

	test('is rejected at once when a wider ask of its device replaces it', async ({instance}) => {
		const alpha = await instance.sandbox('alpha');
		const first = adminAsk('admin-1');
		await alpha.ask(first);
		await instance.configure({policy: {refusalHold: '10m'}});
		await instance.start();
		await instance.untilSandbox('alpha', 'to refuse', ({refused}) => refused === 1);
		// The gateway merges what the device asks for next into what is pending, under a new id.
		const merged = {...first, requestId: 'merged-1', scopes: ['operator.admin', 'operator.read']};
		await alpha.askLater('merged', merged);
		await alpha.once('list', 'mv "$folder"/pending/* "$folder/gone/"; appear merged; answer');
		await untilRejected(alpha, 'merged-1');
		await instance.untilSandbox('alpha', 'to count both', ({refused}) => refused === 2);
	});

	test('is rejected at once with `reject`', async ({instance}) => {
		const alpha = await instance.sandbox('alpha');
		await alpha.ask(adminAsk('admin-1'));
		await alpha.ask(cliAsk('cli-1'));
		await instance.configure({fastInterval: '10m', policy: {onRefused: 'reject', refusalHold: '10m'}});
		await instance.start();
		// The first pass settles both; there is no second.
		await instance.untilSandbox('alpha', 'to settle both', ({approved, refused}) => approved === 1 && refused === 1);
		await untilRejected(alpha, 'admin-1');
	});

	test('is never touched with `ignore`', async ({instance}) => {
		const alpha = await instance.sandbox('alpha');
		await alpha.ask(adminAsk('admin-1'));
		await instance.configure({policy: {onRefused: 'ignore', refusalHold: 0}});
		await instance.start();
		await instance.untilSandbox('alpha', 'to refuse', ({refused}) => refused === 1);
		await instance.untilPolled('alpha', 5);
		expect(await alpha.calls('reject')).toEqual([]);
		expect((await instance.status()).sandboxes.alpha).toMatchObject({pending: 1, refused: 1});
	});

	test('that our own failed approve has caused is rejected at once', async ({instance}) => {
		const alpha = await instance.sandbox('alpha');
		// 2026.5.27: approving a stale id makes the CLI try again as administrator, and leaves that ask pending.
		await alpha.askLater('caused', adminAsk('caused-1'));
		await alpha.once(
			'approve',
			"settle gone; appear caused; echo 'pairing required: device is asking for more scopes than currently approved (requestId: caused-1)' >&2; exit 1",
		);
		await alpha.ask(cliAsk('stale-1'));
		await instance.configure({policy: {refusalHold: '10m'}});
		await instance.start();
		await untilRejected(alpha, 'caused-1');
		const {lastRefusal} = await instance.untilSandbox('alpha', 'to tell', ({refused}) => refused === 1);
		expect(lastRefusal).toMatchObject({requestId: 'caused-1', reason: 'disallowed-scope', scopes: ['operator.admin']});
		await instance.untilPolled('alpha');
		expect(await alpha.idsOf('approve')).toEqual(['stale-1']);
		expect(await instance.untilLogged('"refused"', 'caused-1')).toHaveLength(1);
	});

	test('is told with the remedy where it is the browser that wants operator.admin', async ({instance}) => {
		const alpha = await instance.sandbox('alpha');
		const scopes = ['operator.admin', 'operator.read', 'operator.write', 'operator.approvals', 'operator.pairing'];
		await alpha.ask(browserAsk('browser-1', {scopes}));
		await instance.configure();
		await instance.start();
		await instance.untilSandbox('alpha', 'to refuse', ({refused}) => refused === 1);
		const [line] = await instance.untilLogged('"refused"', 'browser-1');
		expect(line?.remedy).toContain('policy.clients: [{id: openclaw-control-ui, scopes: [operator.admin, ');

		// As the remedy says; a refusal is decided anew when the policy changes.
		await instance.configure({policy: {clients: [{id: 'openclaw-control-ui', scopes}, {mode: 'cli'}]}});
		expect(await instance.command(['reload'])).toMatchObject({exitCode: 0});
		await instance.untilSandbox('alpha', 'to approve', ({lastApproval}) => lastApproval?.requestId === 'browser-1');
	});
});

test.concurrent('an unknown client is never touched, not even with `reject`', async ({instance}) => {
	const alpha = await instance.sandbox('alpha');
	await alpha.ask(strangerAsk('stranger-1'));
	await alpha.ask(strangerAsk('stranger-2', {scopes: ['operator.admin']}));
	await instance.configure({policy: {onRefused: 'reject', refusalHold: 0}});
	await instance.start();
	await instance.untilSandbox('alpha', 'to refuse both', ({refused}) => refused === 2);
	await instance.untilPolled('alpha', 5);
	expect(await alpha.calls('reject')).toEqual([]);
	expect(await alpha.calls('approve')).toEqual([]);
	expect((await instance.status()).sandboxes.alpha?.pending).toBe(2);
});

describe.concurrent('an answer to approve', () => {
	test.for([
		['names another device', {deviceId: 'another-device', scopes: ['operator.read']}],
		['names wider scopes', {scopes: ['operator.read', 'operator.write', 'operator.admin']}],
	] as const)('that %s is an alarm: nothing more is approved until a reload', async ([, device], {instance}) => {
		const alpha = await instance.sandbox('alpha');
		const beta = await instance.sandbox('beta');
		const lying = cliAsk('lying-1');
		const {deviceId} = lying;
		await alpha.ask(lying, {answer: {requestId: 'lying-1', device: {deviceId, ...device}}});
		await alpha.ask(cliAsk('waiting-1'));
		await instance.configure();
		await instance.start();
		await instance.untilSandbox('alpha', 'to warn', ({warnings}) => warnings.some(warning => /^alarm: /.test(warning)));
		await instance.untilPolled('alpha', 4);
		expect(await alpha.idsOf('approve')).toEqual(['lying-1']);
		expect(await instance.untilLogged('"error"', '"message":"alarm: ', 'approving lying-1')).toHaveLength(1);
		// Only in that sandbox.
		await beta.ask(cliAsk('cli-1'));
		await instance.untilSandbox('beta', 'to approve', ({approved}) => approved === 1);
		await untilHealth(instance, 'degraded', /alarm/);
		expect(await instance.command(['approve', 'alpha', '--strict'])).toMatchObject({exitCode: 1});
		// Nor by a new worker.
		const {pid} = await instance.untilSandbox('alpha', 'to run', ({state}) => state === 'running');
		process.kill(pid ?? 0, 'SIGKILL');
		await instance.untilSandbox('alpha', 'to have another worker', ({restarts, healthy}) => restarts === 1 && healthy);
		await instance.untilPolled('alpha', 3);
		expect(await alpha.idsOf('approve')).toEqual(['lying-1']);

		expect(await instance.command(['reload'])).toMatchObject({exitCode: 0});
		await instance.untilSandbox('alpha', 'to approve', ({lastApproval}) => lastApproval?.requestId === 'waiting-1');
		await instance.untilSandbox('alpha', 'to warn no more', ({warnings}) => warnings.length === 0);
	});

	test.for([
		['nothing at all', ''],
		['no device', '{"ok":true}'],
		['a device without id and scopes', '{"requestId":"cli-1","device":{}}'],
		['no JSON', 'Approved.'],
	] as const)('that says %s is none', async ([, text], {instance}) => {
		const alpha = await instance.sandbox('alpha');
		await alpha.once('approve', `approve >/dev/null; printf '%s\\n' '${text}'`);
		await alpha.ask(cliAsk('cli-1'));
		await alpha.ask(cliAsk('cli-2'));
		await instance.configure();
		await instance.start();
		const {warnings} = await instance.untilSandbox('alpha', 'to approve both', ({approved}) => approved === 2);
		expect(warnings).toEqual([]);
	});

	test('that names what the device had before as well is none', async ({instance}) => {
		const alpha = await instance.sandbox('alpha');
		const asks = cliAsk('cli-1', {scopes: ['operator.write']});
		await alpha.pair({...asks, scopes: ['operator.pairing', 'operator.talk']});
		const scopes = ['operator.pairing', 'operator.talk', 'operator.write'];
		await alpha.ask(asks, {answer: {requestId: 'cli-1', device: {deviceId: asks.deviceId, scopes}}});
		await instance.configure();
		await instance.start();
		const {warnings} = await instance.untilSandbox('alpha', 'to approve', ({approved}) => approved === 1);
		expect(warnings).toEqual([]);
	});
});

test.concurrent('a sandbox may have a narrower policy than the others', async ({instance}) => {
	for (const name of ['narrow', 'usual']) await (await instance.sandbox(name)).ask(cliAsk('cli-1'));
	await instance.configure({}, {narrow: {policy: {scopes: ['operator.read']}}});
	await instance.start();
	await instance.untilSandbox('usual', 'to approve', ({approved}) => approved === 1);
	await instance.untilSandbox('narrow', 'to refuse', ({refused}) => refused === 1);
	expect(await (await instance.sandbox('narrow')).calls('approve')).toEqual([]);
});

test.concurrent('with firstPairing: deny only a paired device, with the same key, may gain scopes', async ({
	instance,
}) => {
	const alpha = await instance.sandbox('alpha');
	const known = cliAsk('known-1');
	await alpha.pair({...known, scopes: ['operator.pairing']});
	await alpha.ask(known);
	await alpha.ask(cliAsk('new-1'));
	const stolen = cliAsk('stolen-1');
	await alpha.pair({...stolen, publicKey: 'the key of its owner', scopes: ['operator.pairing']});
	await alpha.ask(stolen);
	await instance.configure({policy: {firstPairing: 'deny'}});
	await instance.start();
	await instance.untilSandbox('alpha', 'to settle all', ({approved, refused}) => approved === 1 && refused === 2);
	expect(await alpha.idsOf('approve')).toEqual(['known-1']);
	expect(await instance.untilLogged('"refused"', 'first-pairing')).toHaveLength(2);
});
