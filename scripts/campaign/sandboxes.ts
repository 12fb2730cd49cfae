// The sandboxes of a campaign, half of them reached by the CLI and half by a gateway's socket, and the account of what was asked in each.
import {rm, writeFile} from 'node:fs/promises';
import type {Instance} from '../../test/support/instance.ts';
import {ScriptedGateway, scriptedToken} from '../../test/support/scripted-gateway.ts';
import {
	type Ask,
	behaviours,
	cliAsk,
	type ScriptedOpenclaw,
	strangerAsk,
} from '../../test/support/scripted-openclaw.ts';
import type {CallFault, GatewayFault, Wish} from './plan.ts';

/** What was asked for, and became of it. */
export interface Asked {
	readonly sandbox: string;
	readonly requestId: string;
	readonly isRight: boolean;
	readonly at: number;
}

/** A sandbox under attack; the first of each kind is left in peace, to see what the others do to it. */
export interface TriedSandbox {
	readonly name: string;
	/** How it is reached. */
	readonly kind: 'calls' | 'gateway';
	readonly isLeftInPeace: boolean;
	/** Keys of the configuration, besides the usual ones. */
	readonly keys: object;
	ask(request: Ask): Promise<void>;
	/** The ids that were granted, each as often as it was. */
	granted(): Promise<readonly string[]>;
	/** The next call goes wrong in this way, where there are calls. */
	spoilCall(command: 'list' | 'approve', how: CallFault): Promise<boolean>;
	/** The gateway goes wrong in this way, until the function that is returned is called; `null` where there is none. */
	spoilGateway(how: GatewayFault): Promise<(() => Promise<void>) | null>;
	/** It does what it should again. */
	recover(): Promise<void>;
	end(): Promise<void>;
}

const callFaults: Readonly<Record<CallFault, string>> = {
	hang: behaviours.hang,
	'hang-with-children': behaviours.hangWithChildren,
	flood: 'yes | head -c 6000000',
	// These end with exit code 0, as if an approve had approved.
	'half-json': `printf '{"pending":[{"requestId":"r'`,
	garbage: 'head -c 4096 /dev/urandom',
	exit: behaviours.exit7,
	'leave-child': 'setsid sleep 1000 & answer',
	late: 'sleep 1; answer',
	'grant-and-hang': "answer; trap '' TERM; exec sleep 1000",
};

export async function byCalls(instance: Instance, name: string, isLeftInPeace: boolean): Promise<TriedSandbox> {
	const openclaw: ScriptedOpenclaw = await instance.sandbox(name);
	// Long enough to be hit.
	if (!isLeftInPeace) await openclaw.always('list', behaviours.slow);
	return {
		name,
		kind: 'calls',
		isLeftInPeace,
		keys: {},
		ask: request => openclaw.ask(request),
		granted: () => openclaw.settled('approved'),
		spoilCall: async (command, how) => {
			await openclaw.once(command, callFaults[how]);
			return true;
		},
		spoilGateway: () => Promise.resolve(null),
		recover: () => openclaw.recover('list'),
		end: () => Promise.resolve(),
	};
}

export async function byGateway(instance: Instance, name: string, isLeftInPeace: boolean): Promise<TriedSandbox> {
	await instance.sandbox(name);
	const gateway = await ScriptedGateway.start();
	const tokenFile = instance.path(`${name}.token`);
	await writeFile(tokenFile, `${scriptedToken}\n`, {mode: 0o600});
	let isShut = false;
	const recover = async () => {
		gateway.script = {};
		if (isShut) await gateway.open();
		isShut = false;
	};
	return {
		name,
		kind: 'gateway',
		isLeftInPeace,
		keys: {transport: 'gateway', gateway: {url: gateway.url, tokenFile}},
		ask: request => Promise.resolve(gateway.ask(request)),
		granted: async () => gateway.paired.map(device => idOf(device)),
		spoilCall: () => Promise.resolve(false),
		spoilGateway: async how => {
			switch (how) {
				case 'drop':
					for (const client of gateway.clients) client.drop();
					break;
				case 'restart':
					isShut = true;
					await gateway.shut();
					break;
				case 'silent':
					gateway.script = {request: () => {}};
					break;
				case 'empty-list':
					gateway.script = {
						request: (connection, frame) =>
							frame.method === 'device.pair.list'
								? connection.answer(frame, {pending: [], paired: []})
								: gateway.serve(connection, frame),
					};
					break;
				case 'not-json':
					gateway.script = {request: connection => void connection.sendRaw('{"type":"res","id":')};
					break;
				case 'refuse':
					gateway.script = {request: (connection, frame) => connection.refuse(frame, 'not now')};
					break;
			}
			return recover;
		},
		recover,
		end: async () => {
			await gateway[Symbol.asyncDispose]();
			await rm(tokenFile, {force: true});
		},
	};
}

/** The device of a request carries the request's id, so that what was granted can be told apart. */
function idOf(device: unknown): string {
	const {deviceId} = device as {readonly deviceId: string};
	return deviceId.slice(DEVICE.length);
}

const DEVICE = 'device-of-';

/** The request that a wish is for. */
export function requestFor({wrong}: Wish, requestId: string): Ask {
	const own = {deviceId: `${DEVICE}${requestId}`, ts: Date.now()};
	switch (wrong) {
		case null:
			return cliAsk(requestId, own);
		case 'stranger':
			return strangerAsk(requestId, own);
		case 'admin':
			return cliAsk(requestId, {...own, scopes: ['operator.read', 'operator.admin']});
		case 'node-role':
			return cliAsk(requestId, {...own, role: 'node', roles: ['node']});
		case 'odd-scope':
			return cliAsk(requestId, {...own, scopes: ['operator.approvals']});
		case 'no-client':
			return cliAsk(requestId, {...own, clientId: '', clientMode: ''});
	}
}
