// The watcher itself: each page here has one fault, and it must be told.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import { after, test } from 'node:test';

const source = (text) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
const policy = (more = '') => `default-src 'none'; frame-ancestors 'none'${more}`;
const running = (script) => ({ body: `<script>${script}</script>`, policy: policy(`; script-src ${source(script)}`) });
const protective = { 'cache-control': 'no-store', 'referrer-policy': 'no-referrer', 'x-content-type-options': 'nosniff' };

const pages = {
  good: { body: '<p>Nothing to tell' },
  'a blocked script': { body: '<script>1</script>', told: /policy violated: script-src/ },
  'a blocked style': { body: '<p style="color:red">Red', told: /policy violated: style-src/ },
  'another host': {
    body: '<img alt="" src="http://127.0.0.1:9/logo.png">',
    policy: policy('; img-src http://127.0.0.1:9'),
    told: /request: GET http:\/\/127\.0\.0\.1:9/,
  },
  'a dialog': { ...running('alert("Hello")'), told: /dialog: Hello/ },
  'a warning': { ...running('console.warn("Careful")'), told: /console warning: Careful/ },
  'an uncaught error': { ...running('throw new Error("Oh")'), told: /uncaught error: Error: Oh/ },
  'a stranger’s script': { ...running('window.__xss = 1'), told: /a stranger's script/ },
  'no policy': { body: '', policy: '', told: /header: default-src/ },
  'a policy with holes': { body: '', policy: policy("; script-src 'unsafe-inline'"), told: /header: unsafe/ },
  'no headers': { body: '', headers: {}, told: /header: referrer-policy.*header: cache-control.*header: x-content-type/s },
  'a field without a label': { body: '<input>', told: /axe, A page: label/ },
  'a long word': { body: `<p>${'W'.repeat(100)}`, told: /width: sticks out of a screen of 320 px/ },
  'a heavy page': { body: `<p>${'word '.repeat(12_000)}`, told: /weight: \d{5} bytes/ },
  'an error of the server': { body: '', status: 500, told: /answer: 500/ },
};

const server = createServer((request, response) => {
  const page = pages[decodeURIComponent(request.url.slice(1))];
  response.writeHead(page?.status ?? (page ? 200 : 404), {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': page?.policy ?? policy(),
    ...(page?.headers ?? protective),
  });
  response.end(`<!doctype html><html lang="en"><title>A page</title><main><h1>A page</h1>${page?.body ?? ''}</main></html>`);
});
await new Promise((resolve) => server.listen(0, 'localhost', resolve));

// It stands in for the gateway, and is no page of ours in the table of figures.
process.env.GATEWAY = `http://localhost:${server.address().port}`;
process.env.FIGURES = '';
const { close, visit } = await import('./browser.js');
const { limit } = await import('./figures.js');
const { look } = await import('./looks.js');

after(async () => {
  await close();
  server.close();
});

for (const [what, { told }] of Object.entries(pages)) {
  test(told ? `The watcher tells of ${what}` : 'The watcher has nothing to tell of a good page', async () => {
    const looked = visit(look('phone-light'), (visitor) => visitor.open(`/${encodeURIComponent(what)}`, 'A page'));
    if (told) await assert.rejects(looked, ({ message }) => told.test(message) || assert.fail(message));
    else await looked;
  });
}

test('A page may take 100 ms where the least page is fast, however lucky its best look', () => {
  const fast = [31, 33, 80, 90, 90, 33, 32];
  assert.equal(limit(fast, 4), 100);
});

test('A page that is looked at while the machine is slow may take three times what the least page takes then', () => {
  const slowForAWhile = [31, 33, 60, 50, 70, 65, 33, 32];
  assert.equal(limit(slowForAWhile, 4), 150);
  assert.equal(limit(slowForAWhile, 6), 100);
  assert.equal(limit([], 4), 100);
});
