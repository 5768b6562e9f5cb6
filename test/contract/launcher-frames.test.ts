// Golden frames: launcher.c and the TypeScript codec agree with the same bytes, in both directions.

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { FrameDecoder, type Frame } from '../../src/base/frame.ts';
import { compilerVariables } from '../../src/compiler/environment.ts';
import { ownCommands } from '../../src/ipc/command-word.ts';
import { isSentVariable } from '../../src/ipc/launcher-client.ts';
import {
  decodeAgentMessage,
  decodeLauncherMessage,
  encodeMessage,
  type AgentMessage,
  type LauncherMessage,
} from '../../src/ipc/launcher-frames.ts';

const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
const golden = `${root}/test/golden/launcher`;
type Described = Record<string, unknown> & { readonly kind: string };
const manifest = JSON.parse(readFileSync(`${golden}/manifest.json`, 'utf8')) as {
  launcher: Record<string, Described>;
  agent: Record<string, Described>;
  hostile: Record<string, string>;
};
const bytesOf = (name: string) => Buffer.from(readFileSync(`${golden}/${name}.hex`, 'utf8').trim(), 'hex');

function frameOf(bytes: Buffer): Frame {
  const frames = new FrameDecoder().push(bytes);
  if (!frames.ok || frames.value.length !== 1) throw new Error('not one frame');
  return frames.value[0]!;
}

/** In the manifest bytes are text. */
function described(message: AgentMessage | LauncherMessage | undefined): unknown {
  const replacer = (_key: string, value: unknown) => value;
  if (message === undefined) return null;
  const plain: Record<string, unknown> = { ...message };
  for (const field of ['bytes', 'stdout', 'stderr']) {
    if (plain[field] instanceof Uint8Array) plain[field] = Buffer.from(plain[field]).toString();
  }
  return JSON.parse(JSON.stringify(plain, replacer));
}

function fromDescription(description: Described): AgentMessage | LauncherMessage {
  const message: Record<string, unknown> = { ...description };
  for (const field of ['bytes', 'stdout', 'stderr']) {
    if (typeof message[field] === 'string') message[field] = Buffer.from(message[field]);
  }
  return message as unknown as AgentMessage | LauncherMessage;
}

let folder: string;
let driver: string;
beforeAll(() => {
  folder = mkdtempSync(`${tmpdir()}/icets-frames-`);
  driver = `${folder}/launcher-driver`;
  execFileSync('cc', ['-O1', '-DICETS_NO_MAIN', '-o', driver, `${golden}/frames-driver.c`]);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const ask = (args: readonly string[], input = Buffer.alloc(0)) =>
  execFileSync(driver, args, { input, encoding: 'utf8' }).trim();

describe('a frame of a launcher', () => {
  test.each(Object.entries(manifest.launcher))('%s is the same bytes in C and in TypeScript', (name, description) => {
    const bytes = bytesOf(name);
    expect(described(decodeLauncherMessage(frameOf(bytes)))).toEqual(description);
    expect(encodeMessage(fromDescription(description)).toString('hex')).toBe(bytes.toString('hex'));
    expect(ask(['encode', name])).toBe(bytes.toString('hex'));
  });
});

describe('a frame of an agent', () => {
  test.each(Object.entries(manifest.agent))('%s means the same in C and in TypeScript', (name, description) => {
    const bytes = bytesOf(name);
    expect(described(decodeAgentMessage(frameOf(bytes)))).toEqual(description);
    expect(encodeMessage(fromDescription(description)).toString('hex')).toBe(bytes.toString('hex'));
    // launcher.c has no use for the details of a greeting or a refusal.
    const understood = JSON.parse(ask(['decode'], bytes)) as unknown;
    const brief = description.kind === 'hello' || description.kind === 'refused';
    expect(understood).toEqual(brief ? { kind: description.kind } : description);
  });

  test.each(Object.entries(manifest.agent))('%s is refused by both when it is cut short anywhere', (name) => {
    const { type, payload } = frameOf(bytesOf(name));
    if (type === 19) return; // output has no end of its own
    for (let length = 0; length < payload.length; length += 1) {
      expect(decodeAgentMessage({ type, payload: payload.subarray(0, length) })).toBeUndefined();
    }
  });
});

describe('a hostile frame', () => {
  test.each(Object.entries(manifest.hostile))('%s (%s) is understood by neither', (name) => {
    const bytes = bytesOf(name);
    expect(decodeAgentMessage(frameOf(bytes))).toBeUndefined();
    expect(ask(['decode'], bytes)).toBe('null');
  });
});

test('every golden frame is in the manifest', () => {
  const files = readdirSync(golden).filter((name) => name.endsWith('.hex'));
  const names = [manifest.launcher, manifest.agent, manifest.hostile].flatMap((part) => Object.keys(part));
  expect(files.sort()).toEqual(names.map((name) => `${name}.hex`).sort());
});

describe('launcher.c and the launcher in TypeScript', () => {
  const source = readFileSync(`${root}/src/launcher/launcher.c`, 'utf8');
  const listOf = (name: string): string[] => {
    const body = new RegExp(`${name}\\[\\] = \\{([^}]*)\\}`).exec(source)?.[1] ?? '';
    return [...body.matchAll(/"([^"]+)"/g)].map((match) => match[1]!);
  };

  test('know the same own commands', () => {
    expect(listOf('own_commands').sort()).toEqual([...ownCommands].sort());
  });

  test('send the same environment variables', () => {
    const names = listOf('sent_names');
    const prefixes = listOf('sent_prefixes');
    expect(names.length).toBeGreaterThan(30);
    for (const name of [...names, ...prefixes.map((prefix) => `${prefix}X`)])
      expect([name, isSentVariable(name)]).toEqual([name, true]);
    for (const name of ['SECRET', 'PATHS', 'XLC_ALL', 'MY_PATH', 'LD_X'])
      expect([name, isSentVariable(name)]).toEqual([name, false]);
    const client = readFileSync(`${root}/src/ipc/launcher-client.ts`, 'utf8');
    const listed = /sentNames = new Set\(\s*`([^`]*)`/.exec(client)?.[1]?.split(/\s+/) ?? [];
    expect(listed.sort()).toEqual(names.sort());
  });

  test('send every variable that the agent looks at', () => {
    expect(compilerVariables.filter((name) => !isSentVariable(name))).toEqual([]);
  });
});
