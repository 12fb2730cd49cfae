import {existsSync} from 'node:fs';
import {chmod, mkdir, readFile, symlink, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {describe, expect} from 'vitest';
import {RELAY_PROGRAM, RELAY_SCRIPT} from '../../worker/transport/gateway/relay-script.ts';
import type {Instance} from '../support/instance.ts';
import {type ScriptedGateway, scriptedToken} from '../support/scripted-gateway.ts';
import {cliAsk} from '../support/scripted-openclaw.ts';
import {until} from '../support/until.ts';
import {never, test, tokenFile, untilUndisturbed} from './sandboxes.ts';

/** What stands before every call into the sandbox, and records the words of it. */
async function recordingPrefix(instance: Instance): Promise<string> {
	const file = instance.path('bin/inside');
	const script = ['#!/bin/bash', `printf '%s\\x1f' "$@" >>'${instance.path('words')}'`, 'exec "$@"', ''];
	await writeFile(file, script.join('\n'));
	await chmod(file, 0o755);
	return file;
}

/** The keys of a sandbox behind such a prefix, whose own configuration names this gateway. */
async function inside(
	instance: Instance,
	name: string,
	gateway: {readonly port: number} | null,
	{own = {}, ...keys}: {readonly own?: object; readonly [key: string]: unknown} = {},
): Promise<Record<string, object>> {
	const {folder} = await instance.sandbox(name);
	if (gateway !== null) {
		const settings = {port: gateway.port, auth: {mode: 'token', token: scriptedToken}, ...own};
		await writeFile(join(folder, 'openclaw.json'), JSON.stringify({gateway: settings}), {mode: 0o600});
	}
	const prefix = await recordingPrefix(instance);
	return {[name]: {exec: [prefix], env: {OPENCLAW_STATE_DIR: folder}, ...keys}};
}

const isInside = ({transport, route}: {readonly transport: string; readonly route: string | null}) =>
	transport === 'gateway' && route === 'inside';

/** The relays of an instance that live, by pid. */
function relays(instance: Instance): number[] {
	return [...instance.processes()].filter(([, words]) => words.includes('pairkeeper: 1')).map(([pid]) => pid);
}

async function untilInside(instance: Instance, name = 'alpha') {
	return instance.untilSandbox(name, 'to be connected from inside', isInside);
}

/** A sandbox whose relay is this script of a shell, which gets the relay's arguments. */
async function fakeRelay(instance: Instance, body: string, name = 'relay'): Promise<string[]> {
	const file = instance.path(`bin/${name}`);
	await writeFile(file, `#!/bin/bash\n${body}\n`);
	await chmod(file, 0o755);
	return [file];
}

describe.concurrent('a sandbox with nothing but exec', () => {
	test('is reached from inside, without being asked for, and without a call of the CLI', async ({
		instance,
		startGateway,
	}) => {
		const gateway = await startGateway();
		await instance.configure(never, await inside(instance, 'alpha', gateway));
		const run = await instance.start();
		await untilInside(instance);
		gateway.ask(cliAsk('cli-1'));
		const {transportReason} = await instance.untilSandbox('alpha', 'to approve', ({approved}) => approved === 1);
		expect(transportReason).toBeNull();
		expect(await (await instance.sandbox('alpha')).calls()).toEqual([]);
		expect(await instance.untilLogged('"transport: gateway"', '"route":"inside"')).toHaveLength(1);
		expect(relays(instance)).toHaveLength(1);
		run.kill('SIGTERM');
		await run.ended;
		await instance.untilNothingRuns();
	});

	test('shows its token nowhere: not in words, environments, the log, the status or what commands print', async ({
		instance,
		startGateway,
	}) => {
		const gateway = await startGateway();
		await instance.configure(never, await inside(instance, 'alpha', gateway));
		await instance.start();
		await untilInside(instance);
		for (const client of gateway.clients) client.close(1008, `${scriptedToken} is over`);
		await untilInside(instance);
		const environments = await Promise.all(
			[...instance.processes().keys()].map(pid => readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '')),
		);
		const seen = {
			words: [...instance.processes().values(), await readFile(instance.path('words'), 'utf8')],
			environments,
			log: await instance.log(),
			status: await instance.status(),
			check: await instance.command(['check']),
		};
		expect(seen.check.stdout).toMatch(/alpha +ok +gateway \(inside\) +answers/);
		expect(JSON.stringify(seen)).not.toContain(scriptedToken);
	});

	test('gets a constant script, and all else as words that no shell looks into', async ({instance, startGateway}) => {
		const gateway = await startGateway();
		const {folder} = await instance.sandbox('alpha');
		const owned = instance.path('owned');
		const PLAIN = `$(touch ${owned}) "x" 'y'; touch ${owned}`;
		const envFile = instance.path('$(touch owned).sh');
		await writeFile(envFile, `[ "$1" != x ] || touch ${owned}\n`);
		const env = {OPENCLAW_STATE_DIR: folder, PLAIN};
		await instance.configure(never, await inside(instance, 'alpha', gateway, {env, envFile}));
		await instance.start();
		await untilInside(instance);
		const words = (await readFile(instance.path('words'), 'utf8')).split('\u001f');
		expect(words.slice(0, 6)).toEqual(['sh', '-c', RELAY_SCRIPT, 'pairkeeper', envFile, RELAY_PROGRAM]);
		expect(words).toContain(`PLAIN=${PLAIN}`);
		expect(existsSync(owned)).toBe(false);
	});

	test('is left to the CLI without a gateway, and comes back to the gateway when there is one', async ({
		instance,
		startGateway,
	}) => {
		const gateway = await startGateway();
		await gateway.shut();
		const alpha = await instance.sandbox('alpha');
		await alpha.ask(cliAsk('cli-1'));
		await instance.configure({runTimeout: '2s'}, await inside(instance, 'alpha', gateway));
		await instance.start();
		await instance.untilSandbox('alpha', 'to approve by the CLI', ({approved}) => approved === 1);
		const {transportReason, route} = await instance.untilSandbox('alpha', 'to say why', s =>
			/no gateway listens/.test(s.transportReason ?? ''),
		);
		expect(route).toBeNull();
		expect(transportReason).toContain(`ECONNREFUSED at port ${gateway.port}`);
		await gateway.open();
		await untilInside(instance);
	});

	test('follows a gateway that comes back with another port and token', async ({instance, startGateway}) => {
		const [first, second] = [await startGateway(), await startGateway()];
		second.token = 'another-token-of-the-tests';
		await instance.configure(never, await inside(instance, 'alpha', first));
		await instance.start();
		await untilInside(instance);
		const auth = {mode: 'token', token: second.token};
		await inside(instance, 'alpha', second, {own: {auth}});
		await first.shut();
		await until('the other to be used', () => second.greeted > 0);
		await untilInside(instance);
	});

	test('comes back after its relay was killed', async ({instance, startGateway}) => {
		const gateway = await startGateway();
		await instance.configure(never, await inside(instance, 'alpha', gateway));
		await instance.start();
		await untilInside(instance);
		const [relay = 0] = relays(instance);
		process.kill(relay, 'SIGKILL');
		await until('another relay', () => relays(instance).some(pid => pid !== relay));
		await untilInside(instance);
		expect((await instance.statusOf('alpha')).restarts).toBe(0);
	});

	test('has no relay left when its worker or the supervisor is killed', async ({instance, startGateway}) => {
		const gateway = await startGateway();
		await instance.configure(never, await inside(instance, 'alpha', gateway));
		const run = await instance.start();
		const {pid} = await untilInside(instance);
		const [relay = 0] = relays(instance);
		process.kill(pid ?? 0, 'SIGKILL');
		await until('the end of the relay', () => !relays(instance).includes(relay));
		await untilInside(instance);
		run.kill('SIGKILL');
		await instance.untilNothingRuns();
	});
});

describe.concurrent('the token of a sandbox', () => {
	test.for([
		['a variable', {token: '$' + '{OWN_TOKEN}'}, {OWN_TOKEN_FILE: '1'}],
		['a reference to the environment', {token: {source: 'env', provider: 'default', id: 'OWN_TOKEN'}}, {}],
	] as const)('may be %s, which envFile sets', async ([, auth], {instance, startGateway}) => {
		const gateway = await startGateway();
		const envFile = instance.path('environment.sh');
		await writeFile(envFile, `echo noise; cat; export OWN_TOKEN='${scriptedToken}'\n`);
		await instance.configure(never, await inside(instance, 'alpha', gateway, {own: {auth}, envFile}));
		await instance.start();
		await untilInside(instance);
	});

	test('may hold quotes and what a shell would run', async ({instance, startGateway}) => {
		const gateway = await startGateway();
		gateway.token = `"quoted'$(touch\${IFS}/x)\`id\`;&|`;
		const auth = {mode: 'token', token: gateway.token};
		// As a literal it would be taken for a variable, so it comes from the environment.
		const envFile = instance.path('environment.sh');
		await writeFile(envFile, `OPENCLAW_GATEWAY_TOKEN=${quoted(auth.token)}; export OPENCLAW_GATEWAY_TOKEN\n`);
		await instance.configure(never, await inside(instance, 'alpha', gateway, {envFile}));
		await instance.start();
		await untilInside(instance);
	});

	test.for([
		['with a space in it', {auth: {token: 'a token with spaces'}}, /not one of 16 to 4096 printable/],
		['that is short', {auth: {token: 'short'}}, /not one of 16 to 4096 printable/],
		['that is nowhere', {auth: {}}, /names no token.*gateway: \{port, tokenFile\}/],
		['in a store', {auth: {token: {source: 'exec', id: 'x'}}}, /left to the CLI.*reference to a secret/],
		['for a password', {auth: {mode: 'password', password: 'x'}}, /left to the CLI.*gateway\.auth\.mode: password/],
		['of another host', {mode: 'remote'}, /left to the CLI.*mode: remote/],
		['over TLS', {tls: {enabled: true}}, /left to the CLI.*gateway\.tls/],
	] as const)('%s leaves it to the CLI, and the status says why', async ([, own, reason], {instance, startGateway}) => {
		const gateway = await startGateway();
		await instance.configure({}, await inside(instance, 'alpha', gateway, {own}));
		await instance.start();
		await instance.untilSandbox('alpha', 'to say why', s => reason.test(s.transportReason ?? ''));
		await until('the relay to end', () => relays(instance).length === 0);
	});

	test('that is configured goes to the port that is configured', async ({instance, startGateway}) => {
		const gateway = await startGateway();
		const keys = {gateway: {port: gateway.port, tokenFile: await tokenFile(instance, 'alpha')}};
		await instance.configure(never, await inside(instance, 'alpha', null, keys));
		await instance.start();
		await untilInside(instance);
	});
});

describe.concurrent('what an inside does that is', () => {
	const header = (gateway: ScriptedGateway) => `{"pairkeeper":1,"port":${gateway.port},"token":"${scriptedToken}"}`;
	test.for([
		['a header without end', () => "head -c 1000000000 /dev/zero | tr '\\0' x", /not the header of our relay/],
		['a header without end that begins well', () => `printf '{"pairkeeper":1,"x":"'; yes x`, /more than its header/],
		['nothing, and an end', () => 'exit 3', /could not be started \(exit 3\)/],
		['a complaint', () => 'echo "no such container" >&2; exit 1', /exit 1\): no such container/],
		['silence', () => 'exec sleep 1000', /said nothing within 5 s/],
		['garbage', () => 'echo garbage; exec sleep 1000', /not the header of our relay/],
		['a greeting before the header', g => `echo welcome; echo '${header(g)}'; exec sleep 1000`, /not the header/],
		['two headers at once', g => `h='${header(g)}'; printf '%s\\n%s\\n' "$h" "$h"; exec sleep 1000`, /more than its/],
		[
			'two headers',
			g => `h='${header(g)}'; echo "$h"; sleep 0.3; echo "$h"; exec sleep 1000`,
			/Parse Error|Expected HTTP/,
		],
		// Whether it is the reading or the writing that first meets the end.
		['a header, and an end', g => `echo '${header(g)}'`, /hang up|closed|EPIPE/],
		['a header, and silence', g => `echo '${header(g)}'; exec sleep 1000`, /no answer within 5 s/],
		[
			'a port that is none',
			() => `echo '{"pairkeeper":1,"port":"; ls","token":"0123456789abcdef"}'; cat`,
			/names no port/,
		],
		[
			'an error that we do not know',
			() => `echo '{"pairkeeper":1,"error":"__proto__","detail":7}'; cat`,
			/the relay failed/,
		],
		['a command that joins its words', () => 'echo "Warning: Permanently added" >&2; exec sh -c "$*"', /as ssh does/],
		['a command that joins its words for bash', () => 'exec bash -c "$*"', /as ssh does/],
		[
			'deaf to its end',
			g => `trap '' TERM HUP INT; echo '${header(g)}'; while :; do sleep 1; done`,
			/no answer within 5 s/,
		],
	] satisfies [string, (gateway: ScriptedGateway) => string, RegExp][])(
		'%s is given up for the CLI, and the status says why',
		async ([, body, reason], {instance, startGateway}) => {
			const gateway = await startGateway();
			const alpha = await instance.sandbox('alpha');
			await alpha.ask(cliAsk('cli-1'));
			const execInput = await fakeRelay(instance, body(gateway));
			await instance.configure({runTimeout: '5s'}, await inside(instance, 'alpha', gateway, {execInput}));
			const run = await instance.start();
			await instance.untilSandbox(
				'alpha',
				'to approve by the CLI, and to say why',
				s => s.approved === 1 && s.transport === 'cli' && reason.test(s.transportReason ?? ''),
			);
			const {restarts, transportReason} = await instance.statusOf('alpha');
			expect(restarts).toBe(0);
			expect(JSON.stringify(transportReason)).not.toContain(scriptedToken);
			run.kill('SIGTERM');
			expect(await run.ended).toEqual({code: 0, signal: null});
			await instance.untilNothingRuns();
		},
	);
});

test.concurrent('hostile insides do not disturb another sandbox, whatever they do', async ({
	instance,
	startGateway,
}) => {
	const header = `echo '{"pairkeeper":1,"port":1,"token":"${scriptedToken}"}'`;
	const bodies = {
		endless: "head -c 1000000000 /dev/zero | tr '\\0' x",
		chatty: `${header}; exec yes`,
		deaf: `trap '' TERM HUP INT; ${header}; while :; do sleep 1; done`,
		silent: 'exec sleep 1000',
		garbled: 'exec head -c 100000000 /dev/urandom',
	};
	const liar = await startGateway();
	liar.script = {
		request: (connection, frame) => {
			const device = {deviceId: 'somebody-else', scopes: ['operator.admin']};
			if (frame.method === 'device.pair.approve') connection.answer(frame, {requestId: frame.params.requestId, device});
			else liar.serve(connection, frame);
		},
	};
	const honest = await startGateway();
	let keys = {...(await inside(instance, 'liar', liar)), ...(await inside(instance, 'honest', honest))};
	for (const [name, body] of Object.entries(bodies)) {
		const execInput = await fakeRelay(instance, body, name);
		keys = {...keys, ...(await inside(instance, name, null, {execInput}))};
	}
	await instance.configure({runTimeout: '5s'}, keys);
	const run = await instance.start();
	await untilInside(instance, 'honest');
	await untilInside(instance, 'liar');
	liar.ask(cliAsk('cli-0'));
	await instance.untilSandbox('liar', 'to be stopped', ({warnings}) => /somebody-else|alarm/.test(warnings.join()));
	for (const name of Object.keys(bodies))
		await instance.untilSandbox(
			name,
			'to say why',
			s => s.healthy && /relay|Parse Error|Expected HTTP|no answer/.test(s.transportReason ?? ''),
		);
	honest.ask(cliAsk('cli-1'));
	await instance.untilSandbox('honest', 'to approve', ({approved}) => approved === 1);
	const {sandboxes} = await instance.status();
	expect(Object.values(sandboxes).map(({restarts}) => restarts)).toEqual(Object.keys(sandboxes).map(() => 0));
	await untilUndisturbed(instance, 'honest');
	run.kill('SIGTERM');
	expect(await run.ended).toEqual({code: 0, signal: null});
	await instance.untilNothingRuns();
});

describe.concurrent('the prefix of', () => {
	test.for([
		['docker', 'exec alpha', 'exec -i alpha'],
		['podman', 'exec --user me alpha', 'exec -i --user me alpha'],
		['kubectl', '-n claw exec pod/alpha -c main --', '-n claw exec -i pod/alpha -c main --'],
		['oc', 'exec alpha --', 'exec -i alpha --'],
		['openshell', 'sandbox exec --name alpha --', 'sandbox exec --name alpha --'],
		['docker', 'compose exec -T alpha', 'compose exec -T alpha'],
	] as const)('%s %s leads inside, as %s', async ([program, exec, told], {instance, startGateway}) => {
		// Input is handed on to who has asked for it, or always.
		const isAlways = exec === told;
		const body = `printf '%s\\x1f' "$@" >>'${instance.path('words')}'
input=${isAlways ? 'yes' : ''}
while [ "$1" != sh ]; do [ "$1" != -i ] || input=yes; shift; done
if [ -z "$input" ]; then exec </dev/null; fi
exec "$@"`;
		const [file = ''] = await fakeRelay(instance, body, program);
		const gateway = await startGateway();
		const prefix = [file, ...exec.split(' ')];
		await instance.configure(never, await inside(instance, 'alpha', gateway, {exec: prefix}));
		await instance.start();
		await untilInside(instance);
		gateway.ask(cliAsk('cli-1'));
		await instance.untilSandbox('alpha', 'to approve', ({approved}) => approved === 1);
		const vector = (await readFile(instance.path('words'), 'utf8')).split('\u001f');
		expect(vector.join(' ').startsWith(`${told} sh -c ${RELAY_SCRIPT} pairkeeper `)).toBe(true);
	});
});

test.concurrent('a sandbox without node costs one relay, and the status says so', async ({instance, startGateway}) => {
	const gateway = await startGateway();
	// A sandbox whose PATH has a shell and the scripted openclaw, and no node.
	await mkdir(instance.path('without-node'));
	for (const tool of ['sh', 'env', 'cat', 'timeout', 'dirname', 'readlink', 'cut', 'bash', 'mv', 'rm', 'mkdir', 'ls'])
		await symlink(`/usr/bin/${tool}`, instance.path(`without-node/${tool}`));
	await symlink(instance.path('bin/openclaw'), instance.path('without-node/openclaw'));
	const {folder} = await instance.sandbox('alpha');
	const env = {OPENCLAW_STATE_DIR: folder, PATH: instance.path('without-node')};
	await instance.configure({}, await inside(instance, 'alpha', gateway, {env}));
	await instance.start();
	const reason = /there is no node in the sandbox/;
	await instance.untilSandbox('alpha', 'to say why', s => reason.test(s.transportReason ?? ''));
	await instance.untilPolled('alpha', 8);
	const words = (await readFile(instance.path('words'), 'utf8')).split('\u001f');
	expect(words.filter(word => word.includes('pairkeeper: 1'))).toHaveLength(1);
	await instance.untilSandbox('alpha', 'to be healthy', ({healthy}) => healthy);
});

/** A word for a shell. */
function quoted(word: string): string {
	return `'${word.replaceAll("'", `'\\''`)}'`;
}
