import type {Readable} from 'node:stream';
import {ClientError} from '../../client-error.ts';
import {isRecord} from '../../json.ts';
import {printable} from '../../text.ts';

/** No header is longer, in bytes: a token of 4096 characters and some words. */
const MAX_HEADER = 8192;

/** What a token from inside a sandbox may look like: it is not the sandbox's choice what is taken for a secret in our texts. */
const TOKEN = /^[!-~]{16,4096}$/;

/** What a relay has found: a gateway that listens, and the token unless that was known. */
export interface RelayHeader {
	readonly port: number;
	readonly token: string | null;
}

/** Why a relay cannot work, by the word that it says for it, and whether trying again soon may help. */
const REFUSALS: Readonly<Record<string, {readonly words: string; readonly mayPass?: true}>> = {
	'no-node': {words: 'there is no node in the sandbox, neither in PATH nor beside openclaw'},
	'no-token': {
		words: 'the sandbox names no token (OPENCLAW_GATEWAY_TOKEN, gateway.auth.token); say gateway: {port, tokenFile}',
	},
	'no-gateway': {words: 'no gateway listens in the sandbox', mayPass: true},
	'no-input': {
		words: 'nothing that is written to the command arrives in the sandbox; execInput names one where it does',
	},
	tty: {words: 'the command gives a terminal; execInput names one that does not'},
	'bad-config': {words: "the sandbox's openclaw.json cannot be read; say gateway: {port, tokenFile}"},
	unsupported: {words: 'the sandbox is set up in a way that is left to the CLI; say gateway: {port, tokenFile}'},
};

/**
 * Reads the one line that a relay says first, and leaves the stream paused behind it. Rejects with a {@link ClientError} where that is no header, or
 * says that there is no way; `null` where the stream ends before there is a line.
 */
export async function readRelayHeader(output: Readable): Promise<RelayHeader | null> {
	const line = await firstLine(output);
	return line === null ? null : toHeader(line);
}

/** Nothing may follow the line before the host has spoken. */
function firstLine(output: Readable): Promise<string | null> {
	return new Promise((resolve, reject) => {
		let bytes = Buffer.alloc(0);
		const finish = () => {
			output.off('data', take).off('end', over).off('close', over);
			output.pause();
		};
		const over = () => {
			finish();
			if (bytes.length === 0) resolve(null);
			else reject(nonsense(bytes));
		};
		const take = (chunk: Buffer) => {
			const end = chunk.indexOf('\n');
			const isTooLong = bytes.length + (end === -1 ? chunk.length : end) > MAX_HEADER;
			bytes = Buffer.concat([bytes, chunk.subarray(0, MAX_HEADER)]);
			if (!isTooLong && end === -1) return;
			finish();
			if (isTooLong || end !== chunk.length - 1) reject(nonsense(bytes));
			else resolve(bytes.toString('utf8'));
		};
		output.on('data', take).once('end', over).once('close', over);
	});
}

function toHeader(line: string): RelayHeader {
	let value: unknown;
	try {
		value = JSON.parse(line);
	} catch {
		throw nonsense(Buffer.from(line));
	}
	if (!isRecord(value) || value.pairkeeper !== 1) throw nonsense(Buffer.from(line));
	const {port, token = null, error, detail} = value;
	if (typeof error === 'string') {
		const refusal = Object.hasOwn(REFUSALS, error) ? REFUSALS[error] : undefined;
		const said = typeof detail === 'string' && detail !== '' ? ` (${printable(detail)})` : '';
		throw new ClientError(
			refusal === undefined || refusal.mayPass ? 'unreachable' : 'unfit',
			`${refusal?.words ?? `the relay failed: ${printable(error)}`}${said}`,
		);
	}
	if (typeof port !== 'number' || !Number.isInteger(port) || port < 1 || port > 65_535)
		throw new ClientError('unreadable', 'the relay names no port');
	if (token !== null && (typeof token !== 'string' || !TOKEN.test(token)))
		throw new ClientError('unfit', "the sandbox's token is not one of 16 to 4096 printable characters without spaces");
	return {port, token};
}

/** Whatever was said may hold the token, so it is not shown. */
function nonsense(said: Buffer): ClientError {
	const isHeader = said.subarray(0, 14).toString('latin1') === '{"pairkeeper":';
	return new ClientError(
		'unreadable',
		isHeader
			? 'the relay says more than its header'
			: 'what the command says first is not the header of our relay; does it, or a shell that it starts, print something of its own?',
	);
}
