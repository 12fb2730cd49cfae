import {describe, expect, it} from 'vitest';
import {cliRemedy, gatewayRemedy} from '../../supervisor/commands/remedies.ts';
import type {SandboxConfig} from '../../supervisor/config/config.ts';
import {load, useConfigFile} from './config-file.ts';

useConfigFile();

function sandbox(text: string): SandboxConfig {
	const [first] = load(`sandboxes:\n  - {name: a, ${text}}`).sandboxes;
	if (!first) throw new TypeError('there is one');
	return first;
}

describe('a remedy for the CLI names a command that asks the same gateway', () => {
	const remedy = (text: string) => cliRemedy('timeout', sandbox(text).target, '/opt/openclaw');

	it.each([
		['exec: [docker, exec, a]', 'docker exec a openclaw devices list --json'],
		['exec: [docker, exec, a], env: {B: "it is"}', "docker exec a env 'B=it is' openclaw devices list --json"],
		['env: {OPENCLAW_STATE_DIR: /srv/a}', 'env OPENCLAW_STATE_DIR=/srv/a /opt/openclaw devices list --json'],
		['env: {OPENCLAW_GATEWAY_TOKEN: secret}', '/opt/openclaw devices list --json'],
	])('%s', (text, command) => {
		expect(remedy(text)).toBe(`is the sandbox running? try: ${command}`);
	});
});

it('the program that is not there is the one that is configured', () => {
	expect(cliRemedy('unreachable', sandbox('env: {}').target, 'claw')).toContain('is claw installed?');
});

it.each(['refused', 'unreachable'] as const)('a tokenCommand that fails as %s is what to look at', failure => {
	const own = sandbox('gateway: {url: "ws://127.0.0.1:1", tokenCommand: [show, the token]}');
	const error = 'the gateway is not connected: tokenCommand: show exited with 1';
	expect(gatewayRemedy(failure, error, own)).toContain("try it yourself: show 'the token'");
	expect(gatewayRemedy(failure, 'connect ECONNREFUSED', own)).not.toContain('show');
});
