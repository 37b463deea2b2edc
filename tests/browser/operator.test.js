// An operator at work in the portal.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { close, visit } from './browser.js';
import { signInAs } from './entra.js';
import { journey } from './journey.js';
import { reachesEverythingByTab } from './keyboard.js';
import { look, looks } from './looks.js';
import { alert, choice, field, notice, openSignedIn, scope, send, signIn } from './portal.js';
import { ask, clientId, clientSecret, connectLink, organization, putIntegration } from './stack.js';

after(close);

for (const look of looks) {
  test(`A newcomer gets from the operator key to a first call, and back (${look.name})`, () =>
    visit(look, (newcomer) => journey(newcomer, `newcomer-${look.name}`)));
}

for (const name of ['phone-light', 'desktop-dark']) {
  test(`The newcomer gets as far without JavaScript (${name})`, () =>
    visit(look(name), (newcomer) => journey(newcomer, `plain-${name}`), { javaScript: false }));
}

for (const look of looks) {
  test(`Entries are restored after the session ended, except secrets (${look.name})`, () =>
    visit(look, (operator) => interrupted(operator, `interrupted-${look.name}`)));
}

test('Entries are restored without JavaScript, too', () =>
  visit(look('phone-light'), (operator) => interrupted(operator, 'interrupted-plain'), { javaScript: false }));

test('Every control of the portal is reached by Tab, with a visible focus', () =>
  visit(look('desktop-light'), async (operator) => {
    const integration = 'keyboard';
    await putIntegration(integration);
    await operator.page.goto(await connectLink(integration, 'keys'));
    await signInAs(operator.page, 'ada');
    await operator.arrive(/connected/i, 'A person who is connected');

    await operator.open('/', 'Sign in');
    await reachesEverythingByTab(operator.page);
    await openSignedIn(operator, '/', 'Overview');
    await reachesEverythingByTab(operator.page);
    for (const [address, heading, name] of [
      ['/portal/integrations', 'Integrations'],
      ['/portal/integrations/new', 'Create an integration'],
      [`/portal/integrations/${integration}`, integration, 'An integration'],
      [`/portal/integrations/${integration}/edit`, `Edit ${integration}`, 'Edit an integration'],
      [`/portal/integrations/${integration}/delete`, `Delete ${integration}`, 'Delete an integration'],
      [`/portal/connections?integration=${integration}`, 'Connections', 'Connections, filtered'],
      ['/portal/api-keys', 'API keys'],
      ['/portal/audit', 'Audit'],
      ['/portal/health', 'Health'],
    ]) {
      await operator.open(address, heading, name);
      await reachesEverythingByTab(operator.page);
    }
    await operator.open(`/portal/connections?integration=${integration}`, 'Connections', 'Connections, filtered');
    await operator.page.getByRole('link', { name: 'keys', exact: true }).click();
    await operator.arrive('keys', 'A connection');
    await reachesEverythingByTab(operator.page);
    await operator.page.getByRole('link', { name: 'Try it', exact: true }).click();
    await operator.arrive('Try it');
    await reachesEverythingByTab(operator.page);
  }));

/** The session ends while an integration is entered. */
async function interrupted(operator, integration) {
  const { page } = operator;
  const { id, key } = await ask('POST', '/api-keys', { body: { name: 'short-lived', role: 'operator' } });
  await page.goto('/');
  await signIn(page, key);
  await page.getByRole('heading', { name: 'Overview' }).waitFor();
  await operator.open('/portal/integrations/new', 'Create an integration');
  await field(page, 'Name').fill(integration);
  await field(page, 'Application (client) ID').fill(clientId);
  await field(page, 'Client secret value').fill(clientSecret);
  await field(page, 'Azure DevOps organizations').fill(`${organization}\nfabrikam`);
  await choice(page, 'radio', 'Only these scopes').check();
  await scope(page, 'vso.project').check();
  await ask('DELETE', `/api-keys/${id}`);

  await send(page, 'Save');
  await operator.arrive('Sign in', 'Sign in, session ended');
  await notice(page, 'your entries are restored').waitFor();
  assert.ok(!(await page.content()).includes(clientSecret));
  await signIn(page);
  await operator.arrive('Create an integration', 'Create an integration, interrupted');
  await alert(page).filter({ hasText: 'your session had ended' }).waitFor();
  // The browser can repeat this request, because the operator key was not in it.
  await page.reload();
  await operator.arrive('Create an integration', 'Create an integration, interrupted');
  assert.equal(await field(page, 'Client secret value').inputValue(), '');
  assert.equal(await field(page, 'Azure DevOps organizations').inputValue(), `${organization}\nfabrikam`);
  assert.ok(await scope(page, 'vso.project').isChecked());
  await field(page, 'Client secret value').fill(clientSecret);
  await send(page, 'Save');
  await operator.arrive(integration, 'An integration');
  const stored = await ask('GET', `/integrations/${integration}`);
  assert.deepEqual(stored.organizations, [organization, 'fabrikam']);
  await ask('DELETE', `/integrations/${integration}`);
}
