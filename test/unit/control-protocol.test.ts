import {expect, it} from 'vitest';
import {controlRequestSchema} from '../../supervisor/control/protocol.ts';

it.each([
	[0, true],
	[12_000, true],
	[60_000, true],
	[60_001, false],
	[-1, false],
	[Number.NaN, false],
	[Number.POSITIVE_INFINITY, false],
])('an approval pass may be asked for within %d ms: %s', (timeout, isSound) => {
	expect(controlRequestSchema.safeParse({op: 'approve', sandbox: 'alpha', timeout}).success).toBe(isSound);
});
