import {readFileSync} from 'node:fs';
import {readFile, writeFile} from 'node:fs/promises';
import {dirname, join} from 'node:path';
import {expect} from 'vitest';
import {commandLineOf} from '../support/instance.ts';
import type {Frame, ScriptedGateway} from '../support/scripted-gateway.ts';
import {cliAsk, strangerAsk} from '../support/scripted-openclaw.ts';
import {until} from '../support/until.ts';
import {test, throughGateway, tokenFile} from './sandboxes.ts';

/** By where each is planted: the words that are looked for. */
const planted = {
	file: 'planted-in-a-token-file-1',
	command: 'planted-in-a-token-command-2',
	environment: 'planted-in-our-environment-3',
	sandbox: 'planted-in-env-of-a-sandbox-4',
} as const;

/** A token of these words, and of what JSON has to escape. */
function tokenOf(words: string): string {
	return `${words}"\\x`;
}

/** The same JSON, with each character of these words spelled by its number. */
function spelledOut(json: string, words: string): string {
	const numbers = Array.from(words, character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
	return json.replaceAll(words, numbers.join(''));
}

test('tokens are in no command line, no file, no word to anybody, and in the environment of those processes alone that need them', async ({
	instance,
	startGateway,
}) => {
	const listOf = ({pending, paired}: ScriptedGateway, {id}: Frame) =>
		spelledOut(JSON.stringify({type: 'res', id, ok: true, payload: {pending, paired}}), planted.command);
	const [byFile, byCommand] = [await startGateway(), await startGateway()];
	byFile.token = tokenOf(planted.file);
	byCommand.token = tokenOf(planted.command);
	for (const gateway of [byFile, byCommand]) {
		// Whoever knows a token may say it wherever there is room for words.
		gateway.script = {
			request: (connection, frame) =>
				frame.method === 'device.pair.list'
					? connection.sendRaw(listOf(gateway, frame))
					: connection.refuse(frame, `not with ${gateway.token}, says ${gateway.token}`),
		};
		gateway.ask(cliAsk('cli-1'));
		gateway.ask(strangerAsk('odd-1', {clientId: gateway.token, scopes: [`operator.${gateway.token}`]}));
	}
	const gamma = await instance.sandbox('gamma');
	const repeat = 'cat /proc/$$/environ >"$folder/environ"; echo "refused for $OPENCLAW_GATEWAY_TOKEN" >&2; exit 1';
	await gamma.always('approve', repeat);
	await gamma.ask(cliAsk('cli-1'));
	const odd = strangerAsk('odd-1', {clientId: tokenOf(planted.sandbox)});
	await gamma.listText(spelledOut(JSON.stringify(odd), planted.sandbox));
	await writeFile(instance.path('told'), '');
	const keys = {
		...(await throughGateway(instance, 'alpha', byFile)),
		beta: {
			gateway: {
				url: byCommand.url,
				tokenCommand: ['/bin/cat', await tokenFile(instance, 'beta', byCommand.token)],
			},
		},
		gamma: {
			transport: 'cli',
			env: {OPENCLAW_STATE_DIR: gamma.folder, OPENCLAW_GATEWAY_TOKEN: tokenOf(planted.sandbox)},
		},
	};
	await instance.sandbox('beta');
	// In place of the usual one.
	await tokenFile(instance, 'alpha', byFile.token);
	const notify = ['/bin/sh', '-c', `cat /proc/$$/environ >>${instance.path('told')}; cat >>${instance.path('told')}`];
	await instance.configure({auditFile: instance.path('audit'), notify}, keys);
	const env = {SOME_TOKEN: planted.environment};
	const supervisor = await instance.start({env});

	/** All command lines that were seen, and whose environment holds what. */
	const words = new Set<string>();
	const holders = new Map<string, string>();
	const look = () => {
		for (const [pid, line] of instance.processes()) {
			words.add(line);
			try {
				const environ = readFileSync(`/proc/${pid}/environ`, 'latin1');
				// One that has become another program between the two looks is seen as that the next time.
				if (commandLineOf(pid) !== line) continue;
				for (const token of Object.values(planted)) if (environ.includes(token)) holders.set(`${token} ${line}`, line);
			} catch {
				// It has ended meanwhile.
			}
		}
	};
	await instance.until('all to have failed', ({sandboxes}) => {
		look();
		return Object.values(sandboxes).every(({warnings, refused}) => refused > 0 && /3 tries/.test(warnings.join()));
	});
	await until(
		'all to be told',
		async () => (await readFile(instance.path('told'), 'utf8')).match(/"refused"/g)?.length === 3,
	);
	look();

	const command = (...args: string[]) => instance.command(args);
	const seen = {
		words: [...words],
		status: await readFile(instance.statusFile, 'utf8'),
		state: await readFile(join(dirname(instance.statusFile), '.pairkeeper.state.json'), 'utf8'),
		log: await readFile(instance.logFile, 'utf8'),
		audit: await readFile(instance.path('audit'), 'utf8'),
		told: await readFile(instance.path('told'), 'utf8'),
		commands: await Promise.all([
			command('status'),
			command('status', 'alpha', 'beta', 'gamma'),
			command('pending'),
			command('pending', '--json'),
			command('audit'),
			command('health'),
			command('check'),
			command('approve', 'gamma'),
			command('approve', 'alpha', 'odd-1', '--digest', 'x'),
			command('reject', 'beta', 'odd-1'),
		]),
	};
	for (const [where, text] of Object.entries(seen))
		for (const token of Object.values(planted))
			expect({where, shows: JSON.stringify(text).includes(token)}).toEqual({where, shows: false});
	// It was there to be found.
	expect(seen.log).toContain('[redacted]');
	expect(readFileSync(`${gamma.folder}/environ`, 'latin1')).toContain(planted.sandbox);
	const isAllowed = (held: string, line: string) =>
		(held.startsWith(planted.sandbox) && /openclaw/.test(line)) ||
		(held.startsWith(planted.environment) && line === ourLine);
	const ourLine = commandLineOf(supervisor.pid);
	expect([...holders].filter(([held, line]) => !isAllowed(held, line))).toEqual([]);
});
