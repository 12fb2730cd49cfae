import * as z from 'zod';

/** One kind of client that may be approved; a request matches when it agrees with all that the entry names. */
const clientEntrySchema = z.strictObject({
	id: z.string().min(1).optional(),
	mode: z.string().min(1).optional(),
	scopes: z.array(z.string().min(1)).optional(),
});
export type ClientEntry = Readonly<z.infer<typeof clientEntrySchema>>;

/** What a sandbox's clients may be granted. `refusalHold` is in milliseconds. */
export const policySchema = z.strictObject({
	clients: z.array(clientEntrySchema),
	scopes: z.array(z.string()),
	roles: z.array(z.string()),
	firstPairing: z.enum(['allow', 'deny']),
	onRefused: z.enum(['hold', 'reject', 'ignore']),
	refusalHold: z.number(),
});
export type Policy = Readonly<z.infer<typeof policySchema>>;

/** Why a request is not approved. */
export const REFUSAL_REASONS = [
	'unknown-client',
	'disallowed-scope',
	'disallowed-role',
	'first-pairing',
	'revoked',
	'malformed',
] as const;
export type RefusalReason = (typeof REFUSAL_REASONS)[number];
