// Which machine can run which program.

/** `uname -m` of this machine in its usual spelling. */
export function machineArch(nodeArch: string): string {
  switch (nodeArch) {
    case 'x64':
      return 'x86_64';
    case 'arm64':
      return 'aarch64';
    case 'arm':
      return 'armv7l';
    default:
      return nodeArch;
  }
}
