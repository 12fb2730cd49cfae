import {readFileSync, statSync} from 'node:fs';
import {chmod} from 'node:fs/promises';
import {describe, expect} from 'vitest';
import type {PendingRequest} from '../../supervisor/control/pending.ts';
import type {Instance} from '../support/instance.ts';
import {type Ask, browserAsk, cliAsk, type ScriptedOpenclaw} from '../support/scripted-openclaw.ts';
import {until} from '../support/until.ts';
import {test} from '../support/with-instance.ts';

/** A browser's ask for more than the policy gives. */
const adminAsk = (id: string, more: Partial<Ask> = {}) =>
	browserAsk(id, {scopes: ['operator.read', 'operator.admin'], ...more});

/** Nothing is rejected while a test runs. */
const patient = {policy: {refusalHold: '1h'}};

async function pendingOf(instance: Instance): Promise<PendingRequest[]> {
	const {exitCode, stdout} = await instance.command(['pending', '--json']);
	return exitCode === 0 ? JSON.parse(stdout) : [];
}

/** The one request that waits, as soon as it does. */
function untilHeld(instance: Instance, id: string): Promise<PendingRequest> {
	return until(`${id} to wait for a person`, async () =>
		(await pendingOf(instance)).find(({requestId}) => requestId === id),
	);
}

async function holding(instance: Instance, keys: object = {}): Promise<ScriptedOpenclaw> {
	const alpha = await instance.sandbox('alpha');
	await alpha.ask(adminAsk('web-1'));
	await instance.configure({...patient, ...keys});
	await instance.start();
	return alpha;
}

describe.concurrent('a request that the policy refuses', () => {
	test('is shown by `pending`, and approved when a person says so, by the digest of what was shown', async ({
		instance,
	}) => {
		const alpha = await holding(instance, {auditFile: instance.path('audit.jsonl')});
		const entry = await untilHeld(instance, 'web-1');
		expect(entry).toMatchObject({
			sandbox: 'alpha',
			clientId: 'openclaw-control-ui',
			clientMode: 'webchat',
			scopes: ['operator.read', 'operator.admin'],
			reason: 'disallowed-scope',
			rejectAt: expect.stringMatching(/^\d{4}-/),
		});
		const table = await instance.command(['pending']);
		expect(table.stdout).toMatch(/alpha +web-1 +openclaw-control-ui \/ webchat .*disallowed-scope .*rejected in/);

		const unnamed = await instance.command(['approve', 'alpha', 'web-1']);
		expect(unnamed).toMatchObject({exitCode: 2, stderr: expect.stringMatching(/--digest/)});
		const other = await instance.command(['approve', 'alpha', 'web-1', '--digest', 'another']);
		expect(other).toMatchObject({exitCode: 1, stderr: expect.stringMatching(/another one by now/)});
		expect(await alpha.calls('approve')).toEqual([]);

		const args = ['approve', 'alpha', 'web-1', '--digest', entry.digest, '--timeout', '60s'];
		const approved = await instance.command(args);
		expect(approved).toMatchObject({
			exitCode: 0,
			stdout: expect.stringMatching(/gives .*operator\.admin[\s\S]*approved/),
		});
		expect(await alpha.settled('approved')).toEqual(['web-1']);
		await until('nothing to wait', async () => (await pendingOf(instance)).length === 0);
		await until('the outcome', () => readFileSync(instance.path('audit.jsonl'), 'utf8').includes('"done"'));
		const lines = readFileSync(instance.path('audit.jsonl'), 'utf8')
			.trim()
			.split('\n')
			.map(line => JSON.parse(line));
		expect(lines.filter(({action}) => action === 'approve')).toMatchObject([
			{phase: 'intent', by: 'person', reason: 'disallowed-scope', requestId: 'web-1'},
			{phase: 'outcome', by: 'person', result: 'done', requestId: 'web-1'},
		]);
	});

	test('is not approved when it has become another one since it was shown', async ({instance}) => {
		const alpha = await holding(instance, {fastInterval: '10m', slowInterval: '10m'});
		const {digest} = await untilHeld(instance, 'web-1');
		// The list that the decision makes shows the same id with more scopes.
		const wider = JSON.stringify(adminAsk('web-1', {scopes: ['operator.admin', 'operator.approvals']}));
		await alpha.always('list', `printf '{"pending":[%s],"paired":[]}\\n' '${wider}'`);
		const result = await instance.command(['approve', 'alpha', 'web-1', '--digest', digest, '--timeout', '60s']);
		expect(result).toMatchObject({exitCode: 1, stderr: expect.stringMatching(/another one by now/)});
		expect(await alpha.calls('approve')).toEqual([]);
	});

	test('is asked about on a terminal, where anything but yes approves nothing', async ({instance}) => {
		const alpha = await holding(instance);
		await untilHeld(instance, 'web-1');
		const onTerminal = (answer: string) =>
			instance.command(['approve', 'alpha', 'web-1', '--timeout', '60s'], {}, [
				...['bash', '-c', `printf '${answer}' | script -qec "$*" /dev/null`, 'bash'],
			]);
		expect(await onTerminal('no\\n')).toMatchObject({
			exitCode: 1,
			stdout: expect.stringMatching(/nothing is approved/),
		});
		expect(await alpha.calls('approve')).toEqual([]);
		expect(await onTerminal('yes\\n')).toMatchObject({
			exitCode: 0,
			stdout: expect.stringMatching(/gives .*admin[\s\S]*approved/),
		});
		expect(await alpha.settled('approved')).toEqual(['web-1']);
	});

	test('is rejected when a person says so', async ({instance}) => {
		const alpha = await holding(instance);
		await untilHeld(instance, 'web-1');
		expect(await instance.command(['reject', 'alpha', 'web-1', '--timeout', '60s'])).toMatchObject({
			exitCode: 0,
			stdout: expect.stringMatching(/rejected/),
		});
		expect(await alpha.settled('rejected')).toEqual(['web-1']);
		expect(await instance.command(['reject', 'alpha', 'web-1'])).toMatchObject({exitCode: 1});
		expect(await instance.command(['reject', 'omega', 'web-1'])).toMatchObject({
			exitCode: 1,
			stderr: expect.stringMatching(/no sandbox is called omega/),
		});
		expect(await instance.command(['reject', 'alpha', '--', '--all'])).toMatchObject({exitCode: 2});
	});
});

describe.concurrent('while nothing runs', () => {
	test('`pending` exits 3, `approve` needs a digest and holds by it, `reject` is done', async ({instance}) => {
		const alpha = await holding(instance);
		const {digest} = await untilHeld(instance, 'web-1');
		await alpha.ask(adminAsk('web-2'));
		await untilHeld(instance, 'web-2');
		await instance.stop();
		expect(await instance.command(['pending'])).toMatchObject({exitCode: 3});
		const approve = (...more: string[]) => instance.command(['approve', 'alpha', 'web-1', '--timeout', '60s', ...more]);
		expect(await approve()).toMatchObject({exitCode: 2});
		expect(await approve('--digest', 'another')).toMatchObject({exitCode: 1});
		expect(await approve('--digest', digest)).toMatchObject({exitCode: 0});
		expect(await alpha.settled('approved')).toEqual(['web-1']);
		expect(await instance.command(['reject', 'alpha', 'web-2', '--timeout', '60s'])).toMatchObject({exitCode: 0});
		expect(await alpha.settled('rejected')).toEqual(['web-2']);
		expect(instance.processes()).toEqual(new Map());
	});
});

/** A user who is nobody, but for a group: `nogroup` is there on every Debian. */
const asMember = ['setpriv', '--reuid=65534', '--regid=12345', '--groups=65534', '--'];
const asStranger = ['setpriv', '--reuid=65533', '--regid=12345', '--clear-groups', '--'];

describe.concurrent('the members of controlGroup', () => {
	test.skipIf(process.getuid?.() !== 0)(
		'may ask for passes, kicks, reloads and what waits, and decide nothing',
		async ({instance}) => {
			const alpha = await holding(instance, {controlGroup: 'nogroup'});
			const {digest} = await untilHeld(instance, 'web-1');
			await chmod(instance.folder, 0o755);
			await chmod(instance.configFile, 0o644);
			const mode = (name: string) => statSync(instance.path(name)).mode & 0o777;
			expect([mode('control.sock'), mode('group.sock')]).toEqual([0o600, 0o660]);
			const member = (...args: string[]) => instance.command(args, {}, asMember);
			expect(await member('kick')).toMatchObject({exitCode: 0});
			expect(await member('approve', 'alpha', '--strict', '--timeout', '60s')).toMatchObject({exitCode: 0});
			expect((await member('pending')).stdout).toMatch(/web-1/);
			for (const args of [
				['approve', 'alpha', 'web-1', '--digest', digest],
				['reject', 'alpha', 'web-1'],
			])
				expect(await member(...args)).toMatchObject({exitCode: 1, stderr: expect.stringMatching(/no permission/)});
			expect(await instance.command(['pending'], {}, asStranger)).toMatchObject({
				exitCode: 1,
				stderr: expect.stringMatching(/no permission/),
			});

			// An alarm is cleared by its owner's reload alone.
			await alpha.ask(cliAsk('cli-1'), {answer: {requestId: 'cli-1', device: {deviceId: 'another', scopes: []}}});
			await instance.untilSandbox('alpha', 'to be alarmed', ({warnings}) => warnings.some(text => /alarm/.test(text)));
			expect(await member('reload')).toMatchObject({exitCode: 0});
			await instance.untilPolled('alpha');
			expect((await instance.statusOf('alpha')).warnings).toContainEqual(expect.stringMatching(/alarm/));
			expect(await instance.command(['reload'])).toMatchObject({exitCode: 0});
			await instance.untilSandbox('alpha', 'to be at ease', ({warnings}) =>
				warnings.every(text => !/alarm/.test(text)),
			);

			await instance.configure(patient);
			await chmod(instance.configFile, 0o644);
			expect(await instance.command(['reload'])).toMatchObject({exitCode: 0});
			expect(await member('kick')).toMatchObject({exitCode: 1, stderr: expect.stringMatching(/no permission/)});
		},
	);
});
