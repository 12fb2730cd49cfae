import {afterEach, beforeEach, describe, expect, it, vi} from 'vitest';
import {systemClock} from '../../worker/clock.ts';
import {EventWakes} from '../../worker/transport/gateway/event-wakes.ts';

beforeEach(() => void vi.useFakeTimers({toFake: ['setTimeout', 'clearTimeout', 'hrtime']}));
afterEach(() => void vi.useRealTimers());

/** Announcements, the wakes they cause, and a loop that makes a pass for each wake it finds. */
function listening() {
	let isDue = false;
	const events = new EventWakes(() => {
		isDue = true;
	}, systemClock);
	const announce = (times: number) => {
		for (let time = 0; time < times; time++) events.announce();
	};
	/** Whether a pass was due; it is made, this happens meanwhile, and it approves and refuses that many. */
	const pass = (approved: number, meanwhile: () => void = () => {}, refused = 0) => {
		const wasDue = isDue;
		isDue = false;
		if (!wasDue) return false;
		events.passBegins();
		meanwhile();
		events.passEnded({approved, refused});
		return true;
	};
	return {events, announce, pass};
}

describe('what a gateway announces', () => {
	it('wakes at once', () => {
		const {announce, pass} = listening();
		expect(pass(0)).toBe(false);
		announce(1);
		expect(pass(1)).toBe(true);
		expect(pass(0)).toBe(false);
	});

	it('in a burst is one reason to look, and leaves the next one its wake', () => {
		const {announce, pass} = listening();
		announce(1000);
		expect(pass(8)).toBe(true);
		expect(pass(0)).toBe(false);
		announce(1);
		expect(pass(1)).toBe(true);
	});

	it('during a pass is a reason for another', () => {
		const {announce, pass} = listening();
		announce(1);
		expect(pass(0, () => announce(2))).toBe(true);
		expect(pass(1)).toBe(true);
		expect(pass(0)).toBe(false);
	});

	it('wakes at once for ever, as long as there is something to approve', async () => {
		const {announce, pass} = listening();
		for (let time = 0; time < 1000; time++) {
			announce(1);
			expect(pass(1)).toBe(true);
			await vi.advanceTimersByTimeAsync(100);
		}
	});

	it('wakes at once for hundreds that ask one after the other', async () => {
		const {announce, pass} = listening();
		for (let time = 0; time < 250; time++) {
			announce(1);
			expect(pass(1)).toBe(true);
			await vi.advanceTimersByTimeAsync(30);
		}
	});

	it('is rationed to twenty passes a second in the long run, however much is approved: a gateway may have its own inventions approved', async () => {
		const {announce, pass} = listening();
		let passes = 0;
		for (let hundredths = 0; hundredths < 6000; hundredths++) {
			announce(1);
			if (pass(8, () => announce(1))) passes++;
			await vi.advanceTimersByTimeAsync(10);
		}
		expect(passes).toBeGreaterThan(1400);
		expect(passes).toBeLessThan(1600);
	});

	it('for nothing is rationed to about a pass a second', async () => {
		const {announce, pass} = listening();
		let passes = 0;
		for (let tenths = 0; tenths < 600; tenths++) {
			announce(1000);
			if (pass(0, () => announce(1000))) passes++;
			await vi.advanceTimersByTimeAsync(100);
		}
		expect(passes).toBeGreaterThan(30);
		expect(passes).toBeLessThan(120);
	});

	it('to be refused by the hundred is rationed to some fifty refusals a second', async () => {
		const {announce, pass} = listening();
		let refused = 0;
		for (let tenths = 0; tenths < 1200; tenths++) {
			announce(1000);
			if (pass(0, () => announce(1000), 256)) refused += 256;
			await vi.advanceTimersByTimeAsync(100);
		}
		expect(refused).toBeGreaterThan(120 * 40);
		expect(refused).toBeLessThan(120 * 70);
	});

	it('is a flood from far more a second than clients ask, and is called one for a while', async () => {
		const {events, announce} = listening();
		announce(100);
		expect(events.isFlooded).toBe(false);
		announce(1000);
		expect(events.isFlooded).toBe(true);
		await vi.advanceTimersByTimeAsync(120_000);
		expect(events.isFlooded).toBe(false);
	});
});
