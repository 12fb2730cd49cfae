export type {Decider, PairingRequest} from './request-schema.ts';

/** A request id that may be named to OpenClaw: never an option, never more than one word. */
const REQUEST_ID = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/;

/** Whether this is an id that may be named to OpenClaw. */
export function isRequestId(value: unknown): value is string {
	return typeof value === 'string' && REQUEST_ID.test(value);
}

/** A pending entry that cannot be trusted as a request; `requestId` is `null` when there is none that could be named to OpenClaw. */
export interface MalformedRequest {
	readonly kind: 'malformed';
	/** The same for this entry in every listing. */
	readonly key: string;
	readonly requestId: string | null;
	readonly deviceId: string | null;
	readonly clientId: string | null;
	readonly clientMode: string | null;
	readonly scopes: readonly string[] | null;
}

/** A device the gateway knows already. */
export interface PairedDevice {
	readonly deviceId: string;
	readonly publicKey: string | null;
	/** What its record says that it has. */
	readonly scopes: readonly string[];
	/** The roles that its record names; absent where the gateway does not say. */
	readonly roles?: readonly string[];
	/** One a role. */
	readonly tokens: readonly DeviceToken[];
	/** When it was first paired, milliseconds since the epoch; absent where the gateway does not say. */
	readonly createdAt?: number;
	/** Its scopes or tokens are listed and cannot be read, so that nobody can say what it has. */
	readonly isUnreadable?: boolean;
}

/** What a device shows to be let in, as a gateway lists it. */
export interface DeviceToken {
	readonly role: string;
	readonly scopes: readonly string[];
	/** Somebody took it away. */
	readonly isRevoked: boolean;
}
