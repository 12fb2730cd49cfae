import type {Clock} from '../../worker/clock.ts';
import type {Subject} from '../../worker/protocol.ts';
import type {Log} from '../log/log.ts';
import {Journal, type Outcome, type Refusal} from './journal.ts';
import {AuditWriter} from './writer.ts';
import type {WriterConfig} from './writing.ts';

/** Where decisions are recorded; `auditFile: null`: nowhere. */
export interface AuditConfig extends WriterConfig {
	readonly auditFile: string | null;
}

interface Trail {
	readonly path: string;
	readonly writer: AuditWriter;
	readonly journal: Journal;
}

/** An instance's record of what was decided, while its configuration wants one. */
export class Audit {
	readonly #deps: {readonly clock: Clock; readonly log: Log};
	#trail: Trail | null = null;

	constructor(deps: {readonly clock: Clock; readonly log: Log}) {
		this.#deps = deps;
	}

	get warnings(): readonly string[] {
		return this.#trail?.writer.warnings ?? [];
	}

	/**
	 * Begins to record, where that is wanted. A file that cannot be used is a warning. Nobody else may write it by now, since what a process that is gone
	 * has begun is ended.
	 */
	async start(config: AuditConfig): Promise<void> {
		if (config.auditFile === null) return;
		const trail = this.#newTrail(config.auditFile, config);
		trail.journal.goOnAfter(await trail.writer.start());
		this.#trail = trail;
	}

	/** Records as this configuration wants it, in a file that is opened anew. Rejects, and changes nothing, where it names another file that cannot be opened. */
	async adopt(config: AuditConfig): Promise<void> {
		const {auditFile} = config;
		if (this.#trail === null) {
			if (auditFile === null) return;
			const trail = this.#newTrail(auditFile, config);
			await trail.writer.reopen(auditFile, config);
			this.#trail = trail;
			return;
		}
		if (auditFile === null) {
			await this.close('the configuration named no auditFile any more before it was known what became of it');
			return;
		}
		if (auditFile === this.#trail.path) {
			await this.#trail.writer.tryReopen(config);
			return;
		}
		await this.#trail.writer.reopen(auditFile, config);
		this.#trail = {...this.#trail, path: auditFile};
	}

	/** Opens the file anew, as after `logrotate`; where that cannot be, it is a warning. */
	async reopen(): Promise<void> {
		await this.#trail?.writer.tryReopen();
	}

	/** As {@link Journal.intent}; what nobody wants recorded may be done. */
	intent(sandbox: string, subject: Subject, reason: string | null): Promise<string | null> {
		return this.#trail?.journal.intent(sandbox, subject, reason) ?? Promise.resolve(null);
	}

	/** As {@link Journal.outcome}. */
	outcome(sandbox: string, outcome: Outcome): void {
		this.#trail?.journal.outcome(sandbox, outcome);
	}

	/** As {@link Journal.refusal}. */
	refusal(sandbox: string, refusal: Refusal): void {
		this.#trail?.journal.refusal(sandbox, refusal);
	}

	/** As {@link Journal.gone}. */
	gone(sandbox: string): void {
		this.#trail?.journal.gone(sandbox);
	}

	/** As {@link Journal.tick}. */
	tick(): void {
		this.#trail?.journal.tick();
	}

	/** Resolves when all is written, or cannot be. `error`: as for {@link Journal.end}. */
	async close(error?: string): Promise<void> {
		const trail = this.#trail;
		this.#trail = null;
		trail?.journal.end(error);
		await trail?.writer.close();
	}

	#newTrail(path: string, config: WriterConfig): Trail {
		const writer = new AuditWriter(path, config, this.#deps);
		return {path, writer, journal: new Journal({writer, clock: this.#deps.clock})};
	}
}
