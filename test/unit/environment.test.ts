import {describe, expect, it} from 'vitest';
import {environmentFor, type Recipient, refusalToPass, workerEnvironment} from '../../worker/host/environment.ts';
import {MARKER} from '../../worker/host/processes.ts';
import type {SandboxTarget} from '../../worker/protocol.ts';
import {commandFor} from '../../worker/transport/cli/command.ts';
import {relayCommand} from '../../worker/transport/gateway/inside-route.ts';

const usual = {
	PATH: '/usr/bin',
	HOME: '/root',
	USER: 'root',
	LANG: 'C.UTF-8',
	LC_ALL: 'C',
	TZ: 'UTC',
	TMPDIR: '/tmp',
	XDG_RUNTIME_DIR: '/run/user/0',
	https_proxy: 'http://proxy:3128',
	NO_PROXY: 'localhost',
	SSL_CERT_FILE: '/etc/ssl/own.pem',
	NODE_EXTRA_CA_CERTS: '/etc/ssl/own.pem',
};
const openclaw = {OPENCLAW_STATE_DIR: '/srv/a', OPENCLAW_GATEWAY_TOKEN: 'x'};
const docker = {DOCKER_HOST: 'ssh://host', SSH_AUTH_SOCK: '/run/agent'};
const own = {
	PAIRKEEPER_CONFIG: '/c',
	NEMOCLAW_AUTO_PAIR_RUN_TIMEOUT_SECS: '1',
	NOTIFY_SOCKET: '@x',
	WATCHDOG_USEC: '1',
	OPENCLAW_BIN: '/o',
	NODE_CHANNEL_FD: '3',
};
const foreign = {
	AWS_SECRET_ACCESS_KEY: 'x',
	GITHUB_TOKEN: 'x',
	LD_PRELOAD: '/x.so',
	NODE_OPTIONS: '--import /x.js',
	MALLOC_ARENA_MAX: '1',
	MY_SETTING: '1',
};
const ours = {...usual, ...openclaw, ...docker, KUBECONFIG: '/k', CONTAINER_HOST: 'unix:///p', ...own, ...foreign};
const smallest = {PATH: usual.PATH, LANG: usual.LANG, TZ: usual.TZ};

describe('of our environment', () => {
	const prefix = (...exec: string[]): Recipient => ({kind: 'prefix', exec});
	it.each<readonly [string, Recipient, object]>([
		['a call on the host gets the usual and what OpenClaw reads', {kind: 'host-call'}, {...usual, ...openclaw}],
		['a program of the configuration gets the usual', {kind: 'program'}, usual],
		['docker gets the usual and its own', prefix('/usr/bin/docker', 'exec', 'a'), {...usual, ...docker}],
		['kubectl too', prefix('kubectl', 'exec', 'a'), {...usual, KUBECONFIG: '/k'}],
		[
			'podman too, which reads what docker reads',
			prefix('podman', 'exec', 'a'),
			{...usual, ...docker, CONTAINER_HOST: 'unix:///p'},
		],
		['openshell too', prefix('openshell', 'sandbox', 'exec'), usual],
		...['lxc-attach', 'nsenter', 'bwrap', 'chroot', 'ip', 'sudo', 'ssh', '/opt/docker/enter'].map(
			name => [`${name} hands on next to nothing`, prefix(name, 'a'), smallest] as const,
		),
	])('%s', (_, recipient, expected) => {
		expect(environmentFor(recipient, [], ours)).toEqual(expected);
		expect(environmentFor(recipient, ['MY_SETTING', 'NOT_SET'], ours)).toEqual({...expected, MY_SETTING: '1'});
	});

	it('a worker gets what it may hand on and what Node reads, and nothing that only others need', () => {
		const node = {NODE_OPTIONS: foreign.NODE_OPTIONS};
		expect(workerEnvironment([], [], ours)).toEqual({...usual, ...openclaw, ...node});
		expect(workerEnvironment(['docker', 'exec', 'a'], [], ours)).toEqual({...usual, ...docker, ...node});
		expect(workerEnvironment(['nsenter'], ['MY_SETTING'], ours)).toEqual({...usual, ...node, MY_SETTING: '1'});
	});

	it('nothing that is meant for pairkeeper is handed on, even where it is asked for', () => {
		expect(environmentFor({kind: 'host-call'}, Object.keys(own), own)).toEqual({});
	});
});

describe('passEnv', () => {
	it.each([
		'LD_PRELOAD',
		'LD_LIBRARY_PATH',
		'NODE_OPTIONS',
		'GITHUB_TOKEN',
		'AWS_SECRET_ACCESS_KEY',
		'MY_API_KEY',
		'db_password',
		'SSH_PASSPHRASE',
		'NOTIFY_SOCKET',
		'PAIRKEEPER_CONFIG',
	])('refuses %s', name => {
		expect(refusalToPass(name)).not.toBeNull();
	});

	it.each(['AWS_PROFILE', 'SSH_AUTH_SOCK', 'MY_SETTING', 'KEYBOARD', 'OPENCLAW_PROFILE'])('takes %s', name => {
		expect(refusalToPass(name)).toBeNull();
	});
});

describe('every command carries its marker, first of all, whatever the configuration sets', () => {
	const target: SandboxTarget = {
		exec: [],
		env: {A: '1', [MARKER]: 'forged'},
		envFile: null,
		approveUnset: [MARKER],
		openclaw: '/usr/bin/openclaw',
	};
	const bounds = {timeout: 1000, owner: 'run/worker/1', passEnv: []};
	const inside = {execInput: ['nsenter'], port: null};
	it.each([
		['a call on the host', commandFor(target, {kind: 'approve', requestId: 'r'}, bounds)],
		['one with an envFile', commandFor({...target, envFile: '/e'}, {kind: 'list'}, bounds)],
		['one behind a prefix', commandFor({...target, exec: ['nsenter']}, {kind: 'list'}, bounds)],
		['a relay', relayCommand(inside, false, {target, slowInterval: 1}, bounds)],
	])('%s', (_, {env}) => {
		expect(Object.entries(env)[0]).toEqual([MARKER, 'run/worker/1']);
	});
});
