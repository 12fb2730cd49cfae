import {execFileSync} from 'node:child_process';
import {X509Certificate} from 'node:crypto';
import {mkdtempSync, readFileSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {afterAll, beforeAll, describe, expect} from 'vitest';
import type {GatewayIdentity} from '../support/scripted-gateway.ts';
import {cliAsk} from '../support/scripted-openclaw.ts';
import {until} from '../support/until.ts';
import {test, throughGateway} from './sandboxes.ts';

let folder: string;
let identity: GatewayIdentity;

beforeAll(() => {
	folder = mkdtempSync(path.join(tmpdir(), 'pairkeeper-tls-'));
	const [key, cert] = [path.join(folder, 'key.pem'), path.join(folder, 'cert.pem')];
	const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'];
	const keyArgs = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', key];
	execFileSync('openssl', ['req', '-x509', '-days', '2', ...keyArgs, '-out', cert, ...subject], {stdio: 'ignore'});
	identity = {key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8')};
});
afterAll(() => rmSync(folder, {recursive: true, force: true}));

/** As `openssl x509 -fingerprint -sha256` prints it. */
const fingerprintOf = ({cert}: GatewayIdentity) => new X509Certificate(cert).fingerprint256;

describe.concurrent('over wss://', () => {
	test('a certificate of the fingerprint is trusted, whoever signed it', async ({instance, startGateway}) => {
		const gateway = await startGateway({}, identity);
		const keys = {transport: 'gateway', gateway: {fingerprint: fingerprintOf(identity)}} as const;
		await instance.configure({}, await throughGateway(instance, 'alpha', gateway, keys));
		await instance.start();
		await instance.untilSandbox('alpha', 'to be connected', ({lastListAt}) => lastListAt !== null);
		gateway.ask(cliAsk('cli-1'));
		await instance.untilSandbox('alpha', 'to approve', ({approved}) => approved === 1);
	});

	test('another certificate gets no token, and the status says why', async ({instance, startGateway}) => {
		const gateway = await startGateway({}, identity);
		const fingerprint = fingerprintOf(identity).replace(/^../, pair => (pair === '00' ? '01' : '00'));
		const keys = {transport: 'gateway', gateway: {fingerprint}} as const;
		await instance.configure({}, await throughGateway(instance, 'alpha', gateway, keys));
		await instance.start();
		const {lastError} = await instance.untilSandbox('alpha', 'to fail', ({failures}) => failures > 1);
		expect(lastError).toMatch(/fingerprint mismatch/);
		await until('further tries', () => gateway.accepted > 2);
		expect(gateway.connects).toEqual([]);
	});

	test('a self-signed certificate without a fingerprint is not trusted', async ({instance, startGateway}) => {
		const gateway = await startGateway({}, identity);
		await instance.configure({}, await throughGateway(instance, 'alpha', gateway, {transport: 'gateway'}));
		await instance.start();
		const {lastError} = await instance.untilSandbox('alpha', 'to fail', ({failures}) => failures > 1);
		expect(lastError).toMatch(/self-signed certificate/);
		expect(gateway.connects).toEqual([]);
	});
});

describe.concurrent('the configuration', () => {
	const urls: readonly (readonly [string, object, RegExp | null])[] = [
		['ws://127.0.0.1:1', {}, null],
		['ws://127.9.9.9:1', {}, null],
		['ws://localhost:1', {}, null],
		['ws://[::1]:1', {}, null],
		['wss://gateway.example:1', {}, null],
		['ws://gateway.example:1', {allowInsecure: true}, null],
		['ws://10.0.0.1:1', {allowInsecure: true}, null],
		['ws://gateway.example:1', {}, /in clear.*wss:\/\/.*allowInsecure/],
		['ws://10.0.0.1:1', {}, /in clear/],
		['ws://[::ffff:10.0.0.1]:1', {}, /in clear/],
		['ws://127.0.0.1.example:1', {}, /in clear/],
		['ws://localhost.example:1', {}, /in clear/],
		['ws://0.0.0.0:1', {}, /in clear/],
		['http://127.0.0.1:1', {}, /ws:\/\/ or wss:\/\//],
		['ws://user:word@127.0.0.1:1', {}, /without user name/],
		['ws://127.0.0.1:1/?token=x', {}, /without user name, password, query/],
		['ws://127.0.0.1:1', {fingerprint: 'ab'.repeat(32)}, /needs a wss/],
		['wss://127.0.0.1:1', {fingerprint: 'ab'}, /64 hexadecimal digits/],
		['wss://127.0.0.1:1', {fingerprint: 'ab'.repeat(32)}, null],
		['wss://127.0.0.1:1', {fingerprint: `sha256:${Array(32).fill('AB').join(':')}`}, null],
		['wss://127.0.0.1:1', {fingerprint: `ab:${'ab'.repeat(31)}`}, /64 hexadecimal digits/],
	];

	test('warns of a public address without TLS, where the client would never send the token', async ({instance}) => {
		const url = 'ws://203.0.113.5:1';
		await instance.configure({}, await throughGateway(instance, 'alpha', {url}, {gateway: {allowInsecure: true}}));
		const {exitCode, stdout} = await instance.command(['check', '--offline']);
		expect(exitCode).toBe(0);
		expect(stdout).toMatch(/warning: alpha: .*in clear text to a public address.*wss:/);
	});

	test.for(urls)('%s with %j: %s', async ([url, more, problem], {instance}) => {
		await instance.configure({}, await throughGateway(instance, 'alpha', {url}, {gateway: more}));
		const {exitCode, stderr} = await instance.command(['check', '--offline']);
		if (problem === null) expect({exitCode, stderr}).toEqual({exitCode: 0, stderr: ''});
		else expect({exitCode, stderr}).toEqual({exitCode: 2, stderr: expect.stringMatching(problem)});
	});
});
