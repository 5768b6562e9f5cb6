// A process of its own for tests: a disk store on a file system that is smaller than its limit. Prints what happened as JSON.

import { randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { silentLog } from '../../../src/base/log.ts';
import { systemClock } from '../../../src/host/system-clock.ts';
import { digestOf } from '../../../src/model/digest.ts';
import { openDiskStore } from '../../../src/store/disk-store.ts';

const dir = process.argv[2] ?? '';
const store = await openDiskStore({ dir, limitBytes: 1e9, clock: systemClock, log: silentLog });
if (!store.ok) throw new Error(store.error.message);

const outcomes: Record<string, number> = {};
let wrong = 0;
async function write(size: number): Promise<string> {
  if (!store.ok) return '';
  const bytes = randomBytes(size);
  const digest = digestOf(bytes);
  const written = await store.value.write(digest, bytes);
  const read = await store.value.read(digest);
  if (written.ok !== read.ok) wrong += 1;
  return written.ok ? 'stored' : written.error.reason;
}

// Three times what fits: the oldest have to go.
for (let n = 0; n < 300; n += 1) {
  const outcome = await write(n % 10 === 0 ? 100_000 : 10_000);
  outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
}
const tooLarge = await write(8_000_000);
const largeBytes = randomBytes(8_000_000);
const upload = await store.value.openWrite(digestOf(largeBytes));
const appended = upload.ok ? await upload.value.append(largeBytes) : upload;
const afterwards = await write(10_000);
const temporary = await readdir(`${dir}/tmp`);
await store.value.close();
console.log(
  JSON.stringify({ outcomes, wrong, tooLarge, upload: appended.ok || appended.error.reason, afterwards, temporary }),
);
