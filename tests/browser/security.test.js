// The sessions of operators in the portal.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { browser, close, visit } from './browser.js';
import { looks } from './looks.js';
import { alert, openSignedIn, send, signIn } from './portal.js';
import { serve } from './sites.js';
import { applicationKey, ask, gateway, operatorKey, putIntegration } from './stack.js';

after(close);

const SESSION = '__Host-ado-connect-portal';

const cookie = async (page) => (await page.context().cookies()).find(({ name }) => name === SESSION);

/** Sends a request with the operator's cookie that no browser would send by itself. */
async function request(page, path, { form, headers } = {}) {
  const { name, value } = await cookie(page);
  return fetch(gateway + path, {
    method: form ? 'POST' : 'GET',
    redirect: 'manual',
    headers: { accept: 'text/html', cookie: `${name}=${value}`, ...headers },
    body: form && new URLSearchParams(form),
  });
}

/** The fields of each form that changes something, by the form's address. */
async function forms(page, addresses) {
  const found = new Map();
  for (const address of addresses) {
    await page.goto(address);
    const posts = await page.evaluate(() =>
      [...document.forms]
        .filter((form) => form.method === 'post')
        .map((form) => [new URL(form.action).pathname, Object.fromEntries(new FormData(form))]),
    );
    for (const [action, fields] of posts) found.set(action, fields);
  }
  return found;
}

for (const look of looks) {
  test(`The session's cookie is for this host and no script, and other sites' forms come without it (${look.name})`, () =>
    visit(look, async (operator) => {
      await openSignedIn(operator, '/', 'Overview');
      const { httpOnly, secure, sameSite, path, domain } = await cookie(operator.page);
      assert.deepEqual({ httpOnly, secure, path, domain }, { httpOnly: true, secure: true, path: '/', domain: 'localhost' });
      assert.match(sameSite, /^(Lax|Strict)$/);
      assert.equal(await operator.page.evaluate('document.cookie'), '');
    }));

  test(`A form without the session's token, with another's or from another site is refused (${look.name})`, () =>
    visit(look, async (operator) => {
      const integration = 'guarded';
      await putIntegration(integration);
      await openSignedIn(operator, '/', 'Overview');
      const { page } = operator;
      const found = await forms(page, [
        '/',
        '/portal/integrations/new',
        `/portal/integrations/${integration}`,
        `/portal/integrations/${integration}/edit`,
        `/portal/integrations/${integration}/delete`,
        '/portal/api-keys',
        '/portal/audit',
      ]);
      assert.ok(found.size >= 8, [...found.keys()].join(' '));
      for (const [action, fields] of found) {
        const { csrf, ...rest } = fields;
        assert.ok(csrf, `${action} carries a token`);
        for (const [what, refused] of [
          ['no token', { form: rest }],
          ['an empty token', { form: { ...rest, csrf: '' } }],
          ['a wrong token', { form: { ...rest, csrf: `${csrf.slice(0, -2)}xx` } }],
          ['another site', { form: fields, headers: { 'sec-fetch-site': 'cross-site' } }],
          ['a sibling of the site', { form: fields, headers: { 'sec-fetch-site': 'same-site' } }],
        ]) {
          assert.equal((await request(page, action, refused)).status, 403, `${action} with ${what}`);
        }
      }
      // Nothing was changed.
      await operator.open(`/portal/integrations/${integration}`, integration, 'An integration');
    }));

  test(`Another session's token is refused (${look.name})`, () =>
    visit(look, async (operator) => {
      await openSignedIn(operator, '/', 'Overview');
      const [[action, fields]] = await forms(operator.page, ['/']);
      await operator.page.context().clearCookies();
      await openSignedIn(operator, '/', 'Overview');
      assert.equal((await request(operator.page, action, { form: fields })).status, 403);
    }));

  test(`Signing in from another site is refused (${look.name})`, async () => {
    const answer = await fetch(`${gateway}/portal/sign-in`, {
      method: 'POST',
      redirect: 'manual',
      headers: { 'sec-fetch-site': 'cross-site' },
      body: new URLSearchParams({ key: operatorKey }),
    });
    assert.equal(answer.status, 403);
    assert.equal(answer.headers.get('set-cookie'), null);
  });

  test(`Signing in leads to no other site (${look.name})`, () =>
    visit(look, async (operator) => {
      for (const next of ['https://evil.example/', '//evil.example', '/\\evil.example', 'javascript:alert(1)', '/authorize']) {
        const answer = await fetch(`${gateway}/portal/sign-in`, {
          method: 'POST',
          redirect: 'manual',
          body: new URLSearchParams({ key: operatorKey, next }),
        });
        assert.equal(answer.headers.get('location'), '/', next);
      }
      await operator.open('/', 'Sign in');
    }));

  test(`Signing out ends the session on the server too (${look.name})`, () =>
    visit(look, async (operator) => {
      const { page } = operator;
      await openSignedIn(operator, '/portal/integrations', 'Integrations');
      const { value } = await cookie(page);
      const old = { accept: 'text/html', cookie: `${SESSION}=${value}` };
      const integrations = () => fetch(`${gateway}/portal/integrations`, { headers: old });
      assert.equal((await integrations()).status, 200);
      await send(page, 'Sign out');
      await operator.arrive('Sign in', 'Sign in, after signing out');
      assert.equal(await cookie(page), undefined);
      assert.equal((await integrations()).status, 401);
    }));

  test(`A deleted operator key ends the session that began with it (${look.name})`, () =>
    visit(look, async (operator) => {
      const { page } = operator;
      const { id, key } = await ask('POST', '/api-keys', { body: { name: 'short-lived', role: 'operator' } });
      await page.goto('/portal/integrations');
      await signIn(page, key);
      await operator.arrive('Integrations');
      await ask('DELETE', `/api-keys/${id}`);
      assert.equal(await operator.open('/portal/integrations', 'Sign in'), 401);
    }));

  test(`An application's key is refused by the portal (${look.name})`, () =>
    visit(look, async (operator) => {
      const { page } = operator;
      await operator.open('/', 'Sign in');
      await signIn(page, applicationKey);
      await alert(page).filter({ hasText: 'This is not an operator key of this service.' }).waitFor();
      await operator.arrive('Sign in', 'Sign in, wrong key');
      assert.equal(await cookie(page), undefined);
      assert.equal(await operator.open('/portal/integrations', 'Sign in'), 401);
    }));

  test(`No page can be framed (${look.name})`, async () => {
    const site = await serve((request, response) => {
      response.setHeader('content-type', 'text/html');
      response.end(`<!doctype html><title>Another site</title><iframe src="${gateway}${request.url.slice(2)}"></iframe>`);
    });
    const context = await (await browser()).newContext({ viewport: look.viewport, baseURL: gateway });
    try {
      const page = await context.newPage();
      // No watcher here, because the browser reports the refusal on the other site's console. Signed in is the worst case.
      await page.goto('/');
      await signIn(page);
      await page.getByRole('heading', { name: 'Overview' }).waitFor();
      for (const path of ['/', '/portal/integrations', '/authorize?session=unknown']) {
        await page.goto(`${site.origin}/?${path}`);
        await page.waitForLoadState();
        const framed = page.mainFrame().childFrames()[0];
        assert.match(framed.url(), /^chrome-error:/, path);
        assert.equal(await framed.getByRole('heading', { level: 1 }).filter({ hasText: /Overview|Integrations|link/ }).count(), 0);
      }
    } finally {
      await context.close();
      site.close();
    }
  });
}
