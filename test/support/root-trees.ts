// Root trees of the sandbox from plain objects: a string is a file's content, `-> x` a link, an object a directory.

import { encodeDirectory, Directory } from '../../src/model/action.ts';
import { digestOf, emptyDigest } from '../../src/model/digest.ts';
import { directoryFrom, defaultTreeLimits, type RootDirectory } from '../../src/sandbox/root-tree.ts';

export interface Plain {
  readonly [name: string]: string | Plain;
}

export function rootTree(plain: Plain, mounts: readonly string[] = [], path = ''): RootDirectory {
  const message = Directory.fromPartial({});
  const below = new Map<string, RootDirectory>();
  for (const [name, value] of Object.entries(plain)) {
    if (typeof value !== 'string') {
      below.set(name, rootTree(value, mounts, `${path}/${name}`));
      message.directories.push({ name, digest: emptyDigest });
    } else if (value.startsWith('-> ')) {
      message.symlinks.push({ name, target: value.slice(3), nodeProperties: undefined });
    } else {
      const digest = digestOf(Buffer.from(value));
      message.files.push({ name, digest, isExecutable: name.endsWith('.x'), nodeProperties: undefined });
    }
  }
  const whole = mounts.some((mount) => mount.startsWith(`${path}/`))
    ? undefined
    : digestOf(Buffer.from(JSON.stringify(plain)));
  const made = directoryFrom(
    message,
    (name) =>
      mounts.includes(`${path}/${name}`)
        ? { kind: 'mount', digest: encodeDirectory(Directory.fromPartial({})).digest }
        : below.get(name),
    whole,
    defaultTreeLimits,
  );
  if (!made.ok) throw new Error(made.error);
  return made.value;
}
