import {open, rename, rm} from 'node:fs/promises';
import path from 'node:path';
import {errnoInWords} from '../host/errno.ts';

/** Readable by whoever collects it, whatever the umask. */
const MODE = 0o644;

/**
 * Replaces a textfile for Prometheus's node_exporter in one step; rejects with why that cannot be done, in words. What is written first stands beside it
 * under a name that no collector reads (`*.prom`), and that is always the same, so a kill leaves one file at most. A collector's directory may be
 * another user's, who could plant a link under that name: it is made anew, never opened (not by write-file-atomic, which would follow it).
 */
export async function replaceTextfile(file: string, text: string): Promise<void> {
	const fresh = path.join(path.dirname(file), `.${path.basename(file)}.new`);
	try {
		await rm(fresh, {force: true});
		const handle = await open(fresh, 'wx', MODE);
		try {
			await handle.writeFile(text);
			await handle.chmod(MODE);
		} finally {
			await handle.close();
		}
		await rename(fresh, file);
	} catch (error) {
		await rm(fresh, {force: true}).catch(() => {});
		throw new Error(errnoInWords((error as NodeJS.ErrnoException).code));
	}
}
