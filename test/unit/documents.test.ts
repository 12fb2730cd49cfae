import {existsSync, globSync, readFileSync} from 'node:fs';
import path from 'node:path';
import {expect, it} from 'vitest';
import {toSupervisorSchema, toWorkerSchema} from '../../worker/protocol.ts';

const root = path.resolve(import.meta.dirname, '../..');
const documents = ['README.md', ...globSync('{supervisor,worker,scripts}/**/*.md', {cwd: root})];

function linksIn(text: string): readonly string[] {
	return [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = '']) => link);
}

/** Where a document's headings are found (GitHub's anchors). */
function anchorsOf(file: string): readonly string[] {
	const headings = readFileSync(file, 'utf8').matchAll(/^#+ (.*)$/gm);
	return [...headings].map(([, heading = '']) =>
		heading
			.toLowerCase()
			.replace(/[^\p{Letter}\p{Number}\- ]/gu, '')
			.replaceAll(' ', '-'),
	);
}

it.each(documents)('what %s links to is there', document => {
	const dead = linksIn(readFileSync(path.join(root, document), 'utf8')).filter(link => {
		if (/^https?:/.test(link)) return false;
		const [file = '', anchor] = link.split('#');
		const target = file === '' ? path.join(root, document) : path.join(root, path.dirname(document), file);
		return !existsSync(target) || (anchor !== undefined && !anchorsOf(target).includes(anchor));
	});
	expect(dead).toEqual([]);
});

it('links are found, and anchors as GitHub makes them', () => {
	const readme = path.join(root, 'README.md');
	expect(linksIn(readFileSync(readme, 'utf8')).length).toBeGreaterThan(20);
	expect(anchorsOf(readme)).toEqual(expect.arrayContaining(['after-8-hours', 'a-sandbox-behind-ssh']));
});

it('how-it-works.md shows every message of supervisor and workers', () => {
	const picture = readFileSync(path.join(root, 'supervisor/how-it-works.md'), 'utf8').split('```')[1] ?? '';
	const kinds = [toWorkerSchema, toSupervisorSchema].flatMap(({options}) => options.map(({shape}) => shape.kind.value));
	expect(kinds.filter(kind => !new RegExp(`\\b${kind}\\b`).test(picture))).toEqual([]);
	expect(kinds.length).toBeGreaterThan(10);
});
