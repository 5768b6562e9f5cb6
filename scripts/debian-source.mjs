// Fetches a Debian source package by name and unpacks it; knows nothing of icets.
// The machine's own apt configuration is only read: its `deb` entries become `deb-src` entries of a temporary list.

import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Folder that outlives a run: downloaded source packages. */
export function sourceCacheDir() {
  const cache = process.env.XDG_CACHE_HOME;
  return join(cache !== undefined && cache !== '' ? cache : join(homedir(), '.cache'), 'icets-bench', 'sources');
}

/**
 * Unpacks the source package `name` into the folder `target`, which must not exist yet. Downloads it first when it is
 * not in the cache. Patches of the package are applied.
 * @param {string} name
 * @param {string} target
 * @param {(line: string) => void} [say]
 * @returns {Promise<{ version: string, downloaded: boolean }>}
 */
export async function unpackDebianSource(name, target, say = () => {}) {
  if (!/^[a-z0-9][a-z0-9+.-]+$/.test(name)) throw new Error(`not the name of a source package: ${name}`);
  const kept = join(sourceCacheDir(), name);
  let downloaded = false;
  if ((await descriptionIn(kept)) === undefined) {
    say(`downloading the Debian source package ${name}`);
    await download(name, kept);
    downloaded = true;
  }
  const description = await descriptionIn(kept);
  if (description === undefined) throw new Error(`no .dsc file in ${kept}`);
  await run('dpkg-source', ['--no-copy', '-x', join(kept, description), target], { maxBuffer: 1 << 26 });
  const version = /^Version:\s*(\S+)/m.exec(await readFile(join(kept, description), 'utf8'))?.[1] ?? 'unknown';
  return { version, downloaded };
}

/** @param {string} folder */
async function descriptionIn(folder) {
  const names = await readdir(folder).catch(() => []);
  return names.find((name) => name.endsWith('.dsc'));
}

/**
 * @param {string} name
 * @param {string} kept
 */
async function download(name, kept) {
  const temporary = await mkdtemp(join(tmpdir(), 'icets-apt-'));
  try {
    const list = sourceEntries(await readAptLists(), await releaseNames());
    if (list.length === 0) throw new Error('the apt configuration of this machine names no Debian archive');
    const listFile = join(temporary, 'sources.list');
    await writeFile(listFile, `${list.join('\n')}\n`);
    for (const folder of ['lists/partial', 'cache/archives/partial', 'out']) {
      await mkdir(join(temporary, folder), { recursive: true });
    }
    const options = [
      `Dir::Etc::sourcelist=${listFile}`,
      'Dir::Etc::sourceparts=-',
      `Dir::State::lists=${join(temporary, 'lists')}`,
      `Dir::Cache=${join(temporary, 'cache')}`,
      'Acquire::Languages=none',
      'Acquire::Retries=3',
      'APT::Sandbox::User=root',
      'APT::Get::List-Cleanup=0',
      // Only the indexes of sources are wanted; architectures' package lists are not.
      'Acquire::IndexTargets::deb::Packages::DefaultEnabled=false',
    ].flatMap((option) => ['-o', option]);
    const cwd = join(temporary, 'out');
    const at = { cwd, maxBuffer: 1 << 26, env: { ...process.env, LC_ALL: 'C' } };
    await run('apt-get', ['-qq', ...options, 'update'], at);
    await run('apt-get', ['-qq', ...options, 'source', '--download-only', name], at);
    if ((await descriptionIn(cwd)) === undefined) throw new Error(`apt-get brought no .dsc file for ${name}`);
    await mkdir(join(kept, '..'), { recursive: true });
    await rm(kept, { recursive: true, force: true });
    await moveFolder(cwd, kept);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/**
 * @param {string} from
 * @param {string} to
 */
async function moveFolder(from, to) {
  const beside = `${to}.${process.pid}.part`;
  await run('cp', ['-R', from, beside]);
  await rename(beside, to);
}

/** The texts of the machine's apt source lists, with the style that the file name tells. */
async function readAptLists() {
  const folder = '/etc/apt/sources.list.d';
  const files = ['/etc/apt/sources.list'];
  for (const name of (await readdir(folder).catch(() => [])).sort()) files.push(join(folder, name));
  const lists = [];
  for (const file of files) {
    const text = await readFile(file, 'utf8').catch(() => '');
    if (file.endsWith('.sources')) lists.push({ style: 'deb822', text });
    else if (file.endsWith('.list')) lists.push({ style: 'line', text });
  }
  return lists;
}

/** Names under which the distribution's own suites appear. */
async function releaseNames() {
  const text = await readFile('/etc/os-release', 'utf8').catch(() => '');
  const codename = /^VERSION_CODENAME="?([a-z]+)"?$/m.exec(text)?.[1];
  return [...(codename === undefined ? [] : [codename]), 'stable', 'oldstable', 'testing', 'unstable', 'sid'];
}

/**
 * `deb-src` lines for every entry of the distribution itself; archives of third parties (other suites) are left out.
 * @param {readonly { style: string, text: string }[]} lists
 * @param {readonly string[]} releases
 */
export function sourceEntries(lists, releases) {
  /** @type {Set<string>} */
  const entries = new Set();
  const ours = (/** @type {string} */ suite) => releases.includes(suite.split(/[-/]/)[0] ?? '');
  for (const { style, text } of lists) {
    if (style === 'line') {
      for (const line of text.split('\n')) {
        const match = /^\s*deb\s+(\[[^\]]*\]\s+)?(\S+)\s+(\S+)\s+([^#]+)/.exec(line);
        if (match === null || !ours(match[3] ?? '')) continue;
        const options = withoutArchitectures((match[1] ?? '').trim().replace(/^\[|\]$/g, ''));
        entries.add(`deb-src ${options}${match[2]} ${match[3]} ${(match[4] ?? '').trim()}`);
      }
      continue;
    }
    for (const stanza of text.split(/\n\s*\n/)) {
      const field = fieldsOf(stanza);
      if (!words(field.get('types')).includes('deb') || field.get('enabled')?.trim() === 'no') continue;
      const key = field.get('signed-by')?.trim();
      const options = key !== undefined && key.startsWith('/') ? `signed-by=${key}` : '';
      for (const uri of words(field.get('uris'))) {
        for (const suite of words(field.get('suites')).filter(ours)) {
          const components = words(field.get('components')).join(' ');
          entries.add(`deb-src ${withoutArchitectures(options)}${uri} ${suite} ${components}`.trim());
        }
      }
    }
  }
  return [...entries];
}

/** @param {string} stanza */
function fieldsOf(stanza) {
  /** @type {Map<string, string>} */
  const fields = new Map();
  let name = '';
  for (const line of stanza.split('\n')) {
    if (line.startsWith('#')) continue;
    const match = /^([A-Za-z-]+):(.*)$/.exec(line);
    if (match !== null) {
      name = (match[1] ?? '').toLowerCase();
      fields.set(name, match[2] ?? '');
    } else if (/^\s/.test(line) && name !== '') {
      fields.set(name, `${fields.get(name) ?? ''} ${line.trim()}`);
    }
  }
  return fields;
}

/** @param {string | undefined} text */
function words(text) {
  return (text ?? '').split(/\s+/).filter((word) => word !== '');
}

/** @param {string} options */
function withoutArchitectures(options) {
  const kept = words(options).filter((option) => !option.startsWith('arch'));
  return kept.length === 0 ? '' : `[${kept.join(' ')}] `;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [name, target] = process.argv.slice(2);
  if (name === undefined || target === undefined) {
    console.error('usage: debian-source.mjs PACKAGE FOLDER');
    process.exit(2);
  }
  const { version } = await unpackDebianSource(name, target, (line) => console.error(line));
  console.log(`${name} ${version}`);
}
