import {isDeepStrictEqual} from 'node:util';
import {describe, expect, it} from 'vitest';
import type {Config} from '../../supervisor/config/config.ts';
import {ConfigError} from '../../supervisor/config/config.ts';
import {file, load, useConfigFile} from './config-file.ts';

useConfigFile();

const REAL = `# The sandboxes of this host.
statusFile: "/run/pairkeeper/status.json"
logFormat: json
deadline: 8h
slowInterval: 30s
runTimeout: 10s
maxApprovals: 8
maxConcurrentCalls: auto
workerMemory: 192M
restart: {minDelay: 100ms, maxDelay: "30s", stableAfter: 60s}
policy:
  clients:
    - {id: "openclaw-control-ui"}
    - {mode: webchat}
    - {mode: cli, scopes: [operator.read, "operator.write"]}
  scopes: [operator.pairing, operator.read, operator.write]
  roles: [operator]
  firstPairing: allow
  onRefused: hold
  refusalHold: 60s
defaults:
  exec: [docker, exec, "{name}"]
  env: {OPENCLAW_STATE_DIR: '/sandbox/.openclaw'}
sandboxes:
  - name: alpha
    enabled: true
    env:
      LANG: C
      TZ: 'UTC'
    approveUnset: [OPENCLAW_GATEWAY_URL]
  - name: "beta"
    exec: [openshell, sandbox, exec, --name, "beta", --]
    envFile: /tmp/nemoclaw-proxy-env.sh
    transport: cli
    policy:
      scopes: [operator.read]
  - name: gamma
    gateway:
      url: "ws://127.0.0.1:18790"
      tokenCommand: [cat, "/nowhere/gamma.token"]
    transport: auto
`;

const lines = REAL.split('\n').slice(0, -1);

/** One mistake: the text with it, and the line it was made on, from 1. */
interface Mistake {
	readonly text: string;
	readonly line: number;
	readonly what: string;
}

let seed = 20260;

/** A number from 0 to `below`, the same in each run (Park and Miller's generator). */
function pick(below: number): number {
	seed = (seed * 48_271) % 2_147_483_647;
	return seed % below;
}

function onLine(index: number, text: string, what: string): Mistake {
	return {
		text: lines.with(index, text).join('\n'),
		line: index + 1,
		what: `${what}: line ${index + 1}: ${text.trim()}`,
	};
}

/** A letter left out, doubled, or exchanged with the next one, in every key. */
function typos(): Mistake[] {
	return lines.flatMap((line, index) =>
		[...line.matchAll(/([A-Za-z]{3,})(?=:(\s|$))/g)]
			// Names of variables are free.
			.filter(([, key = '']) => !/^[A-Z_]+$/.test(key))
			.flatMap(({index: at, 0: key}) => {
				const place = 1 + pick(key.length - 2);
				const [a = '', b = ''] = key.slice(place);
				const spelt = [
					key.slice(0, place) + key.slice(place + 1),
					key.slice(0, place) + a + key.slice(place),
					key.slice(0, place) + b + a + key.slice(place + 2),
				].filter(word => word !== key);
				return spelt.map(word => onLine(index, line.slice(0, at) + word + line.slice(at + key.length), 'a typo'));
			}),
	);
}

/** Another type of value, wherever a value follows its key on the line. */
function wrongTypes(): Mistake[] {
	return lines.flatMap((line, index) => {
		const [, begin, value = ''] = /^(\s*(?:- )?[A-Za-z]+: )(\S.*)$/.exec(line) ?? [];
		if (begin === undefined || /^\s*(env|LANG|TZ)/.test(begin)) return [];
		const others = ['[5, []]', '{surely: wrong}', ...(/^[{[]/.test(value) ? ['12', 'words in a row'] : ['.nan'])];
		return others.map(other => onLine(index, begin + other, 'a wrong type'));
	});
}

/** One to three blanks more or less before a line, or a tab. */
function wrongIndents(): Mistake[] {
	return lines.flatMap((line, index) => {
		const [indent = ''] = /^ */.exec(line) ?? [];
		const widths = [1, -1, 2, -2].map(by => indent.length + by).filter(width => width >= 0);
		const texts = [...widths.map(width => ' '.repeat(width) + line.trim()), `\t${line.trim()}`];
		return line.startsWith('#') ? [] : texts.map(text => onLine(index, text, 'a wrong indent'));
	});
}

/** Each quote and each bracket left out. */
function missingQuotes(): Mistake[] {
	return lines.flatMap((line, index) =>
		[...line.matchAll(/["'[\]{}]/g)].map(({index: at, 0: mark}) =>
			onLine(index, line.slice(0, at) + line.slice(at + 1), `a missing ${mark}`),
		),
	);
}

/** What is said of a text: the lines of a refusal, else the warnings. */
function said(text: string): {readonly config: Config | null; readonly texts: readonly string[]} {
	try {
		const config = load(text);
		return {config, texts: config.warnings};
	} catch (error) {
		expect(error).toBeInstanceOf(ConfigError);
		return {config: null, texts: (error as Error).message.split('\n')};
	}
}

/** Words that only the libraries use. */
const LIBRARY =
	/Invalid (input|option|key|escape)|expected|received|Too (small|big)|Unrecognized|nonoptional|Implicit|Nested mappings|mapping items|Flow (map|sequence)|node end|YAML stream|Plain value|Missing closing|Sequence item|sufficiently|Map keys|Unresolved|undefined|\[object/;

describe('a mistake in a real configuration', () => {
	const kinds = {
		typos: typos(),
		wrongTypes: wrongTypes(),
		wrongIndents: wrongIndents(),
		missingQuotes: missingQuotes(),
	};

	it('is made in hundreds of ways', () => {
		expect(said(REAL).texts).toEqual([]);
		expect(Object.values(kinds).flat().length).toBeGreaterThan(200);
	});

	it.each(Object.entries(kinds))('is told with file, line and key, in words of ours: %s', (kind, mistakes) => {
		const right = load(REAL);
		const unheard: string[] = [];
		for (const {text, line, what} of mistakes) {
			const {config, texts} = said(text);
			// Some change nothing, such as a blank more before all keys of a map of one.
			if (config && isDeepStrictEqual({...config, warnings: []}, right)) continue;
			const [first = ''] = texts;
			const [, place, at, key] = /^(.*?):(\d+): (\S+): ./.exec(first) ?? [];
			// A wrong indent is perhaps noticed only by what follows it; then that says where to look.
			const [, mentioned = at] = / on line (\d+)/.exec(first) ?? [];
			const isExact = kind === 'typos' || kind === 'wrongTypes';
			const isNear = [at, mentioned].some(each => Math.abs(Number(each) - line) <= (isExact ? 0 : 1));
			const hasKey = key !== undefined || / is not of the form key: value/.test(first);
			if (place === file && hasKey && isNear && !texts.some(each => LIBRARY.test(each))) continue;
			unheard.push(`${what} => ${texts.join(' | ') || 'nothing'}`.replaceAll(file, 'FILE'));
		}
		expect(unheard).toEqual([]);
	});
});
