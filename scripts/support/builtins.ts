import {isBuiltin} from 'node:module';
import type {Plugin} from 'esbuild';

/** What of Node costs most to load: `tls` alone takes a process longer than all of a worker's own code. */
const COSTLY = /^(?:https|tls|zlib)$/;

const NAMESPACE = 'builtin';

/**
 * Takes what is Node's own as cheaply as can be. An `import` of it has all its properties looked at, which loads whatever hides behind one of them: streams
 * behind `fs`, web crypto behind `crypto`; what `process.getBuiltinModule` gives has them looked at when they are used. And CommonJS packages require what
 * they may need where they begin, a WebSocket library `tls` though most gateways are reached without: that is loaded when something of it is used.
 */
export const frugalBuiltins: Plugin = {
	name: 'frugal-builtins',
	setup: ({onResolve, onLoad}) => {
		onResolve({filter: /^[\w:/]+$/}, ({kind, path}) => {
			const name = path.replace(/^node:/, '');
			if (!isBuiltin(path) || kind === 'dynamic-import') return null;
			return {path: name, namespace: NAMESPACE, suffix: kind === 'require-call' && COSTLY.test(name) ? '?lazy' : ''};
		});
		onLoad({filter: /.*/, namespace: NAMESPACE}, ({path, suffix}) => {
			const builtin = `process.getBuiltinModule('node:${path}')`;
			return {
				contents:
					suffix === '?lazy'
						? `module.exports = new Proxy({}, {get: (_, key) => ${builtin}[key]});`
						: `module.exports = ${builtin};`,
			};
		});
	},
};
