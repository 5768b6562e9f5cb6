// Random clusters and random units driven by the policy: nothing starves, nothing is overfilled, the end comes early.

import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { lowerBoundMs, simulate, type SimulatedUnit, type SimulatedWorker } from '../support/policy-simulation.ts';

const budgetMs = Number(process.env['ICETS_FUZZ_MS'] ?? 5000);
const parameters = { interruptAfterTimeLimit: budgetMs, markInterruptAsFailure: false, numRuns: 100_000 };

const gib = 2 ** 30;

const workers = (archs: readonly string[]) =>
  fc.array(
    fc.record<SimulatedWorker>({
      arch: fc.constantFrom(...archs),
      slots: fc.integer({ min: 1, max: 8 }),
      speed: fc.double({ min: 0.2, max: 4, noNaN: true }),
      memoryBytes: fc.integer({ min: 1, max: 16 }).map((n) => n * gib),
    }),
    { minLength: 1, maxLength: 8 },
  );

const unit = (archs: readonly string[], lateMs: number, surprise: fc.Arbitrary<number>) =>
  fc.record<SimulatedUnit>({
    client: fc.constantFrom('a', 'b', 'c'),
    costMs: fc.integer({ min: 20, max: 20_000 }),
    surprise,
    memoryBytes: fc.integer({ min: 1, max: 80 }).map((n) => (n * gib) / 4),
    arch: fc.constantFrom(...archs),
    arrivesMs: fc.integer({ min: 0, max: lateMs }),
  });

describe('the policy in a simulation', () => {
  test('ends every unit, overfills no worker and sends nothing where it cannot run', () => {
    const archs = ['x86_64', 'aarch64'];
    const surprise = fc.double({ min: 0.1, max: 20, noNaN: true });
    fc.assert(
      fc.property(
        workers(archs),
        fc.array(unit(archs, 30_000, surprise), { minLength: 1, maxLength: 60 }),
        (cluster, units) => {
          const possible = units.filter(({ arch }) => cluster.some((worker) => worker.arch === arch));
          const result = simulate(possible, cluster);
          expect(result.violations).toEqual([]);
          expect(result.endsMs).not.toContain(undefined);
        },
      ),
      parameters,
    );
  });

  test('ends near the bound of any offline schedule', () => {
    let sum = 0;
    let worst = 0;
    let count = 0;
    fc.assert(
      fc.property(
        workers(['x86_64']),
        fc.array(unit(['x86_64'], 0, fc.constant(1)), { minLength: 1, maxLength: 150 }),
        (cluster, units) => {
          const light = units.map((each) => ({ ...each, memoryBytes: 0 }));
          const ratio = simulate(light, cluster).makespanMs / lowerBoundMs(light, cluster);
          sum += ratio;
          count += 1;
          worst = Math.max(worst, ratio);
          expect(ratio).toBeLessThan(2);
        },
      ),
      parameters,
    );
    console.log(
      `makespan over the lower bound: mean ${(sum / count).toFixed(3)}, worst ${worst.toFixed(3)}, ${count} instances`,
    );
    expect(sum / count).toBeLessThan(1.3);
  });

  test('predictions that are wrong by a factor of two cost little', () => {
    let sum = 0;
    let count = 0;
    const surprise = fc.double({ min: -1, max: 1, noNaN: true }).map((log) => 2 ** log);
    fc.assert(
      fc.property(
        workers(['x86_64']),
        fc.array(unit(['x86_64'], 0, surprise), { minLength: 20, maxLength: 100 }),
        (cluster, units) => {
          const light = units.map((each) => ({ ...each, memoryBytes: 0 }));
          sum += simulate(light, cluster).makespanMs / lowerBoundMs(light, cluster);
          count += 1;
        },
      ),
      parameters,
    );
    console.log(`with wrong predictions: mean ${(sum / count).toFixed(3)}, ${count} instances`);
    expect(sum / count).toBeLessThan(1.4);
  });
});
