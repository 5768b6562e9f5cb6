// Measures the link between two boards: round trips of one byte, then bytes per second in one direction.
//   link-probe.mjs serve            listens on port 5201, says "listening"
//   link-probe.mjs ask ADDRESS      prints {"rttMs":...,"bitsPerS":...}

import { once } from 'node:events';
import { connect, createServer } from 'node:net';

const port = 5201;
const pings = 50;
const bytes = 250_000_000;
const [role, address = ''] = process.argv.slice(2);

if (role === 'serve') {
  createServer((socket) => {
    socket.setNoDelay(true);
    let seen = 0;
    socket.on('data', (chunk) => {
      seen += chunk.length;
      // Each of the first bytes is answered; then only the whole.
      if (seen <= pings || seen === pings + bytes) socket.write('.');
    });
    socket.on('error', () => {});
  }).listen(port, () => console.log('listening'));
} else {
  const socket = connect(port, address);
  socket.setNoDelay(true);
  await once(socket, 'connect');
  const times = [];
  for (let i = 0; i < pings; i++) {
    const startMs = performance.now();
    socket.write('.');
    await once(socket, 'data');
    times.push(performance.now() - startMs);
  }
  times.sort((a, b) => a - b);
  const block = Buffer.alloc(1_000_000);
  const startMs = performance.now();
  const answered = once(socket, 'data');
  for (let sent = 0; sent < bytes; sent += block.length) if (!socket.write(block)) await once(socket, 'drain');
  await answered;
  const seconds = (performance.now() - startMs) / 1000;
  console.log(JSON.stringify({ rttMs: times[pings / 2], bitsPerS: (8 * bytes) / seconds }));
  socket.destroy();
}
