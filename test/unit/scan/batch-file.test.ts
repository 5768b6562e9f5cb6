import { appendFileSync, mkdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { BatchFile } from '../../../src/scan/batch-file.ts';
import { scratchFolder, type ScratchFolder } from '../../support/scratch-folder.ts';

let scratch: ScratchFolder;
let path: string;
beforeEach(() => {
  scratch = scratchFolder('batches');
  path = `${scratch.path}/batches`;
});
afterEach(() => scratch.remove());

const file = (version = '1') => new BatchFile(path, version);
const shared = (of: BatchFile) => of.load().map((batch) => batch.shared);
const append = (to: BatchFile, text: string) => to.append(text, Buffer.from(`rest of ${text}`));

describe('batches', () => {
  test('come back in order with both parts, over several processes', () => {
    append(file(), 'first');
    const second = file();
    expect(shared(second)).toEqual(['first']);
    append(second, 'zwölf');
    const loaded = file().load();
    expect(loaded.map((batch) => [batch.shared, batch.rest.toString()])).toEqual([
      ['first', 'rest of first'],
      ['zwölf', 'rest of zwölf'],
    ]);
  });

  test('of another version are passed over', () => {
    append(file(), 'first');
    expect(shared(file('2'))).toEqual([]);
  });

  test.each<[string, () => void]>([
    ['are torn', () => truncateSync(path, statSync(path).size - 1)],
    ['are followed by something else', () => appendFileSync(path, 'x')],
  ])('that %s end the file, to which nothing is added then', (_, damage) => {
    const first = file();
    append(first, 'first');
    append(first, 'second');
    damage();
    const after = file();
    expect(shared(after)[0]).toBe('first');
    expect(after.takesMore(Infinity)).toBe(false);
  });

  test('that were damaged are passed over with those behind them', () => {
    const writer = file();
    for (const text of ['first', 'second', 'third']) append(writer, text);
    const bytes = readFileSync(path, 'latin1');
    writeFileSync(path, bytes.replace('second', 'Second'), 'latin1');
    expect(shared(file())).toEqual(['first']);
  });

  test('that two processes have written in turn are not mixed', () => {
    append(file(), 'first');
    const [one, other] = [file(), file()];
    expect([shared(one), shared(other)]).toEqual([['first'], ['first']]);
    append(one, 'of one');
    expect(other.takesMore(Infinity)).toBe(false);
    append(other, 'of the other');
    append(one, 'of one again');
    expect(shared(file())).toEqual(['first', 'of one']);
  });

  test('begin a new file when it is full, and the one before is kept', () => {
    const writer = file();
    append(writer, 'first');
    expect(writer.takesMore(10)).toBe(false);
    writer.turn(`${path}.old`);
    append(writer, 'second');
    expect(shared(file())).toEqual(['second']);
    expect(shared(new BatchFile(`${path}.old`, '1'))).toEqual(['first']);
  });

  test('that cannot be written are no failure', () => {
    mkdirSync(`${scratch.path}/folder`);
    const nowhere = new BatchFile(`${scratch.path}/none/batches`, '1');
    expect(append(nowhere, 'first')).toBe(false);
    expect(shared(nowhere)).toEqual([]);
  });
});
