// What an operator does in the portal.

import { after, test } from 'node:test';
import { close, visit } from './browser.js';
import { signInAs } from './entra.js';
import { journey } from './journey.js';
import { reachesEverythingByTab } from './keyboard.js';
import { look, looks } from './looks.js';
import { openSignedIn } from './portal.js';
import { connectLink, putIntegration } from './stack.js';

after(close);

for (const look of looks) {
  test(`A newcomer comes from the operator key to a first call, and back (${look.name})`, () =>
    visit(look, (newcomer) => journey(newcomer, `newcomer-${look.name}`)));
}

for (const name of ['phone-light', 'desktop-dark']) {
  test(`Without JavaScript the newcomer gets as far (${name})`, () =>
    visit(look(name), (newcomer) => journey(newcomer, `plain-${name}`), { javaScript: false }));
}

test('Everything on the pages of the portal is reached by Tab, and seen there', () =>
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
