import path from 'node:path';
import {SECRET_VARIABLE} from '../text.ts';

/** Who is started, and so what it needs of our environment. */
export type Recipient =
	/** `openclaw` on this host. */
	| {readonly kind: 'host-call'}
	/** A program that the configuration names: `tokenCommand`, `notify`, an inventory. */
	| {readonly kind: 'program'}
	/** The command that brings a call into a sandbox, word by word. */
	| {readonly kind: 'prefix'; readonly exec: readonly string[]};

/** What no program can do without. What hands it all on into a sandbox (nsenter, chroot, bwrap, `ip netns exec`, lxc-attach) gives nothing away with it. */
const SMALLEST = /^(PATH|LANG|TZ)$/;

/** What a program of this host needs to find its files, its user's language and the network. */
const USUAL =
	/^(PATH|HOME|USER|LANG|LC_[A-Z]+|TZ|TMPDIR|XDG_[A-Z_]+|(HTTPS?|FTP|ALL|NO)_PROXY|(https?|ftp|all|no)_proxy|NODE_USE_ENV_PROXY|SSL_CERT_(FILE|DIR)|NODE_EXTRA_CA_CERTS|NODE_USE_SYSTEM_CA|CURL_CA_BUNDLE|REQUESTS_CA_BUNDLE)$/;

const OPENCLAW = /^OPENCLAW_/;

/**
 * What the clients of a service read besides, as their own documentation has it: docker(1), podman(1) with containers.conf(5) and
 * containers-storage.conf(5), nerdctl's docs/config.md, kubectl's and oc's reference, `openshell --help`. A client that reaches its service by SSH
 * asks the user's agent; rootless podman asks the user's systemd for a control group.
 */
const CLIENTS: ReadonlyMap<string, RegExp> = new Map([
	['docker', /^(DOCKER_\w+|SSH_AUTH_SOCK)$/],
	['podman', /^((CONTAINERS?|PODMAN|STORAGE|DOCKER)_\w+|SSH_AUTH_SOCK|DBUS_SESSION_BUS_ADDRESS)$/],
	['nerdctl', /^((CONTAINERD|NERDCTL|DOCKER|ROOTLESSKIT)_\w+|CNI_PATH|NETCONFPATH)$/],
	['kubectl', /^(KUBECONFIG|KUBERC|KUBECACHEDIR|KUBE(CTL|RNETES)_\w+)$/],
	['oc', /^(KUBECONFIG|KUBERC|KUBECACHEDIR|KUBE(CTL|RNETES)_\w+)$/],
	['openshell', /^OPENSHELL_\w+$/],
]);

/** Meant for pairkeeper itself, so for nothing that it starts. */
const OWN = /^(PAIRKEEPER_|NEMOCLAW_AUTO_PAIR_|NODE_CHANNEL_|NOTIFY_SOCKET$|WATCHDOG_|LISTEN_|OPENCLAW_BIN$)/;

/** What puts other code into whatever is started: ld.so(8), Node's documentation of its command line. */
const INJECTING = /^(LD_|NODE_OPTIONS$)/;

/** Names that end so hold a key, or the words that unlock one. */
const KEY_LIKE = /(PASSPHRASE|CREDENTIALS?|(^|_)(KEY|PASS|PAT|AUTH))$/i;

/** What a program is given of `ours`, our environment: what its kind needs, and the variables that `passEnv` names. */
export function environmentFor(
	recipient: Recipient,
	passEnv: readonly string[],
	ours: Readonly<NodeJS.ProcessEnv>,
): NodeJS.ProcessEnv {
	const needed = needsOf(recipient);
	return pick(ours, name => !OWN.test(name) && (passEnv.includes(name) || needed.some(each => each.test(name))));
}

/**
 * What a worker is given: what it may hand on, and what Node itself reads. `exec`: the prefix of its calls, empty where they run on this host.
 */
export function workerEnvironment(
	exec: readonly string[],
	passEnv: readonly string[],
	ours: Readonly<NodeJS.ProcessEnv>,
): NodeJS.ProcessEnv {
	const calls: Recipient = exec.length === 0 ? {kind: 'host-call'} : {kind: 'prefix', exec};
	return {
		...environmentFor({kind: 'program'}, passEnv, ours),
		...environmentFor(calls, passEnv, ours),
		...pick(ours, name => name.startsWith('NODE_') && !OWN.test(name)),
	};
}

/** Whether a program is the client of a service, which reads what it needs to find that. */
export function isServiceClient(file: string): boolean {
	return CLIENTS.has(path.basename(file));
}

/** Why a variable is not to be passed on, whoever wants it, or `null`. */
export function refusalToPass(name: string): string | null {
	if (INJECTING.test(name)) return 'puts other code into every program that is started';
	if (SECRET_VARIABLE.test(name) || KEY_LIKE.test(name))
		return 'looks like a secret; let the program that needs it read it from a file';
	return OWN.test(name) ? 'is for pairkeeper itself' : null;
}

function needsOf(recipient: Recipient): readonly RegExp[] {
	switch (recipient.kind) {
		case 'host-call':
			return [USUAL, OPENCLAW];
		case 'program':
			return [USUAL];
		case 'prefix': {
			const read = CLIENTS.get(path.basename(recipient.exec[0] ?? ''));
			return read === undefined ? [SMALLEST] : [USUAL, read];
		}
	}
}

function pick(ours: Readonly<NodeJS.ProcessEnv>, isWanted: (name: string) => boolean): NodeJS.ProcessEnv {
	return Object.fromEntries(Object.entries(ours).filter(([name]) => isWanted(name)));
}
