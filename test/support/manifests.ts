// The Kubernetes manifests, held against the schemas that Kubernetes publishes for its API (kubernetes-models has them as code).
import {execFileSync} from 'node:child_process';
import {globSync, readFileSync} from 'node:fs';
import path from 'node:path';
import {parseAllDocuments} from 'yaml';
import * as z from 'zod';

/** The parts of the API that are used; each is loaded when something is held against it. */
const SCHEMAS: Readonly<Record<string, () => Promise<object>>> = {
	v1: () => import('kubernetes-models/v1'),
	'apps/v1': () => import('kubernetes-models/apps/v1'),
	'networking.k8s.io/v1': () => import('kubernetes-models/networking.k8s.io/v1'),
	'policy/v1': () => import('kubernetes-models/policy/v1'),
	'rbac.authorization.k8s.io/v1': () => import('kubernetes-models/rbac.authorization.k8s.io/v1'),
};

/** Where they are, from the project's root. */
export const MANIFESTS = 'scripts/packaging/kubernetes';
const folder = path.resolve(import.meta.dirname, '../..', MANIFESTS);

const anyResource = z.looseObject({apiVersion: z.string(), kind: z.string()});
/** Something that the API server is sent, or that kustomize reads. */
export type Resource = z.infer<typeof anyResource>;

/** All resources that are written there, by their files; what only kustomize or pairkeeper reads is left out. */
export function writtenResources(): ReadonlyMap<string, Resource> {
	const files = globSync('**/*.yaml', {cwd: folder}).filter(file => !/(^|\/)(config|kustomization)\.yaml$/.test(file));
	return new Map(files.map(file => [file, onlyOne(readManifest(file))] as const));
}

/** A file of the manifests. */
export function readManifest(file: string): string {
	return readFileSync(path.join(folder, file), 'utf8');
}

/** What kustomize makes of them, or of a copy. Throws where it refuses them, or there is no kubectl. */
export function render(from = folder): readonly Resource[] {
	return resourcesIn(execFileSync('kubectl', ['kustomize', from], {encoding: 'utf8', stdio: 'pipe'}));
}

/** Why it cannot be rendered here; `null`: it can. kubectl has kustomize built in. */
export function whyNotRendered(): string | null {
	try {
		execFileSync('kubectl', ['version', '--client'], {stdio: 'ignore'});
		return null;
	} catch {
		return 'kubectl is not installed';
	}
}

/** The documents of a stream of YAML; throws where one cannot be read. */
export function resourcesIn(yaml: string): readonly Resource[] {
	return parseAllDocuments(yaml).map(document => {
		if (document.errors[0]) throw document.errors[0];
		return anyResource.parse(document.toJS());
	});
}

/** What the schema of its kind has against a resource; unknown keys too, which the API server drops without a word. */
export async function problemsOf(resource: Resource): Promise<readonly string[]> {
	const {apiVersion, kind} = resource;
	const Model = new Map(Object.entries((await SCHEMAS[apiVersion]?.()) ?? {})).get(kind);
	if (typeof Model !== 'function') return [`${apiVersion} has no ${kind}`];
	const unread = new Map<object, Set<string>>();
	try {
		// Of the resource as it is: a model would be a copy, for which every key is read.
		Model.prototype.validate.call(watch(resource, '', unread));
	} catch (error) {
		return [String(error)];
	}
	return [...unread.values()].flatMap(keys => [...keys].map(key => `${key}: no such key`));
}

/** The value, such that reading a key takes it from `unread`: the generated checks read every key that there is in the schema, and no other. */
function watch(value: unknown, at: string, unread: Map<object, Set<string>>): unknown {
	if (typeof value !== 'object' || value === null) return value;
	const children = Object.entries(value).map(([key, child]) => [key, watch(child, `${at}/${key}`, unread)] as const);
	const copy = Array.isArray(value) ? children.map(([, child]) => child) : Object.fromEntries(children);
	const keys = new Set(Object.keys(value).map(key => `${at}/${key}`));
	unread.set(copy, keys);
	return new Proxy(copy, {
		get: (target, key, receiver) => {
			keys.delete(`${at}/${String(key)}`);
			return Reflect.get(target, key, receiver);
		},
	});
}

function onlyOne(yaml: string): Resource {
	const [resource, ...more] = resourcesIn(yaml);
	if (!resource || more.length > 0) throw new Error('a file of the manifests holds one resource');
	return resource;
}
