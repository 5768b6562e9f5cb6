import { describe, expect, test } from '@jest/globals';
import { bubblewrapArguments } from '../../../src/sandbox/bubblewrap-plan.ts';

const plan = (forbidNamespaces: boolean) =>
  bubblewrapArguments({
    root: '/w/roots/1',
    binds: [
      { source: '/w/actions/1/0', target: '/tmp', writable: true },
      { source: '/w/trees/x', target: '/usr/include', writable: false },
    ],
    chdir: '/p/a b',
    env: new Map([['LD_PRELOAD', '/evil.so']]),
    argv: ['g++', '--version', '--bind'],
    forbidNamespaces,
  });

describe('bubblewrapArguments', () => {
  test('the program and its arguments follow an end mark, so that none of them is an option of bwrap', () => {
    expect(plan(true).slice(-4)).toEqual(['--', 'g++', '--version', '--bind']);
  });

  test('everything is unshared and nothing is kept', () => {
    const args = plan(true);
    for (const option of ['user', 'ipc', 'pid', 'net', 'uts']) expect(args).toContain(`--unshare-${option}`);
    for (const option of ['--clearenv', '--die-with-parent', '--new-session', '--disable-userns']) {
      expect(args).toContain(option);
    }
    expect(args.join(' ')).toContain('--cap-drop ALL');
    expect(plan(false)).not.toContain('--disable-userns');
  });

  test('bwrap tells who is inside only when it is given a descriptor for that', () => {
    expect(plan(true)).not.toContain('--info-fd');
  });

  test('the root is read-only and comes before what is mounted in it, in the order given', () => {
    const text = plan(true).join(' ');
    expect(text).toContain(
      '--ro-bind /w/roots/1 / --proc /proc --dev-bind /dev/null /dev/null --dev-bind /dev/zero /dev/zero ' +
        '--dev-bind /dev/urandom /dev/urandom --bind /w/actions/1/0 /tmp --ro-bind /w/trees/x /usr/include --chdir /p/a b --',
    );
    expect(text).toContain('--setenv LD_PRELOAD /evil.so');
  });
});
