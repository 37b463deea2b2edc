// Files of a repository that a browser opens through the proxy: none acts as a page of the gateway.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { close, holdCredentials, inCleanProfile } from './browser.js';
import { connect } from './entra.js';
import { serve } from './sites.js';
import { applicationKey, azureDevops, gateway, organization, putIntegration } from './stack.js';

const integration = 'files';
await putIntegration(integration);

// A script that runs reports here.
const reports = [];
const listener = await serve((request, response) => {
  reports.push(request.url);
  response.end();
});
after(async () => {
  listener.close();
  await close();
});

const script = (where) => `new Image().src='${listener.origin}/${where}';fetch('/service').then(()=>new Image().src='${listener.origin}/read')`;
const svg = (where) => `<svg xmlns="http://www.w3.org/2000/svg" onload="${script(where)}"><script>${script(where)}</script></svg>`;
const documents = {
  html: ['text/html; charset=utf-8', `<!doctype html><body onload="${script('html')}"><script>${script('html')}</script>`],
  svg: ['image/svg+xml', svg('svg')],
  xhtml: ['application/xhtml+xml', `<html xmlns="http://www.w3.org/1999/xhtml"><body><script>${script('xhtml')}</script></body></html>`],
  xml: ['text/xml', `<x xmlns:h="http://www.w3.org/1999/xhtml"><h:script>${script('xml')}</h:script></x>`],
};
// Types under which a browser that sniffs would find HTML.
const disguised = ['text/plain', 'application/octet-stream', 'application/json', 'image/png', 'unknown/unknown', ''].map((type) => [
  `HTML as ${type || 'nothing'}`,
  [type, documents.html[1]],
]);

/** Runs `walk` with a page whose requests for the gateway have an application's key. */
const visit = (walk) =>
  inCleanProfile({}, async (page) => {
    await holdCredentials(page.context(), `Bearer ${applicationKey}`);
    return walk(page);
  });

const connection = await visit((page) => connect(page, integration, 'ada'));
const address = `${gateway}/proxy/${connection}/dev.azure.com/${organization}/_apis/projects`;

/** Makes Azure DevOps answer once with a file. */
async function serveFile([type, body], disposition) {
  const headers = { 'content-type': type, ...(disposition && { 'content-disposition': disposition }) };
  const answer = await fetch(`${azureDevops}/_emulator/faults`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ route: 'projects.list', times: 1, status: 200, headers, body }),
  });
  assert.equal(answer.status, 201, await answer.text());
}

/** Opens the file through the proxy. Returns whether the browser shows it or saves it. */
async function open(page) {
  const saved = page.waitForEvent('download').then(() => 'saved');
  const shown = page.goto(address).then(
    (answer) => (assert.equal(answer.status(), 200), 'shown'),
    (error) => (assert.match(error.message, /Download is starting|ERR_ABORTED/), saved),
  );
  const outcome = await Promise.race([saved, shown]);
  saved.catch(() => undefined);
  if (outcome === 'shown') await page.waitForLoadState();
  return outcome;
}

test('The same files do run their scripts at a site of their own', () =>
  visit(async (page) => {
    for (const [name, [type, body]] of Object.entries(documents)) {
      const site = await serve((request, response) => {
        response.setHeader('content-type', type);
        response.end(request.url === '/' ? body : undefined);
      });
      const reported = page.waitForRequest(`${listener.origin}/${name}`);
      await page.goto(site.origin);
      await reported;
      site.close();
    }
  }));

for (const [name, file] of Object.entries(documents)) {
  test(`A browser saves a proxied file instead of showing it: ${name}`, () =>
    visit(async (page) => {
      reports.length = 0;
      await serveFile(file);
      assert.equal(await open(page), 'saved');
      assert.deepEqual(reports, []);
    }));
}

for (const [name, file] of [...Object.entries(documents), ...disguised]) {
  test(`A proxied file that is shown runs no script: ${name}`, () =>
    visit(async (page) => {
      reports.length = 0;
      await serveFile(file, 'inline');
      if ((await open(page)) === 'shown') {
        // Requests of a document come before this one.
        await page.evaluate((url) => fetch(url, { mode: 'no-cors' }).catch(() => undefined), `${listener.origin}/after`);
        assert.equal(await page.evaluate('self.origin'), 'null');
      }
      assert.deepEqual(reports.filter((report) => report !== '/after'), []);
    }));
}
