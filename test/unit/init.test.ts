import fc from 'fast-check';
import {describe, expect, it} from 'vitest';
import {initText, isAnythingFound} from '../../supervisor/commands/init-text.ts';
import {deadlineText} from '../../supervisor/commands/options.ts';
import {containersIn, type HostFindings, podsIn} from '../../supervisor/discovery/host-findings.ts';
import {load, useConfigFile} from './config-file.ts';

useConfigFile();

const nothing: HostFindings = {
	nemoclaw: null,
	hasOpenshell: false,
	fleet: null,
	containers: [],
	pods: [],
	kubeContext: null,
	stateDir: null,
};

describe('what is found on a host', () => {
	it('are containers that seem to be of OpenClaw, but for those that something else keeps', () => {
		const line = (Names: unknown, Image: unknown) => JSON.stringify({ID: 'x', Names, Image, State: 'running'});
		const lines = [
			line('my_claw.1', 'ghcr.io/openclaw/openclaw:latest'),
			line(['openclaw-dev'], 'local'),
			line('openclaw-cell-acme', 'ghcr.io/openclaw/openclaw:latest'),
			line('openshell-alpha', 'nvidia/openshell-openclaw'),
			line('database', 'postgres'),
			line('--privileged', 'openclaw'),
			line('a b', 'openclaw'),
			line(5, 'openclaw'),
			'not json',
		];
		expect(containersIn(lines.join('\n'), 'docker').map(({container}) => container)).toEqual([
			'my_claw.1',
			'openclaw-dev',
		]);
		expect(containersIn(null, 'docker')).toEqual([]);
	});

	it('are the namespaces of pods, by the container that seems to be the gateway', () => {
		const pod = (namespace: string, ...names: string[]) => ({
			metadata: {namespace},
			spec: {containers: names.map(name => ({name}))},
		});
		const items = [
			pod('b', 'sidecar', 'openclaw'),
			pod('a', 'openclaw'),
			pod('a', 'openclaw'),
			pod('c', 'main'),
			pod('../d', 'x'),
			5,
		];
		expect(podsIn(JSON.stringify({items}))).toEqual([
			{container: 'openclaw', namespaces: ['a', 'b']},
			{container: 'main', namespaces: ['c']},
		]);
		expect(podsIn('Error from server')).toEqual([]);
	});
});

describe('a first configuration', () => {
	it('has all that was found, with comments, and is one that check accepts', () => {
		const text = initText(
			{
				...nothing,
				nemoclaw: ['alpha', 'beta'],
				fleet: ['acme'],
				containers: [
					{runtime: 'docker', container: 'my_claw.1'},
					{runtime: 'podman', container: 'My-Claw-1'},
					{runtime: 'docker', container: '123'},
				],
				pods: [{namespaces: ['a', 'null'], container: 'openclaw'}],
				kubeContext: 'prod',
				stateDir: '/root/.openclaw',
			},
			'8h',
		);
		const {discover, sandboxes, warnings} = load(text);
		expect(discover.map(({label}) => label)).toEqual([
			'discover[0] (nemoclaw)',
			'discover[1] (openclaw-fleet)',
			'discover[2] (kubernetes, namespace a)',
			'discover[2] (kubernetes, namespace null)',
		]);
		expect(sandboxes.map(({name, target}) => [name, target.exec.join(' '), target.env])).toEqual([
			['my-claw-1', 'docker exec my_claw.1', {}],
			['my-claw-1-2', 'podman exec My-Claw-1', {}],
			['123', 'docker exec 123', {}],
			['host', '', {OPENCLAW_STATE_DIR: '/root/.openclaw'}],
		]);
		expect(warnings).toEqual([]);
		expect(text).toContain('# now 2: alpha, beta\n  - nemoclaw\n');
	});

	it('says what could be there, where that cannot be seen', () => {
		const text = initText({...nothing, fleet: ['a'], hasOpenshell: true, kubeContext: 'a\n- b: {'}, '8h');
		expect(text).toMatch(/^# There is openshell on this host/m);
		expect(text).toMatch(/^# kubectl has a context, a - b: \{, and no pods with app=openclaw/m);
		expect(load(text).discover).toHaveLength(1);
	});

	it('is accepted by check, whatever was found', () => {
		const name = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?$/);
		const findings = fc.record({
			nemoclaw: fc.option(fc.array(name)),
			hasOpenshell: fc.boolean(),
			fleet: fc.option(fc.array(name, {minLength: 1})),
			containers: fc.uniqueArray(
				fc.record({
					runtime: fc.constantFrom('docker' as const, 'podman' as const),
					container: fc.stringMatching(/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,80}$/),
				}),
				{maxLength: 5, selector: ({runtime, container}) => `${runtime} ${container}`},
			),
			pods: fc.uniqueArray(
				fc.record({namespaces: fc.uniqueArray(name, {minLength: 1, maxLength: 3}), container: name}),
				{
					maxLength: 2,
					selector: ({container}) => container,
				},
			),
			kubeContext: fc.option(fc.string()),
			stateDir: fc.option(fc.string({maxLength: 20}).map(text => `/srv/${text.replaceAll(/[\0\r\n]/g, '')}`)),
		});
		fc.assert(
			fc.property(findings, found => {
				const {sandboxes} = load(initText(found, '8h'));
				expect(sandboxes).toHaveLength(found.containers.length + (found.stateDir === null ? 0 : 1));
			}),
			{numRuns: 60},
		);
	});

	it('ends when it is told to, or never', () => {
		const found = {...nothing, nemoclaw: []};
		expect(load(initText(found, deadlineText('never'))).deadline).toBe(null);
		expect(load(initText(found, deadlineText('90'))).deadline).toBe(90_000);
		expect(load(initText(found, deadlineText('1h 30m'))).deadline).toBe(5_400_000);
		for (const wrong of ['soon', '0', '-1', '8h\npolicy: {}', ''])
			expect(() => deadlineText(wrong)).toThrow(/It .*must be|It is not/);
	});

	it('there is none of nothing', () => {
		expect(isAnythingFound({...nothing, hasOpenshell: true, kubeContext: 'prod'})).toBe(false);
		expect(isAnythingFound({...nothing, nemoclaw: []})).toBe(true);
	});
});
