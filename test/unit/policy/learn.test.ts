import { describe, expect, test } from '@jest/globals';
import { Estimate } from '../../../src/policy/estimate.ts';
import { Learning, parseLearned, type Observation } from '../../../src/policy/learn.ts';

function seen(more: Partial<Observation>): Observation {
  const usual = { costKey: '', sourceBytes: 1000, worker: 'w', runMs: 1000, cpuMs: 0, memoryBytes: 0, overheadMs: 0 };
  return { ...usual, contention: 1, ...more };
}

/** Numbers that look random and are the same in every run. */
function sequence(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1664525 + 1013904223) % 2 ** 32;
    return state / 2 ** 32;
  };
}

/** Lets units of cost 100..10000 run at random on workers of these speeds. */
function train(learning: Learning, speeds: Record<string, number>, rounds: number, seed = 1): void {
  const random = sequence(seed);
  const names = Object.keys(speeds);
  for (let i = 0; i < rounds; i++) {
    const key = Math.floor(random() * 200);
    const costMs = 100 * 100 ** (((key * 37) % 200) / 200);
    const worker = names[Math.floor(random() * names.length)]!;
    learning.observe(seen({ costKey: `k${key}`, worker, runMs: (costMs / speeds[worker]!) * (0.9 + 0.2 * random()) }));
  }
}

describe('an estimate', () => {
  test('takes the first sample whole and comes near the truth in a few', () => {
    const estimate = new Estimate();
    for (const sample of [4, 5, 4.5, 5.5, 5]) estimate.add(sample);
    expect(estimate.value).toBeGreaterThan(4.4);
    expect(estimate.value).toBeLessThan(5.2);
  });

  test('shrugs off one outlier and follows a lasting change', () => {
    const estimate = new Estimate();
    for (let i = 0; i < 20; i++) estimate.add(1);
    estimate.add(1000);
    expect(estimate.value).toBeLessThan(1.1);
    for (let i = 0; i < 12; i++) estimate.add(10);
    expect(estimate.value).toBeGreaterThan(5);
  });

  test('ignores what is no positive number', () => {
    const estimate = new Estimate();
    for (const sample of [0, -1, NaN, Infinity]) estimate.add(sample);
    expect(estimate.weight).toBe(0);
  });
});

describe('learning', () => {
  test('finds how fast workers are against each other, within a build and a rebuild', () => {
    const speeds = { fast: 3, middle: 1, slow: 0.4 };
    const learning = new Learning();
    train(learning, speeds, 600);
    const ratio = (a: string, b: string) => learning.worker(a).speed / learning.worker(b).speed;
    expect(ratio('fast', 'middle')).toBeGreaterThan(2.3);
    expect(ratio('fast', 'middle')).toBeLessThan(3.9);
    expect(ratio('middle', 'slow')).toBeGreaterThan(1.9);
    expect(ratio('middle', 'slow')).toBeLessThan(3.2);
    const among = Object.keys(speeds);
    expect(learning.relativeSpeed('fast', among)).toBeGreaterThan(1);
    expect(learning.relativeSpeed('slow', among)).toBeLessThan(0.6);
  });

  test('predicts the run time of a known unit on a known worker', () => {
    const learning = new Learning();
    train(learning, { fast: 2, slow: 0.5 }, 800);
    const predicted = learning.unit('k100', 1000);
    expect(predicted.learned).toBe(true);
    const truth = 100 * 100 ** (((100 * 37) % 200) / 200);
    const runMs = predicted.costMs / learning.worker('slow').speed;
    expect(runMs / (truth / 0.5)).toBeGreaterThan(0.7);
    expect(runMs / (truth / 0.5)).toBeLessThan(1.4);
  });

  test('sees a throttled worker by its wall time without taking its units for expensive ones', () => {
    const learning = new Learning();
    for (let i = 0; i < 200; i++) {
      const costKey = `k${i % 20}`;
      learning.observe(seen({ costKey, worker: 'full', runMs: 1000, cpuMs: 1000 }));
      learning.observe(seen({ costKey, worker: 'half', runMs: 2000, cpuMs: 1000 }));
    }
    expect(learning.worker('full').speed / learning.worker('half').speed).toBeCloseTo(2, 0);
    learning.observe(seen({ costKey: 'new', worker: 'half', runMs: 2000, cpuMs: 1000 }));
    expect(learning.unit('new', 0).costMs / learning.unit('k1', 0).costMs).toBeCloseTo(1, 1);
  });

  test.each([5, 15, 40])('holds two equal workers for equal after a first build of %d unlike units', (count) => {
    for (let seed = 1; seed <= 20; seed++) {
      const random = sequence(seed);
      const learning = new Learning();
      for (let i = 0; i < count; i++) {
        const cpuMs = 60 * 30 ** random();
        const run = { cpuMs, runMs: cpuMs + 15, worker: random() < 0.5 ? 'a' : 'b' };
        learning.observe(seen({ costKey: `k${i}`, sourceBytes: 500 + 5000 * random(), ...run }));
      }
      const speeds = ['a', 'b'].map((id) => learning.relativeSpeed(id, ['a', 'b']));
      expect(Math.min(...speeds)).toBeGreaterThan(0.8);
      expect(Math.max(...speeds)).toBeLessThan(1.2);
    }
  });

  test('sees in one first build that a worker has a third of the speed', () => {
    const random = sequence(4);
    const learning = new Learning();
    for (let i = 0; i < 300; i++) {
      const [worker, speed] = i % 3 === 0 ? ['slow', 1 / 3] : ['fast', 1];
      const cpuMs = (100 * 10 ** random()) / speed;
      learning.observe(seen({ costKey: `k${i}`, cpuMs, runMs: cpuMs, worker }));
    }
    expect(learning.worker('fast').speed / learning.worker('slow').speed).toBeGreaterThan(2);
    expect(learning.worker('fast').speed / learning.worker('slow').speed).toBeLessThan(4);
  });

  test('takes a run stretched by load neither for a slow worker nor for an expensive unit', () => {
    const learning = new Learning();
    const random = sequence(9);
    for (let i = 0; i < 60; i++) {
      const costKey = `k${i % 20}`;
      learning.observe(seen({ costKey, worker: 'idle', runMs: 1000, cpuMs: 950 }));
      learning.observe(seen({ costKey, worker: 'told', runMs: 6000, cpuMs: 1000, contention: 6 }));
      const stretch = random() < 0.5 ? 6 : 1;
      learning.observe(seen({ costKey, worker: 'untold', runMs: 1000 * stretch, cpuMs: 1000 }));
    }
    const speed = (id: string) => learning.worker(id).speed / learning.worker('idle').speed;
    expect(speed('told')).toBeGreaterThan(0.8);
    expect(speed('untold')).toBeGreaterThan(0.6);
    learning.observe(seen({ costKey: 'new', worker: 'untold', runMs: 6000, cpuMs: 1000 }));
    expect(learning.unit('new', 0).costMs / learning.unit('k1', 0).costMs).toBeCloseTo(1, 0);
    for (let i = 0; i < 200; i++) learning.observe(seen({ costKey: 'k1', worker: 'untold', runMs: 6000, cpuMs: 1000 }));
    // Stretched each time: two slots on a third of a core.
    expect(speed('untold')).toBeCloseTo(1 / 6, 1);
  });

  test('does not take the processor time of a sandbox alone for that of a compile', () => {
    const learning = new Learning();
    for (let i = 0; i < 10; i++) learning.observe(seen({ costKey: 'u', worker: 'a', runMs: 250, cpuMs: 230 }));
    for (let i = 0; i < 10; i++) learning.observe(seen({ costKey: 'u', worker: 'b', runMs: 250, cpuMs: 2 }));
    expect(learning.worker('b').speed / learning.worker('a').speed).toBeCloseTo(1, 0);
    expect(learning.unit('u', 0).costMs).toBeGreaterThan(150);
  });

  test('does not expect the fetching of a toolchain with every unit', () => {
    const learning = new Learning();
    learning.observe(seen({ overheadMs: 5000 }));
    for (let i = 0; i < 4; i++) learning.observe(seen({ overheadMs: 20 }));
    expect(learning.worker('w').overheadMs).toBeLessThan(60);
  });

  test('takes an unknown worker for a little better than the mean', () => {
    const learning = new Learning();
    expect(learning.worker('x').learned).toBe(false);
    train(learning, { a: 1, b: 1 }, 100);
    const known = learning.worker('a').speed;
    expect(learning.worker('x').speed).toBeGreaterThan(known);
    expect(learning.worker('x').speed).toBeLessThan(known * 1.5);
    expect(learning.relativeSpeed('x', ['a', 'b', 'x'])).toBe(1);
  });

  test('guesses an unknown unit from the size of its source and the mean', () => {
    const learning = new Learning();
    for (let i = 0; i < 50; i++) learning.observe(seen({ costKey: `k${i}`, runMs: 2000, sourceBytes: 10_000 }));
    const mean = learning.unit('unknown', 10_000);
    expect(mean.learned).toBe(false);
    expect(learning.unit('unknown', 40_000).costMs / mean.costMs).toBeCloseTo(2, 1);
    expect(learning.unit('unknown', 10 ** 9).costMs / mean.costMs).toBeLessThanOrEqual(5.01);
    expect(learning.unit('unknown', 0).costMs).toBeCloseTo(mean.costMs, 3);
  });

  test('lets a memory peak rise at once and fall slowly', () => {
    const learning = new Learning();
    learning.observe(seen({ costKey: 'u', memoryBytes: 1000 }));
    learning.observe(seen({ costKey: 'u', memoryBytes: 9000 }));
    expect(learning.unit('u', 0).memoryBytes).toBe(9000);
    learning.observe(seen({ costKey: 'u', memoryBytes: 1000 }));
    expect(learning.unit('u', 0).memoryBytes).toBeGreaterThan(5000);
  });

  test('survives being written down and read back', () => {
    const learning = new Learning();
    train(learning, { a: 2, b: 0.5 }, 300);
    const again = new Learning(parseLearned(JSON.parse(JSON.stringify(learning.data))));
    expect(again.worker('a').speed).toBeCloseTo(learning.worker('a').speed, 2);
    expect(again.unit('k5', 0).costMs / learning.unit('k5', 0).costMs).toBeCloseTo(1, 2);
  });

  test('starts afresh from data of another version or with damage', () => {
    const good = JSON.parse(JSON.stringify(new Learning().data)) as Record<string, unknown>;
    expect(parseLearned(good)).toBeDefined();
    for (const bad of [
      undefined,
      null,
      'x',
      [],
      { ...good, version: 1 },
      { ...good, units: [['k', 1e9, 1, 1]] },
      { ...good, units: [3] },
      { ...good, workers: [['w', {}, {}, {}]] },
      { ...good, meanCost: { log: 'x', weight: 1 } },
    ]) {
      expect(parseLearned(bad)).toBeUndefined();
    }
  });

  test('keeps a bounded number of units, the oldest go first', () => {
    const learning = new Learning();
    for (let i = 0; i < 50_010; i++) learning.observe(seen({ costKey: `k${i}` }));
    expect(learning.data.units).toHaveLength(50_000);
    expect(learning.unit('k0', 0).learned).toBe(false);
    expect(learning.unit('k50009', 0).learned).toBe(true);
  });
});
