#!/usr/bin/env node
// An `openclaw` that costs what a call of the real one costs, 1.2 s of CPU time and 250 MB of memory, and knows one sandbox with one pending request.
// Its state directory holds `calls.log`, `request.json` while the request is pending, `hangs` where no call is ever answered, and `slow` where each is
// answered after 9.9 s.
import {appendFileSync, existsSync, readFileSync, rmSync} from 'node:fs';
import {join} from 'node:path';

const cpuMicroseconds = 1_200_000;
const memoryBytes = 250e6;
const pageBytes = 4096;
const slowMs = 9900;

const folder = process.env.OPENCLAW_STATE_DIR ?? '.';
const requestFile = join(folder, 'request.json');
const [, kind = '', ...rest] = process.argv.slice(2);

note('begin');
const memory = new Uint8Array(Math.max(memoryBytes - process.memoryUsage.rss(), pageBytes));
// The real one too spends its time before it asks the gateway: it loads its modules.
spendCpu();
if (existsSync(join(folder, 'hangs'))) setInterval(() => {}, 2 ** 30);
else if (existsSync(join(folder, 'slow'))) setTimeout(answer, slowMs - process.uptime() * 1000);
else answer();

function note(what: 'begin' | 'end'): void {
	appendFileSync(join(folder, 'calls.log'), `${process.pid} ${kind} ${what} ${process.hrtime.bigint() / 1_000_000n}\n`);
}

/** CPU time of this process, the start of Node included, whatever the wall clock says; every page is touched again and again. */
function spendCpu(): void {
	for (let page = 0; ; page = (page + pageBytes) % memory.length) {
		memory[page] = (memory[page] ?? 0) + 1;
		if (page % (64 * pageBytes) !== 0) continue;
		const {user, system} = process.cpuUsage();
		if (user + system >= cpuMicroseconds) return;
	}
}

function answer(): void {
	const pending = existsSync(requestFile) ? [JSON.parse(readFileSync(requestFile, 'utf8'))] : [];
	const {deviceId = 'd', requestId = null, scopes = []} = pending[0] ?? {};
	if (kind === 'approve' && rest[0] !== requestId) {
		process.stderr.write('unknown requestId\n');
		process.exitCode = 1;
	} else if (kind === 'approve') {
		rmSync(requestFile);
		process.stdout.write(`${JSON.stringify({requestId, device: {deviceId, scopes}})}\n`);
	} else {
		const paired = [{deviceId, clientId: 'cli', clientMode: 'cli', scopes: ['operator.pairing']}];
		process.stdout.write(`${JSON.stringify({pending, paired})}\n`);
	}
	note('end');
}
