import {configJsonSchema} from '../config/schema.ts';
import {statusJsonSchema} from '../status/schema.ts';
import {EXIT} from './exit-codes.ts';

/** What there is a JSON Schema of. */
export const SCHEMAS = ['config', 'status'] as const;
export type SchemaName = (typeof SCHEMAS)[number];

/** `pairkeeper schema config|status`. */
export async function schema(name: SchemaName): Promise<number> {
	const jsonSchema = name === 'config' ? configJsonSchema() : statusJsonSchema();
	process.stdout.write(`${JSON.stringify(jsonSchema, null, '\t')}\n`);
	return EXIT.ok;
}
