import { describe, expect, test } from '@jest/globals';
import { TreeUse } from '../../../src/scan/tree-use.ts';

describe('what is wanted of a system tree', () => {
  test('is at first what lies directly in it', () => {
    const use = new TreeUse('/usr/include');
    expect([use.of('/usr/include'), use.of('/usr/include/sys'), use.of('/usr/include/sys/deep')]).toEqual([
      'open',
      'unused',
      'unused',
    ]);
  });

  test('is the whole subdirectory of a search directory as soon as something in it is used', () => {
    const use = new TreeUse('/usr/include');
    const { version } = use;
    use.add('/usr/include/boost/mpl/aux');
    expect(use.of('/usr/include/boost')).toBe('whole');
    expect(use.of('/usr/include/boost/asio')).toBe('whole');
    expect(use.of('/usr/include/sys')).toBe('unused');
    expect(use.version).toBeGreaterThan(version);
  });

  test('keeps apart the subdirectories of a search directory that lies inside', () => {
    const use = new TreeUse('/usr/include');
    use.addSearch('/usr/include/x86_64-linux-gnu');
    expect(use.of('/usr/include/x86_64-linux-gnu')).toBe('open');
    use.add('/usr/include/x86_64-linux-gnu/bits/types');
    expect(use.of('/usr/include/x86_64-linux-gnu/bits')).toBe('whole');
    expect(use.of('/usr/include/x86_64-linux-gnu/asm')).toBe('unused');
  });

  test('does not grow by what is wanted already', () => {
    const use = new TreeUse('/usr/include');
    use.add('/usr/include/boost');
    const { version } = use;
    use.add('/usr/include');
    use.add('/usr/include/boost');
    use.add('/usr/include/boost/mpl');
    use.addSearch('/usr/include');
    expect(use.version).toBe(version);
    use.addAll();
    expect(use.of('/usr/include/anything')).toBe('whole');
    expect(use.version).toBe(version + 1);
    use.addAll();
    expect(use.version).toBe(version + 1);
  });
});
