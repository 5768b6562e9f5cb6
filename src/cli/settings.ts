// Where things are and what the user chose: environment variables over config.toml over defaults.
// docs/guide/configuration.md lists every variable; a test compares the two.

import { readFileSync } from 'node:fs';
import { availableParallelism, homedir } from 'node:os';
import { join, normalize } from 'node:path';
import { parse as parseToml } from 'smol-toml';
import * as z from 'zod/mini';
import { err, ok, type Result } from '../base/result.ts';
import { socketFolder } from '../ipc/socket-folder.ts';

const fileShape = z.strictObject({
  scheduler: z.optional(
    z.strictObject({
      url: z.optional(z.string()),
      listen: z.optional(z.string()),
      store_limit_gib: z.optional(z.number().check(z.positive())),
      results_limit_gib: z.optional(z.number().check(z.positive())),
    }),
  ),
  agent: z.optional(
    z.strictObject({
      local_slots: z.optional(z.int().check(z.positive())),
      idle_seconds: z.optional(z.number().check(z.positive())),
      audit_percent: z.optional(z.number().check(z.minimum(0), z.maximum(100))),
      base_dir: z.optional(z.string()),
    }),
  ),
  worker: z.optional(
    z.strictObject({
      slots: z.optional(z.int().check(z.positive())),
      name: z.optional(z.string()),
      store_limit_gib: z.optional(z.number().check(z.positive())),
      memory_limit_gib: z.optional(z.number().check(z.positive())),
    }),
  ),
  token_file: z.optional(z.string()),
  log_level: z.optional(z.enum(['debug', 'info', 'warn', 'error'])),
});

/** Every environment variable that icets reads; the launcher and the shim read those marked so by themselves. */
export const environmentVariables = {
  ICETS_CONFIG: 'path of the configuration file',
  ICETS_SCHEDULER: 'URL of the scheduler, icets://HOST:PORT',
  ICETS_TOKEN_FILE: 'file with the cluster token, mode 0600',
  ICETS_CACHE_DIR: 'folder for what can be made again: blobs, digests, toolchains',
  ICETS_STATE_DIR: 'folder for records, logs, token and the description of a running cluster',
  ICETS_SOCKET_DIR: 'folder of the sockets between launcher, agent and command line (launcher)',
  ICETS_LOCAL_SLOTS: 'how many steps may run on this machine at once',
  ICETS_IDLE_SECONDS: 'after how many seconds without work the agent ends',
  ICETS_AUDIT_PERCENT: 'how many of a hundred results from elsewhere are compiled again here and compared',
  ICETS_LOG_LEVEL: 'debug, info, warn or error',
  ICETS_BUILD: 'name of the build that the steps belong to',
  ICETS_NO_CACHE: 'any value but 0: this compile neither takes a kept result nor leaves one; the same as --no-cache',
  ICETS_BASEDIR: 'this compile takes and leaves the same results wherever this directory lies; empty for none',
  ICETS_DISABLE: 'any value but 0: run the compiler directly (launcher)',
  ICETS_DEBUG: 'any value but 0: say on standard error what the launcher decides (launcher)',
  ICETS_HEARTBEAT_MS: 'how long a silent agent is waited for, default 6000 (launcher)',
  ICETS_NODE: 'the Node program that runs agent and command line (launcher)',
  ICETS_HOME: 'the folder icets is installed in (launcher)',
  ICETS_GUARD: 'set by the launcher for the compilers it runs, against recursion (launcher)',
} as const;

export interface Settings {
  readonly cacheDir: string;
  readonly stateDir: string;
  readonly socketDir: string;
  readonly configFile: string;
  readonly schedulerUrl: string | undefined;
  readonly listen: string;
  readonly tokenFile: string;
  readonly localSlots: number;
  readonly idleSeconds: number;
  /** 0 to 100 */
  readonly auditPercent: number;
  /** absolute, not `/`; for compiles whose own environment has no ICETS_BASEDIR */
  readonly baseDirectory: string | undefined;
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error';
  readonly schedulerStoreLimitBytes: number;
  readonly schedulerResultsLimitBytes: number;
  readonly worker: {
    readonly slots: number;
    readonly name: string | undefined;
    readonly storeLimitBytes: number;
    readonly memoryLimitBytes: number | undefined;
  };
}

const gib = 1024 ** 3;

type Environment = Readonly<Record<string, string | undefined>>;

/** Reads the settings; the error is one line that says which value is wrong and where. */
export function readSettings(env: Environment): Result<Settings, string> {
  const home = env['HOME'] ?? homedir();
  const configFile = env['ICETS_CONFIG'] ?? join(env['XDG_CONFIG_HOME'] ?? join(home, '.config'), 'icets/config.toml');
  const file = readFile(configFile, env['ICETS_CONFIG'] !== undefined);
  if (!file.ok) return file;
  const config = file.value;
  const numberFrom = (name: string, fallback: number): Result<number, string> => {
    const text = env[name];
    if (text === undefined || text === '') return ok(fallback);
    const value = Number(text);
    if (!Number.isFinite(value) || value <= 0) return err(`${name}=${text} is not a number above 0`);
    return ok(value);
  };
  const localSlots = numberFrom('ICETS_LOCAL_SLOTS', config.agent?.local_slots ?? availableParallelism());
  if (!localSlots.ok) return localSlots;
  if (!Number.isInteger(localSlots.value)) return err(`ICETS_LOCAL_SLOTS=${localSlots.value} is not a whole number`);
  const idleSeconds = numberFrom('ICETS_IDLE_SECONDS', config.agent?.idle_seconds ?? 900);
  if (!idleSeconds.ok) return idleSeconds;
  const auditText = env['ICETS_AUDIT_PERCENT'] ?? '';
  const auditPercent = auditText === '' ? (config.agent?.audit_percent ?? 1) : Number(auditText);
  if (!(auditPercent >= 0 && auditPercent <= 100)) return err(`ICETS_AUDIT_PERCENT=${auditText} is not from 0 to 100`);
  // The agent's own environment does not count: it is that of the build which happened to start it.
  const baseDirectory = config.agent?.base_dir;
  if (baseDirectory !== undefined && (!baseDirectory.startsWith('/') || normalize(baseDirectory) === '/')) {
    return err(`${configFile}: agent.base_dir=${baseDirectory} is not an absolute path below /`);
  }
  const level = env['ICETS_LOG_LEVEL'] ?? config.log_level ?? 'info';
  if (level !== 'debug' && level !== 'info' && level !== 'warn' && level !== 'error') {
    return err(`ICETS_LOG_LEVEL=${level} is none of debug, info, warn, error`);
  }
  const socketDir = socketFolder(env, process.getuid?.() ?? 0);
  if (socketDir === undefined) return err(`ICETS_SOCKET_DIR=${env['ICETS_SOCKET_DIR'] ?? ''} is not an absolute path`);
  const stateDir = env['ICETS_STATE_DIR'] ?? join(env['XDG_STATE_HOME'] ?? join(home, '.local/state'), 'icets');
  return ok({
    cacheDir: env['ICETS_CACHE_DIR'] ?? join(env['XDG_CACHE_HOME'] ?? join(home, '.cache'), 'icets'),
    stateDir,
    socketDir,
    configFile,
    schedulerUrl: env['ICETS_SCHEDULER'] ?? config.scheduler?.url,
    listen: config.scheduler?.listen ?? '127.0.0.1:8765',
    tokenFile: env['ICETS_TOKEN_FILE'] ?? config.token_file ?? join(stateDir, 'cluster.token'),
    localSlots: localSlots.value,
    idleSeconds: idleSeconds.value,
    auditPercent,
    baseDirectory,
    logLevel: level,
    schedulerStoreLimitBytes: (config.scheduler?.store_limit_gib ?? 20) * gib,
    schedulerResultsLimitBytes: (config.scheduler?.results_limit_gib ?? 1) * gib,
    worker: {
      slots: config.worker?.slots ?? availableParallelism(),
      name: config.worker?.name,
      storeLimitBytes: (config.worker?.store_limit_gib ?? 10) * gib,
      memoryLimitBytes:
        config.worker?.memory_limit_gib === undefined ? undefined : config.worker.memory_limit_gib * gib,
    },
  });
}

function readFile(path: string, mustExist: boolean): Result<z.infer<typeof fileShape>, string> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' && !mustExist) return ok({});
    return err(`cannot read ${path}: ${(error as Error).message}`);
  }
  let raw: unknown;
  try {
    raw = parseToml(text);
  } catch (error) {
    return err(`${path} is not valid TOML: ${(error as Error).message.split('\n')[0] ?? ''}`);
  }
  const parsed = fileShape.safeParse(raw);
  if (parsed.success) return ok(parsed.data);
  const issue = parsed.error.issues[0];
  const where = issue?.path.join('.') ?? '';
  const keys = issue?.code === 'unrecognized_keys' ? ` (unknown: ${issue.keys.join(', ')})` : '';
  return err(`${path}: ${where === '' ? 'top level' : where}: ${issue?.message ?? 'wrong value'}${keys}`);
}
