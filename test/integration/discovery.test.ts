import {writeFile} from 'node:fs/promises';
import {expect} from 'vitest';
import type {Status} from '../../supervisor/status/schema.ts';
import type {Instance} from '../support/instance.ts';
import {cliAsk} from '../support/scripted-openclaw.ts';
import {callsOf, standIn} from '../support/stand-in.ts';
import {until} from '../support/until.ts';
import {test} from '../support/with-instance.ts';

/** Bash that runs the remaining words where the sandbox `name` is. */
const inside = (instance: Instance) => `OPENCLAW_STATE_DIR='${instance.folder}'/sandbox-$name exec "$@"`;

const running = ({sandboxes}: Status, ...names: readonly string[]) =>
	names.every(name => sandboxes[name]?.state === 'running' && sandboxes[name].healthy);

test('inventories of all kinds are watched side by side: what appears is approved for, what vanishes is let go, what is odd is told', async ({
	instance,
}) => {
	for (const name of ['claw', 'cell', 'claw-0', 'one', 'late']) await instance.sandbox(name);
	// What each tool lists stands in a file of the test.
	const list = (name: string, value: unknown) => writeFile(instance.path(`${name}.json`), JSON.stringify(value));
	const print = (name: string) => `cat '${instance.path(`${name}.json`)}'`;
	await list('nemoclaw', {schemaVersion: 1, sandboxes: [{name: 'claw', agent: null, dashboardPort: null}]});
	await list('fleet', {cells: [{tenant: 'cell', state: 'running', port: 19100, created: '2026-11-01T00:00:00.000Z'}]});
	const pod = (name: string, uid: string) => ({
		metadata: {name, uid, namespace: 'tenants'},
		spec: {containers: [{name: 'openclaw'}]},
		status: {phase: 'Running'},
	});
	await list('kubectl', {items: [pod('claw-0', 'u1')]});
	await list('inventory', [{name: 'one'}, {name: '../x; rm -rf /'}]);
	await standIn(instance, 'nemoclaw', `[ "$1" = list ] && ${print('nemoclaw')}`);
	await standIn(instance, 'openshell', `name=$4; shift 5; ${inside(instance)}`);
	await standIn(
		instance,
		'docker',
		`shift; [ "$1" = -i ] && shift; name=\${1#openclaw-cell-}; shift; ${inside(instance)}`,
	);
	await standIn(
		instance,
		'kubectl',
		`if [ "$1" = get ]; then ${print('kubectl')}; exit; fi\nshift; [ "$1" = -i ] && shift; name=$3; shift 6; ${inside(instance)}`,
	);
	await standIn(instance, 'inventory', print('inventory'));
	await standIn(instance, 'enter', `name=$1; shift; ${inside(instance)}`);
	await standIn(instance, 'garbage', 'echo "no sandboxes today"');
	await standIn(instance, 'hanging', "trap '' TERM; sleep 1000 & exec sleep 1000");
	// The host's own `openclaw` is asked for its fleet.
	await standIn(
		instance,
		'fleet',
		`case "$*" in "fleet list --json") ${print('fleet')} ;; "fleet status"*) echo '{"runtime": "docker"}' ;; esac`,
	);
	const every = '2s';
	const config = {
		openclaw: instance.path('bin/fleet'),
		runTimeout: '5s',
		fastInterval: '1s',
		slowInterval: '1s',
		// Relays would be none of the scripted sandboxes'.
		defaults: {transport: 'cli'},
		discover: [
			'nemoclaw',
			'openclaw-fleet',
			{kubernetes: {selector: 'app=openclaw', namespaces: ['tenants'], container: 'openclaw', every}},
			{command: ['inventory', '--json'], every, template: {exec: ['enter', '{name}']}},
			{command: ['garbage', '--all'], every},
			{command: ['hanging'], every},
		],
	};
	await instance.configure(
		config,
		Object.fromEntries(['claw', 'cell', 'claw-0', 'one', 'late'].map(name => [name, null])),
	);
	await instance.start();

	const {supervisor} = await instance.until('all to be watched, and the odd to be told', status => {
		const told = status.supervisor.warnings.join('\n');
		return (
			running(status, 'claw', 'cell', 'claw-0', 'one') &&
			['"../x; rm -rf /" is not a name', 'garbage', 'no answer within 5 s'].every(text => told.includes(text))
		);
	});
	expect(supervisor.discovery?.map(({inventory, sandboxes}) => [inventory, sandboxes])).toEqual([
		['discover[0] (nemoclaw)', 1],
		['discover[1] (openclaw-fleet)', 1],
		['discover[2] (kubernetes, namespace tenants)', 1],
		['discover[3] (inventory --json)', 1],
		['discover[4] (garbage --all)', 0],
		['discover[5] (hanging)', 0],
	]);
	expect((await callsOf(instance, 'nemoclaw'))[0]).toBe('list --json');
	expect((await callsOf(instance, 'fleet'))[0]).toBe('fleet list --json');
	const kubectl = await callsOf(instance, 'kubectl');
	expect(kubectl[0]).toBe('get pods -n tenants -l app=openclaw -o json');
	expect(kubectl).toContainEqual(
		expect.stringMatching(/^exec (-i )?-n tenants claw-0 -c openclaw -- .*openclaw devices list --json$/),
	);
	expect(await callsOf(instance, 'docker')).toContainEqual(
		expect.stringMatching(/^exec (-i )?openclaw-cell-cell .*openclaw devices list --json$/),
	);
	expect(await callsOf(instance, 'openshell')).toContainEqual(
		expect.stringMatching(/^sandbox exec --name claw -- .*openclaw devices list --json$/),
	);

	// One appears, and is approved for.
	await list('inventory', [{name: 'one'}, {name: 'late'}, {name: '../x; rm -rf /'}]);
	const late = await instance.sandbox('late');
	await late.ask(cliAsk('r-late'));
	await instance.until('the newcomer to be approved for', ({sandboxes}) => sandboxes.late?.approved === 1);

	// A reload with the same inventories keeps the workers; a new pod under the old name is another sandbox.
	const pids = ({sandboxes}: Status) => ['claw', 'cell', 'one', 'late'].map(name => sandboxes[name]?.pid);
	const workers = pids(await instance.status());
	const {pid} = await instance.statusOf('claw-0');
	await list('kubectl', {items: [pod('claw-0', 'u2')]});
	expect(await instance.command(['reload'])).toMatchObject({exitCode: 0});
	await instance.until('a new worker for the new pod', ({sandboxes}) => {
		const fresh = sandboxes['claw-0'];
		return fresh?.state === 'running' && fresh.pid !== pid;
	});
	expect(pids(await instance.status())).toEqual(workers);

	// One stops, and is idle; one vanishes; all others stay while their inventory is not to be had.
	await list('fleet', {cells: [{tenant: 'cell', state: 'exited', port: 19100, created: '2026-11-01T00:00:00.000Z'}]});
	await list('inventory', [{name: 'late'}]);
	await writeFile(instance.path('nemoclaw.json'), 'gone');
	expect(await instance.command(['reload'])).toMatchObject({exitCode: 0});
	const after = await instance.until(
		'what is stopped to be idle, and what is gone to be let go',
		({sandboxes}) => sandboxes.cell?.state === 'idle' && sandboxes.one === undefined,
	);
	expect([after.sandboxes.claw?.pid, after.sandboxes.late?.pid]).toEqual([workers[0], workers[3]]);
	expect(await instance.command(['approve', 'cell', '--strict'])).toMatchObject({
		exitCode: 1,
		stderr: expect.stringContaining('the sandbox is stopped, as its inventory says'),
	});
	// Told once, however often they are asked.
	await until('both to be asked several times', async () => (await callsOf(instance, 'garbage')).length > 3);
	expect(await instance.log('an inventory cannot be used', 'garbage')).toHaveLength(1);
	expect(await instance.log('cannot be used', '../x; rm -rf /')).toHaveLength(1);

	await instance.stop();
	await instance.untilNothingRuns();
});
