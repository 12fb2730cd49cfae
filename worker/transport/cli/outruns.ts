import type {Listing} from '../../requests/listing.ts';
import {printable} from '../../text.ts';

/** A device is said to outrun us from so many requests in a row on that were replaced before they could be approved. */
const OUTRUN_AFTER = 3;

/** How many approvals and devices are remembered; the latest ones. */
const MAX_REMEMBERED = 32;

/** The most devices that are named. */
const MAX_NAMED = 3;

/** What is known of devices that ask anew, under another id each time, before their last request could be approved. Times are monotonic milliseconds. */
export interface Outruns {
	/** Approvals that were tried and have not come to an end, by request: the device. */
	readonly tried: ReadonlyMap<string, string>;
	/** By device: how many requests in a row were replaced, and when that was seen last. */
	readonly devices: ReadonlyMap<string, {readonly times: number; readonly at: number}>;
}

/** What is known at first. */
export const noOutruns: Outruns = {tried: new Map(), devices: new Map()};

/** The approval of this device's request is tried. Pure. */
export function afterTry(before: Outruns, requestId: string, deviceId: string): Outruns {
	return {...before, tried: latest([...without(before.tried, requestId), [requestId, deviceId]])};
}

/** The approval failed, and has itself replaced the request (2026.5.27 does that to its own device): that is not the device's doing. Pure. */
export function afterOwnReplacement(before: Outruns, requestId: string): Outruns {
	return {...before, tried: without(before.tried, requestId)};
}

/** The request is approved: its device has waited long enough. Pure. */
export function afterApproval(before: Outruns, requestId: string): Outruns {
	const deviceId = before.tried.get(requestId);
	return {
		tried: without(before.tried, requestId),
		devices: deviceId === undefined ? before.devices : without(before.devices, deviceId),
	};
}

/** What is pending now tells which of the requests that were tried have been replaced. Of what was not seen again for `memory` milliseconds nothing is kept. Pure. */
export function afterListing(before: Outruns, pending: Listing['pending'], now: number, memory: number): Outruns {
	const listed = new Set(pending.map(({requestId}) => requestId));
	const asking = new Set(pending.map(({deviceId}) => deviceId));
	const gone = [...before.tried].filter(([requestId]) => !listed.has(requestId));
	const devices = new Map([...before.devices].filter(([, {at}]) => now - at <= memory));
	for (const [, deviceId] of gone) {
		if (!asking.has(deviceId)) continue;
		const times = (devices.get(deviceId)?.times ?? 0) + 1;
		devices.delete(deviceId);
		devices.set(deviceId, {times, at: now});
	}
	return {
		tried: new Map([...before.tried].filter(([requestId]) => listed.has(requestId))),
		devices: latest([...devices]),
	};
}

/** The devices that ask faster than they can be approved, in a line each; the first few. Pure. */
export function outrunning({devices}: Outruns, now: number, memory: number, remedy: string): readonly string[] {
	return [...devices]
		.filter(([, {times, at}]) => times >= OUTRUN_AFTER && now - at <= memory)
		.map(
			([deviceId]) =>
				`device ${printable(deviceId, 16)} asks again and again, under another id each time, before the CLI has approved what it asked for; ${remedy}`,
		)
		.slice(0, MAX_NAMED);
}

function without<V>(map: ReadonlyMap<string, V>, key: string): ReadonlyMap<string, V> {
	return new Map([...map].filter(([known]) => known !== key));
}

function latest<V>(entries: readonly (readonly [string, V])[]): ReadonlyMap<string, V> {
	return new Map(entries.slice(-MAX_REMEMBERED));
}
