// What a sandbox of a campaign is, those that are reached by the CLI, and the requests that are made in all of them.
import type {Instance} from '../../test/support/instance.ts';
import {
	type Ask,
	behaviours,
	cliAsk,
	type ScriptedOpenclaw,
	strangerAsk,
} from '../../test/support/scripted-openclaw.ts';
import type {CallFault, GatewayFault, InsideFault, Wish} from './plan.ts';

/** Makes good what lasted for a while. */
export type Undo = () => Promise<void>;

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
	readonly kind: 'calls' | 'gateway' | 'inside';
	readonly isLeftInPeace: boolean;
	/** Keys of the configuration, besides the usual ones. */
	readonly keys: object;
	ask(request: Ask): Promise<void>;
	/** The ids that were granted, each as often as it was. */
	granted(): Promise<readonly string[]>;
	/** The next call goes wrong in this way, where there are calls. */
	spoilCall(command: 'list' | 'approve', how: CallFault): Promise<boolean>;
	/** The gateway goes wrong in this way, until the function that is returned is called; `null` where there is none. */
	spoilGateway(how: GatewayFault): Promise<Undo | null>;
	/** The way into the sandbox goes wrong in this way, until the function that is returned is called; `null` where nothing has to go inside. */
	spoilInside(how: InsideFault): Promise<Undo | null>;
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
	'no-approval': `if [ "$command" = approve ]; then tail -n 1 "$folder/grants/$id"; else answer; fi`,
	'other-ids': `if [ "$command" = approve ]; then echo '{"requestId":"another","device":{"deviceId":"of-somebody-else","scopes":["operator.admin"]}}'; else answer; fi`,
	'many-requests': `if [ "$command" != list ]; then answer; else
	entry='{"requestId":"flood-%d","deviceId":"d-%d","clientId":"stranger","clientMode":"odd"}'
	printf '{"pending":['
	for ((n = 0; n < 1500; n++)); do printf "$entry," $n $n; done
	for each in "$folder"/pending/*; do printf '%s,' "$(<"$each")"; done
	printf "$entry],\\"paired\\":[]}\\n" $n $n
fi`,
};

/** A sandbox that is watched by calls of a scripted `openclaw`; one that is left in peace answers without delay. */
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
		spoilInside: () => Promise.resolve(null),
		recover: () => openclaw.recover('list'),
		end: () => Promise.resolve(),
	};
}

const DEVICE = 'device-of-';

/** The device of a request carries the request's id, so that what was granted can be told apart. */
export function deviceOf(requestId: string): string {
	return `${DEVICE}${requestId}`;
}

/** The id of the request by which this device was paired. */
export function idOf(device: unknown): string {
	const {deviceId} = device as {readonly deviceId: string};
	return deviceId.slice(DEVICE.length);
}

/** The request that a wish is for. */
export function requestFor({wrong}: Wish, requestId: string): Ask {
	const own = {deviceId: deviceOf(requestId), ts: Date.now()};
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
