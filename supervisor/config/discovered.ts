import {createHash} from 'node:crypto';
import {sandboxProblems} from './checks.ts';
import {toSandbox} from './completion.ts';
import type {Ground, SandboxConfig} from './config.ts';
import {textsIn} from './defaults.ts';
import {keyText} from './document.ts';
import {problemsOf} from './issues.ts';
import {type Filling, filledIn, isMap, type Layer, laidOver} from './layers.ts';
import {type SandboxEntry, sandboxSchema} from './schema.ts';
import type {InventorySource} from './sources.ts';
import {type Target, targetsOf} from './targets.ts';
import {inWords} from './words.ts';

/** A sandbox that an inventory has named. What it says is by the rules: a name as a sandbox's, a port, an IP literal or a DNS name. */
export interface Found {
	readonly name: string;
	/** Stays the same for as long as it is the same sandbox: a container's or a pod's own, else the name. */
	readonly id: string;
	readonly port: number | null;
	readonly host: string | null;
	readonly isStopped: boolean;
	/** What a preset says of how it is reached; `null`: the template does. */
	readonly layer: Layer | null;
}

/** A discovered sandbox that passes every check of one that is written, or why it does not. */
export type Made =
	| {
			readonly kind: 'made';
			readonly sandbox: SandboxConfig;
			readonly entry: SandboxEntry;
			readonly targets: readonly Target[];
	  }
	/** `isForGood`: as it is found, with this configuration, it never fits; else what is wrong may lie on this host, and pass. */
	| {readonly kind: 'unfit'; readonly problem: string; readonly isForGood: boolean};

/** What an inventory's template and `defaults` make of a sandbox that it has found. Reads the token's file, as for one that is written. */
export function sandboxFor(
	found: Found,
	source: InventorySource,
	ground: Ground,
	environment: NodeJS.ProcessEnv,
): Made {
	const {name, port, host, isStopped} = found;
	const {policy, defaults} = ground;
	const template = found.layer ?? source.template;
	const filling: Filling = {name, ...(port === null ? {} : {port}), ...(host === null ? {} : {host: inUrl(host)})};
	// A preset's own words are whole.
	const upper = found.layer ?? filledIn(template, filling);
	const open = textsIn(upper, []).flatMap(({text}) => /\{(port|host)\}/.exec(text)?.[1] ?? [])[0];
	if (open !== undefined)
		return {
			kind: 'unfit',
			problem: `its inventory gives no ${open}, and the template wants {${open}}`,
			isForGood: true,
		};
	const checked = sandboxSchema.safeParse(laidOver({name}, upper, filledIn(defaults, {name})), {error: inWords});
	const problems = checked.success
		? sandboxProblems({policy, sandboxes: [checked.data]})
		: problemsOf(checked.error.issues).map(({at, message}) => ({at: ['sandboxes', 0, ...at], message}));
	if (!checked.success || problems.length > 0)
		return {
			kind: 'unfit',
			problem: problems.map(({at, message}) => `${keyText(at.slice(2))}: ${message}`).join('; '),
			isForGood: !checked.success,
		};
	const entry: SandboxEntry = {...checked.data, enabled: checked.data.enabled && !isStopped};
	const layers = laidOver(template, defaults);
	return {
		kind: 'made',
		entry,
		targets: targetsOf(entry, environment),
		sandbox: {
			...toSandbox(entry, policy),
			discovered: {
				by: source.label,
				identity: digest([source.key, found.id, ...placeIn(found.layer === null ? layers : defaults)]),
				configuration: digest([source.key, found.layer === null ? layers : defaults, policy]),
				isStopped,
			},
		},
	};
}

/** What of the layers decides, with the name, which gateway is meant: another one is another sandbox. A port or an address that the inventory gives does not. */
function placeIn({exec = null, env = null, envFile = null, gateway}: Layer): unknown[] {
	return [exec, env, envFile, isMap(gateway) ? (gateway.url ?? gateway.port ?? null) : null];
}

/** An IPv6 literal has brackets where a port may follow (RFC 3986, 3.2.2). */
function inUrl(host: string): string {
	return host.includes(':') ? `[${host}]` : host;
}

function digest(value: unknown): string {
	return createHash('sha256').update(JSON.stringify(value)).digest('base64url').slice(0, 16);
}
