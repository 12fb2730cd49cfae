import {rename, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {RealGateway} from '../../test/support/real-gateway.ts';

/** A gateway whose devices have to ask, and the file in `folder` that holds its token. */
export async function startMeasuredGateway(
	version: string,
	folder: string,
	signal: AbortSignal,
): Promise<{readonly gateway: RealGateway; readonly tokenFile: string}> {
	const name = `v${version.replaceAll('.', '-')}`;
	const gateway = await RealGateway.start({version, name, signal});
	const tokenFile = join(folder, `${name}.token`);
	await writeToken(tokenFile, gateway.token);
	return {gateway, tokenFile};
}

/** Puts another token into the file, in one step. */
export async function writeToken(file: string, token: string): Promise<void> {
	await writeFile(`${file}.new`, token, {mode: 0o600});
	await rename(`${file}.new`, file);
}
