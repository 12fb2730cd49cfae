import {existsSync, readFileSync} from 'node:fs';
import path from 'node:path';
import {DockerfileParser} from 'dockerfile-ast';
import {validate} from 'dockerfile-utils';
import type {IStatefulSet} from 'kubernetes-models/apps/v1';
import {expect, it} from 'vitest';
import {readManifest, writtenResources} from '../support/manifests.ts';

const root = path.resolve(import.meta.dirname, '../..');
const text = readManifest('Containerfile');
const file = DockerfileParser.parse(text);
const instructions = (keyword: string) => file.getInstructions().filter(each => each.getKeyword() === keyword);
const words = (keyword: string) => instructions(keyword).map(each => each.getArgumentsContent() ?? '');

it('the recipe is one', () => {
	expect(validate(text)).toEqual([]);
	expect(words('FROM').length).toBeGreaterThan(1);
});

it('what it is made of has a version, and nothing is downloaded past the package managers', () => {
	const defaults = new Map(words('ARG').map(each => each.split('=', 2) as [string, string]));
	expect(defaults.get('KUBECTL')).toMatch(/^v1\.\d+\.\d+$/);
	const images = words('FROM').map(each => each.replace(/\$\{(\w+)\}/g, (_, name) => defaults.get(name) ?? ''));
	for (const image of images) expect(image).toMatch(/^[\w.]+(\/[\w.-]+)+:v?\d[\w.-]*( AS \w+)?$/);
	expect(words('ADD')).toEqual([]);
	expect(words('RUN').join()).not.toMatch(/\b(curl|wget|npx)\b|https?:/);
});

it('it runs on a Node that pairkeeper runs on, the same one as it is built with', () => {
	const [major = ''] = /(?<=^ARG NODE=)\d+/m.exec(text) ?? [];
	const {engines} = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
	const [least = ''] = /\d+/.exec(engines.node) ?? [];
	expect(Number(major)).toBeGreaterThanOrEqual(Number(least));
	const bases = file.getFROMs().filter(each => each.getImageName() === 'library/node');
	expect(bases.map(each => each.getImageTag())).toEqual(Array(2).fill('$'.concat('{NODE}')));
});

it('what it copies from a clone is there', () => {
	const copies = file.getCOPYs().filter(each => each.getFromFlag() === null);
	const sources = copies.flatMap(each => each.getArguments().slice(0, -1).map(String));
	expect(sources).toContain('package-lock.json');
	expect(sources.filter(source => !existsSync(path.join(root, source)))).toEqual([]);
});

it('it runs as the user that the manifests run it as, and begins with what they give arguments to', () => {
	const set = writtenResources().get('stateful-set.yaml') as unknown as IStatefulSet;
	const {runAsUser, runAsGroup} = set.spec?.template.spec?.securityContext ?? {};
	expect(words('USER')).toEqual([`${runAsUser}:${runAsGroup}`]);
	expect(words('ENTRYPOINT').join()).toContain('/usr/local/bin/pairkeeper');
	expect(words('CMD')).toEqual(['["run"]']);
});
