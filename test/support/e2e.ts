// What the end-to-end tests share: gateways and a supervisor that end with the test file, in one temporary folder.
import {mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {openclawBinary} from '../../scripts/setup-openclaw.ts';
import type {Ask, Device} from './device.ts';
import {guardFolder, unguard} from './guard.ts';
import {Pairkeeper} from './pairkeeper.ts';
import {type GatewayOptions, RealGateway} from './real-gateway.ts';
import {type RecordedOpenclaw, recordOpenclaw} from './recorded-openclaw.ts';
import {until} from './until.ts';

/**
 * Asks until the gateway lets the device in, and returns the scopes that it then has. It asks again once nothing of what it has asked for is pending any
 * more: by the command line nothing is ever settled that is replaced before it has been listed and settled.
 */
export async function admitted(device: Device, gateway: RealGateway, ask: Ask): Promise<Set<string>> {
	const patience = {timeoutMs: 240_000};
	const hello = await until(
		`${ask.clientName} to be let in with ${ask.scopes.join(' and ')}`,
		async () => {
			const answer = await device.ask(gateway, ask);
			if (answer.kind === 'hello') return answer;
			await until('its request to be settled', async () => !(await isPending(device, gateway)), {
				...patience,
				everyMs: 250,
			});
			return null;
		},
		patience,
	);
	return new Set(hello.scopes);
}

async function isPending(device: Device, gateway: RealGateway): Promise<boolean> {
	const {pending} = await gateway.devices();
	return pending.some(({deviceId}) => deviceId === device.id);
}

/** One OpenClaw version, its gateways and the supervisor over them. */
export class Host implements AsyncDisposable {
	readonly folder: string;
	readonly openclaw: RecordedOpenclaw;
	readonly #gateways: RealGateway[] = [];
	#pairkeeper: Pairkeeper | undefined;

	private constructor(folder: string, openclaw: RecordedOpenclaw) {
		this.folder = folder;
		this.openclaw = openclaw;
	}

	/** A host with a folder and a recorded `openclaw` of this version; nothing runs yet. */
	static async create(version: string): Promise<Host> {
		const folder = await mkdtemp(join(tmpdir(), 'pairkeeper-host-'));
		guardFolder(folder);
		return new Host(folder, await recordOpenclaw(folder, openclawBinary(version)));
	}

	/** Starts gateways, all at once; two are what a small machine bears. */
	async startGateways(...options: readonly GatewayOptions[]): Promise<RealGateway[]> {
		const started = await Promise.allSettled(options.map(each => RealGateway.start(each)));
		for (const each of started) if (each.status === 'fulfilled') this.#gateways.push(each.value);
		for (const each of started) if (each.status === 'rejected') throw each.reason;
		return [...this.#gateways];
	}

	/** Starts `pairkeeper run` over the gateways started so far, after ending the one that ran before. */
	async supervise(config: object, sandboxes: Readonly<Record<string, object>> = {}): Promise<Pairkeeper> {
		await this.#pairkeeper?.stop();
		this.#pairkeeper = await Pairkeeper.start(this.folder, this.config(config, sandboxes));
		return this.#pairkeeper;
	}

	/** A configuration over the gateways started so far, which are reached by the CLI alone; `sandboxes` adds keys to single ones. */
	config(config: object, sandboxes: Readonly<Record<string, object>> = {}): object {
		const entries = this.#gateways.map(gateway => ({
			name: gateway.name,
			env: gateway.environment,
			transport: 'cli',
			...sandboxes[gateway.name],
		}));
		return {openclaw: this.openclaw.binary, ...config, sandboxes: entries};
	}

	/** Writes a shell file for `envFile`, readable by us only, and returns its path. */
	async envFile(name: string, variables: Readonly<Record<string, string>>): Promise<string> {
		const path = join(this.folder, name);
		const lines = Object.entries(variables).map(([key, value]) => `export ${key}=${value}\n`);
		await writeFile(path, lines.join(''), {mode: 0o600});
		return path;
	}

	/** Ends everything and removes the folder. */
	async [Symbol.asyncDispose](): Promise<void> {
		await this.#pairkeeper?.stop();
		await Promise.all(this.#gateways.map(gateway => gateway.stop()));
		await rm(this.folder, {recursive: true, force: true});
		unguard(this.folder);
	}
}
