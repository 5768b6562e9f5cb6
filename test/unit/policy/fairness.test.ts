import { describe, expect, test } from '@jest/globals';
import { ClientLedger, fairOrder } from '../../../src/policy/fairness.ts';
import type { QueuedUnit } from '../../../src/policy/snapshot.ts';

function units(client: string, count: number, costMs: number): QueuedUnit[] {
  return Array.from({ length: count }, (_, i) => ({
    id: `${client}${i}`,
    client,
    arch: '',
    toolchain: undefined,
    costMs,
    learned: true,
    memoryBytes: 0,
    excluded: new Set<string>(),
    queuedForMs: 0,
    downstreamMs: 0,
    returned: false,
  }));
}

const noneLong = { fromCostMs: Infinity, headStartMs: 0 };

describe('the order of clients', () => {
  test('gives each client the same cost, not the same number of units', () => {
    const queued = [...units('large', 100, 1000), ...units('small', 100, 100)];
    const first = fairOrder(queued, new Map(), 44, noneLong).map((unit) => unit.client);
    expect(first.filter((client) => client === 'large')).toHaveLength(4);
    expect(first.filter((client) => client === 'small')).toHaveLength(40);
  });

  test('contains every unit once when there is no limit', () => {
    const queued = [...units('a', 7, 10), ...units('b', 3, 1000)];
    const order = fairOrder(queued, new Map(), Infinity, noneLong);
    expect(new Set(order)).toEqual(new Set(queued));
    expect(order).toHaveLength(10);
  });
});

describe('the order of one client', () => {
  const [plain] = units('a', 1, 1000);
  const order = (...queued: Partial<QueuedUnit>[]) =>
    fairOrder(
      queued.map((each) => ({ ...plain!, ...each })),
      new Map(),
      Infinity,
      noneLong,
    ).map(({ id }) => id);

  test('is that of arrival where nothing is known of the rest of the build', () => {
    expect(order({ id: 'late', queuedForMs: 10 }, { id: 'early', queuedForMs: 900 })).toEqual(['early', 'late']);
  });

  test('has first what the rest of the build waits for longest, though it came last', () => {
    const leaf = { id: 'leaf', queuedForMs: 20_000, downstreamMs: 300 };
    expect(order(leaf, { id: 'base', downstreamMs: 9_000 })).toEqual(['base', 'leaf']);
  });

  test('lets nothing wait for ever', () => {
    const leaf = { id: 'leaf', queuedForMs: 90_000, downstreamMs: 300 };
    expect(order(leaf, { id: 'base', downstreamMs: 9_000 })).toEqual(['leaf', 'base']);
  });
});

describe('the ledger', () => {
  test('lets a newcomer start level with the least served client instead of at zero', () => {
    const ledger = new ClientLedger();
    ledger.enter('a');
    ledger.charge('a', 50_000);
    ledger.enter('b');
    expect(ledger.served.get('b')).toBe(50_000);
  });

  test('does not let a client that comes back lose what it owes', () => {
    const ledger = new ClientLedger();
    ledger.enter('a');
    ledger.enter('b');
    ledger.charge('b', 9000);
    ledger.leave('b');
    ledger.enter('b');
    expect(ledger.served.get('b')).toBe(9000);
  });

  test('forgets everything when nobody is left', () => {
    const ledger = new ClientLedger();
    ledger.enter('a');
    ledger.charge('a', 10);
    ledger.leave('a');
    expect(ledger.served.size).toBe(0);
  });
});
