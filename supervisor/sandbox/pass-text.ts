import type {PassSummary} from '../../worker/protocol.ts';

/** Whether a pass did all there was to do. */
export function isDone({error, retries}: PassSummary): boolean {
	return error === null && retries === 0;
}

/** What a pass came to, in a line for a person. */
export function describePass({error, approved, refused, retries, pending}: PassSummary): string {
	const parts = [
		`${approved} approved`,
		...(refused > 0 ? [`${refused} refused`] : []),
		...(retries > 0 ? [`${retries} not settled, to be tried again`] : []),
		...(error === null && pending === 0 ? ['nothing pending'] : []),
		...(error === null && pending > 0 && retries === 0 ? [`${pending} still pending`] : []),
	];
	return error === null ? parts.join(', ') : `${error} (${parts.join(', ')})`;
}
