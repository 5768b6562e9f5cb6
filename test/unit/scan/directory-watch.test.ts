import {
  appendFileSync,
  chmodSync,
  linkSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { DirectoryWatch, type DirectoryWatchOptions } from '../../../src/scan/directory-watch.ts';
import { scratchFolder, type ScratchFolder } from '../../support/scratch-folder.ts';

let scratch: ScratchFolder;
let watch: DirectoryWatch;
let dir: string;
let cookieFolder: string;

function remade(options: Partial<DirectoryWatchOptions> = {}): DirectoryWatch {
  watch.close();
  watch = new DirectoryWatch({ cookieFolder, ...options });
  return watch;
}

beforeEach(() => {
  scratch = scratchFolder('watch');
  dir = scratch.folder('dir');
  cookieFolder = `${scratch.path}/cookies`;
  watch = new DirectoryWatch({ cookieFolder });
});
afterEach(() => {
  watch.close();
  scratch.remove();
});

/** Whether the directory's generation is another one once everything before has been delivered. */
async function changes(act: () => void, path = dir): Promise<boolean> {
  expect(watch.add(path)).toBe(true);
  await watch.caughtUp();
  const before = watch.generation(path);
  expect(before).toBeDefined();
  act();
  await watch.caughtUp();
  return watch.generation(path) !== before;
}

describe.each([
  ['a cookie', 0],
  ['a turn of the event loop', 60_000],
])('a watched directory, when %s shows that all events have come,', (_, cookieEveryMs) => {
  beforeEach(() => {
    remade({ cookieEveryMs });
    scratch.write('dir/file', 'text');
    scratch.folder('dir/sub');
  });

  const events: [string, () => void][] = [
    ['a new file', () => writeFileSync(`${dir}/new`, '')],
    ['a new folder', () => mkdirSync(`${dir}/made`)],
    ['a new symbolic link', () => symlinkSync('file', `${dir}/link`)],
    ['a new hard link', () => linkSync(`${dir}/file`, `${dir}/twin`)],
    ['a file written to in place', () => appendFileSync(`${dir}/file`, 'x')],
    ['a file truncated', () => truncateSync(`${dir}/file`, 1)],
    ['a file with other times', () => utimesSync(`${dir}/file`, 1, 1)],
    ['a file with another mode', () => chmodSync(`${dir}/file`, 0o600)],
    ['a file renamed', () => renameSync(`${dir}/file`, `${dir}/other`)],
    ['a file moved away', () => renameSync(`${dir}/file`, `${scratch.path}/file`)],
    ['a file removed', () => unlinkSync(`${dir}/file`)],
    ['its own mode', () => chmodSync(dir, 0o700)],
  ];
  test.each(events)('has another generation after %s', async (_, act) => {
    expect(await changes(act)).toBe(true);
  });

  test('keeps its generation when nothing happens or something is read', async () => {
    expect(await changes(() => readdirSync(dir))).toBe(false);
  });

  test('does not speak for what is below it, nor for its neighbours', async () => {
    expect(await changes(() => scratch.write('dir/sub/x', 'x'))).toBe(false);
    expect(await changes(() => scratch.write('neighbour/x', 'x'))).toBe(false);
  });

  test('is no longer watched once it is moved or deleted, and its successor has a generation of its own', async () => {
    const acts = [() => renameSync(dir, `${scratch.path}/away`), () => rmSync(dir, { recursive: true })];
    const seen = new Set<number | undefined>();
    for (const act of acts) {
      watch.add(dir);
      seen.add(watch.generation(dir));
      act();
      await watch.caughtUp();
      expect(watch.generation(dir)).toBeUndefined();
      expect(watch.add(dir)).toBe(false);
      mkdirSync(dir);
      expect(watch.add(dir)).toBe(true);
      expect(seen.has(watch.generation(dir))).toBe(false);
    }
  });

  test('is watched once, however often it is added', () => {
    expect([watch.add(dir), watch.add(dir)]).toEqual([true, true]);
    expect(watch.watched).toBe(1);
  });

  test('counts its events with those of the directories above, in which cookies, additions and others do not count', async () => {
    watch.add(dir);
    const another = scratch.folder('another');
    await watch.caughtUp();
    const before = watch.eventsBelow(dir);
    const above = watch.eventsBelow(scratch.path);
    watch.add(another);
    writeFileSync(`${another}/new`, '');
    await watch.caughtUp();
    expect(watch.eventsBelow(dir)).toBe(before);
    expect(watch.eventsBelow(scratch.path)).toBeGreaterThan(above);
    writeFileSync(`${dir}/new`, '');
    await watch.caughtUp();
    expect(watch.eventsBelow(dir)).toBeGreaterThan(before);
  });

  test('tells its listener which entry, and whether it may be another one', async () => {
    watch.add(dir);
    await watch.caughtUp();
    const heard: unknown[] = [];
    watch.listen((...happened) => heard.push(happened));
    appendFileSync(`${dir}/file`, 'more');
    writeFileSync(`${dir}/new`, '');
    await watch.caughtUp();
    expect(heard).toContainEqual([dir, 'file', 'content']);
    expect(heard).toContainEqual([dir, 'new', 'place']);
    expect(heard).not.toContainEqual([dir, 'file', 'place']);
    heard.length = 0;
    rmSync(dir, { recursive: true });
    await watch.caughtUp();
    expect(heard).toContainEqual([undefined, '', 'place']);
  });
});

test('a directory that comes in the place of a watched one is watched, also when one above was replaced', async () => {
  const deep = scratch.folder('dir/sub/deep');
  expect(watch.add(deep)).toBe(true);
  await watch.caughtUp();
  const before = watch.generation(deep);
  renameSync(dir, `${dir}.old`);
  scratch.folder('dir/sub/deep');
  expect(watch.add(deep)).toBe(true);
  expect(watch.generation(deep)).not.toBe(before);
  expect(await changes(() => writeFileSync(`${deep}/new`, ''), deep)).toBe(true);
  const now = watch.generation(deep);
  writeFileSync(`${dir}.old/sub/deep/new`, '');
  await watch.caughtUp();
  expect(watch.generation(deep)).toBe(now);
});

test('an entry that bears the name of its directory is an entry, and a directory that was touched is watched on', async () => {
  expect(watch.add(dir)).toBe(true);
  await watch.caughtUp();
  const heard: unknown[] = [];
  watch.listen((...happened) => heard.push(happened));
  writeFileSync(`${dir}/dir`, '');
  utimesSync(dir, 1_000_000, 1_000_000);
  await watch.caughtUp();
  expect(heard).toContainEqual([dir, 'dir', 'place']);
  expect(heard).not.toContainEqual([undefined, '', 'place']);
  expect(await changes(() => writeFileSync(`${dir}/other`, ''))).toBe(true);
});

describe('what cannot be watched', () => {
  test('is refused: a missing directory, a file, a file system without events, one beyond the limit', () => {
    remade({ limit: 1 });
    expect(watch.add(`${scratch.path}/missing`)).toBe(false);
    expect(watch.add(scratch.write('file', ''))).toBe(false);
    expect(watch.add('/proc/self')).toBe(false);
    expect(watch.add(dir)).toBe(true);
    expect(watch.add(scratch.folder('second'))).toBe(false);
    expect(watch.watched).toBe(1);
  });
});

describe('catching up', () => {
  test('proves the moment at which it was asked for', async () => {
    watch.add(dir);
    const askedMs = performance.now();
    await watch.caughtUp();
    expect(watch.provenMs).toBeGreaterThanOrEqual(askedMs);
    expect(watch.provenMs).toBeLessThanOrEqual(performance.now());
  });

  test('writes nothing when the moment is proven already', async () => {
    watch.add(dir);
    await watch.caughtUp();
    const { provenMs } = watch;
    const cookies = readdirSync(cookieFolder);
    await watch.caughtUp(provenMs);
    expect(watch.provenMs).toBe(provenMs);
    expect(readdirSync(cookieFolder)).toEqual(cookies);
  });

  test('takes two cookies for any number of callers of one moment', async () => {
    remade({ cookieEveryMs: 0 });
    watch.add(dir);
    await watch.caughtUp();
    const number = () => Number(readdirSync(cookieFolder)[0]?.split('-')[1]);
    const before = number();
    await Promise.all(Array.from({ length: 50 }, () => watch.caughtUp()));
    expect(number() - before).toBe(2);
  });

  test('writes no cookie soon after one has come back', async () => {
    remade({ cookieEveryMs: 60_000 });
    watch.add(dir);
    await watch.caughtUp();
    const cookies = readdirSync(cookieFolder);
    const before = watch.generation(dir);
    writeFileSync(`${dir}/later`, '');
    const askedMs = performance.now();
    await watch.caughtUp();
    expect(readdirSync(cookieFolder)).toEqual(cookies);
    expect(watch.generation(dir)).not.toBe(before);
    expect(watch.provenMs).toBeGreaterThanOrEqual(askedMs);
  });

  test('of a caller that comes while a cookie is under way covers what happened since that was written', async () => {
    remade({ cookieEveryMs: 0 });
    watch.add(dir);
    const first = watch.caughtUp();
    const before = watch.generation(dir);
    writeFileSync(`${dir}/later`, '');
    const second = watch.caughtUp();
    await Promise.all([first, second]);
    expect(watch.generation(dir)).not.toBe(before);
  });

  test('returns at once when nothing is watched', async () => {
    await watch.caughtUp();
    expect(watch.provenMs).toBe(-Infinity);
  });
});

describe('a broken watch', () => {
  test('knows no generation and proves nothing: the cookie cannot be written', async () => {
    remade({ cookieEveryMs: 0 });
    watch.add(dir);
    await watch.caughtUp();
    rmSync(cookieFolder, { recursive: true });
    await watch.caughtUp();
    expect([watch.provenMs, watch.generation(dir), watch.watched]).toEqual([-Infinity, undefined, 0]);
  });

  test('never hangs: the event of the cookie does not come in time', async () => {
    remade({ cookieTimeoutMs: 0 });
    watch.add(dir);
    rmSync(cookieFolder, { recursive: true });
    mkdirSync(cookieFolder); // another directory: nobody watches it, and the cookie is not in it
    await Promise.all([watch.caughtUp(), watch.caughtUp()]);
    expect(watch.generation(dir)).toBeUndefined();
  });

  test('is what so many events at once make of it that some may be lost, and it starts anew', async () => {
    remade({ burstLimit: 20 });
    watch.add(dir);
    const before = watch.generation(dir);
    for (let entry = 0; entry < 40; entry += 1) writeFileSync(`${dir}/${entry}`, '');
    await watch.caughtUp();
    expect([watch.generation(dir), watch.add(dir)]).toEqual([undefined, false]);
    await new Promise((resolve) => setImmediate(resolve));
    expect(watch.add(dir)).toBe(true);
    expect(watch.generation(dir)).not.toBe(before);
    await watch.caughtUp();
    expect(watch.provenMs).toBeGreaterThan(-Infinity);
  });

  test('is closed for good by `close`', async () => {
    watch.add(dir);
    const waiting = watch.caughtUp();
    watch.close();
    await waiting;
    expect([watch.generation(dir), watch.add(dir), watch.provenMs]).toEqual([undefined, false, -Infinity]);
  });
});
