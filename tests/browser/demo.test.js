// The demo application, a newcomer's first page: connect, list projects, disconnect.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { close, visit } from './browser.js';
import { endOtherwise, signInAs } from './entra.js';
import { reachesEverythingByTab } from './keyboard.js';
import { look, looks } from './looks.js';
import { alert, button, field, link } from './portal.js';
import { demo } from './stack.js';

after(close);

/** Signs in to the demo application under this name. */
async function signIn(newcomer, user) {
  await newcomer.open(demo, 'Sign in', 'The demo, signed out');
  await field(newcomer.page, 'Your name').fill(user);
  await button(newcomer.page, 'Sign in').click();
  await newcomer.arrive('Not connected yet', 'The demo, not connected');
}

/** All of it, under this name. */
async function walk(newcomer, user, eachPage = async () => {}) {
  const { page } = newcomer;
  await signIn(newcomer, user);
  await eachPage(page);
  await button(page, 'Connect Azure DevOps').click();
  await signInAs(page, 'ada');
  await newcomer.arrive('Connected to Azure DevOps', 'The demo, connected');
  await page.getByRole('listitem').filter({ hasText: /^Website$/ }).waitFor();
  assert.equal(new URL(page.url()).search, '', 'the confirmation is gone from the address');
  await eachPage(page);
  await button(page, 'Connect again').click();
  await signInAs(page, 'ada');
  await newcomer.arrive('Connected to Azure DevOps', 'The demo, connected');
  await button(page, 'Disconnect').click();
  await newcomer.arrive('Not connected yet', 'The demo, not connected');
}

for (const look of looks) {
  test(`A newcomer connects in the demo application, sees the projects and disconnects (${look.name})`, () =>
    visit(look, (newcomer) => walk(newcomer, `demo ${look.name}`)));

  test(`The demo application says in plain words why a newcomer is not connected (${look.name})`, () =>
    visit(look, async (newcomer) => {
      const { page } = newcomer;
      await signIn(newcomer, `cancelled ${look.name}`);
      await button(page, 'Connect Azure DevOps').click();
      await endOtherwise(page, 'Cancel');
      await newcomer.arrive('That did not work', 'The demo, cancelled');
      await alert(page).filter({ hasText: 'You cancelled the sign-in at Microsoft.' }).waitFor();
      await link(page, 'Back to the steps').click();
      await newcomer.arrive('Not connected yet', 'The demo, not connected');
    }));
}

test('The demo application works without JavaScript', () =>
  visit(look('phone-light'), (newcomer) => walk(newcomer, 'demo plain'), { javaScript: false }));

test('Every control of the demo application is reached by Tab, with a visible focus', () =>
  visit(look('desktop-light'), (newcomer) => walk(newcomer, 'demo keys', reachesEverythingByTab)));

test('The demo application shows markup in a name as text', () =>
  visit(look('phone-dark'), async (newcomer) => {
    const name = '<img src=x onerror="window.__xss=1">';
    await signIn(newcomer, name);
    await newcomer.page.getByText(name).first().waitFor();
  }));
