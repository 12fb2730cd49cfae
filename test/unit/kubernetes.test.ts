import {cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import type {IStatefulSet} from 'kubernetes-models/apps/v1';
import type {INetworkPolicy} from 'kubernetes-models/networking.k8s.io/v1';
import type {IPodDisruptionBudget} from 'kubernetes-models/policy/v1';
import type {IRole, IRoleBinding} from 'kubernetes-models/rbac.authorization.k8s.io/v1';
import type {INamespace, IService, IServiceAccount} from 'kubernetes-models/v1';
import {describe, expect, it} from 'vitest';
import {parse} from 'yaml';
import {loadConfig} from '../../supervisor/config/load.ts';
import {shardOn} from '../../supervisor/config/shard.ts';
import {parseListen} from '../../supervisor/http/address.ts';
import {routeOf} from '../../supervisor/http/routes.ts';
import {
	MANIFESTS,
	problemsOf,
	type Resource,
	readManifest,
	render,
	whyNotRendered,
	writtenResources,
} from '../support/manifests.ts';

const root = path.resolve(import.meta.dirname, '../..');
const written = writtenResources();
/** The file's resource as a type that says what of it is looked at; the schema says that it is one. */
const read = <T>(file: string) => written.get(file) as unknown as T;
const statefulSet = read<IStatefulSet>('stateful-set.yaml');
const pod = statefulSet.spec?.template.spec;
const [container] = pod?.containers ?? [];
const all = [...(pod?.initContainers ?? []), ...(pod?.containers ?? [])];
const kustomization = parse(readManifest('kustomization.yaml'));
const config = parse(readManifest('config.yaml'));

function shardOf(set: IStatefulSet): string | undefined {
	return set.spec?.template.spec?.containers[0]?.env?.find(({name}) => name === 'PAIRKEEPER_SHARD')?.value;
}

describe('the manifests are what the schemas of Kubernetes say', () => {
	it.each([...written])('%s', async (_, resource) => {
		expect(await problemsOf(resource)).toEqual([]);
	});

	it.each([
		['a value of another type', {spec: {minAvailable: []}}, /minAvailable/],
		['a misspelt key, however deep', {spec: {selector: {matchlabels: {a: 'b'}}}}, /\/spec\/selector\/matchlabels/],
		['a kind that there is not', {kind: 'PodDisruption'}, /has no PodDisruption/],
	])('where there is %s, that is told', async (_, wrong, problem) => {
		const budget = {apiVersion: 'policy/v1', kind: 'PodDisruptionBudget', ...wrong} as Resource;
		expect((await problemsOf(budget)).join()).toMatch(problem);
	});
});

describe('what pairkeeper may do in the cluster', () => {
	it('is said by one Role in each namespace that it serves, and by nothing else', () => {
		expect([...written.values()].map(({kind}) => kind).toSorted()).toEqual(
			['Namespace', 'NetworkPolicy', 'PodDisruptionBudget', 'Role', 'RoleBinding'].concat(
				...['Service', 'ServiceAccount', 'StatefulSet'],
			),
		);
	});

	it('is to find pods and to run commands in them: no Secrets, nothing to be changed', () => {
		expect(read<IRole>('access/role.yaml').rules).toEqual([
			{apiGroups: [''], resources: ['pods'], verbs: ['get', 'list']},
			{apiGroups: [''], resources: ['pods/exec'], verbs: ['create', 'get']},
		]);
	});

	it('is given to the account of its pods, and only they are told its token', () => {
		const {roleRef, subjects} = read<IRoleBinding>('access/role-binding.yaml');
		const account = read<IServiceAccount>('service-account.yaml');
		expect(roleRef).toMatchObject({kind: 'Role', name: read<IRole>('access/role.yaml').metadata?.name});
		const {name, namespace} = account.metadata ?? {};
		expect(subjects).toEqual([{kind: 'ServiceAccount', name, namespace}]);
		expect(account.automountServiceAccountToken).toBe(false);
		expect(pod).toMatchObject({serviceAccountName: name, automountServiceAccountToken: true});
	});

	it('is had in the namespaces whose pods it looks for', () => {
		const namespaces = config.discover.flatMap(
			(each: {kubernetes?: {namespaces: string[]}}) => each.kubernetes?.namespaces,
		);
		expect(namespaces).toEqual([read<IRole>('access/role.yaml').metadata?.namespace]);
		expect(parse(readManifest('access/kustomization.yaml')).namespace).toEqual(namespaces[0]);
	});
});

describe('a pod', () => {
	it('runs as an ordinary user, in a namespace that takes nothing else', () => {
		expect(pod?.securityContext).toEqual({
			runAsNonRoot: true,
			runAsUser: 10001,
			runAsGroup: 10001,
			seccompProfile: {type: 'RuntimeDefault'},
		});
		const labels = read<INamespace>('namespace.yaml').metadata?.labels;
		expect(labels).toMatchObject({'pod-security.kubernetes.io/enforce': 'restricted'});
	});

	it.each(all)('has no way to more rights, nor to write to its own file system: $name', ({securityContext}) => {
		expect(securityContext).toEqual({
			allowPrivilegeEscalation: false,
			readOnlyRootFilesystem: true,
			capabilities: {drop: ['ALL']},
		});
	});

	it('shares nothing with its machine, and writes to a directory of its own alone', () => {
		expect(Object.keys(pod ?? {}).filter(key => key.startsWith('host'))).toEqual([]);
		expect(pod?.volumes?.flatMap(({name, ...source}) => Object.keys(source))).toEqual(['configMap', 'emptyDir']);
		const mounts = container?.volumeMounts?.map(({mountPath, subPath, readOnly = false}) => ({
			mountPath,
			subPath,
			readOnly,
		}));
		expect(mounts).toEqual([
			{mountPath: '/etc/pairkeeper/config.yaml', subPath: 'config.yaml', readOnly: true},
			{mountPath: path.dirname(config.statusFile), subPath: 'own', readOnly: false},
		]);
	});

	it('has bounds for all that it takes, but for the CPU', () => {
		for (const {resources} of all) {
			expect(Object.keys(resources?.requests ?? {})).toEqual(expect.arrayContaining(['cpu', 'memory']));
			expect(Object.keys(resources?.limits ?? {})).toContain('memory');
			expect(Object.keys(resources?.limits ?? {})).not.toContain('cpu');
		}
	});

	it('is asked how it is where pairkeeper answers', () => {
		const {startupProbe, livenessProbe, readinessProbe, ports} = container ?? {};
		// The kubelet asks by the pod's address; no name has to be known.
		const routes = [startupProbe, livenessProbe, readinessProbe].map(probe =>
			routeOf({method: 'GET', url: probe?.httpGet?.path ?? '', host: '10.1.2.3:9464'}, []),
		);
		expect(routes).toEqual(['livez', 'livez', 'healthz'].map(route => ({kind: 'route', route})));
		const [port] = ports ?? [];
		for (const probe of [startupProbe, livenessProbe, readinessProbe]) expect(probe?.httpGet?.port).toBe(port?.name);
		expect(parseListen(config.listen)).toEqual({kind: 'tcp', host: '0.0.0.0', port: port?.containerPort});
	});

	it('has time to end what it has started', () => {
		const stopTimeout = 10;
		expect(pod?.terminationGracePeriodSeconds).toBeGreaterThanOrEqual(stopTimeout + 2);
	});
});

describe('of the sandboxes', () => {
	it('each pod has a share, by its ordinal among as many as there are', () => {
		const {replicas} = statefulSet.spec ?? {};
		expect(shardOf(statefulSet)).toBe(`auto/${replicas}`);
		const pods = Array.from({length: replicas ?? 0}, (_, ordinal) => `${statefulSet.metadata?.name}-${ordinal}`);
		const shares = pods.map(host => shardOn(host, shardOf(statefulSet) ?? ''));
		expect(shares).toEqual(pods.map((_, ordinal) => ({index: ordinal + 1, count: replicas})));
		expect(kustomization.replicas).toEqual([{name: statefulSet.metadata?.name, count: replicas}]);
		expect(config.shard).toBeUndefined();
	});

	it('none has two keepers while pods are replaced: there is one of each ordinal at most, and one is replaced after the other', () => {
		expect(statefulSet.spec?.updateStrategy).toEqual({type: 'RollingUpdate'});
		expect(read<IPodDisruptionBudget>('pod-disruption-budget.yaml').spec).toMatchObject({maxUnavailable: 1});
	});

	it('those pods are meant that there are', () => {
		const labels = statefulSet.spec?.template.metadata?.labels;
		const [port] = container?.ports ?? [];
		const service = read<IService>('service.yaml');
		expect(service.metadata?.name).toBe(statefulSet.spec?.serviceName);
		expect(service.spec).toMatchObject({
			selector: labels,
			ports: [{port: port?.containerPort, targetPort: port?.name}],
		});
		expect(statefulSet.spec?.selector.matchLabels).toEqual(labels);
		expect(read<IPodDisruptionBudget>('pod-disruption-budget.yaml').spec?.selector?.matchLabels).toEqual(labels);
		expect(read<INetworkPolicy>('network-policy.yaml').spec).toMatchObject({
			podSelector: {matchLabels: labels},
			policyTypes: ['Ingress', 'Egress'],
			ingress: [{ports: [{port: port?.name}]}],
		});
	});
});

it('the configuration is one that pairkeeper takes', () => {
	const folder = mkdtempSync(path.join(tmpdir(), 'pairkeeper-manifests-'));
	try {
		const file = path.join(folder, 'config.yaml');
		cpSync(path.join(root, MANIFESTS, 'config.yaml'), file);
		const {discover, shard, warnings} = loadConfig({config: file, environment: {PAIRKEEPER_SHARD: '1/2'}});
		expect(discover.map(({inventory}) => inventory)).toMatchObject([{kind: 'kubernetes', namespace: 'openclaw'}]);
		expect({shard, warnings}).toEqual({shard: {index: 1, count: 2}, warnings: []});
	} finally {
		rmSync(folder, {recursive: true});
	}
});

it('the image is this version', () => {
	const {version} = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
	expect(kustomization.images).toMatchObject([{name: 'pairkeeper', newTag: version}]);
	expect(new Set(all.map(({image}) => image))).toEqual(new Set(['pairkeeper']));
});

const whyNot = whyNotRendered();

describe.skipIf(whyNot !== null)(`rendered by kustomize${whyNot === null ? '' : `: ${whyNot}`}`, () => {
	it('all is there, and what it says of the schemas holds', async () => {
		const rendered = render();
		expect(rendered.map(({kind}) => kind).toSorted()).toEqual(
			['ConfigMap', ...[...written.values()].map(({kind}) => kind)].toSorted(),
		);
		const problems = await Promise.all(rendered.map(problemsOf));
		expect(problems.flat()).toEqual([]);
	});

	it('the number of replicas, said once, is the number of shards', () => {
		const copy = mkdtempSync(path.join(tmpdir(), 'pairkeeper-manifests-'));
		try {
			cpSync(path.join(root, MANIFESTS), copy, {recursive: true});
			writeFileSync(
				path.join(copy, 'kustomization.yaml'),
				readManifest('kustomization.yaml').replace(/^ {4}count: 2$/m, '    count: 5'),
			);
			const set = render(copy).find(({kind}) => kind === 'StatefulSet') as unknown as IStatefulSet;
			expect(set.spec?.replicas).toBe(5);
			expect(shardOf(set)).toBe('auto/5');
		} finally {
			rmSync(copy, {recursive: true});
		}
	});

	it('a changed configuration is another ConfigMap, so that it is rolled out', () => {
		const rendered = render();
		const name = (rendered.find(({kind}) => kind === 'ConfigMap') as {metadata?: {name: string}}).metadata?.name;
		expect(name).toMatch(/^pairkeeper-\w+$/);
		expect(JSON.stringify(rendered.find(({kind}) => kind === 'StatefulSet'))).toContain(`"name":"${name}"`);
	});
});
