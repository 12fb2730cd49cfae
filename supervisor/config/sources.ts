import {printable} from '../../worker/text.ts';
import {isMap, type Layer} from './layers.ts';
import type {ConfigFile} from './schema.ts';

/** How often an inventory is taken unless it says otherwise, in milliseconds. */
const EVERY = 60_000;

/** How it is found out which sandboxes there are. */
export type Inventory =
	| {readonly kind: 'nemoclaw'}
	| {readonly kind: 'openclaw-fleet'}
	| {
			readonly kind: 'kubernetes';
			readonly selector: string;
			readonly namespace: string;
			readonly container: string;
	  }
	| {readonly kind: 'command'; readonly command: readonly string[]};

/** Where sandboxes are looked for. */
export interface InventorySource {
	/** Names it, wherever it stands in the file: what it has given stays as long as it is configured. */
	readonly key: string;
	/** For people. */
	readonly label: string;
	/** Its place in the list `discover`. */
	readonly index: number;
	readonly inventory: Inventory;
	/** Milliseconds between two inventories. */
	readonly every: number;
	/** What its sandboxes get, placeholders and all; a preset says itself how its own are reached. */
	readonly template: Layer;
}

/** The inventories of a configuration; each namespace is one of its own, so that one that cannot be read holds up no other. `written`: the list as it stands in the file. */
export function sourcesOf({discover}: Pick<ConfigFile, 'discover'>, written: unknown): readonly InventorySource[] {
	const entries = Array.isArray(written) ? written : [];
	return discover.flatMap((entry, index) => {
		const raw: unknown = entries[index];
		const template = isMap(raw) && isMap(raw.template) ? raw.template : {};
		if (typeof entry === 'string') return [source({kind: entry}, {index, every: EVERY, template})];
		const {kubernetes, command} = entry;
		if (kubernetes === undefined)
			return [source({kind: 'command', command: command ?? []}, {index, every: entry.every ?? EVERY, template})];
		const {selector, namespaces, container, every = EVERY} = kubernetes;
		return namespaces.map(namespace =>
			source({kind: 'kubernetes', selector, namespace, container}, {index, every, template}),
		);
	});
}

function source(inventory: Inventory, rest: Pick<InventorySource, 'index' | 'every' | 'template'>): InventorySource {
	return {key: JSON.stringify(inventory), label: `discover[${rest.index}] (${nameOf(inventory)})`, inventory, ...rest};
}

function nameOf(inventory: Inventory): string {
	switch (inventory.kind) {
		case 'kubernetes':
			return `kubernetes, namespace ${inventory.namespace}`;
		case 'command':
			return printable(inventory.command.join(' '), 40);
		default:
			return inventory.kind;
	}
}
