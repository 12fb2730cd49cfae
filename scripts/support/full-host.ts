import {chmod, mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {guardFolder, unguard} from '../../test/support/guard.ts';
import {Pairkeeper, type Run} from '../../test/support/pairkeeper.ts';
import {GatewayFarm} from './gateway-farm.ts';
import {monotonic} from './monotonic.ts';

/** How its gateways are reached: by their URLs, or through a relay that `exec` starts. */
export type HostRoute = 'url' | 'inside';

/** One supervisor, and a farm of gateways for its sandboxes. */
export class FullHost implements AsyncDisposable {
	readonly farm: GatewayFarm;
	readonly pairkeeper: Pairkeeper;
	readonly #route: HostRoute;
	#run: Run | null = null;

	private constructor(farm: GatewayFarm, folder: string, route: HostRoute) {
		this.farm = farm;
		this.pairkeeper = new Pairkeeper(folder);
		this.#route = route;
	}

	/** So many gateways, and no supervisor yet. */
	static async prepare(count: number, route: HostRoute = 'url'): Promise<FullHost> {
		const folder = await mkdtemp(join(tmpdir(), 'pairkeeper-bench-'));
		guardFolder(folder);
		const host = new FullHost(await GatewayFarm.start(count), folder, route);
		await Promise.all(
			host.farm.addresses.map(async ({token}, index) => {
				const file = host.#tokenFile(index);
				await writeFile(file, token, {mode: 0o600});
				await chmod(file, 0o600);
			}),
		);
		return host;
	}

	get count(): number {
		return this.farm.addresses.length;
	}

	/** The configuration with the first so many sandboxes. */
	config(count = this.count): object {
		return {
			deadline: 'never',
			sandboxes: this.farm.addresses.slice(0, count).map(({url, port}, index) => ({
				name: nameOf(index),
				transport: 'gateway',
				...(this.#route === 'url'
					? {gateway: {url, tokenFile: this.#tokenFile(index)}}
					: {exec: ['env', `SANDBOX=${nameOf(index)}`], gateway: {port, tokenFile: this.#tokenFile(index)}}),
			})),
		};
	}

	/** Starts the supervisor with the first so many sandboxes; gives the milliseconds until all of them are watched. */
	async start(count = this.count, signal?: AbortSignal): Promise<number> {
		await this.pairkeeper.writeConfig(this.config(count));
		await this.farm.forget();
		const began = monotonic();
		this.#run = this.pairkeeper.launch();
		const ended = this.#run.ended.then(async () => {
			throw new Error(`The supervisor ended:\n${await this.pairkeeper.logTail()}`);
		});
		const watched = await Promise.race([this.farm.allListed(numbersBelow(count)), ended]);
		ended.catch(() => {});
		await this.pairkeeper.until('the supervisor to run', ({supervisor}) => supervisor.state === 'running', {signal});
		return watched - began;
	}

	/** Milliseconds from SIGTERM to the supervisor's end. Throws where it did not end well. */
	async stop(): Promise<number> {
		const run = this.#run;
		if (!run) throw new Error('The supervisor was not started');
		const began = monotonic();
		run.kill('SIGTERM');
		const {code, signal} = await run.ended;
		const ms = monotonic() - began;
		if (code !== 0) throw new Error(`The supervisor ended by ${signal ?? code}:\n${await this.pairkeeper.logTail()}`);
		return ms;
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.pairkeeper.stop();
		this.farm[Symbol.dispose]();
		await rm(this.pairkeeper.folder, {recursive: true, force: true});
		unguard(this.pairkeeper.folder);
	}

	#tokenFile(index: number): string {
		return this.pairkeeper.path(`${nameOf(index)}.token`);
	}
}

/** The name of the sandbox with this number. */
export function nameOf(index: number): string {
	return `s${index}`;
}

/** From 0 on. */
export function numbersBelow(count: number): readonly number[] {
	return Array.from({length: count}, (_, index) => index);
}
