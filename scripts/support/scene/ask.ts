// A device that its gateway does not know asks to be let in, and asks again until it is, as a person would: node ask.ts [SECONDS]. It is run where the gateway
// is, whose port and token stand in the environment.
import {setTimeout as sleep} from 'node:timers/promises';
import {Device} from '../../../test/support/device.ts';

const {OPENCLAW_GATEWAY_PORT: port = '18789', OPENCLAW_GATEWAY_TOKEN: token = ''} = process.env;
const patience = Number(process.argv[2] ?? 60) * 1000;
const gateway = {url: `ws://127.0.0.1:${port}`, token};
const ask = {clientName: 'cli', mode: 'cli', scopes: ['operator.read', 'operator.write']} as const;
const device = new Device();
const startedAt = performance.now();
let isRefused = false;
for (;;) {
	const answer = await device.ask(gateway, ask);
	const after = Math.round(performance.now() - startedAt);
	if (answer.kind === 'hello') {
		console.log(`device ${device.id.slice(0, 12)}… is let in after ${after} ms, with ${answer.scopes.join(' ')}`);
		break;
	}
	if (!isRefused) console.log(`refused (${answer.reason}), request ${answer.requestId} waits`);
	isRefused = true;
	if (after > patience) {
		console.error(`still refused after ${after} ms`);
		process.exitCode = 1;
		break;
	}
	await sleep(500);
}
// Else it has shown nothing: whoever is let in at once needed nobody.
if (!isRefused) process.exitCode = 1;
