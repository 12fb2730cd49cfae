import * as z from 'zod';
import {program, word} from './texts.ts';
import {duration} from './units.ts';
import {wanted} from './words.ts';

/** So many inventories there may be: each costs a call again and again. */
const MAX_INVENTORIES = 32;

/** The inventories that need no more than their name. */
export const PRESETS = ['nemoclaw', 'openclaw-fleet'] as const;

const PRESET_WORDS =
	'nemoclaw, openclaw-fleet, or a map such as {kubernetes: {selector: app=openclaw, namespaces: [a], container: openclaw}} or {command: [my-inventory, --json], template: {exec: [docker, exec, "{name}"]}}';

/** A name as Kubernetes has it for namespaces and containers (RFC 1123 label). */
const label = (what: string) =>
	word.regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, wanted(`the name of a ${what}, such as openclaw`));

const every = duration({min: 1000}).optional();

const kubernetes = z.strictObject(
	{
		selector: word.refine(text => !text.startsWith('-'), wanted('a label selector, such as app=openclaw')),
		namespaces: z
			.array(label('namespace'), wanted('a list of namespaces, such as [openclaw]'))
			.min(1, {error: 'must name a namespace'}),
		container: label('container'),
		every,
	},
	wanted('a map such as {selector: app=openclaw, namespaces: [a], container: openclaw}'),
);

/** Where sandboxes are looked for. `template`: what those of a command get. */
export function discoverSchema<T extends z.ZodType>(template: T) {
	const map = z
		.strictObject(
			{
				kubernetes: kubernetes.optional(),
				command: program('[my-inventory, --json]').optional(),
				every,
				template: template.optional(),
			},
			wanted(PRESET_WORDS),
		)
		.refine(entry => (entry.kubernetes === undefined) !== (entry.command === undefined), {
			error: 'must have either a command or kubernetes',
		})
		.refine(entry => entry.kubernetes === undefined || entry.every === undefined, {
			path: ['every'],
			error: 'belongs to the map of kubernetes; is it indented wrongly?',
		})
		.refine(entry => entry.kubernetes === undefined || entry.template === undefined, {
			path: ['template'],
			error: 'is for a command; what the pods get beside their exec stands under defaults',
		});
	return z
		.array(z.union([z.enum(PRESETS, wanted(PRESET_WORDS)), map], wanted(PRESET_WORDS)), {
			...wanted('a list of inventories, such as [nemoclaw]'),
		})
		.max(MAX_INVENTORIES, {error: `names more than ${MAX_INVENTORIES} inventories`})
		.default([]);
}
