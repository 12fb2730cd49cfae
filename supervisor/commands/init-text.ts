import {printable} from '../../worker/text.ts';
import {type HostFindings, POD_LABEL} from '../discovery/host-findings.ts';
import {namesIn} from '../status/health.ts';

/** Whether there is anything to be watched. */
export function isAnythingFound({nemoclaw, fleet, containers, pods, stateDir}: HostFindings): boolean {
	return nemoclaw !== null || fleet !== null || containers.length > 0 || pods.length > 0 || stateDir !== null;
}

/** A configuration of what was found, with comments that say why it is so and what else there is to say. `deadline` is written as it is. Pure. */
export function initText(findings: HostFindings, deadline: string): string {
	return `${[...headLines(deadline), '', ...discoverLines(findings), ...sandboxLines(findings)].join('\n')}\n`;
}

const headLines = (deadline: string) => [
	'# pairkeeper: what it watches on this host, as `pairkeeper init` has found it.',
	'#   pairkeeper check    is it right, and does every sandbox answer?',
	'#   pairkeeper run      watch them',
	'',
	'# `run` is for a shift and ends after this time; a service that must not end says: never',
	`deadline: ${deadline}`,
	'',
	'# What is approved. Whatever asks for more is refused, and waits for a person: pairkeeper pending',
	'policy:',
	'  clients:',
	'    - {id: openclaw-control-ui}',
	'    - {mode: webchat}',
	'    - {mode: cli}',
	'  scopes: [operator.pairing, operator.read, operator.write]',
];

function discoverLines({nemoclaw, hasOpenshell, fleet, pods, kubeContext}: HostFindings): string[] {
	const entries = [
		...(nemoclaw === null ? [] : [`# ${listed(nemoclaw)}`, '- nemoclaw']),
		...(fleet === null ? [] : [`# ${listed(fleet)}`, '- openclaw-fleet']),
		...pods.flatMap(({namespaces, container}) => [
			`# in the context ${printable(kubeContext ?? '?', 80)}`,
			`- {kubernetes: {selector: ${POD_LABEL}, namespaces: [${namespaces.map(quoted).join(', ')}], container: ${quoted(container)}}}`,
		]),
	];
	const hints = [
		...(nemoclaw === null && hasOpenshell
			? [
					'# There is openshell on this host; for a sandbox of it:',
					'#   sandboxes: [{name: alpha, exec: [openshell, sandbox, exec, --name, alpha, --], envFile: /tmp/nemoclaw-proxy-env.sh}]',
				]
			: []),
		...(pods.length === 0 && kubeContext !== null
			? [
					`# kubectl has a context, ${printable(kubeContext, 80)}, and no pods with ${POD_LABEL} are to be seen there; for others:`,
					'#   discover: [{kubernetes: {selector: app=openclaw, namespaces: [openclaw], container: openclaw}}]',
				]
			: []),
	];
	if (entries.length === 0) return hints.length === 0 ? [] : [...hints, ''];
	return [
		'# Asked every minute: what appears is watched, what is gone is let go.',
		'discover:',
		...entries.map(line => `  ${line}`),
		'',
		...hints,
		...(hints.length === 0 ? [] : ['']),
	];
}

function sandboxLines({containers, stateDir}: HostFindings): string[] {
	const taken = new Set<string>();
	const nameFor = (wanted: string): string => {
		const base =
			wanted
				.toLowerCase()
				.replaceAll(/[^a-z0-9]+/g, '-')
				.slice(0, 55)
				.replaceAll(/^-+|-+$/g, '') || 'sandbox';
		let name = base;
		for (let count = 2; taken.has(name); count++) name = `${base}-${count}`;
		taken.add(name);
		return name;
	};
	const entries = [
		...containers.map(
			({runtime, container}) =>
				`- {name: ${quoted(nameFor(container))}, exec: [${runtime}, exec, ${quoted(container)}]}`,
		),
		...(stateDir === null
			? []
			: [
					'# The gateway of this host: the files that calls obey must be writable by nobody else.',
					`- {name: ${quoted(nameFor('host'))}, env: {OPENCLAW_STATE_DIR: ${quoted(stateDir)}}}`,
				]),
	];
	if (entries.length === 0) return [];
	return [
		'# Written ones, which come before all that is discovered.',
		'sandboxes:',
		...entries.map(line => `  ${line}`),
	];
}

function listed(names: readonly string[]): string {
	return names.length === 0 ? 'it has no sandboxes yet' : `now ${names.length}: ${namesIn(names)}`;
}

/** A text as YAML takes it for nothing else. */
function quoted(text: string): string {
	return /^[a-z][a-z-]*$/.test(text) && !['null', 'true', 'false', 'y', 'n', 'yes', 'no', 'on', 'off'].includes(text)
		? text
		: JSON.stringify(text);
}
