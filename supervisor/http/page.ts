import {createHash} from 'node:crypto';
import {readFileSync} from 'node:fs';
import {PROGRAM_ROOT} from '../version.ts';

/** The page, and what the browser is told it may do: run the one script and use the one style that are in it, and ask this server. */
export interface Page {
	readonly html: string;
	readonly headers: Readonly<Record<string, string>>;
}

/** Reads the page that is shipped beside the program. */
function readPage(): Page {
	const html = readFileSync(new URL('http/page.html', PROGRAM_ROOT), 'utf8');
	const policy = [
		"default-src 'none'",
		`script-src ${hashesOf(html, 'script')}`,
		`style-src ${hashesOf(html, 'style')}`,
		'img-src data:',
		"connect-src 'self'",
		"base-uri 'none'",
		"form-action 'none'",
		"frame-ancestors 'none'",
	];
	return {html, headers: {'Content-Security-Policy': policy.join('; ')}};
}

/** The sources of all elements of this kind, as the policy names them (CSP Level 3, 2.3.1). */
function hashesOf(html: string, element: 'script' | 'style'): string {
	const texts = [...html.matchAll(new RegExp(`<${element}>([^]*?)</${element}>`, 'g'))].map(([, text = '']) => text);
	return texts.map(text => `'sha256-${createHash('sha256').update(text).digest('base64')}'`).join(' ');
}

/** The page, read once. */
export const page: Page = readPage();
