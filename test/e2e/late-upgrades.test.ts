import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import type {SandboxStatus} from '../../supervisor/status/schema.ts';
import {Host} from '../support/e2e.ts';
import type {Pairkeeper} from '../support/pairkeeper.ts';
import type {RealGateway} from '../support/real-gateway.ts';
import type {RecordedCall} from '../support/recorded-openclaw.ts';

const cadence = {fastInterval: '500ms', runTimeout: '30s'};

/** What is done in one sandbox does not wait for the other. What its CLI asks for and gets it asks for but once: there is no second try. */
const testInBoth = (name: string, body: (sandbox: 'alpha' | 'beta') => Promise<void>) =>
	test.concurrent.for(['alpha', 'beta'] as const)(name, {retry: 0}, body);

// Two sandboxes of 2026.5.27. In `beta`, as behind a proxy, everybody's environment names the gateway by its URL: with
// that URL, approving an upgrade of the approver's own device fails for ever.
describe('on real OpenClaw 2026.5.27, after convergence', () => {
	let host: Host;
	let alpha: RealGateway;
	let beta: RealGateway;
	let betaSandbox: {readonly envFile: string};
	let betaEnvironment: Record<string, string>;
	let pairkeeper: Pairkeeper;

	beforeAll(async () => {
		host = await Host.create('2026.5.27');
		const version = '2026.5.27';
		[alpha, beta] = (await host.startGateways({version, name: 'alpha'}, {version, name: 'beta'})) as [
			RealGateway,
			RealGateway,
		];
		betaEnvironment = {OPENCLAW_GATEWAY_URL: beta.url, OPENCLAW_GATEWAY_TOKEN: beta.token};
		betaSandbox = {envFile: await host.envFile('beta-env.sh', betaEnvironment)};
		pairkeeper = await host.supervise({...cadence, slowInterval: '2s'}, {beta: betaSandbox});
		await untilBoth('to converge', ({mode}) => mode === 'slow');
	});

	afterAll(async () => host?.[Symbol.asyncDispose]());

	/** What each sandbox's user types, in that user's environment. */
	const inSandbox = {
		alpha: (...args: string[]) => alpha.cli(args),
		beta: (...args: string[]) => beta.cli(args, {env: betaEnvironment}),
	};

	async function untilBoth(what: string, condition: (sandbox: SandboxStatus) => boolean): Promise<void> {
		for (const name of ['alpha', 'beta'] as const) {
			await pairkeeper.untilSandbox(name, what, condition, {timeoutMs: 180_000});
		}
	}

	describe('with a slow poll every 2 s', () => {
		testInBoth('a refused `openclaw cron list` works once approved, in %s', async name => {
			const refused = await inSandbox[name]('cron', 'list');
			expect(refused.exitCode).not.toBe(0);
			expect(refused.stderr).toContain('scope upgrade pending approval');

			const {lastApproval, mode} = await pairkeeper.untilSandbox(name, 'to approve', ({approved}) => approved > 0);
			expect(lastApproval).toMatchObject({clientId: 'cli', scopes: expect.arrayContaining(['operator.read'])});
			expect(mode).toBe('slow');

			const allowed = await inSandbox[name]('cron', 'list');
			expect(allowed).toMatchObject({exitCode: 0, stdout: expect.stringContaining('No cron jobs')});
		});

		test('the gateway URL reaches a list and never an approval', async () => {
			const calls = await host.openclaw.calls(beta.stateDir);
			const urls = (what: string) => new Set(calls.filter(({args}) => args[0] === what).map(({hasUrl}) => hasUrl));
			expect(urls('list')).toEqual(new Set([true]));
			expect(urls('approve')).toEqual(new Set([false]));
		});

		test('the table of `pairkeeper status` shows the approvals', async () => {
			const {exitCode, stdout} = await pairkeeper.command(['status']);
			expect(exitCode).toBe(0);
			for (const name of ['alpha', 'beta']) expect(stdout).toMatch(new RegExp(`${name}.*slow.*cli`));
		});

		test('no approval was taken for an alarm', async () => {
			const {supervisor, sandboxes} = await pairkeeper.status();
			expect(supervisor.warnings).toEqual([]);
			expect(Object.values(sandboxes).map(({warnings}) => warnings)).toEqual([[], []]);
		});
	});

	describe('with a slow poll every 10 min', () => {
		// Without re-entry polls one kick is one pass, and nothing else polls for ten minutes.
		beforeAll(async () => {
			const config = {...cadence, slowInterval: '10m', fastReentryPolls: 0};
			await pairkeeper.reload(host.config(config, {beta: betaSandbox}));
			// The pass that each begins with is over.
			await untilBoth('to have minutes until its next poll', ({mode, nextPollAt}) => {
				return mode === 'slow' && Date.parse(nextPollAt ?? '') - Date.now() > 300_000;
			});
		});

		testInBoth('one pass takes an agent out of its fallback, in %s', async name => {
			const gateway = {alpha, beta}[name];
			const fallback = await inSandbox[name]('agent', '--agent', 'main', '-m', 'hi');
			expect(fallback.stderr).toContain('EMBEDDED FALLBACK');
			const before = (await host.openclaw.calls(gateway.stateDir)).length;
			const approvedBefore = (await pairkeeper.statusOf(name)).approved;

			expect(await pairkeeper.command(['kick', name])).toMatchObject({exitCode: 0});
			const {mode} = await pairkeeper.untilSandbox(name, 'to approve', ({approved}) => approved > approvedBefore);
			expect(mode).toBe('slow');

			// The self-approval trap: the first approve makes the gateway replace the request by a wider one.
			const calls = (await host.openclaw.calls(gateway.stateDir)).slice(before);
			const [, first, , second] = calls;
			expect(outline(calls.slice(0, 4))).toEqual(['list: 0', 'approve: 1', 'list: 0', 'approve: 0']);
			expect(second?.args[1]).not.toBe(first?.args[1]);

			const answered = await inSandbox[name]('agent', '--agent', 'main', '-m', 'hi');
			expect(answered.stdout + answered.stderr).not.toContain('EMBEDDED FALLBACK');
		});
	});
});

function outline(calls: readonly RecordedCall[]): string[] {
	return calls.map(({args, exitCode}) => `${args[0]}: ${exitCode}`);
}
