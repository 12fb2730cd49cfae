import {describe, expect, it, test} from 'vitest';
import {type HostEnvironment, settingsIn} from '../../worker/transport/gateway/host-settings.ts';

const token = 'a-token-of-the-tests';
const auth = {mode: 'token', token};

/** Why the host's configuration does not say where the gateway is. */
function reason(config: unknown, environment: HostEnvironment = {}): string {
	try {
		settingsIn(config, environment);
	} catch (error) {
		expect(error).toMatchObject({failure: 'unfit'});
		return (error as Error).message;
	}
	throw new Error('it says where the gateway is');
}

describe("the host's openclaw.json says where its gateway is", () => {
	test.for<[string, object, HostEnvironment, number]>([
		['by port and token', {port: 7, auth}, {}, 7],
		['at the usual port where it names none', {auth: {token}}, {}, 18_789],
		['at the port that the environment names instead', {port: 7, auth}, {OPENCLAW_GATEWAY_PORT: '8'}, 8],
		['for a gateway that listens everywhere', {port: 7, bind: 'lan', mode: 'local', auth}, {}, 7],
		['where TLS is off', {port: 7, tls: {enabled: false}, auth}, {OPENCLAW_GATEWAY_URL: ''}, 7],
	])('%s', ([, gateway, environment, port]) => {
		expect(settingsIn({gateway, agents: {}}, environment)).toEqual({port, token});
	});
});

describe("the host's openclaw.json is left to the CLI", () => {
	const reference = '$' + '{OPENCLAW_TOKEN}';
	test.for<[string, unknown, HostEnvironment, RegExp]>([
		['without a token', {gateway: {port: 7}}, {}, /names no token.*gateway: \{url, tokenFile\}/],
		['with nothing in it', null, {}, /names no token/],
		['with a list in it', [], {}, /names no token/],
		['with a variable for a token', {gateway: {auth: {token: reference}}}, {}, /by reference/],
		['with a reference for a token', {gateway: {auth: {token: {source: 'env', id: 'X'}}}}, {}, /by reference/],
		['with a number for a token', {gateway: {auth: {token: 7}}}, {}, /by reference/],
		['with a token that has spaces', {gateway: {auth: {token: 'a b c d'}}}, {}, /without spaces/],
		['with a token that no text could be kept free of', {gateway: {auth: {token: 'abc'}}}, {}, /4 to 4096/],
		['with a variable for a port', {gateway: {port: reference, auth}}, {}, /no literal port/],
		['with a port that is none', {gateway: {port: 65_536, auth}}, {}, /no literal port/],
		[
			'with a port that is none in the environment',
			{gateway: {port: 7, auth}},
			{OPENCLAW_GATEWAY_PORT: 'x'},
			/no literal port/,
		],
		['where the environment names a URL', {gateway: {auth}}, {OPENCLAW_GATEWAY_URL: 'ws://h'}, /OPENCLAW_GATEWAY_URL/],
		['for a gateway elsewhere', {gateway: {mode: 'remote', auth}}, {}, /mode: remote/],
		['for a gateway with TLS', {gateway: {tls: {enabled: true}, auth}}, {}, /gateway\.tls/],
		['for a gateway that is not on loopback', {gateway: {bind: 'tailnet', auth}}, {}, /bind: tailnet/],
		[
			'for a gateway with a password',
			{gateway: {auth: {mode: 'password', password: 'x'}}},
			{},
			/another gateway\.auth\.mode/,
		],
		['that takes in others', {$include: './x.json5', gateway: {auth}}, {}, /\$include/],
		['whose gateway does', {gateway: {$include: './x.json5', auth}}, {}, /\$include/],
		['whose token may be in another', {gateway: {auth: {$include: './x.json5', token}}}, {}, /\$include/],
	])('%s', ([, config, environment, expected]) => {
		expect(reason(config, environment)).toMatch(expected);
	});

	it('without a word of what is in it', () => {
		const secret = 'a secret with spaces';
		expect(reason({gateway: {auth: {token: secret}}})).not.toContain(secret);
		expect(reason({gateway: {auth: {mode: secret}}})).not.toContain(secret);
	});
});
