// Asks the running agent over its control socket.

import { request } from 'node:http';
import { join } from 'node:path';
import { controlSocketName } from '../agent/control-server.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { AgentStatus } from '../model/status.ts';

const answerTimeoutMs = 5000;

/** The agent's status; `none` when no agent listens. */
export async function askAgent(socketDir: string): Promise<Result<AgentStatus, 'none' | 'silent'>> {
  const body = await exchange(socketDir, 'GET', '/status');
  return body.ok ? ok(JSON.parse(body.value) as AgentStatus) : body;
}

/** Asks the agent to end once its steps are done. */
export async function stopAgent(socketDir: string): Promise<Result<void, 'none' | 'silent'>> {
  const body = await exchange(socketDir, 'POST', '/stop');
  return body.ok ? ok(undefined) : body;
}

/** Asks the agent to write out the records it holds. */
export async function flushAgent(socketDir: string): Promise<Result<void, 'none' | 'silent'>> {
  const body = await exchange(socketDir, 'POST', '/flush');
  return body.ok ? ok(undefined) : body;
}

/** Asks for something about audits; see the agent's control server. The answer's shape is not checked. */
export async function askForAudit<T>(
  socketDir: string,
  request: Readonly<Record<string, string>>,
): Promise<Result<T, 'none' | 'silent'>> {
  const body = await exchange(socketDir, 'POST', `/audit?${new URLSearchParams(request).toString()}`);
  return body.ok ? ok(JSON.parse(body.value) as T) : body;
}

function exchange(socketDir: string, method: string, path: string): Promise<Result<string, 'none' | 'silent'>> {
  return new Promise((resolve) => {
    const call = request({ socketPath: join(socketDir, controlSocketName), method, path, timeout: answerTimeoutMs });
    call.on('response', (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('end', () => resolve(ok(Buffer.concat(parts).toString('utf8'))));
      response.on('error', () => resolve(err('silent')));
    });
    call.on('timeout', () => {
      call.destroy();
      resolve(err('silent'));
    });
    call.on('error', () => resolve(err('none')));
    call.end();
  });
}
