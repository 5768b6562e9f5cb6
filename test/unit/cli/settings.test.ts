import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { environmentVariables, readSettings } from '../../../src/cli/settings.ts';

let home = '';
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'icets-settings-'));
});
afterEach(() => {
  rmSync(home, { recursive: true });
});

function withConfig(text: string, env: Record<string, string> = {}) {
  const path = join(home, 'config.toml');
  writeFileSync(path, text);
  return readSettings({ HOME: home, ICETS_CONFIG: path, ...env });
}

describe('readSettings', () => {
  test('works with no configuration file at all', () => {
    const settings = readSettings({ HOME: home });
    expect(settings.ok && settings.value.stateDir).toBe(join(home, '.local/state/icets'));
  });

  test('lets an environment variable win over the file', () => {
    const settings = withConfig('[agent]\nlocal_slots = 3\n', { ICETS_LOCAL_SLOTS: '5' });
    expect(settings.ok && settings.value.localSlots).toBe(5);
    const fromFile = withConfig('[agent]\nlocal_slots = 3\n');
    expect(fromFile.ok && fromFile.value.localSlots).toBe(3);
  });

  test('audits one result in a hundred unless the file or the environment says something else', () => {
    const percent = (text: string, env: Record<string, string> = {}) => {
      const settings = withConfig(text, env);
      return settings.ok ? settings.value.auditPercent : settings.error;
    };
    expect(percent('')).toBe(1);
    expect(percent('[agent]\naudit_percent = 0\n')).toBe(0);
    expect(percent('[agent]\naudit_percent = 0\n', { ICETS_AUDIT_PERCENT: '2.5' })).toBe(2.5);
    expect(percent('[agent]\naudit_percent = 101\n')).toMatch(/agent\.audit_percent/);
    expect(percent('', { ICETS_AUDIT_PERCENT: '-1' })).toMatch(/ICETS_AUDIT_PERCENT=-1/);
  });

  test.each([
    ['an unknown key', '[agent]\nlocal_slot = 3\n', {}, /unknown: local_slot/],
    ['a wrong type', '[agent]\nlocal_slots = "many"\n', {}, /agent\.local_slots/],
    ['broken TOML', '[agent\n', {}, /not valid TOML/],
    ['a wrong number in the environment', '', { ICETS_LOCAL_SLOTS: 'many' }, /ICETS_LOCAL_SLOTS=many/],
    ['a base directory that is the root', '[agent]\nbase_dir = "/../"\n', {}, /agent\.base_dir/],
    ['a relative base directory', '[agent]\nbase_dir = "work"\n', {}, /agent\.base_dir/],
    ['an unknown log level', '', { ICETS_LOG_LEVEL: 'loud' }, /ICETS_LOG_LEVEL=loud/],
  ])('answers one line for %s', (_, text, env, message) => {
    const settings = withConfig(text, env);
    expect(settings.ok).toBe(false);
    if (!settings.ok) {
      expect(settings.error).toMatch(message);
      expect(settings.error).not.toContain('\n');
    }
  });

  test('takes the base directory from the file alone, since each compile has an environment of its own', () => {
    const settings = withConfig('[agent]\nbase_dir = "/home/me/work"\n', { ICETS_BASEDIR: '/elsewhere' });
    expect(settings.ok && settings.value.baseDirectory).toBe('/home/me/work');
  });

  test('says so when the file that was named does not exist', () => {
    const settings = readSettings({ HOME: home, ICETS_CONFIG: join(home, 'none.toml') });
    expect(settings.ok).toBe(false);
  });

  test('knows the same environment variables as the guide', () => {
    const guide = readFileSync(resolve(import.meta.dirname, '../../../docs/guide/configuration.md'), 'utf8');
    const documented = [...guide.matchAll(/^\| `(ICETS_[A-Z_]+)` +\|/gm)].map((match) => match[1]).sort();
    expect(documented).toEqual(Object.keys(environmentVariables).sort());
  });
});
