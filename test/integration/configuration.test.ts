import {existsSync} from 'node:fs';
import {chmod, mkdir, symlink, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {describe, expect} from 'vitest';
import type {Instance} from '../support/instance.ts';
import {browserAsk, cliAsk} from '../support/scripted-openclaw.ts';
import {test} from '../support/with-instance.ts';

const alpha = 'sandboxes:\n  - name: alpha\n';

describe.concurrent('a configuration that is wrong exits 2 and names file, line and key:', () => {
	test.for([
		[
			'an unknown key',
			`slowIntervall: 5s\n${alpha}`,
			1,
			'slowIntervall: is not a key pairkeeper knows here; did you mean slowInterval?',
		],
		['an unknown key in a sandbox', `${alpha}    exce: [x]\n`, 3, 'sandboxes[0].exce: is not a key pairkeeper knows'],
		['an unknown key in the policy', `policy:\n  scope: [x]\n${alpha}`, 2, 'policy.scope: is not a key'],
		['a duration that is none', `${alpha}runTimeout: soon\n`, 3, 'runTimeout: "soon" is not a duration'],
		[
			'a duration with an unknown unit',
			`slowInterval: 5 weeks\n${alpha}`,
			1,
			'slowInterval: "5 weeks" is not a duration',
		],
		['a negative duration', `slowInterval: -5\n${alpha}`, 1, 'slowInterval: -5 is not a duration'],
		['a duration that is a list', `slowInterval: [5]\n${alpha}`, 1, 'slowInterval: a list is not a duration'],
		['a duration of nothing', `slowInterval: 0\n${alpha}`, 1, 'slowInterval: must be between'],
		['a duration longer than a timer', `slowInterval: 25d\n${alpha}`, 1, 'slowInterval: must be between'],
		['a size that is none', `workerMemory: much\n${alpha}`, 1, 'workerMemory: "much" is not a size'],
		[
			'restart delays the wrong way round',
			`restart:\n  minDelay: 2s\n  maxDelay: 1s\n${alpha}`,
			1,
			'restart: minDelay',
		],
		['the same name twice', `${alpha}  - name: alpha\n    exec: [x]\n`, 3, 'sandboxes[1].name: alpha is the name of'],
		[
			'the same target twice',
			'sandboxes:\n  - name: alpha\n    exec: [sh]\n  - name: beta\n    exec: [sh]\n',
			4,
			'sandboxes[1]: beta reaches the same gateway as alpha',
		],
		['a name with capitals', 'sandboxes:\n  - name: Alpha\n', 2, 'sandboxes[0].name: must be 1 to 63 lower-case'],
		['a name with a line break', 'sandboxes:\n  - name: "a\\nb"\n', 2, 'sandboxes[0].name: must be 1 to 63 lower-case'],
		[
			'wider scopes than the default',
			`${alpha}    policy:\n      scopes: [operator.admin]\n`,
			4,
			'scopes: operator.admin is not in',
		],
		[
			'wider roles than the default',
			`${alpha}    policy:\n      roles: [node]\n`,
			4,
			'sandboxes[0].policy.roles: node is not in',
		],
		[
			'a client that the default does not allow',
			`${alpha}    policy:\n      clients:\n        - id: stranger\n`,
			5,
			'sandboxes[0].policy.clients[0]: the default policy does not allow this client',
		],
		[
			'a first pairing that the default denies',
			`policy: {firstPairing: deny}\n${alpha}    policy: {firstPairing: allow}\n`,
			4,
			'firstPairing: allow is wider',
		],
		['an executable as text', `${alpha}    exec: docker exec alpha\n`, 3, 'sandboxes[0].exec: '],
		['a relative path', `statusFile: status.json\n${alpha}`, 1, 'statusFile: must be an absolute path'],
		['a port alone to listen at', `listen: 9464\n${alpha}`, 1, 'listen: must be an IP address and a port'],
		[
			'a secret that would show in the process table',
			`${alpha}    exec: [sh]\n    env: {OPENCLAW_GATEWAY_TOKEN: abc}\n`,
			4,
			'OPENCLAW_GATEWAY_TOKEN: would show',
		],
		['a key twice', `slowInterval: 5s\nslowInterval: 6s\n${alpha}`, 2, 'slowInterval: stands twice'],
		['what is no YAML', 'sandboxes: [\n', 1, 'sandboxes: a [ is opened on this line'],
		['what is no map', '- alpha\n', 1, 'must be a map'],
	] as const)('%s', async ([, text, line, problem], {instance}) => {
		await instance.writeConfig(text);
		const {exitCode, stdout, stderr} = await instance.command(['check', '--offline']);
		expect({exitCode, stdout}).toEqual({exitCode: 2, stdout: ''});
		expect(stderr).toContain(`${instance.configFile}:${line}: `);
		expect(stderr).toContain(problem);
	});

	test('all that is wrong at once, for `run` too, which then starts nothing', async ({instance}) => {
		await instance.writeConfig(`statusFile: ${instance.statusFile}\nrunTimeout: soon\nslowIntervall: 1\n`);
		const {exitCode, stderr} = await instance.command(['run']);
		expect(exitCode).toBe(2);
		expect(stderr.trim().split('\n')).toHaveLength(2);
		expect(stderr).toContain('config.yaml:2: runTimeout');
		expect(stderr).toContain('config.yaml:3: slowIntervall');
		expect(existsSync(instance.statusFile)).toBe(false);
	});
});

describe.concurrent('a configuration file', () => {
	test.for([
		[
			'is writable by others itself',
			async (instance: Instance) => chmod(instance.configFile, 0o666),
			/chmod go-w .*config\.yaml/,
		],
		[
			'is in a directory that others can write',
			async (instance: Instance) => chmod(instance.folder, 0o777),
			/chmod go-w /,
		],
	] as const)('is refused when it %s', async ([, open, remedy], {instance}) => {
		await instance.writeConfig(alpha);
		await open(instance);
		for (const args of [['check', '--offline'], ['run']]) {
			const {exitCode, stderr} = await instance.command(args);
			expect(exitCode).toBe(2);
			expect(stderr).toMatch(remedy);
			expect(stderr).toContain(instance.configFile);
		}
	});

	test('is refused behind a link into a directory that others can write', async ({instance}) => {
		await mkdir(instance.path('open'));
		await writeFile(instance.path('open/real.yaml'), alpha);
		await chmod(instance.path('open'), 0o777);
		await symlink(instance.path('open/real.yaml'), instance.configFile);
		expect(await instance.command(['check', '--offline'])).toMatchObject({
			exitCode: 2,
			stderr: expect.stringMatching(/chmod go-w .*open/),
		});
	});

	test('that is named and is not there exits 2', async ({instance}) => {
		for (const args of [['run'], ['check', '--offline'], ['status']]) {
			const {exitCode, stderr} = await instance.command(args);
			expect(exitCode).toBe(2);
			expect(stderr).toContain(`there is no configuration at ${instance.configFile}`);
		}
	});

	test('may be JSON', async ({instance}) => {
		await instance.writeConfig('{"sandboxes": [{"name": "alpha"}]}');
		expect(await instance.command(['check', '--offline'])).toMatchObject({exitCode: 0});
	});

	test('that --config names goes before one that PAIRKEEPER_CONFIG names', async ({instance}) => {
		await instance.writeConfig(alpha);
		const env = {PAIRKEEPER_CONFIG: instance.path('nowhere.yaml')};
		expect(await instance.command(['check', '--offline'], {env})).toMatchObject({exitCode: 0});
	});
});

describe.concurrent('the environment', () => {
	test.for([
		['NEMOCLAW_AUTO_PAIR_DEADLINE_SECS', 'soon', /must be a number of seconds, not "soon"/],
		['NEMOCLAW_AUTO_PAIR_FAST_DEADLINE_SECS', '10m', /must be a number of seconds/],
		['NEMOCLAW_AUTO_PAIR_SLOW_INTERVAL_SECS', '-1', /must be a number of seconds/],
		['NEMOCLAW_AUTO_PAIR_SLOW_INTERVAL_SECS', '0', /must be between/],
		['NEMOCLAW_AUTO_PAIR_RUN_TIMEOUT_SECS', '1e3', /must be a number of seconds/],
		['NEMOCLAW_AUTO_PAIR_FAST_REENTRY_INTERVAL_SECS', ' 1', /must be a number of seconds/],
		['NEMOCLAW_AUTO_PAIR_FAST_REENTRY_POLLS', '2.5', /must be a whole number/],
	] as const)('with %s=%j exits 2 and names the variable', async ([name, value, problem], {instance}) => {
		await instance.sandbox('alpha');
		await instance.configure();
		const {exitCode, stderr} = await instance.command(['check', '--offline'], {env: {[name]: value}});
		expect(exitCode).toBe(2);
		expect(stderr).toContain(name);
		expect(stderr).toMatch(problem);
	});

	test('overrides the file, an empty variable does not', async ({instance}) => {
		const openclaw = await instance.sandbox('alpha');
		await openclaw.pair(browserAsk('paired'));
		await openclaw.ask(cliAsk('cli-1'));
		await instance.configure({openclaw: '/nowhere/openclaw', fastReentryPolls: 0, fastDeadline: '10m'});
		await instance.start({
			env: {
				NEMOCLAW_AUTO_PAIR_DEADLINE_SECS: '7200.5',
				NEMOCLAW_AUTO_PAIR_FAST_DEADLINE_SECS: '',
				NEMOCLAW_AUTO_PAIR_SLOW_INTERVAL_SECS: '0.45',
				OPENCLAW_BIN: instance.path('bin/openclaw'),
			},
		});
		const {sandboxes, supervisor} = await instance.until(
			'alpha to converge',
			({sandboxes: all}) => all.alpha?.mode === 'slow',
		);
		expect(sandboxes.alpha).toMatchObject({interval: 0.45, approved: 1});
		expect(Date.parse(supervisor.deadlineAt ?? '') - Date.parse(supervisor.startedAt)).toBeGreaterThan(7_199_000);
		expect(Date.parse(supervisor.deadlineAt ?? '') - Date.parse(supervisor.startedAt)).toBeLessThan(7_202_000);
	});
});

describe.concurrent('without --config', () => {
	const hostsOwn = '/etc/pairkeeper/config.yaml';

	test.skipIf(existsSync(hostsOwn))('the working directory is not searched', async ({instance}) => {
		for (const name of ['config.yaml', 'pairkeeper.yaml']) await writeFile(join(instance.folder, name), alpha);
		const {exitCode, stderr} = await instance.plainCommand(['check', '--offline'], {cwd: instance.folder});
		expect(exitCode).toBe(2);
		expect(stderr).toContain(hostsOwn);
		expect(stderr).not.toContain(instance.folder);
	});

	test('PAIRKEEPER_CONFIG names it', async ({instance}) => {
		await instance.writeConfig(alpha);
		const env = {PAIRKEEPER_CONFIG: instance.configFile};
		expect(await instance.plainCommand(['check', '--offline'], {env})).toMatchObject({exitCode: 0});
	});
});

test.concurrent('deadline: never must be said, and is then kept', async ({instance}) => {
	await instance.sandbox('alpha');
	await instance.configure({deadline: 'never'});
	await instance.start();
	expect((await instance.status()).supervisor.deadlineAt).toBeNull();
});
