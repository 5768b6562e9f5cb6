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
