// What a full host costs, and how soon it does what it is for: many sandboxes under one supervisor, on scripted gateways in a process of their own.
// `node scripts/bench-host.ts`, after a build; about fifteen minutes. Exits with 1 where what is to be reached is not.
//   --n N,N…            with so many sandboxes, 25,50,100,200 unless told
//   --no-inside         not also with 25 sandboxes behind a relay
//   --quick             fewer rounds of all: about two minutes for each N
//   --steady MINUTES    only ten sandboxes under steady work for so long
import {parseArgs} from 'node:util';
import {machine} from './support/figures.ts';
import {FullHost, type HostRoute} from './support/full-host.ts';
import {figuresTable, type HostFigures, judgeFigures, judgeGrowth} from './support/host-rows.ts';
import {interruption} from './support/interruption.ts';
import {type Effort, measureHost} from './support/measure-host.ts';
import {steadyWork} from './support/steady-work.ts';

const {values: options} = parseArgs({
	options: {
		n: {type: 'string', default: '25,50,100,200'},
		'no-inside': {type: 'boolean', default: false},
		quick: {type: 'boolean', default: false},
		steady: {type: 'string'},
	},
});
const counts = options.n.split(',').map(wholeNumber('--n'));
const minutes = options.steady === undefined ? null : wholeNumber('--steady')(options.steady);
const effort: Effort = options.quick
	? {idle: 20_000, requests: 400, bursts: 3, kills: 7}
	: {idle: 60_000, requests: 2000, bursts: 10, kills: 21};
/** With so many sandboxes, what a relay costs is known. */
const insideCount = 25;
const signal = interruption();

console.log(`${machine()}\n`);
try {
	if (minutes === null) await table();
	else if (!(await steadyWork(minutes, signal))) process.exitCode = 1;
} catch (error) {
	process.exitCode ||= 1;
	console.error(error instanceof Error ? error.message : error);
}

async function table(): Promise<void> {
	const columns: {title: string; figures: HostFigures}[] = [];
	for (const count of counts) columns.push({title: `N = ${count}`, figures: await measure(count, 'url')});
	const all = [...columns];
	if (!options['no-inside'])
		all.push({title: `N = ${insideCount} INSIDE`, figures: await measure(insideCount, 'inside')});
	console.log(`\n${figuresTable(all)}`);
	// A relay is another program's process as well: its figures are shown, and judged by nobody.
	const verdicts = columns.map(({title, figures}) => judgeFigures(title, figures));
	const [small, full] = [columns[0], columns.at(-1)];
	if (small && full && small !== full) verdicts.push(judgeGrowth(small.figures, full.figures));
	if (!verdicts.every(isMet => isMet)) process.exitCode = 1;
}

async function measure(count: number, route: HostRoute): Promise<HostFigures> {
	signal.throwIfAborted();
	console.log(`${count} sandboxes, ${route === 'url' ? 'by their URLs' : 'inside'}…`);
	await using host = await FullHost.prepare(count, route);
	return await measureHost(host, effort, signal);
}

function wholeNumber(option: string) {
	return (text: string): number => {
		const value = Number(text);
		if (!Number.isInteger(value) || value < 1) throw new Error(`${option} ${text}: whole numbers from 1 on`);
		return value;
	};
}
