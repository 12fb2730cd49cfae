import * as z from 'zod';

/** Whose decision something was. */
export const DECIDERS = ['policy', 'person'] as const;
export type Decider = (typeof DECIDERS)[number];

/** A pending request whose every known field is of the right type. `null` stands for an absent field. */
export const requestSchema = z.object({
	kind: z.literal('request'),
	requestId: z.string(),
	deviceId: z.string().nullable(),
	publicKey: z.string().nullable(),
	clientId: z.string().nullable(),
	clientMode: z.string().nullable(),
	role: z.string().nullable(),
	roles: z.array(z.string()).readonly().nullable(),
	scopes: z.array(z.string()).readonly().nullable(),
	/** When the gateway created it, milliseconds since the epoch. */
	ts: z.number().nullable(),
});
export type PairingRequest = Readonly<z.infer<typeof requestSchema>>;
