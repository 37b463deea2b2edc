// The newcomer's journey: from an operator key to a first call of Azure DevOps, and everything undone again.

import assert from 'node:assert/strict';
import { signInAs } from './entra.js';
import {
  alert, button, choice, field, goTo, link, notice, refusal, row, scope, send, signIn,
} from './portal.js';
import { applicationKey, ask, call, clientId, clientSecret, gateway, organization } from './stack.js';

const user = 'newcomer';
const aYearAhead = new Date(Date.now() + 365 * 24 * 3600 * 1000).toISOString().slice(0, 10);

/** The whole journey, under an integration of this name. */
export async function journey(visit, integration) {
  await signInWithAKeyAtSecondTry(visit);
  await createAnIntegration(visit, integration);
  await verify(visit, integration);
  await edit(visit, integration);
  await connect(visit, integration);
  await findTheConnection(visit, integration);
  await renewItsToken(visit);
  await tryACall(visit);
  await makeAndRevokeAnApiKey(visit, integration);
  await lookAtHealth(visit);
  await disconnect(visit, integration);
  await remove(visit, integration);
  await signOut(visit);
}

async function signInWithAKeyAtSecondTry(visit) {
  const { page } = visit;
  assert.equal(await visit.open('/', 'Sign in'), 200);
  assert.equal(await visit.open('/portal/integrations', 'Sign in'), 401);
  await signIn(page, 'adoc_operator_wrong');
  await alert(page).filter({ hasText: 'This is not an operator key of this service.' }).waitFor();
  await visit.arrive('Sign in', 'Sign in, wrong key');
  await signIn(page);
  // The page that was asked for before.
  await visit.arrive('Integrations');
  assert.equal(new URL(page.url()).pathname, '/portal/integrations');
  await goTo(visit, 'Overview');
  await goTo(visit, 'Integrations');
}

async function createAnIntegration(visit, integration) {
  const { page } = visit;
  await link(page, 'Create an integration').click();
  await visit.arrive('Create an integration');
  await readHowToRegisterTheApp(visit);

  await field(page, 'Name').fill(integration);
  await field(page, 'Client secret expires').fill(aYearAhead);
  await choice(page, 'checkbox', 'The application confirms who connected').check();
  await chooseScopes(visit);
  // A blank, because browsers do not send a form while a required field is empty.
  await fillAndBeRefused(visit, ' ', organization, 'Application (client) ID');
  await fillAndBeRefused(visit, clientId, 'my company!', 'Azure DevOps organizations');
  assert.equal(await field(page, 'Name').inputValue(), integration, 'the entry is still there');
  assert.equal(await field(page, 'Client secret value').inputValue(), '', 'a secret is never sent back');
  assert.ok(await scope(page, 'vso.code').isChecked());

  await field(page, 'Client secret value').fill(clientSecret);
  await field(page, 'Azure DevOps organizations').fill(organization);
  await send(page, 'Save');
  await notice(page, 'The integration is created.').waitFor();
  await visit.arrive(integration, 'An integration');
  assert.equal(await field(page, 'Redirect URI').inputValue(), `${gateway}/integration-callback`);
}

/** Saves with a fault in one field: the message is at that field, and at no other. */
async function fillAndBeRefused(visit, id, organizations, wrong) {
  const { page } = visit;
  await field(page, 'Application (client) ID').fill(id);
  await field(page, 'Client secret value').fill(clientSecret);
  await field(page, 'Azure DevOps organizations').fill(organizations);
  await send(page, 'Save');
  await visit.arrive('Create an integration', 'Create an integration, refused');
  await alert(page).waitFor();
  for (const label of ['Name', 'Application (client) ID', 'Azure DevOps organizations']) {
    assert.equal(Boolean(await refusal(field(page, label))), label === wrong, label);
  }
}

async function readHowToRegisterTheApp(visit) {
  const { page } = visit;
  const redirectUri = field(page, 'Redirect URI');
  await redirectUri.waitFor();
  assert.equal(await redirectUri.inputValue(), `${gateway}/integration-callback`);
  if (!visit.javaScript) return;
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
  await button(page, 'Copy: Redirect URI').click();
  await page.waitForFunction(async (text) => (await navigator.clipboard.readText()) === text, `${gateway}/integration-callback`);
}

async function chooseScopes({ page, javaScript }) {
  await choice(page, 'radio', 'Only these scopes').check();
  if (javaScript) {
    const search = page.getByRole('searchbox', { name: 'Search scopes', exact: true });
    await search.fill('vso.code');
    await scope(page, 'vso.build').waitFor({ state: 'hidden' });
    await scope(page, 'vso.code').check();
    await search.fill('');
    await scope(page, 'vso.build').waitFor();
  } else {
    await scope(page, 'vso.code').check();
  }
  await scope(page, 'vso.project').check();
}

async function verify(visit, integration) {
  const { page } = visit;
  await send(page, 'Verify');
  const findings = page.getByRole('table').filter({ hasText: 'redirect_uri' });
  await findings.waitFor();
  await visit.arrive(integration, 'An integration, verified');
  const results = await findings.getByRole('row').allInnerTexts();
  assert.ok(results.length > 4, `${results.length} findings`);
  for (const result of results.slice(1)) assert.match(result, /\bok\b/, result);
}

async function edit(visit, integration) {
  const { page } = visit;
  await link(page, 'Edit').click();
  await visit.arrive(`Edit ${integration}`, 'Edit an integration');
  assert.equal(await field(page, 'Client secret value').inputValue(), '');
  assert.equal(await field(page, 'Azure DevOps organizations').inputValue(), organization);
  await field(page, 'Allowed return origins').fill('https://app.mycompany.example');
  await send(page, 'Save');
  await notice(page, 'The integration is saved.').waitFor();
  await visit.arrive(integration, 'An integration');
  // The secret is unchanged.
  await verify(visit, integration);
}

async function connect(visit, integration) {
  const { page } = visit;
  await field(page, 'User').fill(user);
  await send(page, 'Create connect link');
  await visit.arrive('Connect link');
  const address = await field(page, 'Connect link').inputValue();
  assert.ok(address.startsWith(`${gateway}/authorize?session=`), address);
  await link(page, 'Open it').click();
  await signInAs(page, 'ada');
  await visit.arrive('Finish connecting');
  const main = page.getByRole('main');
  for (const text of [user, 'Ada Lovelace']) await main.getByText(text).first().waitFor();
  await send(page, 'Confirm');
  await notice(page, 'The connection is confirmed').waitFor();
  await visit.arrive(user, 'A connection');
}

async function findTheConnection(visit, integration) {
  const { page } = visit;
  await goTo(visit, 'Connections');
  const filter = async (prefix, status) => {
    await field(page, 'Integration').selectOption(integration);
    await field(page, 'User begins with').fill(prefix);
    await field(page, 'Status').selectOption(status);
    await send(page, 'Filter');
    await visit.arrive('Connections', 'Connections, filtered');
    return row(page, 'Ada Lovelace').count();
  };
  assert.equal(await filter('new', 'pending'), 0);
  assert.equal(await filter('old', 'active'), 0);
  assert.equal(await filter('new', 'active'), 1);
  await link(page, user).click();
  await visit.arrive(user, 'A connection');
  await page.getByRole('heading', { name: 'History' }).waitFor();
}

async function renewItsToken(visit) {
  const { page } = visit;
  await send(page, 'Refresh now');
  await notice(page, 'The access token is renewed.').waitFor();
  await visit.arrive(user, 'A connection');
}

async function tryACall(visit) {
  const { page } = visit;
  await link(page, 'Try it').click();
  await visit.arrive('Try it');
  const projects = `https://dev.azure.com/${organization}/_apis/projects?api-version=7.1`;
  assert.equal(await field(page, 'Azure DevOps address').inputValue(), projects);
  await send(page, 'Send GET');
  await page.getByRole('heading', { name: 'Body' }).waitFor();
  await visit.arrive('Try it', 'Try it, answered');
  const main = page.getByRole('main');
  assert.match(await main.innerText(), /Status\s+200/);
  await main.getByText('Payments Service').waitFor();
}

async function makeAndRevokeAnApiKey(visit, integration) {
  const { page } = visit;
  const name = `key of ${integration}`;
  await goTo(visit, 'API keys');
  await field(page, 'Name').fill(name);
  await field(page, 'Role').selectOption('application');
  await field(page, 'Integration').selectOption(integration);
  await send(page, 'Create key');
  const shown = field(page, 'API key');
  await shown.waitFor();
  await visit.arrive('API keys', 'API keys, the new one shown');
  const key = await shown.inputValue();
  // The secret is base64url: it may hold underscores of its own.
  const [, secret] = key.match(/^adoc_[0-9a-f]+_(.{43})$/);
  const listing = () => call('GET', `/connections?integration=${integration}`, { key });
  const listed = await listing();
  assert.equal(listed.status, 200);
  assert.deepEqual(listed.body.items.map((connection) => connection.user), [user]);

  await goTo(visit, 'API keys');
  assert.equal(await shown.count(), 0, 'the key is shown only once');
  assert.ok(!(await page.content()).includes(secret));
  await link(page, `Revoke ${name}`).click();
  await visit.arrive(`Revoke ${name}`, 'Revoke an API key');
  await send(page, 'Revoke');
  await notice(page, 'The API key is revoked.').waitFor();
  await visit.arrive('API keys');
  assert.equal(await row(page, name).count(), 0);
  assert.equal((await listing()).status, 401);
}

async function lookAtHealth(visit) {
  const { page } = visit;
  await goTo(visit, 'Health');
  const sections = await page.getByRole('heading', { level: 2 }).allInnerTexts();
  for (const section of [/backlog/i, /fail/i, /integration/i, /calls/i]) {
    assert.ok(sections.some((heading) => section.test(heading)), `${section} in ${sections}`);
  }
}

async function disconnect(visit, integration) {
  const { page } = visit;
  await page.goto(`/portal/connections?integration=${integration}`);
  await link(page, user).click();
  await visit.arrive(user, 'A connection');
  await link(page, 'Disconnect').click();
  await visit.arrive(`Disconnect ${user}`, 'Disconnect');
  await send(page, 'Disconnect');
  await notice(page, 'its tokens are erased').waitFor();
  await visit.arrive('Connections');
  const left = await ask('GET', `/connections?integration=${integration}`, { key: applicationKey });
  assert.deepEqual(left.items, []);
}

async function remove(visit, integration) {
  const { page } = visit;
  await goTo(visit, 'Integrations');
  await link(page, integration).click();
  await visit.arrive(integration, 'An integration');
  await link(page, 'Delete').click();
  await visit.arrive(`Delete ${integration}`, 'Delete an integration');
  await send(page, 'Delete the integration');
  await notice(page, 'The integration is deleted').waitFor();
  await visit.arrive('Integrations');
  assert.equal(await link(page, integration).count(), 0);
}

async function signOut(visit) {
  const { page } = visit;
  await send(page, 'Sign out');
  await visit.arrive('Sign in', 'Sign in, after signing out');
  await page.goBack();
  await visit.arrive('Sign in', 'Sign in, by the back button');
  assert.equal(await link(page, 'Create an integration').count(), 0);
  assert.equal(await visit.open('/portal/connections', 'Sign in'), 401);
}
