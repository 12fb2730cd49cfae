import type {Turns} from '../../worker/turns.ts';

/** Turns of a host that nobody else uses. */
export const freeTurns: Turns = {take: async () => ({id: 1, over: () => {}})};
