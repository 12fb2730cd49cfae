import type {KeyPath} from './document.ts';

/** What is wrong with the value of a key. */
export interface Problem {
	readonly at: KeyPath;
	readonly message: string;
	/** Another key that it is about as well; where that stands is added to the message. */
	readonly other?: KeyPath;
}
