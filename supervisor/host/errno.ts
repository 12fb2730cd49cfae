/** What the errors of the file system that people meet mean (errno(3)). */
const WORDS: Readonly<Record<string, string>> = {
	ENOENT: 'it does not exist',
	ENOTDIR: 'a part of its path is not a directory',
	EISDIR: 'it is a directory',
	EACCES: 'no permission',
	EPERM: 'not permitted',
	ELOOP: 'its links lead in a circle',
};

/** A file system's error for people: in words, with its code to look for; the code alone where there are none. */
export function errnoInWords(code: string | undefined): string {
	const words = code === undefined ? undefined : WORDS[code];
	return words === undefined ? (code ?? 'for no known reason') : `${words} (${code})`;
}
