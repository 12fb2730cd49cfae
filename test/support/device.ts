// A device that asks a gateway to pair, as the Control UI in a browser or a CLI on another machine would.
import {createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign} from 'node:crypto';
import {GatewayClient, type GatewayClientOptions, GatewayClientRequestError} from '@openclaw/gateway-client';

type DeviceIdentity = NonNullable<GatewayClientOptions['deviceIdentity']>;

/** What a device says of itself, and asks for. */
export interface Ask {
	readonly clientName: NonNullable<GatewayClientOptions['clientName']>;
	readonly mode: NonNullable<GatewayClientOptions['mode']>;
	/** `operator` unless told. */
	readonly role?: string;
	readonly scopes: readonly string[];
}

/** What the gateway answered. */
export type Answer =
	/** Connected; `scopes` are those the gateway granted the connection. */
	| {readonly kind: 'hello'; readonly scopes: readonly string[]}
	/** Refused until somebody approves `requestId`. */
	| {readonly kind: 'pairing-required'; readonly requestId: string; readonly reason: string};

/** What the bundled Control UI of 2026.5.27 asks for. */
export const controlUiScopes = [
	'operator.admin',
	'operator.read',
	'operator.write',
	'operator.approvals',
	'operator.pairing',
] as const;

/** What the bundled Control UI of 2026.9.6 asks for. */
export const newerControlUiScopes = [...controlUiScopes, 'operator.questions'] as const;

/** Milliseconds are usual; a gateway that still does what it put off at its start may take seconds. */
const answerTimeoutMs = 60_000;

/** A device with an Ed25519 key of its own, which lives as long as this object. */
export class Device {
	/** SHA-256 of the public key, in hex: the `deviceId` of its requests. */
	readonly id: string;
	readonly #identity: DeviceIdentity;

	constructor() {
		const {publicKey, privateKey} = generateKeyPairSync('ed25519');
		this.id = createHash('sha256').update(rawPublicKey(publicKey)).digest('hex');
		this.#identity = {
			deviceId: this.id,
			publicKeyPem: publicKey.export({type: 'spki', format: 'pem'}).toString(),
			privateKeyPem: privateKey.export({type: 'pkcs8', format: 'pem'}).toString(),
		};
	}

	/** Connects once, asking for a role and scopes; the connection is closed again. @throws for any other answer. */
	async ask(gateway: {readonly url: string; readonly token: string}, ask: Ask): Promise<Answer> {
		try {
			return await this.#connect(gateway, ask);
		} catch (error) {
			// 2026.9.6 sends a paired Control UI of another build away until its page has been loaded anew.
			const clientBuildId = detail(error, 'gatewayBuildId');
			if (clientBuildId === undefined) throw error;
			return this.#connect(gateway, ask, {clientBuildId});
		}
	}

	async #connect(
		gateway: {readonly url: string; readonly token: string},
		ask: Ask,
		build: {readonly clientBuildId?: string} = {},
	): Promise<Answer> {
		const {promise, resolve, reject} = Promise.withResolvers<Answer>();
		const origin = gateway.url.replace(/^ws/, 'http');
		const client = new GatewayClient({
			url: gateway.url,
			token: gateway.token,
			...(ask.clientName === 'openclaw-control-ui' ? {origin} : {}),
			...build,
			clientName: ask.clientName,
			mode: ask.mode,
			role: ask.role ?? 'operator',
			scopes: [...ask.scopes],
			minProtocol: 3,
			maxProtocol: 4,
			deviceIdentity: this.#identity,
			hostDeps: {
				signDevicePayload: (pem, payload) =>
					sign(null, Buffer.from(payload), createPrivateKey(pem)).toString('base64url'),
				publicKeyRawBase64UrlFromPem: pem => rawPublicKey(createPublicKey(pem)).toString('base64url'),
			},
			onHelloOk: hello => resolve({kind: 'hello', scopes: hello.auth.scopes ?? []}),
			onConnectError: error => {
				const answer = pairingRequired(error);
				if (answer) resolve(answer);
				else reject(error);
			},
		});
		const late = () => reject(new Error(`No answer from the gateway within ${answerTimeoutMs / 1000} s`));
		const timer = setTimeout(late, answerTimeoutMs);
		client.start();
		try {
			return await promise;
		} finally {
			clearTimeout(timer);
			await client.stopAndWait({timeoutMs: 2000});
		}
	}
}

function pairingRequired(error: Error): Answer | undefined {
	const requestId = detail(error, 'requestId');
	const reason = detail(error, 'reason');
	if (detail(error, 'code') !== 'PAIRING_REQUIRED' || requestId === undefined || reason === undefined) return;
	return {kind: 'pairing-required', requestId, reason};
}

/** A text among the details of the gateway's refusal. */
function detail(error: unknown, key: string): string | undefined {
	if (!(error instanceof GatewayClientRequestError)) return;
	const {details} = error;
	if (typeof details !== 'object' || details === null) return;
	const value: unknown = Reflect.get(details, key);
	return typeof value === 'string' ? value : undefined;
}

/** The 32 bytes of an Ed25519 public key, without its wrapping. */
function rawPublicKey(key: KeyObject): Buffer {
	return key.export({type: 'spki', format: 'der'}).subarray(-32);
}
