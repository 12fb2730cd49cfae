// Many scripted gateways in one process of their own, forked by gateway-farm.ts, so that what they cost is not counted as pairkeeper's, and what they
// measure is what a gateway sees. Times are milliseconds of the machine's monotonic clock, the same in all processes.
import {randomBytes} from 'node:crypto';
import {type Connection, type Frame, ScriptedGateway} from '../../test/support/scripted-gateway.ts';
import type {Ask} from '../../test/support/scripted-openclaw.ts';
import type {FarmAnswer, FarmQuestion, FarmRequest, GatewayAddress} from './gateway-farm.ts';
import {monotonic} from './monotonic.ts';

/** A port that somebody has taken while its gateway was shut is free again in a moment: so often it is tried, so many milliseconds apart. */
const OPEN_TRIES = 100;
const OPEN_GAP = 50;

/** One gateway with one device, which asks for more again and again. */
class Member {
	readonly gateway: ScriptedGateway;
	/** How many connections had come in when it was last told to forget. */
	acceptedBefore = 0;
	/** Resolves with the time at which its list was first asked for since then. */
	#listed = Promise.withResolvers<number>();
	readonly #device = {deviceId: randomBytes(32).toString('hex'), publicKey: randomBytes(32).toString('base64url')};
	/** What is called with the id of a request that is approved. */
	readonly #awaited = new Map<unknown, () => void>();
	#refused: Ask | null = null;
	#asked = 0;

	constructor(gateway: ScriptedGateway) {
		this.gateway = gateway;
		gateway.token = randomBytes(16).toString('hex');
		gateway.paired = [this.#entry(['operator.pairing'])];
		gateway.script = {request: (connection, frame) => this.#serve(connection, frame)};
	}

	get address(): GatewayAddress {
		const {port, url, token} = this.gateway;
		return {port, url, token};
	}

	get listed(): Promise<number> {
		return this.#listed.promise;
	}

	forget(): void {
		this.#listed = Promise.withResolvers();
		this.acceptedBefore = this.gateway.accepted;
	}

	/** Milliseconds from the announcement of a request to the answer that it is approved; refused ones are never approved, and not waited for. */
	ask(isAllowed: boolean): Promise<number> {
		const id = `r${++this.#asked}`;
		const scopes = isAllowed ? ['operator.pairing', 'operator.read'] : ['operator.admin'];
		const request: Ask = {
			...this.#entry(scopes),
			requestId: id,
			role: 'operator',
			roles: ['operator'],
			isRepair: false,
			ts: Date.now(),
		};
		if (!isAllowed) this.#replaceRefused(request);
		const since = monotonic();
		const approved = new Promise<number>(done => {
			if (isAllowed) this.#awaited.set(id, () => done(monotonic() - since));
			else done(0);
		});
		this.gateway.ask(request);
		return approved;
	}

	async open(): Promise<void> {
		for (let tries = OPEN_TRIES; ; tries--) {
			try {
				return await this.gateway.open();
			} catch (error) {
				if (tries === 0) throw error;
				await new Promise(next => setTimeout(next, OPEN_GAP));
			}
		}
	}

	#serve(connection: Connection, frame: Frame): void {
		this.gateway.serve(connection, frame);
		if (frame.method === 'device.pair.list') this.#listed.resolve(monotonic());
		if (frame.method === 'device.pair.approve') {
			// One entry, whatever it was approved for: a list costs the same at the end as at the beginning.
			this.gateway.paired = this.gateway.paired.slice(0, 1);
			this.#awaited.get(frame.params.requestId)?.();
			this.#awaited.delete(frame.params.requestId);
		}
		this.gateway.requests.length = 0;
		this.gateway.connects.length = 0;
	}

	/** Who was refused before has given up: a list does not grow. */
	#replaceRefused(request: Ask): void {
		this.gateway.pending = this.gateway.pending.filter(entry => entry !== this.#refused);
		this.#refused = request;
	}

	#entry(scopes: readonly string[]) {
		return {...this.#device, clientId: 'cli', clientMode: 'cli', scopes};
	}
}

const members: Member[] = [];

process.on('message', ({id, question}: FarmRequest) => {
	answer(question).then(
		value => process.send?.({id, value} satisfies FarmAnswer),
		(error: unknown) => process.send?.({id, error: String(error)} satisfies FarmAnswer),
	);
});
process.on('disconnect', () => process.exit());

async function answer(question: FarmQuestion): Promise<unknown> {
	switch (question.kind) {
		case 'start':
			for (let index = 0; index < question.count; index++) members.push(new Member(await ScriptedGateway.start()));
			return members.map(({address}) => address);
		case 'forget':
			for (const member of chosen(question.which)) member.forget();
			return null;
		case 'listed':
			return Math.max(...(await Promise.all(chosen(question.which).map(({listed}) => listed))));
		case 'accepted':
			return members.map(({gateway, acceptedBefore}) => gateway.accepted - acceptedBefore);
		case 'ask':
			return Promise.all(chosen(question.which).map(member => member.ask(question.isAllowed)));
		case 'shut':
			await Promise.all(members.map(({gateway}) => gateway.shut()));
			return null;
		case 'open': {
			for (const member of members) member.forget();
			const at = monotonic();
			await Promise.all(members.map(member => member.open()));
			return at;
		}
		default:
			return question satisfies never;
	}
}

function chosen(which: readonly number[] | 'all'): readonly Member[] {
	return which === 'all' ? members : which.flatMap(index => members[index] ?? []);
}
