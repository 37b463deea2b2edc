// Prints a port P at random where P to P+6 are free: what the local stack and two pages of other origins need.

import { createServer } from 'node:net';

const BLOCK = 7;
const ATTEMPTS = 50;

const isFree = (port, host) =>
  new Promise((resolve) => {
    const server = createServer();
    // Without IPv6 there is nobody on it either.
    server.once('error', ({ code }) => resolve(code !== 'EADDRINUSE'));
    server.listen(port, host, () => server.close(() => resolve(true)));
  });

async function isFreeBlock(first) {
  for (let port = first; port < first + BLOCK; port += 1) {
    if (!(await isFree(port, '127.0.0.1')) || !(await isFree(port, '::1'))) return false;
  }
  return true;
}

let found;
for (let attempt = 0; attempt < ATTEMPTS && !found; attempt += 1) {
  // Below the ports that systems hand out by themselves.
  const first = 20_000 + Math.floor(Math.random() * 12_000);
  if (await isFreeBlock(first)) found = first;
}
if (!found) throw new Error(`no ${BLOCK} free ports in a row found`);
console.log(found);
