/** Something that is done, and how it is taken back. */
export interface Step {
	readonly take: () => Promise<void>;
	readonly takeBack: () => Promise<void>;
}

/** Takes all steps, one after the other, or none: those before one that failed are taken back. Rejects with the error of that one. */
export async function allOrNone(steps: readonly Step[]): Promise<void> {
	for (const [index, {take}] of steps.entries()) {
		try {
			await take();
		} catch (error) {
			for (const {takeBack} of steps.slice(0, index).reverse()) await takeBack().catch(() => {});
			throw error;
		}
	}
}
