// A socket for datagrams, as a service manager has one. By Perl, which every Debian has: Node knows no such sockets, and the library that sends must not be what judges it.
import {type ChildProcess, spawn} from 'node:child_process';
import {createInterface} from 'node:readline';
import {guardGroup} from './guard.ts';
import {endGroup, plainEnvironment} from './processes.ts';
import {until} from './until.ts';

/** Binds the socket that its argument names, and prints each message in a line, its own line ends as U+001F. */
const script = `
	socket(my $socket, AF_UNIX, SOCK_DGRAM, 0) or die "socket: $!";
	(my $name = $ARGV[0]) =~ s/^@/\\0/;
	bind($socket, pack_sockaddr_un($name)) or die "bind: $!";
	$| = 1;
	print "bound\\n";
	while (defined recv($socket, my $message, 65536, 0)) {
		$message =~ tr/\\n/\\x1f/;
		print "$message\\n";
	}`;

export class DatagramReceiver {
	/** All that has come, in order. */
	readonly messages: string[] = [];
	readonly #child: ChildProcess;
	#isBound = false;

	private constructor(name: string) {
		const env = plainEnvironment();
		this.#child = spawn('perl', ['-MSocket', '-e', script, name], {
			env,
			stdio: ['ignore', 'pipe', 'inherit'],
			detached: true,
		});
		if (this.#child.pid !== undefined) guardGroup(this.#child.pid);
		if (!this.#child.stdout) throw new Error('perl could not be started');
		createInterface({input: this.#child.stdout}).on('line', line => {
			if (this.#isBound) this.messages.push(line.replaceAll('\u001f', '\n'));
			else this.#isBound = true;
		});
	}

	/** Listens at `name`: a path, or `@` and an abstract name. */
	static async listen(name: string): Promise<DatagramReceiver> {
		const receiver = new DatagramReceiver(name);
		await until(`a socket at ${name}`, () => receiver.#isBound, {everyMs: 10});
		return receiver;
	}

	/** Waits for a message with this text in it, and gives back the first. */
	async untilTold(text: string | RegExp): Promise<string> {
		const isMeant = (message: string) => (typeof text === 'string' ? message.includes(text) : text.test(message));
		return until(`the message ${text}`, () => this.messages.find(isMeant), {seen: () => this.messages});
	}

	async end(): Promise<void> {
		await endGroup(this.#child);
	}
}
