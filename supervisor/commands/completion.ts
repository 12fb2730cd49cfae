import type {Command} from 'commander';
import {ConfigError} from '../config/config.ts';
import {loadConfig} from '../config/load.ts';
import type {ConfigSource} from '../config/locate.ts';
import {readStatus} from '../status/reading.ts';
import {EXIT} from './exit-codes.ts';
import {findInstance} from './instance.ts';
import type {CommonOptions} from './options.ts';

/** Names as the configuration has them: a shell may expand what it completes (bash: compgen -W). */
const PLAIN = /^[a-z0-9][a-z0-9-]*$/;

/** The shells that there is a completion for. */
export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

/** `pairkeeper completion SHELL`; with `--sandboxes` instead, the names that the completion itself asks for. */
export async function completion(
	shell: Shell | undefined,
	root: Command,
	options: CommonOptions & {readonly sandboxes?: boolean},
): Promise<number> {
	if (options.sandboxes) {
		const names = namesKnown({...options, environment: process.env}).filter(name => PLAIN.test(name));
		process.stdout.write(names.map(name => `${name}\n`).join(''));
		return EXIT.ok;
	}
	if (shell === undefined) {
		process.stderr.write(`name a shell: ${SHELLS.join(', ')}\n`);
		return EXIT.usage;
	}
	process.stdout.write(completionScript(shell, root));
	return EXIT.ok;
}

/** The names in the status, and before there is one those that are written: no inventory is asked for the sake of a key press. */
function namesKnown(source: ConfigSource): readonly string[] {
	const status = readStatus(findInstance(source).paths.statusFile);
	if (status !== null) return Object.keys(status.sandboxes);
	try {
		return loadConfig(source, {purpose: 'pass'}).sandboxes.map(({name}) => name);
	} catch (error) {
		if (error instanceof ConfigError) return [];
		throw error;
	}
}

/** What can be typed after a command. */
interface CommandOutline {
	readonly name: string;
	readonly description: string;
	/** Names of sandboxes, which are asked for when they are needed. */
	readonly takesSandboxes: boolean;
	/** What its argument may be, where that is one of few words. */
	readonly words: readonly string[];
	readonly options: readonly OptionOutline[];
}

interface OptionOutline {
	readonly flag: string;
	readonly description: string;
	readonly takesValue: boolean;
}

/** What is completed comes from the command line's own definition, so that it cannot be of another version. */
function outlineOf(root: Command): CommandOutline[] {
	return root.commands.map(command => ({
		name: command.name(),
		description: command.description(),
		takesSandboxes: command.registeredArguments.some(argument => /^sandbox(es)?$/.test(argument.name())),
		words: command.registeredArguments.flatMap(argument => argument.argChoices ?? []),
		options: command.options.flatMap(({long, description, required, hidden}) =>
			long && !hidden ? {flag: long, description, takesValue: required} : [],
		),
	}));
}

/** Asked when a name is to be completed: only then is the status file read. */
const NAMES = 'pairkeeper completion --sandboxes 2>/dev/null';

/** The completion for a shell of this command line. Pure. */
export function completionScript(shell: Shell, root: Command): string {
	const commands = outlineOf(root);
	switch (shell) {
		case 'bash':
			return bashScript(commands);
		case 'zsh':
			return zshScript(commands);
		case 'fish':
			return fishScript(commands);
	}
}

function bashScript(commands: readonly CommandOutline[]): string {
	return `# pairkeeper completion bash > /etc/bash_completion.d/pairkeeper
_pairkeeper() {
	local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD - 1]} command= words= i
	case $before in --config | --status-file) COMPREPLY=($(compgen -f -- "$word")); return ;; esac
	for ((i = 1; i < COMP_CWORD; i++)); do
		case \${COMP_WORDS[i]} in
		--config | --status-file) ((i++)) ;;
		-*) ;;
		*) command=\${COMP_WORDS[i]}; break ;;
		esac
	done
	case $command in
	'') words='${commands.map(({name}) => name).join(' ')} --help --version' ;;
${commands.map(command => `\t${command.name}) words="${wordsOf(command)}" ;;`).join('\n')}
	esac
	COMPREPLY=($(compgen -W "$words" -- "$word"))
}
complete -F _pairkeeper pairkeeper
`;
}

function zshScript(commands: readonly CommandOutline[]): string {
	return `#compdef pairkeeper
# pairkeeper completion zsh > a directory of $fpath, as _pairkeeper
_pairkeeper() {
	local command= i
	case $words[CURRENT-1] in (--config|--status-file) _files; return ;; esac
	for ((i = 2; i < CURRENT; i++)); do
		case $words[i] in
		(--config|--status-file) ((i++)) ;;
		(-*) ;;
		(*) command=$words[i]; break ;;
		esac
	done
	case $command in
	('') compadd -- ${commands.map(({name}) => name).join(' ')} --help --version ;;
${commands.map(command => `\t(${command.name}) compadd -- ${wordsOf(command)} ;;`).join('\n')}
	esac
}
if [[ $funcstack[1] == _pairkeeper ]]; then _pairkeeper "$@"; else compdef _pairkeeper pairkeeper; fi
`;
}

/** What may follow a command, for a shell that splits it into words. */
function wordsOf({takesSandboxes, words, options}: CommandOutline): string {
	return [...(takesSandboxes ? [`$(${NAMES})`] : []), ...words, ...options.map(({flag}) => flag), '--help'].join(' ');
}

function fishScript(commands: readonly CommandOutline[]): string {
	const lines = commands.flatMap(({name, description, takesSandboxes, words, options}) => {
		const after = `complete -c pairkeeper -n '__fish_seen_subcommand_from ${name}'`;
		return [
			`complete -c pairkeeper -n __fish_use_subcommand -a ${name} -d ${quoted(description)}`,
			...(takesSandboxes ? [`${after} -a '(${NAMES})'`] : []),
			...(words.length > 0 ? [`${after} -a '${words.join(' ')}'`] : []),
			...options.map(
				option =>
					`${after} -l ${option.flag.slice(2)}${option.takesValue ? ' -r' : ''}${isFile(option) ? ' -F' : ''} -d ${quoted(option.description)}`,
			),
		];
	});
	return `# pairkeeper completion fish > ~/.config/fish/completions/pairkeeper.fish
complete -c pairkeeper -f
${lines.join('\n')}
`;
}

function isFile({flag}: OptionOutline): boolean {
	return flag === '--config' || flag === '--status-file';
}

function quoted(text: string): string {
	return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
