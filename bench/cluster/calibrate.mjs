// Is each board what its setting claims? CPU delivered to one and to four busy loops on all boards at once, round trip and
// throughput of the link, and what a worker sees of the submitter's files.

import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const probe = fileURLToPath(new URL('link-probe.mjs', import.meta.url));

/** The folder that has to be visible on the boards for `calibrate`. */
export const probeFolder = dirname(probe);

/**
 * @param {import('./boards.mjs').Boards} boards
 * @param {{ hidden: string, secondsEach?: number }} options `hidden`: a folder of the submitter that workers must not see
 * @returns {Promise<{ header: string[], rows: (string | number)[][], problems: string[] }>}
 */
export async function calibrate(boards, { hidden, secondsEach = 4 }) {
  /** @type {string[]} */
  const problems = [];
  /** @type {Record<number, Record<string, number>>} */
  const delivered = {};
  for (const loops of [1, 4]) {
    const script = 'for i in $(seq "$1"); do (while :; do :; done) & done; wait';
    const argv = ['timeout', String(secondsEach), 'bash', '-c', script, 'bash', String(loops)];
    const running = boards.plans.map(({ name }) => boards.start(name, argv).ended);
    await sleep(500);
    const before = boards.snapshot();
    await sleep(secondsEach * 1000 - 1000);
    const after = boards.snapshot();
    await Promise.all(running);
    const wallS = (after.atMs - before.atMs) / 1000;
    delivered[loops] = Object.fromEntries(
      boards.plans.map(({ name }) => [
        name,
        ((after.boards[name]?.cpuS ?? 0) - (before.boards[name]?.cpuS ?? 0)) / wallS,
      ]),
    );
  }
  const [submitter, worker] = boards.plans.map(({ name }) => name);
  let link = { rttMs: NaN, bitsPerS: NaN };
  if (submitter !== undefined && worker !== undefined) {
    const server = boards.start(worker, ['node', probe, 'serve'], { unlimited: true });
    await server.said(/listening/, 20_000);
    const asked = await boards.run(submitter, ['node', probe, 'ask', boards.address(worker)], { unlimited: true });
    link = JSON.parse(asked);
    server.end();
    if (Math.abs(link.bitsPerS / 1e9 - 0.95) > 0.1) problems.push(`the link carries ${link.bitsPerS / 1e6} Mbit/s`);
  }

  const rows = [];
  for (const { name, share } of boards.plans) {
    const [one = NaN, four = NaN] = [delivered[1]?.[name], delivered[4]?.[name]];
    for (const value of [one, four]) {
      if (Math.abs(value / share - 1) > 0.06) problems.push(`${name} got ${value.toFixed(3)} core instead of ${share}`);
    }
    const seen = await boards.start(name, ['sh', '-c', `ls -A '${hidden}' 2>/dev/null | wc -l`]).ended;
    const entries = Number(seen.output.trim());
    if (name !== submitter && entries > 0) problems.push(`${name} sees ${entries} entries of ${hidden}`);
    if (name === submitter && entries === 0) problems.push(`${name} does not see ${hidden}`);
    rows.push([name, share.toFixed(2), one.toFixed(3), four.toFixed(3), entries]);
  }
  rows.push([
    'link',
    `${boards.link}`,
    `${link.rttMs.toFixed(3)} ms round trip`,
    `${(link.bitsPerS / 1e6).toFixed(0)} Mbit/s`,
    '',
  ]);
  return { header: ['board', 'asked', '1 loop', '4 loops', "submitter's files"], rows, problems };
}
