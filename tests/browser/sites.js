// Other sites: small servers on loopback, whose pages a browser under test opens.

import { createServer } from 'node:http';

/** Serves what `answer(request, response)` writes, by default an empty page. Returns the origin and a way to end it. */
export async function serve(answer = emptyPage, { host = 'localhost', port = 0 } = {}) {
  const server = createServer(answer);
  await new Promise((resolve) => server.listen(port, host, resolve));
  server.unref();
  return { origin: `http://${host}:${server.address().port}`, close: () => server.close() };
}

function emptyPage(_, response) {
  response.setHeader('content-type', 'text/html');
  response.end('<!doctype html><title>A page of another origin</title>');
}
