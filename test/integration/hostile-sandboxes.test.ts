import {readFile} from 'node:fs/promises';
import {afterAll, beforeAll, describe, expect} from 'vitest';
import {Instance} from '../support/instance.ts';
import {browserAsk, cliAsk, type ScriptedOpenclaw, strangerAsk} from '../support/scripted-openclaw.ts';
import {test} from '../support/with-instance.ts';

/** What would move a terminal's cursor, end a line or change its direction. */
const controls = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/;

describe('in a listing with sound and unsound requests', () => {
	let instance: Instance;
	let alpha: ScriptedOpenclaw;

	const refusals: readonly (readonly [string, unknown, string])[] = [
		['scopes that are numbers', {...cliAsk('scopes-numbers'), scopes: [1, 2]}, 'malformed'],
		['scopes that are text', {...cliAsk('scopes-text'), scopes: 'operator.write'}, 'malformed'],
		['scopes that are null', {...cliAsk('scopes-null'), scopes: null}, 'malformed'],
		['scopes that are an object', {...cliAsk('scopes-object'), scopes: {0: 'operator.read'}}, 'malformed'],
		['scopes within scopes', {...cliAsk('scopes-nested'), scopes: [['operator.read']]}, 'malformed'],
		['roles that are text', {...cliAsk('roles-text'), roles: 'operator'}, 'malformed'],
		['a client id that is a number', {...cliAsk('client-number'), clientId: 7}, 'malformed'],
		['operator.admin', cliAsk('admin', {scopes: ['operator.admin']}), 'disallowed-scope'],
		['operator.admin among others', cliAsk('among', {scopes: ['operator.read', 'operator.admin']}), 'disallowed-scope'],
		['a scope with a blank', cliAsk('blank', {scopes: ['operator.read ']}), 'disallowed-scope'],
		['a wildcard', cliAsk('wildcard', {scopes: ['operator.*']}), 'disallowed-scope'],
		['another role', cliAsk('role', {role: 'node', roles: ['node']}), 'disallowed-role'],
		['an unknown client', strangerAsk('stranger'), 'unknown-client'],
		['null instead of an entry', null, 'malformed'],
		['a number instead of an entry', 5, 'malformed'],
		['text instead of an entry', 'sound', 'malformed'],
		['a list instead of an entry', [cliAsk('in-list')], 'malformed'],
		['an empty entry', {}, 'malformed'],
		['no request id', {...cliAsk('x'), requestId: undefined}, 'malformed'],
		['a request id that is a number', {...cliAsk('x'), requestId: 17}, 'malformed'],
		['an option as request id', {...cliAsk('x'), requestId: '--url=ws://x'}, 'malformed'],
		['a short option as request id', {...cliAsk('x'), requestId: '-h'}, 'malformed'],
		['a blank in the request id', {...cliAsk('x'), requestId: 'sound --url=ws://x'}, 'malformed'],
		['a line break in the request id', {...cliAsk('x'), requestId: 'sound\nsound'}, 'malformed'],
		['a shell command as request id', {...cliAsk('x'), requestId: '$(touch /tmp/owned)'}, 'malformed'],
		['a path as request id', {...cliAsk('x'), requestId: '../../etc/passwd'}, 'malformed'],
		['a request id of 129 characters', {...cliAsk('x'), requestId: 'a'.repeat(129)}, 'malformed'],
	];

	beforeAll(async () => {
		instance = await Instance.create();
		alpha = await instance.sandbox('alpha');
		await alpha.ask(cliAsk('sound-first'));
		for (const [, entry] of refusals) await alpha.listEntry(entry);
		// One id, two different asks: which of them would be approved?
		await alpha.listEntry(cliAsk('twice', {scopes: ['operator.read']}));
		await alpha.listEntry(cliAsk('twice', {scopes: ['operator.read'], deviceId: 'another'}));
		const same = browserAsk('same');
		await alpha.ask(same);
		await alpha.listEntry(same);
		await alpha.ask(cliAsk('sound-last'));
		await instance.configure({maxApprovals: 50, policy: {refusalHold: '10m'}});
		await instance.start();
		await instance.untilSandbox('alpha', 'to settle all', ({approved}) => approved === 3);
		await instance.untilPolled('alpha', 3);
	});
	afterAll(() => instance?.end());

	test('the sound ones are approved, each once', async () => {
		const approved = await alpha.idsOf('approve');
		expect(approved.filter(id => id !== 'same')).toEqual(['sound-first', 'sound-last']);
		expect(approved).toContain('same');
		expect((await instance.status()).totals.approved).toBe(3);
	});

	test.for(refusals)('%s is refused once', async ([, entry, reason]) => {
		const id = (entry as {requestId?: unknown} | null)?.requestId;
		const text = typeof id === 'string' ? id.replace('\n', ' ').slice(0, 40) : '';
		const lines = (await instance.log('"refused"')).filter(line => String(line.requestId).includes(text));
		expect(lines.map(line => line.reason)).toContain(reason);
		if (text !== '' && text !== 'x') expect(lines.length).toBeGreaterThanOrEqual(1);
	});

	test('two different requests under one id are refused both', async () => {
		expect(await instance.untilLogged('"refused"', 'twice', 'malformed')).toHaveLength(1);
	});

	test('every refusal is told once, however often it is polled', async () => {
		expect((await instance.status()).totals.refused).toBe(refusals.length + 1);
	});

	test('no id but that of a sound request ever stands in an argument vector', async () => {
		const vectors = new Set((await alpha.calls()).map(({args}) => args.join(' ')));
		expect([...vectors].sort()).toEqual([
			'devices approve same --json',
			'devices approve sound-first --json',
			'devices approve sound-last --json',
			'devices list --json',
		]);
	});
});

describe('a sandbox whose list', () => {
	let instance: Instance;

	const failures: readonly (readonly [string, string, RegExp])[] = [
		['prints nothing', 'exit 0', /printed nothing/],
		['prints no JSON', "echo 'Gateway target: ws://127.0.0.1:18789'; echo '{oops'", /printed no listing/],
		['prints JSON of another shape', 'echo \'{"ok":true}\'', /printed no listing/],
		['prints a bare list', 'echo "[]"', /printed no listing/],
		['prints pending as text', 'echo \'{"pending":"none","paired":[]}\'', /printed no listing/],
		[
			'nests a hundred thousand deep',
			"printf '{\"pending\":'; head -c 100000 /dev/zero | tr '\\0' '['; echo",
			/printed no listing/,
		],
		['floods its output', 'exec cat /dev/zero', /larger than 4 MiB/],
		['floods its errors', 'cat /dev/zero >&2', /larger than|cut off|exited with/],
		[
			'fails with JSON',
			'echo \'{"ok":false,"error":{"type":"x","message":"gateway closed (1008)"}}\'; exit 1',
			/exited with 1: gateway closed \(1008\)/,
		],
		[
			'fails with colours',
			"printf '\\033[31mError: \\033]0;owned\\007no gateway\\033[0m\\n' >&2; exit 1",
			/exited with 1/,
		],
		['fails without a word', 'exit 3', /exited with 3: no message/],
		['ends by a signal', 'kill -SEGV $$', /exited with a signal/],
	];
	const nameOf = (behaviour: string) => `s${failures.findIndex(([, each]) => each === behaviour)}`;

	beforeAll(async () => {
		instance = await Instance.create();
		for (const [, behaviour] of failures) {
			const sandbox = await instance.sandbox(nameOf(behaviour));
			await sandbox.always('list', behaviour);
			await sandbox.ask(cliAsk('cli-1'));
		}
		const warns = await instance.sandbox('warns');
		await warns.always(
			'list',
			`echo 'Config warnings: x'; echo '{"level":"warn","message":"{ \\"pending\\": []"}'; echo '  { not json'; answer; echo bye`,
		);
		await warns.ask(cliAsk('cli-1'));
		await instance.configure({fastInterval: '500ms', slowInterval: '1s'});
		await instance.start();
	});
	afterAll(() => instance?.end());

	test('stands behind warnings, some of them JSON, is read', async () => {
		await instance.untilSandbox('warns', 'to approve', ({approved}) => approved === 1);
	});

	// Once it answers it has told: there is no second try.
	test.for(failures)(
		'%s is told so, and approves nothing until it answers',
		{retry: 0},
		async ([, behaviour, error]) => {
			const name = nameOf(behaviour);
			const openclaw = await instance.sandbox(name);
			const status = await instance.untilSandbox(name, 'to fail', ({failures: count}) => count > 0);
			expect(status.lastError).toMatch(error);
			expect(status.lastError).not.toMatch(controls);
			expect(status).toMatchObject({approved: 0, restarts: 0, lastListAt: null});
			expect(await openclaw.calls('approve')).toEqual([]);

			await openclaw.recover('list');
			const recovered = await instance.untilSandbox(name, 'to approve', ({approved}) => approved === 1);
			expect(recovered).toMatchObject({restarts: 0});
			await instance.untilSandbox(
				name,
				'to be well',
				({failures: count, lastError}) => count === 0 && lastError === null,
			);
		},
	);
});

describe('control characters in what clients call themselves', () => {
	const evil = '\u001b[2J\u001b]0;owned\u0007\u009b31m\u202eRED\r\nfake: line\u0000';

	test.for(['json', 'pretty'])(
		'never reach a %s log, the status file or a terminal raw',
		async (logFormat, {instance}) => {
			const alpha = await instance.sandbox('alpha');
			await alpha.ask(cliAsk('allowed', {clientId: evil, deviceId: 'device'}));
			await alpha.ask(strangerAsk('refused', {clientId: evil, clientMode: evil, scopes: [evil]}));
			await alpha.listEntry({...strangerAsk('x'), requestId: evil});
			await instance.configure({logFormat});
			await instance.start({env: {FORCE_COLOR: '0'}});
			await instance.untilSandbox('alpha', 'to settle all', ({approved, refused}) => approved === 1 && refused === 2);
			await alpha.always('list', `printf '\\033[31m\\033]0;owned\\007Error: \\302\\233 no gateway\\r\\n' >&2; exit 1`);
			await instance.untilSandbox('alpha', 'to fail', ({lastError}) => lastError !== null);

			const {stdout: table, exitCode} = await instance.command(['status']);
			expect(exitCode).toBe(0);
			expect(table).toContain('RED');
			expect(table).not.toMatch(controls);
			const {stdout: health} = await instance.command(['health']);
			expect(health).not.toMatch(controls);
			const status = await readFile(instance.statusFile, 'utf8');
			expect(status.replaceAll('\t', '')).not.toMatch(controls);
			// Nor hidden behind an escape that a reader would undo.
			expect(JSON.stringify(JSON.parse(status))).not.toMatch(/\\u00[01]|\\[rnt]/);
			const log = await readFile(instance.logFile, 'utf8');
			expect(log).toContain('RED');
			expect(log).not.toMatch(controls);
			expect(log.split('\n').filter(line => line.startsWith('fake'))).toEqual([]);
		},
	);
});
