// A process of its own for tests: writes blobs and results into a folder until it is killed, and prints what it was told is stored.

import { createHash } from 'node:crypto';
import { silentLog } from '../../../src/base/log.ts';
import { systemClock } from '../../../src/host/system-clock.ts';
import { ActionResult } from '../../../src/model/action.ts';
import { digestOf } from '../../../src/model/digest.ts';
import { openActionCache } from '../../../src/store/action-cache.ts';
import { openDiskStore } from '../../../src/store/disk-store.ts';

const [dir = '', seed = ''] = process.argv.slice(2);
const shared = { clock: systemClock, log: silentLog };
const store = await openDiskStore({ dir: `${dir}/store`, limitBytes: 1e9, ...shared });
const actions = await openActionCache({ dir: `${dir}/actions`, limitBytes: 1e9, ...shared });
if (!store.ok || !actions.ok) {
  console.log(`failed ${store.ok ? '' : store.error.reason} ${actions.ok ? '' : actions.error.reason}`);
  process.exit(1);
}

async function write(writer: number): Promise<void> {
  for (let n = 0; ; n += 1) {
    const name = `${seed} ${writer} ${n}`;
    const start = createHash('sha512').update(name).digest();
    const bytes = Buffer.alloc(((start[0] ?? 0) << ((start[1] ?? 0) % 11)) + 1, start);
    const digest = digestOf(bytes);
    if (!store.ok || !actions.ok) return;
    const written = await store.value.write(digest, bytes);
    const result = ActionResult.fromPartial({ stdoutRaw: start, outputFiles: [{ path: 'a.o', digest }] });
    const kept = await actions.value.put(digest, result);
    if (written.ok && kept.ok) process.stdout.write(`stored ${digest.hash} ${digest.sizeBytes}\n`);
  }
}

await Promise.all([1, 2, 3, 4].map(write));
