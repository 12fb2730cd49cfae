/** Values by the names of their placeholders, as in `{name}`. */
export type Filling = Readonly<Record<string, string | number>>;

/** Keys of a sandbox as they are written, and perhaps not all of them. */
export type Layer = Readonly<Record<string, unknown>>;

/** The keys whose maps are merged by what they hold; of every other key the value that is nearest to the sandbox counts. */
const MERGED = ['env', 'policy'];

/**
 * Fills placeholders in all texts of a value, keys left out. A text that is one placeholder takes the value's type, but in a list, which is one of words.
 * Others stay as they are.
 */
export function fillIn(value: unknown, filling: Filling): unknown {
	if (typeof value === 'string') return fillText(value, filling);
	if (Array.isArray(value))
		return value.map(item => (typeof item === 'string' ? String(fillText(item, filling)) : fillIn(item, filling)));
	if (!isMap(value)) return value;
	return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, fillIn(item, filling)]));
}

/** As {@link fillIn}, of a layer. */
export function filledIn(layer: Layer, filling: Filling): Layer {
	const value = fillIn(layer, filling);
	return isMap(value) ? value : {};
}

/** One map out of several, the first of which counts most. */
export function laidOver(...layers: readonly Layer[]): Record<string, unknown> {
	const whole: Record<string, unknown> = {};
	for (const layer of layers.toReversed()) {
		for (const [key, value] of Object.entries(layer)) {
			const below = whole[key];
			whole[key] = MERGED.includes(key) && isMap(below) && isMap(value) ? {...below, ...value} : value;
		}
	}
	return whole;
}

/** Whether what stands at `at` below a sandbox is the sandbox's own, and not of a layer under it. */
export function isOwn(sandbox: Layer, at: readonly PropertyKey[]): boolean {
	const [key, inner] = at;
	if (key === undefined) return true;
	if (!Object.hasOwn(sandbox, key)) return false;
	const value = sandbox[String(key)];
	return !MERGED.includes(String(key)) || inner === undefined || !isMap(value) || Object.hasOwn(value, inner);
}

/** Whether a value of a configuration is a map of keys. */
export function isMap(value: unknown): value is Record<string, unknown> {
	return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function fillText(text: string, filling: Filling): string | number {
	const [, only = ''] = /^\{(\w+)\}$/.exec(text) ?? [];
	if (Object.hasOwn(filling, only)) return filling[only] ?? text;
	return text.replaceAll(/\{(\w+)\}/g, (placeholder, name: string) =>
		Object.hasOwn(filling, name) ? String(filling[name]) : placeholder,
	);
}
