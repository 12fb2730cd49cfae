import {Argument, Command, CommanderError, Option} from 'commander';
import {messageOf} from '../worker/text.ts';
import type {Shell} from './commands/completion.ts';
import {EXIT, EXIT_TEXTS} from './commands/exit-codes.ts';
import {deadlineText, durationUpTo} from './commands/options.ts';
import type {SchemaName} from './commands/schema.ts';
import {ConfigError} from './config/config.ts';
import {MAX_APPROVE_TIMEOUT} from './control/bounds.ts';
import {exitDespiteHangingFiles} from './host/exit.ts';
import {InstancePathError} from './instance/paths.ts';
import {LOG_LEVELS} from './log/log.ts';
import {VERSION} from './version.ts';

/** The oldest status that `health` can be told to accept, in milliseconds. */
const MAX_AGE = 3_600_000;

/** The longest look back of `audit`, in milliseconds: a hundred years. */
const MAX_SINCE = 100 * 366 * 86_400_000;

/** Runs the command line and sets the process's exit code. Never rejects. */
export async function main(argv: readonly string[]): Promise<void> {
	// A reader that goes away (`pairkeeper status | head`) is no error of ours.
	process.stdout.on('error', () => {});
	process.stderr.on('error', () => {});
	try {
		await program().parseAsync([...argv]);
	} catch (error) {
		process.exitCode = exitCodeFor(error, argv);
	} finally {
		exitDespiteHangingFiles();
	}
}

/** The command line as a whole; the manual page and the completions are made from it too. */
export function program(): Command {
	const root = new Command('pairkeeper')
		.description('Keeps one pairing watcher alive per OpenClaw sandbox and approves what the policy allows.')
		.version(VERSION)
		.exitOverride()
		.showHelpAfterError('(pairkeeper --help shows how it is used)')
		// Options and commands leave less than the 40 cells that commander wants for their descriptions on 80.
		.configureHelp({minWidthToWrap: 30})
		.addHelpText('after', EXAMPLES);
	withCommonOptions(root);

	command(root, 'run', 'supervise in the foreground, until the deadline or a signal')
		.addOption(
			new Option('--log-level <level>', 'the least severe level that is logged').choices(LOG_LEVELS).default('info'),
		)
		.addHelpText('after', RUN_HELP)
		.action(act(async () => (await import('./commands/run.ts')).run));
	command(root, 'status', 'show the state of the sandboxes; exit 3 if no supervisor stands behind it')
		.argument('[sandboxes...]', 'show these in full')
		.option('--json', 'print the status file as it is')
		.option('--watch', 'a live screen on a terminal, else print it again and again')
		.option('--all', 'show idle sandboxes too')
		.action(async (sandboxes: string[], _: unknown, self: Command) => {
			const {status} = await import('./commands/status.ts');
			setExitCode(await status(sandboxes, self.optsWithGlobals()));
		});
	command(root, 'health', 'say in one line whether all is well; exit 0 ok, 1 degraded, 2 critical, 3 unknown')
		.addOption(
			new Option('--max-age <duration>', 'a status older than this is critical')
				.argParser(durationUpTo(MAX_AGE))
				.default(15_000, '15s'),
		)
		.action(act(async () => (await import('./commands/health.ts')).health));
	command(root, 'approve', 'make one approval pass now (exit 0 whatever happens), or approve one request')
		.argument('<sandbox>', 'its name in the configuration')
		.argument('[request]', 'approve this one request, whatever the policy says; exit 1 if that failed')
		.option('--digest <digest>', 'of the request that you have seen (pairkeeper pending); needed without a terminal')
		.addOption(timeoutOption())
		.option('--strict', 'exit 1 if the pass failed')
		.action(async (sandbox: string, request: string | undefined, _: unknown, self: Command) => {
			const {approve} = await import('./commands/approve.ts');
			setExitCode(await approve(sandbox, request, self.optsWithGlobals()));
		});
	command(root, 'reject', 'reject one request, so that the next ask of its device is clean')
		.argument('<sandbox>', 'its name in the configuration')
		.argument('<request>', 'its id, as pairkeeper pending shows it')
		.addOption(timeoutOption())
		.action(async (sandbox: string, request: string, _: unknown, self: Command) => {
			const {reject} = await import('./commands/decide.ts');
			setExitCode(await reject(sandbox, request, self.optsWithGlobals()));
		});
	command(root, 'pending', 'show what waits for a person: the requests that the policy refuses')
		.option('--json', 'as JSON')
		.action(act(async () => (await import('./commands/pending.ts')).pending));
	command(root, 'audit', 'show what was decided, from the audit file')
		.addOption(new Option('--since <duration>', 'not what is older than this').argParser(durationUpTo(MAX_SINCE)))
		.option('--sandbox <sandbox>', 'only of this one')
		.option('--json', 'the lines as they are')
		.action(act(async () => (await import('./commands/audit.ts')).audit));
	command(root, 'check', 'check the configuration and whether each sandbox answers, with remedies')
		.option('--offline', 'only the configuration')
		.action(act(async () => (await import('./commands/check.ts')).check));
	command(root, 'kick', 'ask running workers to poll now, and fast for a while')
		.argument('[sandboxes...]', 'their names; without any, all of them')
		.action(async (sandboxes: string[], _: unknown, self: Command) => {
			const {kick} = await import('./commands/control.ts');
			setExitCode(await kick(sandboxes, self.optsWithGlobals()));
		});
	command(root, 'reload', 'have the configuration read again and alarms cleared, and say what came of it').action(
		act(async () => (await import('./commands/control.ts')).reload),
	);
	command(root, 'init', 'print a first configuration of what is found on this host')
		.option('--write', 'write it instead, where there is none yet')
		.addOption(
			new Option('--deadline <duration>', 'when the supervisor ends; for a service: never')
				.argParser(deadlineText)
				.default('8h'),
		)
		.action(act(async () => (await import('./commands/init.ts')).init));
	command(root, 'completion', 'print the completion for a shell; --help says where it goes')
		.addArgument(new Argument('[shell]', 'bash, zsh or fish').choices(['bash', 'zsh', 'fish']))
		.addOption(new Option('--sandboxes', 'print the names of the sandboxes instead').hideHelp())
		.addHelpText('after', COMPLETION_HELP)
		.action(async (shell: Shell | undefined, _: unknown, self: Command) => {
			const {completion} = await import('./commands/completion.ts');
			setExitCode(await completion(shell, root, self.optsWithGlobals()));
		});
	command(root, 'schema', 'print the JSON Schema of the configuration, or of the status file')
		.addArgument(new Argument('<what>', 'config or status').choices(['config', 'status']))
		.action(async (what: SchemaName) => {
			const {schema} = await import('./commands/schema.ts');
			setExitCode(await schema(what));
		});
	return root;
}

function timeoutOption(): Option {
	return new Option('--timeout <duration>', 'be done within this, at most 60s')
		.argParser(durationUpTo(MAX_APPROVE_TIMEOUT))
		.default(12_000, '12s');
}

function command(root: Command, name: string, description: string): Command {
	const exits = (EXIT_TEXTS[name] ?? []).join('\n  ');
	return withCommonOptions(root.command(name).description(description)).addHelpText('after', `\nExit codes: ${exits}`);
}

function withCommonOptions(command: Command): Command {
	return command
		.option('--config <file>', 'the configuration (else $PAIRKEEPER_CONFIG, else the default places)')
		.option('--status-file <file>', "the status file (else the configuration's, else the default place)");
}

/** A command's action. Each loads its own code, so that `health`, which monitors run all the time, need not load that of `run`. */
function act<Options>(load: () => Promise<(options: Options) => Promise<number>>) {
	return async (_: unknown, self: Command): Promise<void> => {
		const action = await load();
		setExitCode(await action(self.optsWithGlobals() as Options));
	};
}

function setExitCode(code: number): void {
	process.exitCode = code;
}

function exitCodeFor(error: unknown, argv: readonly string[]): number {
	if (error instanceof CommanderError && error.exitCode === 0) return EXIT.ok;
	if (!(error instanceof CommanderError)) process.stderr.write(`${messageOf(error)}\n`);
	// A monitor reads 2 as critical, which a mistake in its own command line is not.
	if (argv[2] === 'health') return EXIT.health.unknown;
	const isUsage = error instanceof CommanderError || error instanceof ConfigError || error instanceof InstancePathError;
	return isUsage ? EXIT.usage : EXIT.failed;
}

const EXAMPLES = `
First steps:
  1. pairkeeper init --write, or write /etc/pairkeeper/config.yaml yourself
     (as another user than root: ~/.config/pairkeeper/config.yaml):
       sandboxes:
         - name: alpha
           exec: [openshell, sandbox, exec, --name, alpha, --]
  2. pairkeeper check        is it right, and does the sandbox answer?
  3. pairkeeper run          watch it, until the deadline (8h; for a service
                             say deadline: never) or Ctrl-C
  4. pairkeeper status       in another terminal`;

const COMPLETION_HELP = `
Where it goes:
  pairkeeper completion bash > /etc/bash_completion.d/pairkeeper
  pairkeeper completion zsh > /usr/local/share/zsh/site-functions/_pairkeeper
  pairkeeper completion fish > ~/.config/fish/completions/pairkeeper.fish`;

const RUN_HELP = `
Signals: SIGTERM and SIGINT stop it in an orderly way (a second one at once),
  SIGHUP reloads the configuration and reopens the log.`;
