/** How many held requests are told at most: both ends of the channel hold to it. */
export const MAX_HELD = 256;
