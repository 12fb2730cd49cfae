import {globSync, readFileSync} from 'node:fs';
import path from 'node:path';
import {expect, it} from 'vitest';

const root = path.resolve(import.meta.dirname, '../..');

/** What a part of the program imports by relative path: importing file and imported one, from the project's root. */
function importsOf(part: string): {readonly from: string; readonly to: string}[] {
	return globSync(`${part}/**/*.{ts,cts}`, {cwd: root}).flatMap(file => {
		const text = readFileSync(path.join(root, file), 'utf8');
		const targets = [...text.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)].map(([, target = '']) => target);
		return targets.map(target => ({from: file, to: path.join(path.dirname(file), target)}));
	});
}

it('the worker imports nothing of the supervisor, nor of anything else here', () => {
	const imports = importsOf('worker');
	expect(imports.length).toBeGreaterThan(20);
	expect(imports.filter(({to}) => !to.startsWith('worker/'))).toEqual([]);
});

it('the supervisor imports of the worker what both need to know, and nothing that watches or approves', () => {
	const shared = [
		'worker/checkpoint-schema.ts',
		'worker/checkpoint.ts',
		'worker/clock.ts',
		'worker/host/command-group.ts',
		'worker/host/environment.ts',
		'worker/host/process-table.ts',
		'worker/host/processes.ts',
		'worker/host/run-command.ts',
		'worker/host/token-file.ts',
		'worker/host/trusted-path.ts',
		'worker/host/trusted-program.ts',
		'worker/json.ts',
		'worker/protocol.ts',
		'worker/rate-limit.ts',
		'worker/requests/policy-schema.ts',
		'worker/requests/policy.ts',
		'worker/requests/request-schema.ts',
		'worker/requests/request.ts',
		'worker/stretch.ts',
		'worker/text.ts',
		'worker/transport/circuit-breaker.ts',
		'worker/transport/exec-input.ts',
		'worker/transport/public-address.ts',
		'worker/transport/way.ts',
		'worker/turns.ts',
	];
	const imports = importsOf('supervisor');
	expect(imports.length).toBeGreaterThan(50);
	const foreign = imports.filter(({to}) => !to.startsWith('supervisor/'));
	expect(foreign.filter(({to}) => !shared.includes(to))).toEqual([]);
});

it('in the worker, what runs programs and what decides about requests know nothing of how a gateway is reached', () => {
	const imports = importsOf('worker').filter(({from}) => /^worker\/(host|requests)\//.test(from));
	const upwards = imports.filter(({to}) =>
		/^worker\/(watch|transport\/(cli|gateway))\/|^worker\/(main|worker)\.ts/.test(to),
	);
	expect(imports.length).toBeGreaterThan(5);
	expect(upwards).toEqual([]);
});

it('nothing that ships imports what does not', () => {
	const imports = [...importsOf('worker'), ...importsOf('supervisor')];
	expect(imports.filter(({to}) => /^(test|scripts)\//.test(to))).toEqual([]);
});

it('no file imports itself, over however many others', () => {
	const imports = [...importsOf('worker'), ...importsOf('supervisor')];
	const importsBy = Map.groupBy(imports, ({from}) => from);
	const done = new Set<string>();
	const circlesFrom = (file: string, way: readonly string[]): string[] => {
		if (way.includes(file)) return [[...way.slice(way.indexOf(file)), file].join(' > ')];
		if (done.has(file)) return [];
		const circles = (importsBy.get(file) ?? []).flatMap(({to}) => circlesFrom(to, [...way, file]));
		done.add(file);
		return circles;
	};
	expect([...importsBy.keys()].flatMap(file => circlesFrom(file, []))).toEqual([]);
});
