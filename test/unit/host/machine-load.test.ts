import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { hasCpuQuota, MachineLoad } from '../../../src/host/machine-load.ts';

let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'icets-load-'));
});

afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

function quota(groups: string, files: Readonly<Record<string, string>>): boolean {
  writeFileSync(join(dir, 'groups'), groups);
  for (const [path, text] of Object.entries(files)) {
    const whole = join(dir, 'root', path);
    mkdirSync(join(whole, '..'), { recursive: true });
    writeFileSync(whole, text);
  }
  return hasCpuQuota(join(dir, 'groups'), join(dir, 'root'));
}

describe('the load of this machine', () => {
  test('says how many cores had nothing to do since the last question', async () => {
    const load = new MachineLoad();
    expect(load.idleCores()).toBeUndefined();
    let idle: number | undefined;
    while (idle === undefined) {
      await new Promise((resolve) => setImmediate(resolve));
      idle = load.idleCores();
    }
    expect(idle).toBeGreaterThanOrEqual(0);
    expect(idle).toBeLessThanOrEqual(cpus().length);
    expect(load.freeMemoryShare()).toBeGreaterThan(0);
    expect(load.freeMemoryShare()).toBeLessThan(1);
  });
});

describe('a quota of CPU', () => {
  test('is found in the own group and in those around it, in both versions', () => {
    expect(quota('0::/a/b\n', { 'a/b/cpu.max': 'max 100000\n', 'a/cpu.max': 'max 100000\n' })).toBe(false);
    expect(quota('0::/a/b\n', { 'a/cpu.max': '40000 100000\n' })).toBe(true);
    expect(quota('4:cpu,cpuacct:/c\n1:memory:/m\n0::/\n', { 'cpu,cpuacct/c/cpu.cfs_quota_us': '-1\n' })).toBe(false);
    expect(quota('4:cpu,cpuacct:/c\n', { 'cpu,cpuacct/c/cpu.cfs_quota_us': '40000\n' })).toBe(true);
    expect(quota('4:cpu,cpuacct:/d/e\n', { 'cpu/d/cpu.cfs_quota_us': '40000\n' })).toBe(true);
  });

  test('is none where nothing can be read', () => {
    expect(hasCpuQuota(join(dir, 'none'), dir)).toBe(false);
    expect(quota('nonsense\n0::relative\n', {})).toBe(false);
  });
});
