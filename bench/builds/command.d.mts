// What command.mjs offers, for the benches that are written in TypeScript.

export interface Finished {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: Buffer;
  readonly stderr: Buffer;
  readonly wallMs: number;
}

export interface CommandOptions {
  readonly cwd?: string;
  readonly env?: Record<string, string>;
  readonly onLine?: (line: string) => void;
}

export function buildEnvironment(extra?: Readonly<Record<string, string>>): Record<string, string>;
export function runCommand(argv: readonly string[], options?: CommandOptions): Promise<Finished>;
export function mustRun(argv: readonly string[], options?: CommandOptions): Promise<Finished>;
export function childrenCpuMs(): number;
