// A process of its own for tests: a Link server with a memory store. Prints its URL.

import { startServer } from './loopback.ts';

const server = await startServer();
console.log(server.url);
