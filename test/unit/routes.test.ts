import {describe, expect, it, test} from 'vitest';
import {configFile, obeyedFiles} from '../../worker/transport/cli/command.ts';
import {initialTransport, routeOf} from '../../worker/transport/way.ts';
import {workerConfigOf} from './sandbox-fixtures.ts';

const {target} = workerConfigOf();
const onHost = {...target, exec: []};
const gateway = {url: 'ws://127.0.0.1:7', tokenFile: '/t', tokenCommand: [], fingerprint: null, allowInsecure: false};
const inside = {execInput: ['enter'], port: null, tokenFile: null, tokenCommand: []};

describe('a gateway has one route', () => {
	test.for([
		['its URL, where there is one', {target: onHost, gateway}, 'url'],
		['its URL, behind exec too', {gateway}, 'url'],
		['from inside, behind exec', {inside}, 'inside'],
		['what the host knows, without either', {target: onHost}, 'host'],
		['what the host knows, where nothing else is to be used', {target: onHost, transport: 'gateway' as const}, 'host'],
		['none, where nobody is to connect', {target: onHost, transport: 'cli' as const}, null],
	] as const)('%s', ([, change, expected]) => {
		expect(routeOf(workerConfigOf(change))).toBe(expected);
	});
});

it('the status says from the beginning why it is not the gateway, but of what nobody has asked for', () => {
	expect(initialTransport(workerConfigOf({target: onHost, transport: 'cli'})).transportReason).toBeNull();
	expect(initialTransport(workerConfigOf({target: onHost})).transportReason).toBe('not connected yet');
	expect(initialTransport(workerConfigOf({target: onHost, transport: 'gateway'})).route).toBe('host');
});

test.for([
	[{OPENCLAW_STATE_DIR: '/s', HOME: '/h'}, '/s/openclaw.json'],
	[{OPENCLAW_STATE_DIR: '~/s', HOME: '/h', OPENCLAW_HOME: '/o'}, '/o/s/openclaw.json'],
	[{OPENCLAW_STATE_DIR: '/s', OPENCLAW_CONFIG_PATH: '~/c.json', HOME: '/h'}, '/h/c.json'],
	[{HOME: '/h', OPENCLAW_STATE_DIR: ''}, '/h/.openclaw/openclaw.json'],
	[{HOME: '/h', OPENCLAW_STATE_DIR: '', OPENCLAW_PROFILE: 'p'}, '/h/.openclaw-p/openclaw.json'],
	[{HOME: '/h', OPENCLAW_STATE_DIR: '', OPENCLAW_PROFILE: 'default'}, '/h/.openclaw/openclaw.json'],
] as const)('with %j on the host, %s is what openclaw reads, and a call obeys it', ([env, file]) => {
	expect(configFile({...onHost, env}, [])).toBe(file);
	expect(obeyedFiles({...onHost, env}, [])).toContain(file);
});
