// The command line of bubblewrap for one sandbox. Pure: unaware of actions and of the disk.

import { sandboxDevices } from './action-layout.ts';

export interface SandboxDescription {
  /** absolute path on this machine of the directory that becomes the root, read-only */
  readonly root: string;
  /** parents before children; sources are paths on this machine, targets paths inside */
  readonly binds: readonly { readonly source: string; readonly target: string; readonly writable: boolean }[];
  /** absolute path inside; also the value of PWD */
  readonly chdir: string;
  /** the whole environment of the program */
  readonly env: ReadonlyMap<string, string>;
  readonly argv: readonly string[];
  /** also forbid user namespaces inside (bubblewrap 0.8 and later) */
  readonly forbidNamespaces: boolean;
  /** where bwrap is to tell the process id of the sandbox's first process */
  readonly innerPidFd?: number;
}

/** Neither root nor a user that a machine is likely to have rights for. */
const insideId = '1000';

/**
 * Arguments for bwrap, argv[0] included. bwrap's own environment has to be empty of the action's variables: they are set with
 * --setenv, so that LD_PRELOAD and its like reach only the program inside.
 */
export function bubblewrapArguments(description: SandboxDescription): string[] {
  const args = [
    'bwrap',
    // Each namespace by name: --unshare-all asks for the user namespace in a way that --disable-userns does not accept.
    '--unshare-user',
    '--unshare-ipc',
    '--unshare-pid',
    '--unshare-net',
    '--unshare-uts',
    '--unshare-cgroup-try',
    ...(description.forbidNamespaces ? ['--disable-userns'] : []),
    '--uid',
    insideId,
    '--gid',
    insideId,
    '--hostname',
    'localhost',
    '--cap-drop',
    'ALL',
    '--die-with-parent',
    '--new-session',
    '--clearenv',
  ];
  if (description.innerPidFd !== undefined) args.push('--info-fd', String(description.innerPidFd));
  for (const [name, value] of description.env) args.push('--setenv', name, value);
  args.push('--ro-bind', description.root, '/', '--proc', '/proc');
  for (const device of sandboxDevices) args.push('--dev-bind', `/dev/${device}`, `/dev/${device}`);
  for (const { source, target, writable } of description.binds) {
    args.push(writable ? '--bind' : '--ro-bind', source, target);
  }
  args.push('--chdir', description.chdir, '--', ...description.argv);
  return args;
}
