// Pages of other sites that send forms to the API, in a browser that holds an operator's credentials for it.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { close, holdCredentials, inCleanProfile } from './browser.js';
import { connect } from './entra.js';
import { serve } from './sites.js';
import { ask, gateway, operatorKey, putIntegration } from './stack.js';

const integration = 'forms';
await putIntegration(integration);

// The gateway is at localhost: another port is the same site, another name another one.
const sites = { 'same-site': await serve(), 'cross-site': await serve(undefined, { host: '127.0.0.1' }) };
after(async () => {
  for (const site of Object.values(sites)) site.close();
  await close();
});

/** Sends a form from the open page. Returns the request's headers, and the answer's status and text. */
async function sendForm(page, action) {
  const answered = page.waitForResponse(action);
  await page.evaluate((address) => {
    const form = document.createElement('form');
    Object.assign(form, { method: 'post', action: address, enctype: 'text/plain' });
    const field = document.createElement('input');
    Object.assign(field, { name: '{"name":"stolen","role":"operator","x":"', value: '"}' });
    form.append(field);
    document.body.append(form);
    form.submit();
  }, action);
  const answer = await answered;
  return { headers: await answer.request().allHeaders(), status: answer.status(), text: await answer.text() };
}

/** The addresses of everything in the API that a form can change. */
const changes = await (async () => {
  const connection = await inCleanProfile({}, (page) => connect(page, integration, 'ada'));
  const { paths } = await ask('GET', '/openapi.json');
  const posts = Object.entries(paths).filter(([path, { post }]) => post?.security && !path.startsWith('/proxy'));
  const filled = { integration, connection, narrowing: 'readonly' };
  return posts.map(([path]) => path.replace(/{(\w+)}/g, (_, name) => filled[name] ?? `{${name}}`));
})();
assert.ok(changes.length >= 8 && !changes.join().includes('{'), changes.join(' '));

const state = async () => ({
  service: await ask('GET', '/service'),
  integration: (await ask('GET', `/integrations/${integration}`)).status,
  keys: (await ask('GET', '/api-keys')).items.length,
});

const basic = `Basic ${Buffer.from(`operator:${operatorKey}`).toString('base64')}`;

for (const [kind, site] of Object.entries(sites)) {
  test(`A form of another page changes nothing with an operator's credentials (${kind})`, async () => {
    const before = await state();
    for (const authorization of [`Bearer ${operatorKey}`, basic]) {
      await inCleanProfile({}, async (page) => {
        await holdCredentials(page.context(), authorization);
        for (const address of changes) {
          await page.goto(site.origin);
          const answer = await sendForm(page, gateway + address);
          assert.equal(answer.status, 403, `${address} ${answer.text}`);
          assert.equal(JSON.parse(answer.text).code, 'cross_site_request', address);
        }
      });
    }
    assert.deepEqual(await state(), before);
  });

  test(`A script of another page changes nothing with an operator's credentials (${kind})`, () =>
    inCleanProfile({}, async (page) => {
      const before = await state();
      await holdCredentials(page.context(), `Bearer ${operatorKey}`);
      await page.goto(site.origin);
      const requests = [
        ['POST', '/service/pause', 'no-cors'],
        ['POST', '/service/pause', 'cors'],
        ['DELETE', `/integrations/${integration}`, 'cors'],
      ];
      for (const [method, path, mode] of requests) {
        await page.evaluate(
          ([url, init]) => fetch(url, init).then(() => undefined, () => undefined),
          [gateway + path, { method, mode, credentials: 'include' }],
        );
      }
      assert.deepEqual(await state(), before);
    }));

  test(`A browser never caches an operator key as a password (${kind})`, () =>
    inCleanProfile({}, async (page) => {
      const { host } = new URL(gateway);
      for (const path of ['/connections', '/service', '/proxy/me/dev.azure.com/mycompany/_apis/projects', '/health']) {
        const answer = await page.goto(`http://operator:${operatorKey}@${host}${path}`);
        assert.ok(path === '/health' || answer.status() === 401, path);
        assert.ok(!(await answer.allHeaders())['www-authenticate']?.includes('Basic'), path);
      }
      await page.goto(site.origin);
      const { headers, status } = await sendForm(page, `${gateway}/service/pause`);
      assert.equal(headers['sec-fetch-site'], kind);
      assert.equal(headers.authorization, undefined);
      assert.equal(status, 403);
    }));
}

test('A server that asks for a password gets it again with forms of other pages', async () => {
  // What the tests above would see of a gateway that challenges browsers with Basic.
  const asking = await serve((request, response) => {
    response.writeHead(request.headers.authorization ? 200 : 401, { 'www-authenticate': 'Basic realm="x"' });
    response.end('done');
  });
  await inCleanProfile({}, async (page) => {
    const { host } = new URL(asking.origin);
    assert.equal((await page.goto(`http://operator:secret@${host}/connections`)).status(), 200);
    await page.goto(sites['cross-site'].origin);
    const { headers, status } = await sendForm(page, `${asking.origin}/service/pause`);
    assert.equal(status, 200);
    assert.match(headers.authorization, /^Basic /);
  });
  asking.close();
});
