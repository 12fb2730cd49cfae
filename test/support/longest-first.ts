import {BaseSequencer, type TestSpecification} from 'vitest/node';

/** The longest files of each project, the longest first: begun last, one of them would keep one core busy and leave the others idle. */
const longest = [
	'unit/simulated-shifts.test.ts',
	'unit/worker.test.ts',
	'e2e/late-upgrades.test.ts',
	'e2e/gateway-transport.test.ts',
	'e2e/administrator-asks.test.ts',
	'e2e/container.test.ts',
	'e2e/gateway-routes.test.ts',
	'e2e/revocations.test.ts',
	'e2e/first-pairings.test.ts',
];

/** The order of the files of a run: the longest first, and the others as vitest has them. */
export class LongestFirst extends BaseSequencer {
	override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
		const rank = ({moduleId}: TestSpecification) => {
			const index = longest.findIndex(file => moduleId.endsWith(`/${file}`));
			return index < 0 ? longest.length : index;
		};
		const usual = await super.sort(files);
		return usual.toSorted((one, other) => rank(one) - rank(other));
	}
}
