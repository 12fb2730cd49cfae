import type {OpenClawClient} from '../client.ts';
import type {CliOptions} from './client.ts';

/** OpenClaw through `openclaw devices …`; what that takes is loaded for the first call: a worker whose gateway answers does without it. */
export function lazyCliClient(options: CliOptions): OpenClawClient {
	let loading: Promise<OpenClawClient> | undefined;
	const load = () => {
		loading ??= import('./client.ts').then(({cliClient}) => cliClient(options));
		return loading;
	};
	return {
		isStale: false,
		connection: null,
		list: async signal => (await load()).list(signal),
		approve: async (approval, signal) => (await load()).approve(approval, signal),
		reject: async (requestId, signal) => (await load()).reject(requestId, signal),
	};
}
