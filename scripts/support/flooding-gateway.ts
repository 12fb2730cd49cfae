// A gateway in a process of its own that floods whoever listens, while it is told to: `start events`, `start log-lines`, `start memory` or `stop`, a line
// each on its standard input. Says its port first.
import {createInterface} from 'node:readline';
import {type Script, ScriptedGateway} from '../../test/support/scripted-gateway.ts';
import {strangerAsk} from '../../test/support/scripted-openclaw.ts';

/** So many events in one write, so many requests in one list. */
const EVENTS = 200;
const REQUESTS = 256;

/** A list of about 4 MiB, which is what a client takes at most, of the smallest things there are. */
const NESTED = `[${'[[]],'.repeat(800_000)}[]]`;

const gateway = await ScriptedGateway.start();
let isFlooding = false;
let count = 0;

const event = () =>
	JSON.stringify({type: 'event', event: 'device.pair.requested', payload: strangerAsk(`event-${count++}`)});

/** As much as its clients take: not more than they read, or it would be our own memory that grows. */
async function flood(send: (client: (typeof gateway.clients)[number]) => Promise<void>): Promise<void> {
	while (isFlooding) {
		await Promise.all(gateway.clients.map(send));
		await new Promise(resolve => setImmediate(resolve));
	}
}

const strangers = () => Array.from({length: REQUESTS}, () => strangerAsk(`stranger-${count++}`));

/** Every list has other requests, each of which is refused, and each refusal is told. */
const newRequests: Script = {
	request: (connection, frame) =>
		frame.method === 'device.pair.list'
			? connection.answer(frame, {pending: strangers(), paired: []})
			: gateway.serve(connection, frame),
};

/** A list that costs as much memory as can be had for its bytes. */
const largeLists: Script = {
	request: (connection, {id}) =>
		void connection.sendRaw(`{"type":"res","id":"${id}","ok":true,"payload":{"pending":${NESTED},"paired":[]}}`),
};

function start(how: string): void {
	isFlooding = true;
	if (how === 'events') void flood(client => client.sendMany(event(), EVENTS));
	else {
		gateway.script = how === 'memory' ? largeLists : newRequests;
		void flood(async client => {
			client.announce('device.pair.requested', strangerAsk(`event-${count++}`));
			await new Promise(resolve => setTimeout(resolve, 5));
		});
	}
}

console.log(gateway.port);
for await (const line of createInterface({input: process.stdin})) {
	const [what, how = ''] = line.split(' ');
	isFlooding = false;
	gateway.script = {};
	if (what === 'start') start(how);
}
await gateway[Symbol.asyncDispose]();
process.exit(0);
