import {isOwnHost} from './host-check.ts';

/** What can be asked for, by its path. */
const ROUTES = {
	'/': 'page',
	'/livez': 'livez',
	'/healthz': 'healthz',
	'/status.json': 'status',
	'/pending.json': 'pending',
	'/history.json': 'history',
	'/metrics': 'metrics',
	'/events': 'events',
} as const;
export type Route = (typeof ROUTES)[keyof typeof ROUTES];

/** Why a request is not answered with what it asks for: a status code (RFC 9110, 15.5) and words. */
export interface Refusal {
	readonly kind: 'refused';
	readonly code: 404 | 405 | 421;
	readonly text: string;
}

/** A request as far as it decides what it is answered with. */
export interface Asked {
	readonly method: string;
	/** The path, with what follows it. */
	readonly url: string;
	/** The header of that name. */
	readonly host: string | undefined;
}

/** Whether it is asked by what looks after the process, which may come by any name, and must always be answered. */
export function isProbe(route: Route): boolean {
	return route === 'livez' || route === 'healthz';
}

/** What a request asks for, or why it does not get it. `names`: how this host may be called, lower-case. Pure. */
export function routeOf(
	{method, url, host}: Asked,
	names: readonly string[],
): {readonly kind: 'route'; readonly route: Route} | Refusal {
	if (method !== 'GET') return {kind: 'refused', code: 405, text: 'only GET is answered here'};
	const [path = ''] = url.split('?', 1);
	const route = Object.hasOwn(ROUTES, path) ? ROUTES[path as keyof typeof ROUTES] : null;
	if (route !== null && isProbe(route)) return {kind: 'route', route};
	if (!isOwnHost(host, names))
		return {
			kind: 'refused',
			code: 421,
			text: 'this host is not known by that name; ask by its IP address, or add the name to listenHosts',
		};
	if (route === null) return {kind: 'refused', code: 404, text: `there is ${Object.keys(ROUTES).join(', ')}`};
	return {kind: 'route', route};
}
