import {styleText} from 'node:util';
import Table from 'cli-table3';

type Style = Parameters<typeof styleText>[0];

/** Text in a style, if standard output is a terminal that shows it and NO_COLOR is not set (styleText looks at both). */
export function styled(style: Style, text: string): string {
	return process.stdout.isTTY ? styleText(style, text, {stream: process.stdout}) : text;
}

/** Rows under headings, in columns without borders. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
	const none = {
		top: '',
		'top-mid': '',
		'top-left': '',
		'top-right': '',
		bottom: '',
		'bottom-mid': '',
		'bottom-left': '',
		'bottom-right': '',
	};
	const chars = {...none, left: '', 'left-mid': '', mid: '', 'mid-mid': '', right: '', 'right-mid': '', middle: '  '};
	const grid = new Table({
		head: head.map(title => styled('bold', title)),
		chars,
		style: {head: [], border: [], 'padding-left': 0, 'padding-right': 0},
	});
	grid.push(...rows.map(row => [...row]));
	return grid
		.toString()
		.split('\n')
		.map(line => line.trimEnd())
		.join('\n');
}
