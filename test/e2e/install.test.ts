// The program as it is installed: by the script, and as a Debian package, each into a folder that stands for the host's file system.
import {spawnSync} from 'node:child_process';
import {existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync} from 'node:fs';
import {mkdir} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {dirname, join, resolve} from 'node:path';
import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import {runCommand} from '../support/processes.ts';

const project = resolve(import.meta.dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'pairkeeper-install-'));
afterAll(() => rmSync(folder, {recursive: true}));

/** All files below a folder, from there, but the packages of the program. */
function filesIn(root: string): string[] {
	const {stdout} = spawnSync('find', ['.', '-not', '-type', 'd', '-not', '-path', '*/pairkeeper/*/*'], {
		cwd: root,
		encoding: 'utf8',
	});
	return stdout.split('\n').filter(Boolean).sort();
}

describe('scripts/install.sh', () => {
	const root = join(folder, 'host');
	const home = join(folder, 'home');
	const install = (...args: readonly string[]) =>
		runCommand([join(project, 'scripts/install.sh'), ...args], {
			env: {HOME: home, DESTDIR: args.includes('--user') ? '' : root},
		});

	it('installs for the host, again too, keeps a configuration, and takes away what it has installed', async () => {
		await mkdir(join(root, 'etc/pairkeeper'), {recursive: true});
		const config = join(root, 'etc/pairkeeper/config.yaml');
		writeFileSync(config, 'deadline: never\n');
		// Where it is about to write there are links to what is somebody else's.
		const victim = join(folder, 'victim');
		writeFileSync(victim, 'as it was');
		const linked = ['usr/local/bin/pairkeeper', 'etc/systemd/system/pairkeeper.service'];
		for (const file of linked) {
			await mkdir(dirname(join(root, file)), {recursive: true});
			symlinkSync(victim, join(root, file));
		}
		const first = await install();
		expect(first).toMatchObject({exitCode: 0, stdout: expect.stringMatching(/kept .*config\.yaml as it is/)});
		expect(readFileSync(victim, 'utf8')).toBe('as it was');
		const files = filesIn(root);
		expect(files).toContain('./etc/systemd/system/pairkeeper.service');
		expect(files).toContain('./usr/local/share/man/man1/pairkeeper.1');
		expect(readFileSync(join(root, 'usr/local/bin/pairkeeper'), 'utf8')).toContain('program=/opt/pairkeeper\n');
		// What somebody has changed is neither written over nor taken away.
		const rotation = join(root, 'etc/logrotate.d/pairkeeper');
		writeFileSync(rotation, '# as we want it\n');
		expect(await install()).toMatchObject({exitCode: 0, stdout: expect.stringMatching(/kept .*logrotate\.d/)});
		expect(filesIn(root)).toEqual(files);
		expect(readFileSync(config, 'utf8')).toBe('deadline: never\n');
		expect(await install('--uninstall')).toMatchObject({
			exitCode: 0,
			stdout: expect.stringMatching(/left .*logrotate\.d/),
		});
		expect(filesIn(root)).toEqual(['./etc/logrotate.d/pairkeeper', './etc/pairkeeper/config.yaml']);
		expect(readFileSync(rotation, 'utf8')).toBe('# as we want it\n');
		expect(await install('--uninstall')).toMatchObject({exitCode: 0, stdout: expect.stringContaining('nothing to do')});
	});

	it('takes no folder for its own that it has not made', async () => {
		const foreign = join(root, 'opt/pairkeeper/somebody.txt');
		await mkdir(dirname(foreign), {recursive: true});
		writeFileSync(foreign, 'mine');
		expect(await install()).toMatchObject({
			exitCode: 1,
			stderr: expect.stringContaining('opt/pairkeeper is there, and was not installed by this script; move it away'),
		});
		expect(await install('--uninstall')).toMatchObject({exitCode: 0, stdout: expect.stringContaining('nothing to do')});
		expect(readFileSync(foreign, 'utf8')).toBe('mine');
		expect(existsSync(join(root, 'usr/local/bin/pairkeeper'))).toBe(false);
	});

	it('installs for a user a command that runs', async () => {
		await mkdir(home, {recursive: true});
		expect(await install('--user')).toMatchObject({exitCode: 0});
		const unit = readFileSync(join(home, '.config/systemd/user/pairkeeper.service'), 'utf8');
		const [, command = ''] = /^ExecStart=(\S+) run$/m.exec(unit) ?? [];
		expect(command).toBe(join(home, '.local/bin/pairkeeper'));
		const {version} = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8'));
		const ran = await runCommand([command, '--version'], {env: {HOME: home, PATH: '/usr/bin:/bin'}});
		expect(ran).toMatchObject({exitCode: 0, stdout: `${version}\n`});
		expect(await install('--user', '--uninstall')).toMatchObject({exitCode: 0});
		expect(existsSync(join(home, '.local/lib/pairkeeper'))).toBe(false);
		expect(existsSync(command)).toBe(false);
	});
});

const hasDpkg = spawnSync('dpkg-deb', ['--version']).status === 0;

// Installed, started and purged it is by scripts/try-service.sh, in a system of its own: its scripts act on the host that they run on.
describe.skipIf(!hasDpkg)('the Debian package', () => {
	let file = '';
	beforeAll(async () => {
		const built = await runCommand([join(project, 'scripts/package-deb.sh'), '--output', folder], {
			env: {HOME: folder, DEB_COMPRESSION: 'none'},
		});
		expect(built).toMatchObject({exitCode: 0});
		file = built.stdout.trim().split('\n').at(-1) ?? '';
	});

	it('says what it needs, and holds what it names', async () => {
		const {stdout: control} = await runCommand(['dpkg-deb', '--field', file]);
		expect(control).toMatch(/^Depends: nodejs \(>= 22\.19\)/m);
		// Unpacked into a folder that is not there yet.
		const root = join(mkdtempSync(join(folder, 'unpacked-')), 'root');
		expect(await runCommand(['dpkg-deb', '--raw-extract', file, root])).toMatchObject({exitCode: 0});
		for (const conffile of readFileSync(join(root, 'DEBIAN/conffiles'), 'utf8').trim().split('\n'))
			expect(existsSync(join(root, conffile))).toBe(true);
		const sums = await runCommand(['md5sum', '--quiet', '--check', 'DEBIAN/md5sums'], {cwd: root});
		expect(sums).toEqual({exitCode: 0, stdout: '', stderr: ''});
		for (const script of ['postinst', 'prerm', 'postrm'])
			expect(await runCommand(['sh', '-n', join(root, 'DEBIAN', script)])).toMatchObject({exitCode: 0, stderr: ''});
		const main = join(root, 'usr/lib/pairkeeper/dist/supervisor/launcher.cjs');
		expect(await runCommand(['node', main, '--help'])).toMatchObject({exitCode: 0});
		// What tells systemd is whole: the unit would wait for it in vain.
		const library = ['node', '--input-type=module', '--eval', 'await import("koffi")'];
		expect(await runCommand(library, {cwd: join(root, 'usr/lib/pairkeeper')})).toMatchObject({exitCode: 0, stderr: ''});
	});

	it('holds nothing that somebody but root owns or may write', async () => {
		const {stdout} = await runCommand(['dpkg-deb', '--contents', file]);
		const lines = stdout.trim().split('\n');
		expect(lines.length).toBeGreaterThan(30);
		expect(lines.filter(line => !line.includes(' root/root '))).toEqual([]);
		// A link's own mode says nothing.
		expect(lines.filter(line => /^[^l](.{4}w|.{7}w)/.test(line))).toEqual([]);
	});
});
