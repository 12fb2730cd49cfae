import {mkdtempSync, rmSync} from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import type {Browser, Page} from 'playwright-core';
import {afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished} from 'vitest';
import {type PendingRequest, pendingRequest} from '../../supervisor/control/pending.ts';
import {HttpServer} from '../../supervisor/http/server.ts';
import type {Sources} from '../../supervisor/http/sources.ts';
import {healthOf} from '../../supervisor/status/health.ts';
import type {SandboxStatus, Status} from '../../supervisor/status/schema.ts';
import {systemClock} from '../../worker/clock.ts';
import {launchChromium, whyNoChromium} from '../support/chromium.ts';
import {until} from '../support/until.ts';
import {composedStatus, wellSandbox} from '../unit/composed-status.ts';
import {heldOf} from '../unit/sandbox-fixtures.ts';

/** Runs where it is taken for markup, for an attribute or for script; and is longer than any line. */
const hostile = `<img src=x onerror="window.taken='img'">"'><script>window.taken='script'</script>javascript:alert(1)${'x'.repeat(120)}`;

/** A sandbox all of whose texts are hostile, and what waits there. */
function hostileSandbox(now: number): SandboxStatus {
	return wellSandbox(now, {
		healthy: false,
		failures: 3,
		lastError: hostile,
		warnings: [hostile, hostile],
		transport: 'cli',
		route: null,
		transportReason: hostile,
		pending: 1,
		refused: 1,
		lastApproval: {
			requestId: hostile,
			clientId: hostile,
			scopes: [hostile],
			at: new Date(now).toISOString(),
			latencyMs: 8,
		},
		lastRefusal: {
			requestId: hostile,
			clientId: hostile,
			clientMode: hostile,
			scopes: [hostile],
			reason: 'unknown-client',
			at: new Date(now).toISOString(),
		},
	});
}

const hostileRequest: PendingRequest = pendingRequest(
	hostile,
	heldOf({requestId: hostile, clientId: hostile, clientMode: hostile, scopes: [hostile], gives: [hostile]}),
);

/** A host with 200 sandboxes, one of them hostile, by name too, which the rules for names forbid. */
function hostileStatus(): Status {
	const now = Date.now();
	const status = composedStatus(now, 199, true, {warnings: [hostile], host: hostile});
	return {...status, sandboxes: {...status.sandboxes, [hostile]: hostileSandbox(now)}};
}

describe.skipIf(whyNoChromium !== null)(
	`the page${whyNoChromium === null ? '' : ` (left out: ${whyNoChromium})`}`,
	() => {
		let folder: string;
		let browser: Browser;
		let server: HttpServer;
		/** Leads to the Unix socket, as `ssh -L` does. */
		let forwarder: net.Server;
		let port: number;
		let status: Status;
		let pending: PendingRequest[];

		beforeAll(async () => {
			folder = mkdtempSync(join(tmpdir(), 'pairkeeper-page-'));
			const sources: Sources = {
				status: () => status,
				health: shown => healthOf(shown, {isAlive: true, now: Date.now(), maxAge: 3_600_000}),
				pending: async () => pending,
				history: () =>
					Array.from({length: 60}, (_, index) => ({
						at: new Date(Date.now() - (59 - index) * 60_000).toISOString(),
						approvals: index % 4,
						refusals: index % 7 === 0 ? 1 : 0,
						restarts: index === 30 ? 1 : 0,
						latency: index % 4 === 0 ? null : {medianMs: 8, maxMs: 8 * index},
					})),
				metrics: async () => ({type: 'text/plain', text: ''}),
			};
			const path = join(folder, 'http.sock');
			server = await HttpServer.open(
				{kind: 'unix', path},
				{hosts: [], gid: null},
				{clock: systemClock, log: () => {}, sources},
			);
			forwarder = net.createServer(near => {
				const far = net.connect(path);
				near.pipe(far).pipe(near);
				for (const socket of [near, far]) socket.on('error', () => {});
			});
			await new Promise<void>(resolve => forwarder.listen(0, '127.0.0.1', resolve));
			const address = forwarder.address();
			port = typeof address === 'object' && address !== null ? address.port : 0;
			browser = await launchChromium(['evil.example']);
		});
		beforeEach(() => {
			status = hostileStatus();
			pending = [hostileRequest];
			server.touch();
		});
		afterAll(async () => {
			await browser?.close();
			await server?.close();
			forwarder?.close();
			rmSync(folder, {recursive: true, force: true});
		});

		/** The page with its first event; `complaints`: what the browser says against it. */
		async function open(viewport: {width: number; height: number}, colorScheme: 'light' | 'dark') {
			const page = await browser.newPage({viewport, colorScheme});
			const complaints: string[] = [];
			page.on('console', message => void complaints.push(`${message.type()}: ${message.text()}`));
			page.on('pageerror', error => void complaints.push(error.message));
			page.on('dialog', dialog => {
				complaints.push(`dialog: ${dialog.message()}`);
				void dialog.dismiss();
			});
			await page.goto(`http://127.0.0.1:${port}/`);
			await until('200 rows', async () => (await page.locator('#sandboxes tbody tr').count()) === 200);
			await page.locator('#counts rect').first().waitFor({state: 'attached'});
			return {page, complaints};
		}

		it.each([
			['wide', 'light', {width: 1440, height: 900}],
			['narrow', 'dark', {width: 375, height: 800}],
		] as const)(
			'%s and %s shows foreign texts as texts, can be read, and is no wider than the screen',
			async (_, scheme, viewport) => {
				const {page, complaints} = await open(viewport, scheme);
				expect(await page.evaluate('window.taken')).toBeUndefined();
				expect(await page.locator('img, iframe, object, script:not(body > script), [onerror]').count()).toBe(0);
				expect(await page.locator('#sandboxes tbody th', {hasText: '<img src=x'}).textContent()).toBe(hostile);
				expect(await page.locator('#waiting tbody code').textContent()).toBe(hostile);
				await until('it to say that it is live', async () => (await page.locator('#live').textContent()) === 'live');
				expect(await page.evaluate('document.documentElement.scrollWidth - innerWidth')).toBeLessThanOrEqual(0);
				expect(await faintTexts(page)).toEqual([]);
				expect(complaints).toEqual([]);
				await page.close();
			},
		);

		it('shows the sick first, what is filtered for, and what has changed, while 50 others watch', async () => {
			const others = Array.from({length: 50}, () => watch(port));
			onTestFinished(() => {
				for (const {end} of others) end();
			});
			await until('all others to be told', () => others.every(({events}) => events() > 0));
			const {page, complaints} = await open({width: 1440, height: 900}, 'light');
			const names = page.locator('#sandboxes tbody th');
			const pills = await page.locator('#sandboxes tbody .pill').allTextContents();
			expect(pills.slice(0, 6)).toEqual(['sick', 'sick', 'sick: backoff', 'warned', 'starting', 'well']);
			await page.getByRole('searchbox').fill('team-a-19');
			expect(await names.allTextContents()).toEqual(['team-a-190', 'team-a-193']);
			expect(await page.locator('#shown').textContent()).toBe('2 of 200 shown');
			await page.getByRole('searchbox').fill('');
			await page.getByRole('button', {name: /^sick/}).click();
			expect(await names.count()).toBe(3);

			const told = others.map(({events}) => events());
			status = {...status, sandboxes: {...status.sandboxes, 'night-build': wellSandbox(Date.now())}};
			pending = [];
			server.touch();
			await until('one less to be sick', async () => (await names.count()) === 2);
			expect(await page.locator('#nobody').textContent()).toBe('Nothing waits.');
			await until('all others to be told', () => others.every(({events}, index) => events() > (told[index] ?? 0)));
			expect(complaints).toEqual([]);
			await page.close();
		});

		it('is shown to nobody who comes by another name', async () => {
			const page = await browser.newPage();
			const response = await page.goto(`http://evil.example:${port}/`);
			expect(response?.status()).toBe(421);
			expect(await page.locator('table').count()).toBe(0);
			await page.close();
		});
	},
);

/** A client that has taken the page and its data, and watches events. */
function watch(port: number): {readonly events: () => number; readonly end: () => void} {
	let text = '';
	const agent = new http.Agent({keepAlive: true});
	const get = (path: string, take: (chunk: string) => void) =>
		http.get({host: '127.0.0.1', port, path, agent}, response => {
			response.setEncoding('utf8');
			response.on('data', take);
			response.on('error', () => {});
		});
	for (const path of ['/', '/history.json']) get(path, () => {}).on('error', () => {});
	const request = get('/events', chunk => {
		text += chunk;
	});
	request.on('error', () => {});
	return {
		events: () => text.split('event: status').length - 1,
		end: () => {
			request.destroy();
			agent.destroy();
		},
	};
}

/** Texts that stand out too little from what is behind them (WCAG 2.2, 1.4.3: a contrast of 4.5). */
function faintTexts(page: Page): Promise<unknown> {
	return page.evaluate(`(() => {
		const parts = color => color.match(/[\\d.]+/g).map(Number);
		const light = color => {
			const [r, g, b] = parts(color).map(part => part / 255).map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
			return 0.2126 * r + 0.7152 * g + 0.0722 * b;
		};
		const behind = node => {
			for (let each = node; each; each = each.parentElement) {
				const color = getComputedStyle(each).backgroundColor;
				if ((parts(color)[3] ?? 1) > 0) return color;
			}
			return 'rgb(255, 255, 255)';
		};
		const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
		const faint = new Set();
		while (walker.nextNode()) {
			const node = walker.currentNode.parentElement;
			if (!walker.currentNode.data.trim() || !node.checkVisibility() || node.closest('script')) continue;
			const style = getComputedStyle(node);
			const [a, b] = [light(node.closest('svg') ? style.fill : style.color), light(behind(node))].sort((one, other) => other - one);
			if ((a + 0.05) / (b + 0.05) < 4.5) faint.add(node.className + ': ' + walker.currentNode.data.slice(0, 40));
		}
		return [...faint];
	})()`);
}
