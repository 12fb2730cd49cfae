import path from 'node:path';

/** Clients of containers whose `exec` hands standard input on only when told to, by `-i`. */
const NEED_TO_BE_TOLD = ['docker', 'podman', 'nerdctl', 'kubectl', 'oc'];

/** Those that always do. */
const NEED_NOTHING = ['runc', 'crun'];

/** Options that stand for a terminal, or for standard input; short ones may be joined, as in `-it`. */
const TERMINAL = /^(-[a-zA-Z]*t[a-zA-Z]*|--tty(=true)?)$/;
const INPUT = /^(-[a-zA-Z]*i[a-zA-Z]*|--interactive(=true)?|--stdin(=true)?)$/;

/** `exec` where standard input is needed, unless the configuration says it: with `-i` after the first `exec` of a client that needs it. */
export function execInputFor(exec: readonly string[]): string[] {
	const [client = '', ...words] = exec;
	const at = words.indexOf('exec');
	// What runs has options of its own.
	const end = words.indexOf('--');
	const options = words.slice(at + 1, end === -1 ? undefined : end);
	const isLeftAlone =
		!NEED_TO_BE_TOLD.includes(path.basename(client)) ||
		at === -1 ||
		words.slice(0, at).includes('compose') ||
		options.some(option => TERMINAL.test(option) || INPUT.test(option));
	return isLeftAlone ? [...exec] : [client, ...words.slice(0, at + 1), '-i', ...words.slice(at + 1)];
}

/** `exec` so that what runs behind it hears of its end by the end of its standard input; `null` where it is not known that input gets there at once. */
export function execWithLifeline(exec: readonly string[]): string[] | null {
	const [client = '', ...words] = execInputFor(exec);
	const name = path.basename(client);
	const end = words.indexOf('--');
	const options = words.slice(0, end === -1 ? undefined : end);
	// With a terminal, it has no end.
	if (!words.includes('exec') || words.includes('compose') || options.some(option => TERMINAL.test(option)))
		return null;
	const isHandedOn =
		NEED_NOTHING.includes(name) || (NEED_TO_BE_TOLD.includes(name) && options.some(each => INPUT.test(each)));
	return isHandedOn ? [client, ...words] : null;
}
