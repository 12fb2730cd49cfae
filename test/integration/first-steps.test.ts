import {mkdir, readFile, stat} from 'node:fs/promises';
import {expect} from 'vitest';
import {cliAsk} from '../support/scripted-openclaw.ts';
import {standIn} from '../support/stand-in.ts';
import {test} from '../support/with-instance.ts';

test('a first configuration is written of what is found, is never written over, and is fine', async ({instance}) => {
	await standIn(instance, 'nemoclaw', `echo '{"sandboxes": [{"name": "claw", "dashboardPort": null}]}'`);
	await standIn(instance, 'docker', `echo '{"ID": "1", "Names": "my_openclaw", "Image": "openclaw"}'`);
	await standIn(instance, 'podman', 'exit 125');
	await standIn(instance, 'kubectl', 'exit 1');
	const printed = await instance.command(['init']);
	expect(printed).toMatchObject({exitCode: 0});
	expect(printed.stdout).toContain('  - nemoclaw\n');
	expect(printed.stdout).toContain('{name: my-openclaw, exec: [docker, exec, "my_openclaw"]}');

	await mkdir(instance.path('etc'), {mode: 0o700});
	const file = instance.path('etc/config.yaml');
	expect(await instance.plainCommand(['init', '--write', '--config', file])).toMatchObject({exitCode: 0});
	expect(await readFile(file, 'utf8')).toBe(printed.stdout);
	expect((await stat(file)).mode & 0o022).toBe(0);
	expect(await instance.plainCommand(['init', '--write', '--config', file])).toMatchObject({
		exitCode: 1,
		stderr: `${file} is not written: there is something already, and it stays as it is\n`,
	});
	const args = ['check', '--offline', '--config', file, '--status-file', instance.statusFile];
	expect(await instance.plainCommand(args)).toMatchObject({
		exitCode: 0,
		stdout: expect.stringContaining('the configuration is fine (1 sandbox, 1 inventory, '),
	});

	// Where nothing is to be found there is nothing to write.
	for (const name of ['nemoclaw', 'docker']) await standIn(instance, name, 'exit 1');
	expect(await instance.command(['init'])).toMatchObject({exitCode: 1, stdout: ''});
});

test('without a supervisor, check and approve ask the inventories themselves, each for its share', async ({
	instance,
}) => {
	const one = await instance.sandbox('one');
	await standIn(
		instance,
		'inventory',
		`echo '[{"name": "one"}, {"name": "../x; rm -rf /"}, {"name": "off", "state": "stopped"}]'`,
	);
	await standIn(instance, 'enter', `shift; OPENCLAW_STATE_DIR='${one.folder}' exec "$@"`);
	await standIn(instance, 'garbage', 'echo nothing');
	const template = {exec: ['enter', '{name}'], transport: 'cli'};
	await instance.configure({discover: [{command: ['inventory'], template}]}, {one: null});
	const check = await instance.command(['check']);
	expect(check).toMatchObject({exitCode: 0});
	const said = check.stdout.replaceAll(/\s+/g, ' ');
	expect(said).toContain('discover[0] (inventory): 2 sandboxes: one, off; left out: "../x; rm -rf /" is not a name');
	expect(said).toMatch(/one ok cli answers/);
	expect(said).toMatch(/off stopped - the sandbox is stopped, as its inventory says/);

	await one.ask(cliAsk('r-1'));
	expect(await instance.command(['approve', 'one', '--strict'])).toMatchObject({exitCode: 0});
	expect(await instance.command(['approve', 'off', '--strict'])).toMatchObject({
		stderr: 'off: the sandbox is stopped, as its inventory says\n',
	});
	expect(await instance.command(['approve', 'two', '--strict'])).toMatchObject({
		stderr: expect.stringContaining('nor in its inventories (left out: "../x; rm -rf /"'),
	});

	await instance.configure({discover: [{command: ['inventory'], template}, {command: ['garbage']}]}, {one: null});
	// Of two shares exactly one has it.
	const shares = await Promise.all(
		['1/2', '2/2'].map(share => instance.command(['approve', 'one', '--strict'], {env: {PAIRKEEPER_SHARD: share}})),
	);
	expect(shares.map(({exitCode}) => exitCode).toSorted()).toEqual([0, 1]);
	expect(shares.map(({stderr}) => stderr).join('')).toMatch(
		/one: it is another instance's: the share of this one is [12]\/2/,
	);
	expect(await instance.command(['check'])).toMatchObject({
		exitCode: 1,
		stdout: expect.stringContaining('discover[1] (garbage): it cannot be used: its output is not a list'),
	});
});
