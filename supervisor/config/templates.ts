import {sandboxProblems} from './checks.ts';
import {SOME_SANDBOX} from './composition.ts';
import {problemsInTemplate, textsIn} from './defaults.ts';
import {type ConfigDocument, contentsOf, type KeyPath} from './document.ts';
import {oddities} from './known.ts';
import {filledIn, isMap, isOwn, type Layer, laidOver} from './layers.ts';
import type {Problem} from './problem.ts';
import {type ConfigFile, sandboxSchema} from './schema.ts';
import {type InventorySource, sourcesOf} from './sources.ts';

/** What may be filled into a template. */
const FILLED = Object.keys(SOME_SANDBOX);

/** What is wrong with templates as they are written, before anything is filled in. */
export function problemsInTemplates(document: ConfigDocument): readonly Problem[] {
	return templatesIn(document).flatMap(({template, at}) => [
		...problemsInTemplate(template, at, FILLED),
		...misplacedHosts(template, at),
	]);
}

/** Templates that are right by themselves, laid over `defaults`, and looked at as any sandbox is. */
export function problemsInLaidTemplates(document: ConfigDocument, file: ConfigFile): readonly Problem[] {
	return laidTemplates(document, file).flatMap(({one, place}) => sandboxProblems(one).map(place));
}

/** As {@link oddities}, of templates. */
export function odditiesInTemplates(document: ConfigDocument, file: ConfigFile): readonly Problem[] {
	return laidTemplates(document, file).flatMap(({one, place}) =>
		oddities(one)
			.filter(({at}) => at[0] === 'sandboxes')
			.map(place),
	);
}

/** The inventories of the file. */
export function sourcesIn(document: ConfigDocument, file: ConfigFile): readonly InventorySource[] {
	return sourcesOf(file, contentsOf(document).discover);
}

/** Two that are the same would contend for every sandbox. */
export function sameInventories(sources: readonly InventorySource[]): readonly Problem[] {
	return sources.flatMap(({key, index}) => {
		const first = sources.find(other => other.key === key);
		if (first === undefined || first.index === index) return [];
		const message = 'is the same inventory as another one; remove one';
		return [{at: ['discover', index], message, other: ['discover', first.index]}];
	});
}

/** `defaults` as they are written. */
export function defaultsIn(document: ConfigDocument): Layer {
	const {defaults} = contentsOf(document);
	return isMap(defaults) ? defaults : {};
}

function templatesIn(document: ConfigDocument): {readonly template: Layer; readonly at: KeyPath}[] {
	const {discover} = contentsOf(document);
	return (Array.isArray(discover) ? discover : []).flatMap((entry: unknown, index) =>
		isMap(entry) && isMap(entry.template) ? [{template: entry.template, at: ['discover', index, 'template']}] : [],
	);
}

/** A configuration of one sandbox, of which only the policy and that are looked at, and where its keys were written. */
interface Laid {
	readonly one: Pick<ConfigFile, 'policy' | 'sandboxes'>;
	readonly place: (problem: Problem) => Problem;
}

function laidTemplates(document: ConfigDocument, {policy}: ConfigFile): Laid[] {
	const defaults = defaultsIn(document);
	return templatesIn(document).flatMap(({template, at}) => {
		const entry = laidOver(
			{name: SOME_SANDBOX.name},
			filledIn(template, SOME_SANDBOX),
			filledIn(defaults, SOME_SANDBOX),
		);
		const checked = sandboxSchema.safeParse(entry);
		// What is wrong with either by itself is told where they are checked.
		if (!checked.success) return [];
		const {gateway} = checked.data;
		// Which file holds a token is known with the name.
		const sandbox = {...checked.data, gateway: gateway && {...gateway, tokenFile: undefined}};
		return [
			{
				one: {policy, sandboxes: [sandbox]},
				place: problem => {
					const own = problem.at.slice(2);
					return {...problem, at: isOwn(template, own) ? [...at, ...own] : ['defaults', ...own]};
				},
			},
		];
	});
}

/** An address that a foreign program gives is for a connection, and never a word of a command. */
function misplacedHosts(template: Layer, at: KeyPath): Problem[] {
	const {gateway} = template;
	const url = isMap(gateway) && typeof gateway.url === 'string' ? gateway.url : '';
	const rest = {
		...template,
		...(isMap(gateway) ? {gateway: {...gateway, url: url.replace(/^(wss?:\/\/)\{host\}(?=[:/]|$)/, '$1host')}} : {}),
	};
	return textsIn(rest, at)
		.filter(({text}) => text.includes('{host}'))
		.map(({at: place}) => ({
			at: place,
			message: 'may hold {host} only as the host of gateway.url, as in ws://{host}:{port}',
		}));
}
