import {rmSync} from 'node:fs';
import {systemClock} from '../../worker/clock.ts';
import {type Rate, RateLimit} from '../../worker/rate-limit.ts';
import {findGroupId} from '../host/name-service.ts';
import type {InstancePaths} from '../instance/paths.ts';
import {MAX_GROUP_REQUEST} from './protocol.ts';
import {type Answer, ControlServer, type ServerBounds} from './server.ts';

/** Connections of a group: more than it may ask, so that who asks too often is told that. */
const CONNECTIONS: Rate = {burst: 120, perSecond: 20};

/** How what is asked is answered, by who may ask at which socket. */
export interface Answers {
	/** For the owner, who may ask everything. */
	readonly owner: Answer;
	/** For the members of `controlGroup`. */
	readonly group: Answer;
}

/** The two sockets of an instance: its owner's, and where the configuration names a `controlGroup`, that group's, with clients of its own. */
export class ControlSockets {
	readonly #path: string;
	readonly #answer: Answer;
	readonly #owner: ControlServer;
	/** All that the group's members together may have; whose a connection is, Node does not tell. */
	readonly #bounds: ServerBounds = {
		maxRequest: MAX_GROUP_REQUEST,
		connections: new RateLimit(CONNECTIONS, systemClock),
	};
	#group: {readonly name: string; readonly server: ControlServer} | null = null;

	private constructor({groupSocket}: Pick<InstancePaths, 'groupSocket'>, {group}: Answers, owner: ControlServer) {
		this.#path = groupSocket;
		this.#answer = group;
		this.#owner = owner;
	}

	/** Listens. Whoever calls this holds the instance lock. */
	static async open(
		paths: Pick<InstancePaths, 'controlSocket' | 'groupSocket'>,
		group: string | null,
		answers: Answers,
	): Promise<ControlSockets> {
		rmSync(paths.groupSocket, {force: true});
		const sockets = new ControlSockets(paths, answers, await ControlServer.listen(paths.controlSocket, answers.owner));
		try {
			await sockets.letIn(group);
		} catch (error) {
			await sockets.close();
			throw error;
		}
		return sockets;
	}

	/** Lets in this group, and no other. Where the host has no such group (any more), or it cannot be let in, rejects and changes nothing. */
	async letIn(group: string | null): Promise<void> {
		if (group === (this.#group?.name ?? null)) return;
		if (group === null) {
			await this.#group?.server.close();
			this.#group = null;
			return;
		}
		const gid = await findGroupId(group);
		if (gid === null) throw new Error(`controlGroup: there is no group ${group} on this host any more`);
		try {
			const server =
				this.#group?.server ?? (await ControlServer.listen(this.#path, this.#answer, {gid, bounds: this.#bounds}));
			server.giveTo(gid);
			this.#group = {name: group, server};
		} catch (error) {
			throw new Error(
				`controlGroup: ${this.#path} cannot be given to the group ${group}; make the user of pairkeeper a member of it (usermod --append --groups ${group} USER), or remove the key`,
				{cause: error},
			);
		}
	}

	async close(): Promise<void> {
		await Promise.all([this.#owner.close(), this.#group?.server.close()]);
	}
}
