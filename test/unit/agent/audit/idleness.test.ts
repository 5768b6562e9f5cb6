import { describe, expect, test } from '@jest/globals';
import { mayAudit, type Surroundings } from '../../../../src/agent/audit/idleness.ts';

const quiet: Surroundings = {
  cores: 4,
  idleCores: 3.9,
  freeMemoryShare: 0.8,
  running: 0,
  freeLocalSlots: 4,
  waitingForSlots: 0,
  hasQuota: () => false,
};

describe('an audit may begin', () => {
  test('on a machine that does nothing, a quota or not', () => {
    expect(mayAudit(quiet)).toBe(true);
    expect(mayAudit({ ...quiet, hasQuota: () => true })).toBe(true);
    expect(mayAudit({ ...quiet, cores: 1, idleCores: 0.85 })).toBe(true);
  });

  test('not before it is known what the machine does, nor beside other work', () => {
    expect(mayAudit({ ...quiet, idleCores: undefined })).toBe(false);
    expect(mayAudit({ ...quiet, idleCores: 0.5 })).toBe(false);
    expect(mayAudit({ ...quiet, freeMemoryShare: 0.2 })).toBe(false);
    expect(mayAudit({ ...quiet, waitingForSlots: 1 })).toBe(false);
  });

  test('during a build only where half of the cores are idle, a slot is free and CPU is not counted out', () => {
    const building = { ...quiet, running: 12, idleCores: 2.5 };
    expect(mayAudit(building)).toBe(true);
    expect(mayAudit({ ...building, idleCores: 1.9 })).toBe(false);
    expect(mayAudit({ ...building, cores: 1, idleCores: 0.9 })).toBe(false);
    expect(mayAudit({ ...building, freeLocalSlots: 0 })).toBe(false);
    expect(mayAudit({ ...building, hasQuota: () => true })).toBe(false);
  });
});
