// The test's side of a pretended `openclaw`: what its gateway holds, how its calls behave, and which calls were made.
import {createHash} from 'node:crypto';
import {mkdir, readdir, readFile, rename, rm, writeFile} from 'node:fs/promises';
import {join} from 'node:path';

export type DevicesCommand = 'list' | 'approve' | 'reject';

/** A pending request as OpenClaw lists it. */
export interface Ask {
	readonly requestId: string;
	readonly deviceId: string;
	readonly publicKey: string;
	readonly clientId: string;
	readonly clientMode: string;
	readonly role: string;
	readonly roles: readonly string[];
	readonly scopes: readonly string[];
	readonly isRepair: boolean;
	/** Milliseconds since the epoch. */
	readonly ts: number;
}

/** One call, from the program's own record. */
export interface ScriptedCall {
	readonly args: readonly string[];
	readonly pid: number;
	/** Wall-clock milliseconds. */
	readonly startedAt: number;
	/** `null` while it runs, and when it was killed. */
	readonly endedAt: number | null;
	readonly exitCode: number | null;
}

/** Pieces of bash for {@link ScriptedOpenclaw.once} and {@link ScriptedOpenclaw.always}. */
export const behaviours = {
	/** Never answers, and ignores SIGTERM. */
	hang: "trap '' TERM; exec sleep 1000",
	/** As `hang`, and leaves two children of its own, one of them in a session of its own. */
	hangWithChildren: "trap '' TERM; sleep 1000 & setsid sleep 1000 & exec sleep 1000",
	/** Exit code 7, without a word. */
	exit7: 'exit 7',
	/** Does nothing for a while, then what it should: a real call takes its time. */
	slow: 'sleep 0.2; answer',
} as const;

/** The ask of a CLI that is paired and wants more. */
export function cliAsk(requestId: string, more: Partial<Ask> = {}): Ask {
	return ask(requestId, {clientId: 'cli', clientMode: 'cli', ...more});
}

/** The ask of a browser; without `operator.admin`, which the bundled Control UI wants too. */
export function browserAsk(requestId: string, more: Partial<Ask> = {}): Ask {
	return ask(requestId, {clientId: 'openclaw-control-ui', clientMode: 'webchat', ...more});
}

/** The ask of a client that no default policy knows. */
export function strangerAsk(requestId: string, more: Partial<Ask> = {}): Ask {
	return ask(requestId, {clientId: 'stranger', clientMode: 'custom', ...more});
}

function ask(requestId: string, more: Partial<Ask> & Pick<Ask, 'clientId' | 'clientMode'>): Ask {
	return {
		requestId,
		deviceId: hash(`device of ${more.clientId} ${requestId}`),
		publicKey: hash(`key of ${more.clientId} ${requestId}`),
		role: 'operator',
		roles: ['operator'],
		scopes: ['operator.read', 'operator.write'],
		isRepair: true,
		ts: Date.now(),
		...more,
	};
}

/** One sandbox's pretended gateway and CLI; its folder is the sandbox's OPENCLAW_STATE_DIR. */
export class ScriptedOpenclaw {
	readonly folder: string;
	#entries = 0;

	private constructor(folder: string) {
		this.folder = folder;
	}

	static async create(folder: string): Promise<ScriptedOpenclaw> {
		for (const each of ['pending', 'paired', 'approved', 'rejected', 'gone', 'grants', 'aside']) {
			await mkdir(join(folder, each), {recursive: true, mode: 0o700});
		}
		await writeFile(join(folder, 'calls'), '');
		return new ScriptedOpenclaw(folder);
	}

	/** A request becomes pending. `answer` is what approving it prints, unless that is the usual. */
	async ask(request: Ask, {answer}: {readonly answer?: unknown} = {}): Promise<void> {
		await this.#grant(request, answer);
		await this.listEntry(request);
	}

	/** As {@link ask}, but only once a behaviour says `appear NAME`. */
	async askLater(name: string, request: Ask): Promise<void> {
		await this.#grant(request, undefined);
		await writeFile(join(this.folder, 'aside', name), `${JSON.stringify(request)}\n`);
	}

	/** Something stands among the pending requests, whatever it is. */
	async listEntry(entry: unknown): Promise<void> {
		await this.listText(JSON.stringify(entry));
	}

	/** As {@link listEntry}, of a text that need not be what `JSON.stringify` gives; one line. */
	async listText(text: string): Promise<void> {
		await this.#put(join('pending', String(this.#entries++).padStart(5, '0')), `${text}\n`);
	}

	/** A device is paired with the gateway. */
	async pair({deviceId, publicKey, clientId, clientMode, scopes, ts}: Ask): Promise<void> {
		const tokens = [{role: 'operator', scopes}];
		const known = {deviceId, publicKey, clientId, clientMode, role: 'operator', roles: ['operator']};
		const device = {...known, scopes, tokens, createdAtMs: ts};
		await this.#put(join('paired', deviceId), `${JSON.stringify(device)}\n`);
	}

	/** A person removes a paired device. */
	async unpair({deviceId}: Ask): Promise<void> {
		await rm(join(this.folder, 'paired', deviceId));
	}

	/** The next call of this command behaves so; asked again, the one after it. */
	async once(command: DevicesCommand, behaviour: string): Promise<void> {
		await this.#put(`once.${command}.${String(this.#entries++).padStart(5, '0')}`, behaviour);
	}

	/** All calls of this command behave so, but for those of {@link once}. */
	async always(command: DevicesCommand, behaviour: string): Promise<void> {
		await this.#put(`always.${command}`, behaviour);
	}

	/** Calls of this command do what they should again. */
	async recover(command: DevicesCommand): Promise<void> {
		await rm(join(this.folder, `always.${command}`), {force: true});
	}

	/** The ids that were approved so far, or rejected, in no order. */
	async settled(how: 'approved' | 'rejected'): Promise<string[]> {
		const files = await readdir(join(this.folder, how));
		const texts = await Promise.all(files.map(file => readFile(join(this.folder, how, file), 'utf8')));
		return texts.map(text => JSON.parse(text).requestId);
	}

	/** The calls so far, in the order in which they began. */
	async calls(command?: DevicesCommand): Promise<ScriptedCall[]> {
		const calls = new Map<number, ScriptedCall>();
		const all: ScriptedCall[] = [];
		for (const line of (await readFile(join(this.folder, 'calls'), 'utf8')).split('\n')) {
			const [what, pidText, time, rest = ''] = line.split('\t');
			const pid = Number(pidText);
			const at = Number(time) * 1000;
			const words = rest.split('\u001f').slice(0, -1);
			if (what === 'start') {
				const call = {args: words, pid, startedAt: at, endedAt: null, exitCode: null};
				calls.set(pid, call);
				all.push(call);
			} else if (what === 'end') {
				const call = calls.get(pid);
				if (call) all[all.indexOf(call)] = {...call, endedAt: at, exitCode: Number(words[0])};
			}
		}
		return all.filter(({args}) => command === undefined || args[1] === command);
	}

	/** The request ids that calls of this command named, in order. */
	async idsOf(command: 'approve' | 'reject'): Promise<string[]> {
		return (await this.calls(command)).map(({args}) => args[2] ?? '');
	}

	async #grant(request: Ask, answer: unknown): Promise<void> {
		const {deviceId, publicKey, clientId, clientMode, scopes, requestId} = request;
		const device = {deviceId, publicKey, clientId, clientMode, role: 'operator', roles: ['operator'], scopes};
		const lines = [deviceId, JSON.stringify(device), JSON.stringify(answer ?? {requestId, device})];
		await writeFile(join(this.folder, 'grants', requestId), `${lines.join('\n')}\n`);
	}

	/** In one step, since calls may be looking. */
	async #put(name: string, text: string): Promise<void> {
		const fresh = join(this.folder, `fresh-${this.#entries++}`);
		await writeFile(fresh, text, {mode: 0o600});
		await rename(fresh, join(this.folder, name));
	}
}

function hash(text: string): string {
	return createHash('sha256').update(text).digest('hex');
}
