import {spawnSync} from 'node:child_process';

/** Why Prometheus's own judgement cannot be had here; `null`: it can. The test setup installs it for root. */
export const whyNoPromtool: string | null = spawnSync('promtool', ['--version']).error
	? 'promtool is not installed (Debian package prometheus)'
	: null;

/** Asks promtool (prometheus(1)): its exit code, and all that it says. */
export function promtool(args: readonly string[], input = ''): {readonly code: number | null; readonly said: string} {
	const {status, stdout, stderr} = spawnSync('promtool', args, {input, encoding: 'utf8'});
	return {code: status, said: `${stdout}${stderr}`.trim()};
}
