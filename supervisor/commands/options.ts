/** The options of every command. */
export interface CommonOptions {
	/** `--config`. */
	readonly config?: string;
	/** `--status-file`. */
	readonly statusFile?: string;
}
