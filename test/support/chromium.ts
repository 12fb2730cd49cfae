// Debian's Chromium, driven by Playwright, without what would reach for the network.
import {existsSync} from 'node:fs';
import {type Browser, chromium} from 'playwright-core';

const executablePath = '/usr/bin/chromium';

/** Why there is no browser here; `null`: there is one. The test setup installs it for root. */
export const whyNoChromium: string | null = existsSync(executablePath)
	? null
	: 'chromium is not installed (Debian package chromium)';

/** `hosts`: names that lead to this host. */
export function launchChromium(hosts: readonly string[] = []): Promise<Browser> {
	return chromium.launch({
		executablePath,
		args: [
			// It will not start as root otherwise; it opens pages of ours alone.
			'--no-sandbox',
			'--disable-gpu',
			'--disable-quic',
			'--no-first-run',
			'--disable-background-networking',
			'--disable-component-update',
			'--disable-sync',
			`--host-resolver-rules=${hosts.map(host => `MAP ${host} 127.0.0.1`).join(',')}`,
		],
	});
}
