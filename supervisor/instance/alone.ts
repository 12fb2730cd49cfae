import {FileLock} from './lock.ts';
import type {InstancePaths} from './paths.ts';

/**
 * The right to work on an instance's sandboxes without a supervisor, until it is released: one that starts meanwhile waits for it, so there is still one
 * approver. Instead of it, why it is not to be had. `wait`: for somebody else who has it, in milliseconds.
 */
export async function withoutSupervisor(paths: InstancePaths, wait: number): Promise<FileLock | string> {
	const lock = await FileLock.acquire(paths.approveLockFile, wait);
	if (!lock) return 'another approve is under way';
	try {
		if (await isFree(paths)) return lock;
	} catch (error) {
		lock.release();
		throw error;
	}
	lock.release();
	return 'a supervisor is starting or does not answer; it alone approves';
}

/** Whether no supervisor runs. One that is starting, or hung, does not answer on its socket but holds this lock. */
async function isFree({lockFile}: InstancePaths): Promise<boolean> {
	const lock = await FileLock.acquire(lockFile);
	lock?.release();
	return lock !== null;
}
