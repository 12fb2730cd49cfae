/** The longest that one approval pass may take, in milliseconds. */
export const MAX_APPROVE_TIMEOUT = 60_000;
