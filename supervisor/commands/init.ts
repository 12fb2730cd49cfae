import {mkdirSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import {assertTrusted} from '../../worker/host/trusted-path.ts';
import {messageOf} from '../../worker/text.ts';
import {newConfigPath} from '../config/locate.ts';
import {findOnHost} from '../discovery/host-findings.ts';
import {errnoInWords} from '../host/errno.ts';
import {EXIT} from './exit-codes.ts';
import {initText, isAnythingFound} from './init-text.ts';
import type {CommonOptions} from './options.ts';

/** `pairkeeper init [--write] [--deadline D]`. */
export async function init(
	options: CommonOptions & {readonly write?: boolean; readonly deadline: string},
): Promise<number> {
	const file = newConfigPath({...options, environment: process.env});
	const findings = await findOnHost(process.env);
	if (!isAnythingFound(findings)) {
		process.stderr.write(
			`nothing of OpenClaw is found on this host (nemoclaw, openclaw fleet, docker, podman, kubectl, ~/.openclaw); write ${file} yourself: sandboxes: [{name: alpha, exec: [docker, exec, alpha]}]\n`,
		);
		return EXIT.failed;
	}
	const text = initText(findings, options.deadline);
	if (!options.write) {
		process.stdout.write(text);
		process.stderr.write(`pairkeeper init --write puts this into ${file}\n`);
		return EXIT.ok;
	}
	try {
		writeNew(file, text);
	} catch (error) {
		process.stderr.write(`${file} is not written: ${reasonFor(error)}\n`);
		return EXIT.failed;
	}
	process.stdout.write(`written to ${file}; is it right? pairkeeper check\n`);
	return EXIT.ok;
}

/** Writes a file where there is none. A configuration is no secret where root keeps it for everybody; ours is for nobody else. */
function writeNew(file: string, text: string): void {
	const isRoot = process.getuid?.() === 0;
	mkdirSync(path.dirname(file), {recursive: true, mode: isRoot ? 0o755 : 0o700});
	assertTrusted(file);
	writeFileSync(file, text, {flag: 'wx', mode: isRoot ? 0o644 : 0o600});
}

function reasonFor(error: unknown): string {
	const {code} = error as NodeJS.ErrnoException;
	if (code === 'EEXIST') return 'there is something already, and it stays as it is';
	return code === undefined ? messageOf(error) : errnoInWords(code);
}
