// The watcher itself: each page here has one fault, which it must report.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import { after, test } from 'node:test';

const source = (text) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
const policy = (more = '') => `default-src 'none'; frame-ancestors 'none'${more}`;
const running = (script) => ({ body: `<script>${script}</script>`, policy: policy(`; script-src ${source(script)}`) });
const protective = { 'cache-control': 'no-store', 'referrer-policy': 'no-referrer', 'x-content-type-options': 'nosniff' };

// Each has its own style, as pages of ours have.
const styled = (style, body, incident) => ({
  body: `<style>${style}</style>${body}`,
  policy: policy(`; style-src ${source(style)}`),
  incident,
});
const anywhere = 'body{overflow-wrap:anywhere}';
const days = '<dl><dt>29 November 2026, 16:54 UTC (just now)<dd>The user signed in; waiting for the confirmation.</dl>';

const pages = {
  'one paragraph': { body: '<p>All is well' },
  'a blocked script': { body: '<script>1</script>', incident: /policy violated: script-src/ },
  'a blocked style': { body: '<p style="color:red">Red', incident: /policy violated: style-src/ },
  'another host': {
    body: '<img alt="" src="http://127.0.0.1:9/logo.png">',
    policy: policy('; img-src http://127.0.0.1:9'),
    incident: /request: GET http:\/\/127\.0\.0\.1:9/,
  },
  'a dialog': { ...running('alert("Hello")'), incident: /dialog: Hello/ },
  'a warning': { ...running('console.warn("Careful")'), incident: /console warning: Careful/ },
  'an uncaught error': { ...running('throw new Error("Oh")'), incident: /uncaught error: Error: Oh/ },
  'a stranger’s script': { ...running('window.__xss = 1'), incident: /a stranger's script/ },
  'no policy': { body: '', policy: '', incident: /header: default-src/ },
  'a policy with holes': { body: '', policy: policy("; script-src 'unsafe-inline'"), incident: /header: unsafe/ },
  'no headers': { body: '', headers: {}, incident: /header: referrer-policy.*header: cache-control.*header: x-content-type/s },
  'a field without a label': { body: '<input>', incident: /axe, A page: label/ },
  'a long word': { body: `<p>${'W'.repeat(100)}`, incident: /layout at 320 px: .*the page sticks out of the window/ },
  // So was a connection's history.
  'a list whose second column is as wide as a letter': styled(
    `${anywhere}dl{display:grid;grid-template-columns:auto 1fr}dt{white-space:nowrap}`,
    days,
    /layout at 360 px: .*dd “The user signed in.*” is too narrow for/,
  ),
  'a cell of a table that breaks a word': styled(
    `${anywhere}table{width:100%;table-layout:fixed}`,
    `<table><tr>${'<td>Organizations</td>'.repeat(6)}</tr></table>`,
    /layout at 390 px: .*td “Organizations” is too narrow for “Organizations”/,
  ),
  'an item of a flex box that breaks a word': styled(
    `${anywhere}div{display:flex}p{flex:1}div>:last-child{flex:none;width:75%}`,
    '<div><p>Confirmation<p>And so on</div>',
    /layout at 320 px: .*p “Confirmation” is too narrow/,
  ),
  'a column that is too narrow on a tablet alone': styled(
    `${anywhere}@media(min-width:700px) and (max-width:800px){p{width:3rem}}`,
    '<p>Organizations</p>',
    /layout at 768 px: .*is too narrow for “Organizations”/,
  ),
  'text over the next column': styled(
    'div{display:flex}p{width:4rem;white-space:nowrap}',
    '<div><p>Waiting for confirmation<p>Ada</div>',
    /“\w+” sticks out of p “Waiting for confirmation”/,
  ),
  'overlapping buttons': styled(
    'button{height:44px}button+button{margin-left:-1rem}',
    '<button>Save</button><button>Cancel</button>',
    /button “Save” and button “Cancel” overlap/,
  ),
  'a button for small fingers': styled('button{height:30px}', '<button>Save</button>', /button “Save” is too small to touch/),
  'a long id that wraps': styled(anywhere, `<p>conn_${'0a1b'.repeat(40)}</p>`),
  'a heavy page': { body: `<p>${'word '.repeat(12_000)}`, incident: /weight: \d{5} bytes/ },
  'an error of the server': { body: '', status: 500, incident: /answer: 500/ },
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

// Stands in for the gateway. Its pages are not in the table of figures.
process.env.GATEWAY = `http://localhost:${server.address().port}`;
process.env.FIGURES = '';
const { close, visit } = await import('./browser.js');
const { limit } = await import('./figures.js');
const { look } = await import('./looks.js');

after(async () => {
  await close();
  server.close();
});

for (const [what, { incident }] of Object.entries(pages)) {
  test(incident ? `The watcher reports ${what}` : `The watcher reports nothing on a page with ${what}`, async () => {
    const looked = visit(look('phone-light'), (visitor) => visitor.open(`/${encodeURIComponent(what)}`, 'A page'));
    if (incident) await assert.rejects(looked, ({ message }) => incident.test(message) || assert.fail(message));
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
