import {styleText} from 'node:util';
import cliTruncate from 'cli-truncate';
import stringWidth from 'string-width';
import wrapAnsi from 'wrap-ansi';

type Style = Parameters<typeof styleText>[0];

/** Text in a style, if standard output is a terminal that shows it and NO_COLOR is not set (styleText looks at both). */
export function styled(style: Style, text: string): string {
	return process.stdout.isTTY ? styleText(style, text, {stream: process.stdout}) : text;
}

/** How many cells a line of standard output may have: `COLUMNS`, else the terminal's own, else as many as it takes. */
export function outputWidth(environment: NodeJS.ProcessEnv = process.env): number {
	const said = Number(environment.COLUMNS);
	if (Number.isInteger(said) && said > 0) return said;
	return process.stdout.isTTY ? process.stdout.columns || 80 : Number.POSITIVE_INFINITY;
}

/** Between two columns. */
const GAP = 2;

/** Nothing is cut to less than this, in cells of the terminal. */
const NARROWEST = 6;

/** A column of a table. */
export interface Column {
	readonly title: string;
	/** Where there is not room for all, the column with the greatest goes first; without one it always stays. */
	readonly dispensable?: number;
	/** Where there is not room for all, it may be as narrow as that; without it, it is as wide as its widest cell. */
	readonly narrowest?: number;
}

/**
 * Rows under headings, in columns without borders, within `width` cells of the terminal (wide characters are two): long cells are cut first, then
 * columns left out, where they say so. `Infinity`: as wide as it gets.
 */
export function table(
	head: readonly (string | Column)[],
	rows: readonly (readonly string[])[],
	width: number = outputWidth(),
): string {
	const columns = head.map(column => (typeof column === 'string' ? {title: column} : column));
	const {kept, widths} = layoutOf(columns, rows, width);
	const line = (cells: readonly string[]) =>
		kept.map((column, at) => padded(cut(cells[column] ?? '', widths[at] ?? 0), widths[at] ?? 0)).join(' '.repeat(GAP));
	return [columns.map(({title}) => styled('bold', title)), ...rows].map(cells => line(cells).trimEnd()).join('\n');
}

/** Text of which no more than `width` cells are shown. */
export function cut(text: string, width: number): string {
	return stringWidth(text) <= width ? text : cliTruncate(text, Math.max(width, 1));
}

/** Whether no line of the text is wider than `width` cells. */
export function fits(text: string, width: number): boolean {
	return text.split('\n').every(line => stringWidth(line) <= width);
}

/** Text broken into lines of at most `width` cells, the second and later ones `indent` cells in; cut after `most` lines. */
export function wrapped(text: string, width: number, {indent = 0, most = Number.POSITIVE_INFINITY} = {}): string[] {
	if (stringWidth(text) <= width) return [text];
	// Every line has the room of the narrower ones, so that it can be indented without being broken anew.
	const lines = wrapAnsi(text, Math.max(width - indent, NARROWEST), {hard: true}).split('\n');
	const shown = lines.slice(0, most).map((line, at) => (at === 0 ? line : `${' '.repeat(indent)}${line}`));
	const last = shown.at(-1) ?? '';
	return lines.length > most ? [...shown.slice(0, -1), cut(`${last} …`, width).replace(/ ?…+$/, '…')] : shown;
}

interface Layout {
	/** Which columns there is room for. */
	readonly kept: readonly number[];
	/** How wide each of those is. */
	readonly widths: readonly number[];
}

function layoutOf(columns: readonly Column[], rows: readonly (readonly string[])[], width: number): Layout {
	const natural = columns.map(({title}, at) =>
		Math.max(stringWidth(title), ...rows.map(row => stringWidth(row[at] ?? ''))),
	);
	const narrowest = natural.map((cells, at) => Math.min(cells, columns[at]?.narrowest ?? cells));
	let kept = columns.map((_, at) => at);
	const of = (widths: readonly number[]) => kept.map(at => widths[at] ?? 0);
	while (totalOf(of(narrowest)) > width) {
		const [first] = kept
			.filter(at => columns[at]?.dispensable !== undefined)
			.toSorted((a, b) => (columns[b]?.dispensable ?? 0) - (columns[a]?.dispensable ?? 0));
		if (first === undefined) break;
		kept = kept.filter(at => at !== first);
	}
	return {kept, widths: narrowed(narrowed(of(natural), of(narrowest), width), [], width)};
}

/** The widths, the widest of them made narrower until all fit, as far as that goes. */
function narrowed(widths: readonly number[], narrowest: readonly number[], width: number): number[] {
	const result = [...widths];
	const slack = (at: number) => (result[at] ?? 0) - (narrowest[at] ?? NARROWEST);
	while (totalOf(result) > width) {
		const [at] = result
			.map((_, column) => column)
			.filter(column => slack(column) > 0)
			.toSorted((a, b) => (result[b] ?? 0) - (result[a] ?? 0));
		if (at === undefined) break;
		result[at] = (result[at] ?? 0) - 1;
	}
	return result;
}

function totalOf(widths: readonly number[]): number {
	return widths.reduce((sum, cells) => sum + cells, 0) + GAP * Math.max(widths.length - 1, 0);
}

function padded(text: string, width: number): string {
	return text + ' '.repeat(Math.max(width - stringWidth(text), 0));
}
