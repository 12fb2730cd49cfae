import {isBuiltin} from 'node:module';
import type {Plugin} from 'esbuild';

/** What of Node costs most to load, and most processes do without: `tls` alone takes a process longer than all of a worker's own code. */
const COSTLY = /^(?:dns\/promises|fs\/promises|https|tls|v8|zlib)$/;

const NAMESPACE = 'builtin';

/**
 * Takes what is Node's own as cheaply as can be. What an `import` names has all its own properties looked at, by Node as by what esbuild makes of it, which
 * loads whatever hides behind one of them: streams behind `fs`, web crypto behind `crypto`, a terminal's colours behind `util`. So it gets something that
 * inherits them. And what begins with requiring what it may need, a WebSocket library `tls` though most gateways are reached without, gets what loads that
 * when something of it is used.
 */
export const frugalBuiltins: Plugin = {
	name: 'frugal-builtins',
	setup: ({onResolve, onLoad}) => {
		onResolve({filter: /^[\w:/]+$/}, ({kind, path}) => {
			const name = path.replace(/^node:/, '');
			if (!isBuiltin(path) || kind === 'dynamic-import') return null;
			if (COSTLY.test(name)) return {path: name, namespace: NAMESPACE, suffix: '?lazy'};
			return {path: name, namespace: NAMESPACE, suffix: kind === 'require-call' ? '' : '?import'};
		});
		onLoad({filter: /.*/, namespace: NAMESPACE}, ({path, suffix}) => ({contents: contentsOf(path, suffix)}));
	},
};

function contentsOf(name: string, suffix: string): string {
	const builtin = `process.getBuiltinModule('node:${name}')`;
	if (suffix === '?lazy') return `module.exports = Object.create(new Proxy({}, {get: (_, key) => ${builtin}[key]}));`;
	if (suffix === '?import')
		return `const builtin = ${builtin}; module.exports = typeof builtin === 'function' ? builtin : Object.create(builtin);`;
	return `module.exports = ${builtin};`;
}
