/** How long what the file system was asked may take after everything else has ended, in milliseconds. */
const PATIENCE = 1000;

/**
 * Ends this process with this code, now. exit(3) would wait for the threads that a disk which hangs has taken (libuv joins them, uv_library_shutdown), for
 * ever perhaps; a program that takes our place does not.
 */
export function exitAtOnce(code: number): never {
	const program = process.execPath;
	if (isFileHanging()) process.execve?.(program, [program, '--eval', `process.exitCode = ${code}`], {});
	process.exit(code);
}

/** What has been done is done: where nothing keeps the process from ending but a disk that hangs, it ends. */
export function exitDespiteHangingFiles(): void {
	setTimeout(() => {
		if (isFileHanging()) exitAtOnce(Number(process.exitCode ?? 0));
	}, PATIENCE).unref();
}

function isFileHanging(): boolean {
	return process.getActiveResourcesInfo().some(name => name.startsWith('FSReq'));
}
