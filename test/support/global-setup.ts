import {resolve} from 'node:path';
import {isInstalled, openclawVersions} from '../../scripts/setup-openclaw.ts';
import {runCommand} from './processes.ts';

/** Runs once before all tests: builds `dist/` unless it is of these very sources, and looks for OpenClaw. */
export default async function setup(): Promise<void> {
	const missing = openclawVersions.filter(version => !isInstalled(version));
	if (missing.length > 0) {
		console.warn(`openclaw ${missing.join(' and ')} missing: run \`node scripts/setup-openclaw.ts\` for test/e2e`);
	}
	const {exitCode, stdout, stderr} = await runCommand(['scripts/build.sh', '--if-needed'], {
		env: {HOME: process.env.HOME},
		cwd: resolve(import.meta.dirname, '../..'),
		timeoutMs: 300_000,
	});
	if (exitCode !== 0) throw new Error(`scripts/build.sh failed:\n${stdout}${stderr}`);
}
