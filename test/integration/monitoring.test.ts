import {existsSync, readFileSync, statSync} from 'node:fs';
import {mkdir} from 'node:fs/promises';
import http from 'node:http';
import {describe, expect} from 'vitest';
import {untilHealth} from '../support/health.ts';
import {seriesValue} from '../support/metrics.ts';
import {behaviours, cliAsk, strangerAsk} from '../support/scripted-openclaw.ts';
import {until} from '../support/until.ts';
import {test} from '../support/with-instance.ts';

/** What is answered at a Unix socket. */
function get(socketPath: string, url: string): Promise<string> {
	return new Promise((resolve, reject) => {
		const request = http.get({socketPath, path: url, headers: {Host: 'localhost'}, agent: false}, response => {
			let body = '';
			response.setEncoding('utf8');
			response.on('data', chunk => {
				body += chunk;
			});
			response.on('end', () => resolve(body));
		});
		request.on('error', reject);
	});
}

describe.concurrent('monitoring', () => {
	test('shows by HTTP and in a file what happens, follows the configuration, and says at the end that it is over', async ({
		instance,
	}) => {
		const alpha = await instance.sandbox('alpha');
		const beta = await instance.sandbox('beta');
		const listen = instance.path('http.sock');
		const metricsFile = instance.path('pairkeeper.prom');
		await instance.configure({listen, metricsFile, runTimeout: '2s'});
		const run = await instance.start();
		await instance.untilSandbox('alpha', 'to be healthy', ({healthy}) => healthy);
		expect(statSync(metricsFile).mode & 0o777).toBe(0o644);
		expect(seriesValue(readFileSync(metricsFile, 'utf8'), 'pairkeeper_up')).toBe(1);

		await alpha.ask({...cliAsk('cli-1'), ts: Date.now() - 5});
		await alpha.ask(strangerAsk('odd-1'));
		await beta.always('list', behaviours.hang);
		const metrics = () => get(listen, '/metrics');
		await until('all of it to be counted', async () => {
			const text = await metrics();
			return (
				seriesValue(text, 'pairkeeper_approvals_total{sandbox="alpha"}') === 1 &&
				seriesValue(text, 'pairkeeper_decisions_total{action="approve",by="policy"}') === 1 &&
				seriesValue(text, 'pairkeeper_refusals_total{reason="unknown-client"}') === 1 &&
				seriesValue(text, 'pairkeeper_sandbox_held_requests{sandbox="alpha"}') === 1 &&
				(seriesValue(text, 'pairkeeper_call_failures_total{kind="timeout"}') ?? 0) > 0 &&
				(seriesValue(text, 'pairkeeper_call_duration_seconds_count{call="approve"}') ?? 0) > 0
			);
		});
		const history = JSON.parse(await get(listen, '/history.json'));
		expect(history.minutes.reduce((sum: number, {approvals}: {approvals: number}) => sum + approvals, 0)).toBe(1);
		expect(JSON.parse(await get(listen, '/pending.json'))).toMatchObject([{sandbox: 'alpha', requestId: 'odd-1'}]);
		await until('health by HTTP', async () => /^(ok|degraded): /.test(await get(listen, '/healthz')));

		// What leaves the configuration leaves the metrics, and a file that is named no more is not left to lie.
		await instance.configure({listen}, {beta: null});
		expect((await instance.command(['reload'])).exitCode).toBe(0);
		const text = await metrics();
		expect(text).toContain('sandbox="alpha"');
		expect(text).not.toContain('sandbox="beta"');
		expect(existsSync(metricsFile)).toBe(false);

		await instance.configure({metricsFile}, {beta: null});
		expect((await instance.command(['reload'])).exitCode).toBe(0);
		expect(existsSync(listen)).toBe(false);
		run.kill('SIGTERM');
		expect(await run.ended).toEqual({code: 0, signal: null});
		const last = readFileSync(metricsFile, 'utf8');
		expect(seriesValue(last, 'pairkeeper_up')).toBe(0);
		expect(seriesValue(last, 'pairkeeper_approvals_total{sandbox="alpha"}')).toBe(1);
	});

	test('that cannot be is a warning, and approvals go on', async ({instance}) => {
		const alpha = await instance.sandbox('alpha');
		const [listen, metricsFile] = [instance.path('precious'), instance.path('directory')];
		await Promise.all([mkdir(listen), mkdir(metricsFile)]);
		await instance.configure({listen, metricsFile});
		await instance.start();
		await alpha.ask(cliAsk('cli-1'));
		await instance.untilSandbox('alpha', 'to be approved', ({approved}) => approved === 1);
		const {supervisor} = await instance.status();
		expect(supervisor.warnings).toEqual([
			`metricsFile: ${metricsFile} cannot be written: it is a directory (EISDIR)`,
			`listen: ${listen}: something stands there that is not a socket; move it away, or name another path`,
		]);
		await untilHealth(instance, 'degraded', /metricsFile: /);
	});
});
