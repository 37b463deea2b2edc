// Strangers' text stays text: in every field and every address, and through the API in everything that the portal shows.
// The watcher reports dialogs and any violation, so the policy never has to stop a script.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { close, visit } from './browser.js';
import { nameNextAccount, signInAs } from './entra.js';
import { look } from './looks.js';
import { choice, field, openSignedIn, send, signIn } from './portal.js';
import { applicationKey, ask, call, connectLink, putIntegration } from './stack.js';

after(close);

const [phone, desktop] = [look('phone-light'), look('desktop-dark')];

const corpus = [
  '<script>window.__xss=1</script>',
  '"><img src=x onerror="window.__xss=1">',
  'javascript:window.__xss=1',
  '</title><svg onload=window.__xss=1>',
  "{{constructor.constructor('window.__xss=1')()}}",
  "'-window.__xss=1-'",
  '<a href="javascript:window.__xss=1">here</a>',
  'user \u202Egnp.exe',
  '%3Cscript%3Ewindow.__xss=1%3C/script%3E',
  'W'.repeat(200),
];

/** Asserts that the open page runs no stranger's script, and that no link is one. */
async function assertInert({ page, watcher }) {
  await page.getByRole('heading', { level: 1 }).waitFor();
  const links = await page.getByRole('link').evaluateAll((links) => links.map((link) => link.protocol));
  assert.deepEqual(links.filter((protocol) => !/^https?:$/.test(protocol)), [], page.url());
  await watcher.untouched(page);
  await watcher.fits(page);
}

/** Connects a user with this name, whose Entra account has the same name. */
async function connected({ page }, integration, text) {
  await nameNextAccount(text);
  await page.goto(await connectLink(integration, text));
  await signInAs(page, 'ada');
  await page.getByRole('heading', { level: 1, name: /connected/i }).waitFor();
}

/** Opens the form of an integration, and its hidden parts. */
async function openForm({ page }, address) {
  await page.goto(address);
  await page.getByText('Tenants, calls and limits').click();
  await choice(page, 'radio', 'Client secret').check();
}

/** Fills the fields of the open page, and sends its form. */
async function fillAndSend(operator, texts, submit) {
  for (const [label, text] of Object.entries(texts)) await field(operator.page, label).fill(text);
  // Sends it even if the browser's own validation would not.
  await operator.page.evaluate(() => [...document.forms].forEach((form) => (form.noValidate = true)));
  await send(operator.page, submit);
  await assertInert(operator);
}

// The text is the same in every colour, so there is one colour scheme for each size.
for (const look of [phone, desktop]) {
  const integration = `inert-${look.name}`;

  test(`Markup in the names of users, accounts and API keys is shown as text (${look.name})`, () =>
    visit(look, async (operator) => {
      await putIntegration(integration);
      for (const text of corpus) await connected(operator, integration, text);
      const keys = [];
      for (const name of corpus) {
        const made = await call('POST', '/api-keys', { body: { name, role: 'application', integration } });
        if (made.status === 201) keys.push(made.body.id);
      }
      await openSignedIn(operator, `/portal/connections?integration=${integration}`, 'Connections', 'Connections, filtered');
      const { items } = await ask('GET', `/connections?integration=${integration}`, { key: applicationKey });
      assert.equal(items.length, corpus.length);
      for (const { id, user, account } of items) {
        assert.ok(corpus.includes(user) && account.name === user, user);
        for (const address of [`/portal/connections/${id}`, `/portal/connections/${id}/try`]) {
          await operator.page.goto(address);
          await assertInert(operator);
        }
        await operator.page.goto(`/portal/connected?connection_id=${id}&confirmation=${encodeURIComponent(user)}`);
        await assertInert(operator);
        await operator.page.goto(`/portal/connections/${id}`);
        await send(operator.page, 'Create connect link');
        await operator.arrive('Connect link');
      }
      for (const address of ['/', '/portal/connections', '/portal/api-keys', '/portal/audit', '/portal/health']) {
        await operator.page.goto(address);
        await assertInert(operator);
      }
      for (const id of keys) await ask('DELETE', `/api-keys/${id}`);
    }));

  test(`Markup in a field of a form is refused or shown as text (${look.name})`, () =>
    visit(look, async (operator) => {
      const { page } = operator;
      await putIntegration(integration);
      await page.goto('/');
      for (const text of corpus) {
        await signIn(page, text);
        await assertInert(operator);
      }
      await openSignedIn(operator, '/', 'Overview');
      const { items } = await ask('GET', `/connections?integration=${integration}`, { key: applicationKey });
      const [connection] = items;
      const form = (text) => ({
        'Application (client) ID': text,
        'Client secret value': text,
        'Azure DevOps organizations': text,
        'Directory (tenant) ID': text,
        'Allowed tenants': text,
        'Allowed return origins': text,
        'Reconnect page': text,
      });
      for (const text of corpus) {
        await openForm(operator, '/portal/integrations/new');
        await fillAndSend(operator, { Name: text, ...form(text) }, 'Save');
        await openForm(operator, `/portal/integrations/${integration}/edit`);
        await fillAndSend(operator, form(text), 'Save');
        // Each is sent alone, because it is stored and shown to users if it is not refused.
        for (const label of ['Display name', 'Logo address', 'Accent colour']) {
          await page.goto(`/portal/integrations/${integration}/edit`);
          if ((await field(page, label).count()) === 0) continue;
          await fillAndSend(operator, { [label]: text }, 'Save');
          await connected(operator, integration, 'someone');
          await assertInert(operator);
        }
        for (const label of ['User', 'Organization', 'Return to']) {
          await page.goto(`/portal/integrations/${integration}`);
          await fillAndSend(operator, { User: 'someone', [label]: text }, 'Create connect link');
        }
        await page.goto('/portal/connections');
        await fillAndSend(operator, { 'User begins with': text }, 'Filter');
        await page.goto('/portal/api-keys');
        await fillAndSend(operator, { Name: text }, 'Create key');
        await page.goto(`/portal/connections/${connection.id}/try`);
        await fillAndSend(operator, { 'Azure DevOps address': text }, 'Send GET');
        await page.goto(`/portal/connections/${connection.id}/try`);
        const address = `https://dev.azure.com/mycompany/_apis/${encodeURIComponent(text)}?q=${encodeURIComponent(text)}`;
        await fillAndSend(operator, { 'Azure DevOps address': address }, 'Send GET');
      }
    }));
}

test('Markup in an address is not shown, or shown as text', () =>
  visit(phone, async (operator) => {
    const { page } = operator;
    const names = [
      'integration', 'user', 'status', 'cursor', 'notice', 'next', 'error', 'error_description', 'error_uri', 'state',
      'code', 'session', 'connection_id', 'confirmation', 'admin_consent', 'tenant', 'q',
    ];
    const places = ['/', '/portal/sign-in', '/portal/integrations', '/portal/integrations/new', '/portal/connections',
      '/portal/connected', '/portal/api-keys', '/portal/audit', '/portal/health', '/authorize', '/integration-callback', '/nowhere'];
    const walk = async (texts) => {
      for (const text of texts) {
        const value = encodeURIComponent(text);
        const all = names.map((name) => `${name}=${value}`).join('&');
        for (const place of places) {
          await page.goto(`${place}?${all}`);
          await assertInert(operator);
        }
        for (const name of ['user', 'cursor', 'integration', 'status', 'notice']) {
          await page.goto(`/portal/connections?${name}=${value}`);
          await assertInert(operator);
        }
        for (const address of [
          `/portal/connected?error=${value}`,
          `/integration-callback?state=unknown&error=${value}&error_description=${value}`,
          `/integration-callback?error=permission_denied&error_description=${value}`,
          `/authorize?session=${value}`,
          `/portal/integrations/${value}`,
          `/portal/connections/${value}`,
          `/portal/${value}`,
        ]) {
          await page.goto(address);
          await assertInert(operator);
        }
      }
    };
    // Without a session, only the sign-in page can show an address.
    await walk(corpus.slice(0, 4));
    await openSignedIn(operator, '/', 'Overview');
    await walk(corpus);
  }));
