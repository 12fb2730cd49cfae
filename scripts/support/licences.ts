import {readdir, readFile} from 'node:fs/promises';
import path from 'node:path';

/** The folder of the package that a file belongs to. */
const PACKAGE = /^.*node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/;

/** What a package calls the file that has to go along with copies of it. */
const LICENCE = /^(licen[cs]e|copying|notice)/i;

/** The licences of all packages that these files are from, one after the other; paths relative to `root`. Throws where a package comes without one. */
export async function licencesOf(files: readonly string[], root: string): Promise<string> {
	const folders = new Set(files.flatMap(file => PACKAGE.exec(file)?.[0] ?? []));
	const texts = [...folders].sort().map(folder => licenceIn(path.join(root, folder)));
	return (await Promise.all(texts)).join(`\n${'-'.repeat(80)}\n\n`);
}

async function licenceIn(folder: string): Promise<string> {
	const {name, version, license} = JSON.parse(await readFile(path.join(folder, 'package.json'), 'utf8'));
	const names = (await readdir(folder)).filter(file => LICENCE.test(file)).sort();
	if (names.length === 0 && license === undefined) throw new Error(`${folder} comes without a licence`);
	const texts = await Promise.all(names.map(file => readFile(path.join(folder, file), 'utf8')));
	return [`${name} ${version} (${license})\n`, ...texts].join('\n');
}
