// A network of its own, as a container has one: what listens on its loopback is not reached from ours, but by a passage that a test opens.
import {execFileSync} from 'node:child_process';
import {guardNetwork, unguard} from './guard.ts';
import {openPassage} from './passage.ts';

/** Whether this user may make network namespaces here. */
export function canHaveNetworks(): boolean {
	try {
		execFileSync('unshare', ['--net', 'true'], {stdio: 'ignore'});
		execFileSync('ip', ['netns', 'list'], {stdio: 'ignore'});
		return process.getuid?.() === 0;
	} catch {
		return false;
	}
}

/** A named network namespace with a loopback. */
export class NetworkNamespace implements AsyncDisposable {
	readonly name: string;
	readonly #passages: AsyncDisposable[] = [];

	constructor(name: string) {
		this.name = name;
		guardNetwork(name);
		execFileSync('ip', ['netns', 'add', name]);
		execFileSync('ip', ['-n', name, 'link', 'set', 'lo', 'up']);
	}

	/** Runs what follows inside. */
	get exec(): readonly string[] {
		return ['ip', 'netns', 'exec', this.name];
	}

	/** Lets our loopback lead to a port inside, for what the test itself asks there. */
	async openPassage(port: number): Promise<void> {
		this.#passages.push(await openPassage(this.exec, port));
	}

	/** Lets it outlive our process, without the passages. */
	release(): void {
		unguard(this.name);
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await Promise.all(this.#passages.map(passage => passage[Symbol.asyncDispose]()));
		execFileSync('ip', ['netns', 'del', this.name]);
		unguard(this.name);
	}
}
