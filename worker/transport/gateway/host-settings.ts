import {ClientError} from '../../client-error.ts';
import {isRecord} from '../../json.ts';

/** Where OpenClaw listens when nothing says otherwise (OpenClaw: docs/gateway/configuration-reference.md). */
const DEFAULT_PORT = 18_789;

/** What a token may look like: short ones could not be kept out of our texts. */
const TOKEN = /^[!-~]{4,4096}$/;

/** What of a host's environment decides where its `openclaw` would go. */
export type HostEnvironment = Readonly<Partial<Record<'OPENCLAW_GATEWAY_URL' | 'OPENCLAW_GATEWAY_PORT', string>>>;

/** Where a gateway listens on this host, and its token. */
export interface HostSettings {
	readonly port: number;
	readonly token: string;
}

/**
 * Where the gateway is that this configuration is for, as far as it is said literally: nothing is resolved. Throws a {@link ClientError} that says what keeps it from being
 * known (`unfit`: until somebody changes that). Pure.
 */
export function settingsIn(config: unknown, environment: HostEnvironment): HostSettings {
	const root = isRecord(config) ? config : {};
	const gateway = isRecord(root.gateway) ? root.gateway : {};
	const auth = isRecord(gateway.auth) ? gateway.auth : {};
	if ([root, gateway, auth].some(each => each.$include !== undefined)) throw unfit('takes in other files ($include)');
	if (environment.OPENCLAW_GATEWAY_URL) throw unfit('is overruled by OPENCLAW_GATEWAY_URL');
	if (gateway.mode === 'remote') throw unfit('has gateway.mode: remote');
	if (isRecord(gateway.tls) && gateway.tls.enabled) throw unfit('has gateway.tls');
	if (gateway.bind === 'tailnet' || gateway.bind === 'custom') throw unfit(`has gateway.bind: ${gateway.bind}`);
	if (auth.mode !== undefined && auth.mode !== 'token') throw unfit('has another gateway.auth.mode than token');
	return {port: portIn(gateway, environment), token: tokenIn(auth)};
}

function portIn(gateway: Readonly<Record<string, unknown>>, {OPENCLAW_GATEWAY_PORT: own}: HostEnvironment): number {
	const port = own ? Number(own) : (gateway.port ?? DEFAULT_PORT);
	if (typeof port === 'number' && Number.isInteger(port) && port >= 1 && port <= 65_535) return port;
	throw unfit('names no literal port (gateway.port)');
}

function tokenIn({token}: Readonly<Record<string, unknown>>): string {
	if (token === undefined || token === null || token === '') throw unfit('names no token (gateway.auth.token)');
	if (typeof token !== 'string' || token.includes('${')) throw unfit('names its token by reference, and not literally');
	if (!TOKEN.test(token)) throw unfit('has a token that is not one of 4 to 4096 printable characters without spaces');
	return token;
}

/** There is no way by what the host's own configuration of OpenClaw says, for that reason. */
export function unfit(what: string, cause?: unknown): ClientError {
	return new ClientError(
		'unfit',
		`the host's openclaw.json ${what}; for the gateway say gateway: {url, tokenFile}`,
		cause === undefined ? {} : {cause},
	);
}
