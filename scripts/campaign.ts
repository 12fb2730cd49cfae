// A supervisor under fire: `npm run campaign -- --seed S --faults N`, after a build. Says what was done to it and what came of it; exit 1 where anything
// was approved that must not be, was lost, happened twice or was left over. As root it makes itself an ordinary user first, so that limits bind, with a
// small file system of its own that can be filled up.
import {execFileSync, spawnSync} from 'node:child_process';
import {chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync} from 'node:fs';
import os from 'node:os';
import {join} from 'node:path';
import {parseArgs} from 'node:util';
import {table} from '../supervisor/commands/table.ts';
import {type Report, runCampaign} from './campaign/campaign.ts';
import {machine} from './support/figures.ts';
import {interruption} from './support/interruption.ts';

/** Somebody of whom nothing else runs on this host; so many of his processes as are ours. */
const ORDINARY_USER = 64_321;

const {values} = parseArgs({options: {seed: {type: 'string'}, faults: {type: 'string'}, sandboxes: {type: 'string'}}});
const seed = Number(values.seed ?? Date.now() % 1_000_000);
const faults = Number(values.faults ?? 200);
const sandboxes = Number(values.sandboxes ?? 4);
if (![seed, faults, sandboxes].every(number => Number.isSafeInteger(number) && number >= 0)) {
	console.error('usage: npm run campaign -- [--seed NUMBER] [--faults NUMBER] [--sandboxes NUMBER]');
	process.exitCode = 2;
} else if (process.getuid?.() === 0) process.exitCode = asOrdinaryUser();
else await campaign();

async function campaign(): Promise<void> {
	console.log(machine());
	console.log(`seed ${seed}, ${faults} faults, ${3 * sandboxes} sandboxes`);
	const smallFolder = process.env.CAMPAIGN_SMALL_FOLDER ?? null;
	try {
		const report = await runCampaign({
			seed,
			faults,
			sandboxes,
			smallFolder,
			say: line => console.log(line),
			signal: interruption(),
		});
		show(report);
	} catch (error) {
		process.exitCode ||= 1;
		console.error(error);
	}
}

function show({injected, skipped, before, after, wrong, lost, twice, leftOver, audit, ...report}: Report): void {
	const names = [...new Set([...Object.keys(injected), ...Object.keys(skipped)])].sort();
	const rows = names.map(name => [name, String(injected[name] ?? 0), String(skipped[name] ?? 0)]);
	console.log(`\n${table(['FAULT', 'INJECTED', 'NOTHING TO HIT'], rows)}\n`);
	const grown = (after.memory - before.memory) / 2 ** 20;
	const lines = [
		`requests made ${report.asked}, of which right ${report.right}; approved ${report.approved}`,
		`wrong ${wrong.length}, lost ${lost.length}, twice ${twice.length}, processes left over ${leftOver.length}`,
		`audit file: ${audit.lines} lines; approved without an intent ${audit.unrecorded.length}, begun without an end ${audit.unended.length}, not to be read ${audit.torn}`,
		`supervisor: ${before.descriptors} descriptors, then ${after.descriptors}; memory ${grown.toFixed(1)} MiB more`,
		`longest wait of a sandbox that was left in peace: ${(report.longestWait / 1000).toFixed(1)} s`,
	];
	for (const line of lines) console.log(line);
	const {unrecorded, unended} = audit;
	const faulty = {wrong, lost, twice, 'left over': leftOver, 'not on record': unrecorded, 'without an end': unended};
	for (const [what, each] of Object.entries(faulty)) for (const one of each) console.log(`${what}: ${one}`);
	if (Object.values(faulty).some(({length}) => length > 0)) process.exitCode = 1;
}

/** The same once more, as somebody whom limits and permissions bind. */
function asOrdinaryUser(): number {
	const folder = mkdtempSync(join(os.tmpdir(), 'pairkeeper-campaign-'));
	const small = join(folder, 'small');
	mkdirSync(small);
	const isMounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=32m,mode=0700', 'tmpfs', small]).status === 0;
	// Ctrl-C reaches the child too: we stay, to clean up after it.
	process.on('SIGINT', () => {});
	try {
		for (const each of [folder, small]) chownSync(each, ORDINARY_USER, ORDINARY_USER);
		chmodSync(folder, 0o700);
		const who = [`--reuid=${ORDINARY_USER}`, `--regid=${ORDINARY_USER}`, '--clear-groups', '--inh-caps=-all'];
		const {status} = spawnSync('setpriv', [...who, process.execPath, ...process.argv.slice(1)], {
			stdio: 'inherit',
			env: {
				PATH: process.env.PATH,
				HOME: folder,
				TMPDIR: folder,
				...(isMounted ? {CAMPAIGN_SMALL_FOLDER: small} : {}),
			},
		});
		return status ?? 1;
	} finally {
		if (isMounted) execFileSync('umount', [small]);
		rmSync(folder, {recursive: true, force: true});
	}
}
