import type {Argument, Command, Option} from 'commander';

/** What stands around the commands. */
export interface ManPageText {
	readonly version: string;
	readonly files: readonly {readonly path: string; readonly what: string}[];
	readonly environment: readonly {readonly name: string; readonly what: string}[];
}

/** The manual page, section 1, of a command line: the words of its `--help` as roff, see man(7). Pure. */
export function manPage(root: Command, {version, files, environment}: ManPageText): string {
	const name = root.name();
	const shared = new Set(root.options.map(({long}) => long));
	const lines = [
		`.TH ${name.toUpperCase()} 1 "" "${name} ${version}" "User Commands"`,
		'.SH NAME',
		`${name} \\- ${text(uncapitalized(root.description()))}`,
		'.SH SYNOPSIS',
		`.B ${name}`,
		'.I command',
		'.RI [ option \\&... ]',
		'.SH DESCRIPTION',
		text(root.description()),
		...after(root),
		'.SH COMMANDS',
		...root.commands.flatMap(command => [
			'.TP',
			`.BR ${text(command.name())}${command.registeredArguments.map(each => ` " ${text(argumentInWords(each))}"`).join('')}`,
			`${text(sentence(command.description()))}`,
			...indented([
				...command.registeredArguments.flatMap(argument => term(argumentInWords(argument), argument.description)),
				...command.options.filter(({long, hidden}) => !hidden && !shared.has(long)).flatMap(optionTerm),
				...after(command),
			]),
		]),
		'.SH OPTIONS',
		'All commands take these.',
		...root.options.flatMap(optionTerm),
		...term('-h, --help', 'show how it, or one command, is used'),
		'.SH ENVIRONMENT',
		...environment.flatMap(({name: variable, what}) => term(variable, what)),
		'.SH FILES',
		...files.flatMap(({path, what}) => term(path, what)),
	];
	return `${lines.join('\n')}\n`;
}

function argumentInWords(argument: Argument): string {
	const word = argument.name() + (argument.variadic ? '...' : '');
	return argument.required ? `<${word}>` : `[${word}]`;
}

function optionTerm({flags, description, defaultValueDescription, argChoices, defaultValue}: Option): string[] {
	const remarks = [
		...(argChoices ? [`one of ${argChoices.join(', ')}`] : []),
		...(defaultValue === undefined ? [] : [`by default ${defaultValueDescription ?? defaultValue}`]),
	];
	return term(flags, remarks.length === 0 ? description : `${description} (${remarks.join('; ')})`);
}

/** A paragraph with a word that hangs out. */
function term(word: string, what: string): string[] {
	return ['.TP', `.B ${text(word)}`, text(sentence(what))];
}

/** What `--help` says after the options, in the lines that it has: commander shows it together with what it makes itself only. */
function after(command: Command): string[] {
	let said = '';
	command.configureOutput({writeOut: more => (said += more)}).outputHelp();
	const remarks = said.slice(command.helpInformation().length).trim();
	return remarks === '' ? [] : ['.PP', '.nf', ...remarks.split('\n').map(text), '.fi'];
}

function indented(lines: readonly string[]): string[] {
	return lines.length === 0 ? [] : ['.RS', ...lines, '.RE'];
}

/** Text of ours as roff has it: hyphens that can be copied, and nothing taken for a request. */
function text(plain: string): string {
	const escaped = plain.replaceAll('\\', '\\e').replaceAll('-', '\\-').replaceAll('"', '\\(dq');
	return /^[.']/.test(escaped) ? `\\&${escaped}` : escaped;
}

function sentence(phrase: string): string {
	const capital = phrase.charAt(0).toUpperCase() + phrase.slice(1);
	return /[.)]$/.test(capital) ? capital : `${capital}.`;
}

function uncapitalized(phrase: string): string {
	return phrase.charAt(0).toLowerCase() + phrase.slice(1).replace(/\.$/, '');
}
