// Pages of other origins that call the gateway: one that `CorsOrigins` lists, and one that it does not.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { browser, close } from './browser.js';
import { connect } from './entra.js';
import { serve } from './sites.js';
import { applicationKey, foreignOrigin, gateway, listedOrigin, organization, putIntegration } from './stack.js';

const integration = 'pages';
await putIntegration(integration);

const sites = await Promise.all(
  [listedOrigin, foreignOrigin].map((origin) => serve(undefined, { port: new URL(origin).port })),
);
const context = await (await browser()).newContext({ locale: 'en' });
context.setDefaultTimeout(10_000);
after(async () => {
  await context.close();
  await close();
  for (const site of sites) site.close();
});

const page = await context.newPage();
const connection = await connect(page, integration, 'ada');
await page.close();

/** Calls `fetch` in a page of an origin. Returns the parts of the answer that the page can read, or the error. */
async function fetchAt(origin, path, init = {}) {
  const page = await context.newPage();
  await page.goto(origin);
  const seen = await page.evaluate(
    async ([url, given]) => {
      try {
        const answer = await fetch(url, given);
        const text = await answer.text();
        return { status: answer.status, headers: Object.fromEntries(answer.headers), body: text && JSON.parse(text) };
      } catch (error) {
        return { error: error.name };
      }
    },
    [gateway + path, init],
  );
  await page.close();
  return seen;
}

const authorization = `Bearer ${applicationKey}`;
const projects = `/proxy/${connection}/dev.azure.com/${organization}/_apis/projects?$top=1&api-version=7.1`;
// As azure-devops-extension-api, Microsoft's client for browsers, sends them.
const ofMicrosoftsClient = {
  accept: 'application/json;api-version=7.2-preview.1;excludeUrls=true;enumsAsNumbers=true;msDateFormat=true;noArrayWrap=true',
  'x-tfs-fedauthredirect': 'Suppress',
  'x-tfs-session': '0a1b2c3d-0000-4000-8000-000000000001,projects',
  'x-vss-reauthenticationaction': 'Suppress',
};

test('A page of a listed origin lists projects and reads every header', async () => {
  const seen = await fetchAt(listedOrigin, projects, { headers: { authorization, ...ofMicrosoftsClient } });
  assert.equal(seen.status, 200, JSON.stringify(seen));
  assert.equal(seen.body.value?.length ?? seen.body.length, 1);
  for (const name of ['x-request-id', 'x-ms-continuationtoken', 'activityid']) assert.ok(seen.headers[name], name);
});

test('A page of a listed origin sends JSON, and reads why it is refused', async () => {
  const made = await fetchAt(listedOrigin, '/connect-sessions', {
    method: 'POST',
    headers: { authorization, 'content-type': 'application/json' },
    body: JSON.stringify({ integration, user: 'grace' }),
  });
  assert.equal(made.status, 201, JSON.stringify(made));
  assert.ok(made.body.connect_url.startsWith(gateway));
  const refused = await fetchAt(listedOrigin, '/connections', { headers: { authorization: 'Bearer nonsense' } });
  assert.equal(refused.status, 401, JSON.stringify(refused));
  assert.equal(refused.body.code, 'invalid_credentials');
  assert.match(refused.headers['www-authenticate'], /Bearer/);
});

test('A page of an origin that is not listed is refused by the browser', async () => {
  assert.deepEqual(await fetchAt(foreignOrigin, projects, { headers: { authorization } }), { error: 'TypeError' });
  // Without a preflight the request is sent, and the answer kept from the page.
  assert.deepEqual(await fetchAt(foreignOrigin, '/health'), { error: 'TypeError' });
  assert.equal((await fetchAt(listedOrigin, '/health')).status, 200);
});
