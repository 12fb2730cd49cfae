import type {PassSummary} from '../../worker/protocol.ts';

/** Whether a pass did all there was to do. */
export function isDone({error, retries}: PassSummary): boolean {
	return error === null && retries === 0;
}

/** What a pass came to, in a line for a person. */
export function describePass({error, approved, refused, retries, pending, refusals = []}: PassSummary): string {
	const parts = [
		`${approved} approved`,
		...(refused > 0 ? [`${refused} refused`] : []),
		...(retries > 0 ? [`${retries} not settled, to be tried again`] : []),
		...(error === null && pending === 0 ? ['nothing pending'] : []),
		...(error === null && pending > 0 && retries === 0
			? [`${pending} still pending${whyPending(pending, refusals)}`]
			: []),
	];
	return error === null ? parts.join(', ') : `${error} (${parts.join(', ')})`;
}

/** Why what is still pending is pending, where that is known. */
function whyPending(pending: number, refusals: NonNullable<PassSummary['refusals']>): string {
	const refused = refusals.reduce((sum, {count}) => sum + count, 0);
	if (refused === 0) return '';
	const reasons = refusals.map(({reason, count}) => (refusals.length === 1 ? reason : `${count} ${reason}`));
	const rest = pending - refused;
	return [
		` (${rest > 0 ? `${refused} ` : ''}refused by the policy: ${reasons.join(', ')}; pairkeeper pending shows them`,
		...(rest > 0 ? [`${rest} left to the next pass`] : []),
	]
		.join('; ')
		.concat(')');
}
