import {test as base} from 'vitest';
import {Instance} from './instance.ts';

/** A test with an instance of its own, which ends with the test, whatever becomes of it; of a failed one the log is shown. */
export const test = base.extend<{instance: Instance}>({
	instance: async ({task}, use) => {
		const instance = await Instance.create();
		try {
			await use(instance);
			if (task.result?.errors?.length) console.error(`The end of the log:\n${await instance.logTail()}`);
		} finally {
			await instance.end();
		}
	},
});
