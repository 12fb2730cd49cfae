import {readFile, writeFile} from 'node:fs/promises';
import {join} from 'node:path';

/** One finished call of a recorded `openclaw`, in the order in which they ended. */
export interface RecordedCall {
	/** Without `devices` and `--json`: `['list']`, `['approve', requestId]`. */
	readonly args: readonly string[];
	readonly exitCode: number;
	/** The OPENCLAW_STATE_DIR it ran on: which sandbox. */
	readonly stateDir: string;
	/** Whether OPENCLAW_GATEWAY_URL was set. */
	readonly hasUrl: boolean;
}

/** A program to configure as `openclaw`: it runs the real one and notes every call. */
export interface RecordedOpenclaw {
	/** Absolute path. */
	readonly binary: string;
	/** The calls on one sandbox so far. */
	calls(stateDir: string): Promise<RecordedCall[]>;
}

/** Puts a recording `openclaw` in front of the real one; its files go into `folder`. */
export async function recordOpenclaw(folder: string, realBinary: string): Promise<RecordedOpenclaw> {
	const binary = join(folder, 'openclaw');
	const record = join(folder, 'openclaw-calls');
	// One write a line, so that calls at once do not mix.
	const script = `#!/bin/bash
"${realBinary}" "$@"
code=$?
printf '%s\\t%s\\t%s\\t%s\\n' "$code" "$OPENCLAW_STATE_DIR" "\${OPENCLAW_GATEWAY_URL+url}" "$*" >>"${record}"
exit $code
`;
	await writeFile(binary, script, {mode: 0o700});
	await writeFile(record, '');
	return {
		binary,
		async calls(stateDir) {
			const lines = (await readFile(record, 'utf8')).split('\n').filter(Boolean);
			return lines.map(parseCall).filter(call => call.stateDir === stateDir);
		},
	};
}

function parseCall(line: string): RecordedCall {
	const [code, stateDir = '', url, args = ''] = line.split('\t');
	const words = args.split(' ').filter(word => word !== 'devices' && word !== '--json');
	return {args: words, exitCode: Number(code), stateDir, hasUrl: url === 'url'};
}
