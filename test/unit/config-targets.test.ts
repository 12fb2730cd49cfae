import {describe, expect, it} from 'vitest';
import {problemsIn, useConfigFile} from './config-file.ts';

useConfigFile();

describe('two sandboxes reach the same gateway', () => {
	const clashes = (one: string, other: string, environment: NodeJS.ProcessEnv = {}) =>
		problemsIn(`sandboxes:\n  - {name: a, ${one}}\n  - {name: b, ${other}}`, environment).length > 0;

	it.each([
		['enabled: true', 'enabled: true'],
		['env: {OPENCLAW_STATE_DIR: /a}', 'env: {OPENCLAW_STATE_DIR: /a, OTHER: x}'],
		['env: {OPENCLAW_STATE_DIR: /a, HOME: /x}', 'env: {OPENCLAW_STATE_DIR: /a, HOME: /y}'],
		['exec: [x, "1"]', 'exec: [x, "1"], envFile: /f'],
		['env: {OPENCLAW_GATEWAY_URL: "ws://h:1"}', 'env: {OPENCLAW_GATEWAY_URL: "ws://h:1", OPENCLAW_STATE_DIR: /b}'],
		['env: {OPENCLAW_STATE_DIR: /a}', 'env: {OPENCLAW_STATE_DIR: /a}, transport: gateway'],
		['transport: gateway', 'transport: gateway'],
	])('with %s and %s', (one, other) => {
		expect(clashes(one, other)).toBe(true);
	});

	const through = (url: string) => `transport: gateway, gateway: {url: "${url}", tokenCommand: [x]}`;
	it.each([
		['ws://127.0.0.1:7', 'ws://127.0.0.1:7/'],
		['ws://127.0.0.1:7', 'ws://localhost:7'],
		['ws://[::1]:7', 'ws://localhost:7'],
		['wss://host.example', 'wss://HOST.example:443'],
	])('by %s and %s', (one, other) => {
		expect(clashes(through(one), through(other))).toBe(true);
	});

	it.each([
		['ws://127.0.0.1:7', 'ws://127.0.0.1:8'],
		['ws://127.0.0.1:7', 'ws://127.0.0.2:7'],
		['wss://host.example/a', 'wss://host.example/b'],
	])('not by %s and %s', (one, other) => {
		expect(clashes(through(one), through(other))).toBe(false);
	});

	it.each([
		['exec: [x, "1"]', 'exec: [x, "2"]'],
		['exec: [x, "1 2"]', 'exec: [x, "1", "2"]'],
		['env: {OPENCLAW_STATE_DIR: /a}', 'env: {OPENCLAW_STATE_DIR: /b}'],
		['env: {HOME: /a}', 'env: {HOME: /b}'],
		['env: {HOME: /a}, transport: gateway', 'env: {HOME: /b}, transport: gateway'],
		['env: {OPENCLAW_GATEWAY_PORT: 1}', 'env: {OPENCLAW_GATEWAY_PORT: 2}'],
		['enabled: true', 'enabled: false'],
	])('not with %s and %s', (one, other) => {
		expect(clashes(one, other)).toBe(false);
	});
});
