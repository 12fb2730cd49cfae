import {describe, expect, it} from 'vitest';
import {isLocal, parseListen, shownAddress} from '../../supervisor/http/address.ts';
import {isOwnHost} from '../../supervisor/http/host-check.ts';
import {type Asked, routeOf} from '../../supervisor/http/routes.ts';

describe('where to listen', () => {
	it.each([
		['127.0.0.1:9464', {kind: 'tcp', host: '127.0.0.1', port: 9464}, 'http://127.0.0.1:9464/', true],
		['localhost:80', {kind: 'tcp', host: '127.0.0.1', port: 80}, 'http://127.0.0.1:80/', true],
		['127.8.8.8:1', {kind: 'tcp', host: '127.8.8.8', port: 1}, 'http://127.8.8.8:1/', true],
		['[::1]:9464', {kind: 'tcp', host: '::1', port: 9464}, 'http://[::1]:9464/', true],
		['0.0.0.0:9464', {kind: 'tcp', host: '0.0.0.0', port: 9464}, 'http://0.0.0.0:9464/', false],
		['[::]:9464', {kind: 'tcp', host: '::', port: 9464}, 'http://[::]:9464/', false],
		['/run/pairkeeper/http.sock', {kind: 'unix', path: '/run/pairkeeper/http.sock'}, '/run/pairkeeper/http.sock', true],
	])('%s', (text, address, shown, local) => {
		const parsed = parseListen(text);
		expect(parsed).toEqual(address);
		expect(parsed && shownAddress(parsed)).toBe(shown);
		expect(parsed && isLocal(parsed)).toBe(local);
	});

	it.each([
		'',
		'9464',
		':9464',
		'localhost',
		'a.example:80',
		'::1:9464',
		'[::1]',
		'1.2.3:4',
		'1.2.3.4:0',
		'1.2.3.4:99999',
		'/run/',
		`/${'x'.repeat(103)}`,
	])('is not %j', text => {
		expect(parseListen(text)).toBeNull();
	});
});

describe('a host that is asked by', () => {
	it.each([
		'127.0.0.1',
		'127.0.0.1:9464',
		'10.1.2.3',
		'[::1]',
		'[::1]:9464',
		'localhost',
		'LOCALHOST:1',
		'keeper.example.org',
		'Keeper.Example.org:443',
	])('%s is ours', host => {
		expect(isOwnHost(host, ['keeper.example.org'])).toBe(true);
	});

	it.each([
		undefined,
		'',
		'evil.example',
		'localhost.evil.example',
		'127.0.0.1.evil.example',
		'127.0.0.1@evil.example',
		'[evil]',
		'evil.example:9464',
		'localhost:x',
		'localhost ',
		'0x7f000001',
		'keeper.example.org.',
	])('%s is not', host => {
		expect(isOwnHost(host, ['keeper.example.org'])).toBe(false);
	});
});

describe('a request', () => {
	const ask = (change: Partial<Asked>) => routeOf({method: 'GET', url: '/', host: 'localhost', ...change}, []);

	it.each([
		['/', 'page'],
		['/livez', 'livez'],
		['/healthz', 'healthz'],
		['/status.json', 'status'],
		['/pending.json', 'pending'],
		['/history.json', 'history'],
		['/metrics', 'metrics'],
		['/events', 'events'],
		['/metrics?name[]=up', 'metrics'],
	])('for %s is answered', (url, route) => {
		expect(ask({url})).toEqual({kind: 'route', route});
	});

	it.each(['POST', 'HEAD', 'PUT', 'OPTIONS', 'DELETE'])('by %s is not, whatever it is for', method => {
		expect(ask({method})).toMatchObject({code: 405});
		expect(ask({method, url: '/livez'})).toMatchObject({code: 405});
	});

	it.each(['/x', '//', '/../etc/passwd', '/constructor', 'http://localhost/', '*', ''])(
		'for %j is for nothing',
		url => {
			expect(ask({url})).toMatchObject({code: 404});
		},
	);

	it('by a name that is not ours is answered only to what looks after the process', () => {
		for (const url of ['/', '/status.json', '/pending.json', '/history.json', '/metrics', '/events', '/x'])
			expect(ask({url, host: 'evil.example'})).toMatchObject({code: 421});
		for (const url of ['/livez', '/healthz']) expect(ask({url, host: 'evil.example'})).toMatchObject({kind: 'route'});
	});
});
