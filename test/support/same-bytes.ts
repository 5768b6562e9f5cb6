// Tables of cases for "same bytes": each case's shell lines run twice in one folder of the same name, once with `$X` empty and
// once with `$X` as icets; after every line exit status, output and every file of the folder must be equal.

import { createHash } from 'node:crypto';
import { lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from '@jest/globals';
import { flushAgent } from '../../src/cli/control-client.ts';
import { StepReader } from '../../src/steps/step-reader.ts';
import { icets, type IcetsCluster } from './icets-cluster.ts';

export interface SameBytesCase {
  readonly title: string;
  /** run by bash in an empty folder, one after the other; `$X cc ...` is the compile under test */
  readonly lines: readonly string[];
  /** where the last compile of a line ran: `remote`, `cache`, or the reason why it was local; absent: not looked at */
  readonly places?: readonly (string | undefined)[];
}

interface Seen {
  readonly line: string;
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
  readonly files: Readonly<Record<string, string>>;
}

/** Runs the case plainly and through icets and compares; the folder is left for a look when they differ. */
export async function expectSameBytes(cluster: IcetsCluster, one: SameBytesCase): Promise<void> {
  const folder = join(cluster.folder, 'case');
  const plain = await runLines(cluster, folder, one, undefined);
  const places: (string | undefined)[] = [];
  const distributed = await runLines(cluster, folder, one, places);
  expect({ title: one.title, lines: distributed }).toEqual({ title: one.title, lines: plain });
  if (one.places !== undefined) {
    const looked = places.map((place, at) => (one.places?.[at] === undefined ? undefined : place));
    expect({ title: one.title, places: looked }).toEqual({ title: one.title, places: one.places });
  }
}

async function runLines(
  cluster: IcetsCluster,
  folder: string,
  one: SameBytesCase,
  places: (string | undefined)[] | undefined,
): Promise<Seen[]> {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  const seen: Seen[] = [];
  for (const line of one.lines) {
    const env = { X: places === undefined ? '' : icets, W: folder };
    const ran = await cluster.run(['bash', '-c', line], { cwd: folder, env });
    seen.push({ line, exitCode: ran.exitCode, stdout: ran.stdout, stderr: ran.stderr, files: filesOf(folder, '') });
    if (places !== undefined) places.push(await lastPlace(cluster, folder, seen.at(-1)!.files));
  }
  return seen;
}

/** Where the last step that made a.o ran. */
async function lastPlace(
  cluster: IcetsCluster,
  folder: string,
  files: Readonly<Record<string, string>>,
): Promise<string | undefined> {
  if (files['a.o'] === undefined) return undefined;
  const { ICETS_SOCKET_DIR: socketDir, ICETS_STATE_DIR: stateDir } = cluster.env;
  await flushAgent(socketDir ?? '');
  const record = await new StepReader(join(stateDir ?? '', 'steps')).lastRecordFor(join(folder, 'a.o'));
  if (!record.ok || record.value === undefined) return undefined;
  const { place } = record.value;
  return place.kind === 'local' ? place.reason : place.kind;
}

function filesOf(folder: string, below: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of readdirSync(join(folder, below)).sort()) {
    const relative = below === '' ? name : `${below}/${name}`;
    const path = join(folder, relative);
    const stat = lstatSync(path);
    const mode = (stat.mode & 0o7777).toString(8);
    if (stat.isDirectory()) Object.assign(found, { [relative]: `folder ${mode}` }, filesOf(folder, relative));
    else if (stat.isSymbolicLink()) found[relative] = `link to ${readlinkSync(path)}`;
    else if (!stat.isFile()) found[relative] = 'special';
    // gcc's precompiled headers differ from run to run
    else if (name.endsWith('.gch')) found[relative] = 'precompiled';
    else {
      const hash = createHash('sha256').update(readFileSync(path)).digest('hex').slice(0, 16);
      found[relative] = `file ${mode} links ${stat.nlink} ${stat.size} bytes ${hash}`;
    }
  }
  return found;
}
