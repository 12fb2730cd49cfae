// The sandboxes of a campaign that are reached by a gateway's socket, from the host or from inside, and what goes wrong with those.
import {chmod, rm, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import type {Instance} from '../../test/support/instance.ts';
import {type Script, ScriptedGateway, scriptedToken} from '../../test/support/scripted-gateway.ts';
import {strangerAsk} from '../../test/support/scripted-openclaw.ts';
import type {GatewayFault, InsideFault} from './plan.ts';
import {deviceOf, idOf, type TriedSandbox, type Undo} from './sandboxes.ts';

/** So many requests are listed, and so many events sent, by a gateway that floods. */
const FLOOD = 1500;

/** A frame that nobody need take, in bytes. */
const LARGE = 64 * 2 ** 20;

/** A sandbox whose gateway has a port of this host. */
export async function byGateway(instance: Instance, name: string, isLeftInPeace: boolean): Promise<TriedSandbox> {
	await instance.sandbox(name);
	const gateway = await TriedGateway.start();
	const tokenFile = instance.path(`${name}.token`);
	await writeFile(tokenFile, `${scriptedToken}\n`, {mode: 0o600});
	return {
		...gateway.asSandbox,
		name,
		kind: 'gateway',
		isLeftInPeace,
		keys: {transport: 'gateway', gateway: {url: gateway.scripted.url, tokenFile}},
		spoilInside: () => Promise.resolve(null),
	};
}

/** A sandbox whose gateway is found from inside, by a relay behind `exec`. */
export async function byInside(instance: Instance, name: string, isLeftInPeace: boolean): Promise<TriedSandbox> {
	const {folder} = await instance.sandbox(name);
	const gateway = await TriedGateway.start();
	const {port} = gateway.scripted;
	const settings = {port, auth: {mode: 'token', token: scriptedToken}};
	await writeFile(join(folder, 'openclaw.json'), JSON.stringify({gateway: settings}), {mode: 0o600});
	const way = instance.path(`bin/into-${name}`);
	const spoilt = join(folder, 'spoilt');
	await writeFile(way, `#!/bin/bash\n[ ! -e '${spoilt}' ] || . '${spoilt}'\nexec "$@"\n`);
	await chmod(way, 0o755);
	return {
		...gateway.asSandbox,
		name,
		kind: 'inside',
		isLeftInPeace,
		keys: {transport: 'gateway', exec: [way], env: {OPENCLAW_STATE_DIR: folder}},
		spoilInside: async how => {
			await writeFile(spoilt, insideFaults(port)[how], {mode: 0o600});
			gateway.drop();
			return () => rm(spoilt, {force: true});
		},
		recover: async () => {
			await rm(spoilt, {force: true});
			await gateway.recover();
		},
	};
}

/** What a shell does that is to enter the sandbox. */
function insideFaults(port: number): Readonly<Record<InsideFault, string>> {
	const header = (change: object) => JSON.stringify({pairkeeper: 1, port, token: scriptedToken, ...change});
	return {
		silent: 'exec sleep 1000',
		garbage: 'exec head -c 100000 /dev/urandom',
		chatty: `echo '${header({})}'; exec yes`,
		'other-port': `echo '${header({port: 1})}'; exec cat`,
		'other-token': `echo '${header({token: 'not-the-token-of-it'})}'; exec sleep 1000`,
		'no-way': 'exit 7',
		gone: `echo '${header({})}'; exit 0`,
	};
}

class TriedGateway {
	readonly scripted: ScriptedGateway;
	#isShut = false;

	private constructor(scripted: ScriptedGateway) {
		this.scripted = scripted;
	}

	static async start(): Promise<TriedGateway> {
		return new TriedGateway(await ScriptedGateway.start());
	}

	get asSandbox(): Omit<TriedSandbox, 'name' | 'kind' | 'isLeftInPeace' | 'keys' | 'spoilInside'> {
		return {
			ask: request => Promise.resolve(this.scripted.ask(request)),
			granted: async () => this.scripted.paired.map(device => idOf(device)),
			spoilCall: () => Promise.resolve(false),
			spoilGateway: how => this.#spoil(how),
			recover: () => this.recover(),
			end: () => this.scripted[Symbol.asyncDispose](),
		};
	}

	drop(): void {
		for (const client of this.scripted.clients) client.drop();
	}

	async recover(): Promise<void> {
		this.scripted.script = {};
		if (this.#isShut) await this.scripted.open();
		this.#isShut = false;
	}

	async #spoil(how: GatewayFault): Promise<Undo> {
		const {scripted} = this;
		switch (how) {
			case 'drop':
				this.drop();
				break;
			case 'restart':
				this.#isShut = true;
				await scripted.shut();
				break;
			case 'many-events':
				for (const client of scripted.clients) void client.sendMany(announcement(), FLOOD);
				break;
			case 'large-frame':
				for (const client of scripted.clients) client.beginFrame(LARGE);
				break;
			default:
				scripted.script = scriptFor(how, scripted);
		}
		return () => this.recover();
	}
}

function scriptFor(
	how: Exclude<GatewayFault, 'drop' | 'restart' | 'many-events' | 'large-frame'>,
	gateway: ScriptedGateway,
): Script {
	switch (how) {
		case 'silent':
			return {request: () => {}};
		case 'not-json':
			return {request: connection => void connection.sendRaw('{"type":"res","id":')};
		case 'refuse':
			return {request: (connection, frame) => connection.refuse(frame, 'not now')};
		case 'empty-list':
			return insteadOf('device.pair.list', gateway, () => ({pending: [], paired: []}));
		case 'many-requests':
			return insteadOf('device.pair.list', gateway, () => ({
				pending: [...gateway.pending, ...strangers()],
				paired: [],
			}));
		case 'no-approval':
			return insteadOf('device.pair.approve', gateway, requestId => ({
				requestId,
				device: {deviceId: deviceOf(requestId), scopes: ['operator.read', 'operator.write']},
			}));
		case 'other-ids':
			return insteadOf('device.pair.approve', gateway, () => ({
				requestId: 'another',
				device: {deviceId: 'of-somebody-else', scopes: ['operator.admin']},
			}));
	}
}

/** A gateway that says this of one method, and does nothing of it. */
function insteadOf(method: string, gateway: ScriptedGateway, answer: (requestId: string) => object): Script {
	return {
		request: (connection, frame) =>
			frame.method === method
				? connection.answer(frame, answer(String(frame.params.requestId)))
				: gateway.serve(connection, frame),
	};
}

function strangers(): object[] {
	return Array.from({length: FLOOD}, (_, index) => strangerAsk(`flood-${index}`));
}

function announcement(): string {
	return JSON.stringify({type: 'event', event: 'device.pair.requested', payload: strangerAsk('flood')});
}
