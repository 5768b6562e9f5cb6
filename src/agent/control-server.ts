// The agent's door for the command line: HTTP over a unix socket beside the launcher's. Requests: status, flush, stop, and those about audits.

import { rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import type { AgentStatus } from '../model/status.ts';

export const controlSocketName = 'control.sock';

export interface ControlHandlers {
  status(): AgentStatus;
  /** writes out the records that are still in memory */
  flush(): Promise<void>;
  stop(): void;
  /** `now`, `rate` or `forgive` with its value; answers an object for the command line, `error` in it where it could not be done */
  audit(request: URLSearchParams): object;
}

/** Listens in `socketDir`, which is 0700 and ours; resolves once it accepts. */
export async function serveControl(socketDir: string, handlers: ControlHandlers): Promise<Server> {
  const path = join(socketDir, controlSocketName);
  rmSync(path, { force: true });
  const server = createServer((request, response) => {
    const answer = (code: number, body: object) => {
      response.writeHead(code, { 'content-type': 'application/json', connection: 'close' });
      response.end(JSON.stringify(body));
    };
    if (request.method === 'GET' && request.url === '/status') answer(200, handlers.status());
    else if (request.method === 'POST' && request.url === '/flush') {
      void handlers.flush().then(() => answer(200, { flushed: true }));
    } else if (request.method === 'POST' && request.url === '/stop') {
      answer(200, { stopping: true });
      handlers.stop();
    } else if (request.method === 'POST' && request.url?.startsWith('/audit?') === true) {
      answer(200, handlers.audit(new URLSearchParams(request.url.slice('/audit?'.length))));
    } else answer(404, { error: 'unknown request' });
  });
  server.unref();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  return server;
}
