// The pages for end users who have no application to come back to.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { close, visit } from './browser.js';
import { endOtherwise, letPersonalAccountsThrough, signInAs } from './entra.js';
import { reachesEverythingByTab } from './keyboard.js';
import { look, looks } from './looks.js';
import { connectLink, expire, gateway, putIntegration } from './stack.js';

after(close);

const integration = 'person';
// Serves accounts of any tenant, because Entra itself refuses a personal account at a single tenant.
const anyTenant = 'person-of-any-tenant';
const branding = { name: 'Release board of mycompany', accent_color: '#7a1fa2' };
await putIntegration(integration, { branding });
await putIntegration(anyTenant, { tenant: 'organizations', branding });
await letPersonalAccountsThrough();

// The words of the headings may change, their subjects do not.
const connected = /connected/i;

const endings = [
  { what: 'is connected', heading: connected, status: 200, at: (page) => signInAs(page, 'ada') },
  {
    what: 'cancels',
    heading: /did not sign in/i,
    status: 403,
    at: (page) => endOtherwise(page, 'Cancel'),
  },
  {
    what: 'needs an administrator',
    heading: /administrator|approv/i,
    status: 403,
    at: (page) => endOtherwise(page, 'Administrator approval is required'),
  },
  {
    what: 'has a personal account',
    heading: /work or school account/i,
    status: 403,
    under: anyTenant,
    at: (page) => signInAs(page, 'katherine'),
  },
  {
    what: 'has no access to the organization',
    heading: /no access/i,
    status: 403,
    at: (page) => signInAs(page, 'alan'),
  },
  {
    what: 'is stopped by a policy',
    heading: /does not allow/i,
    status: 403,
    at: (page) => endOtherwise(page, 'Conditional Access blocks the sign-in'),
  },
];

/** From a connect link through Entra's page to the last page. */
async function end(person, user, { what, heading, status, at, under = integration }) {
  await person.page.goto(await connectLink(under, user));
  const callback = person.page.waitForResponse((answer) => answer.url().startsWith(`${gateway}/integration-callback`));
  await at(person.page);
  assert.equal((await callback).status(), status);
  await person.arrive(heading, `A person who ${what}`);
}

for (const look of looks) {
  for (const ending of endings) {
    test(`A person who ${ending.what} is told so (${look.name})`, () =>
      visit(look, (person) => end(person, `${ending.what} ${look.name}`, ending)));
  }

  test(`A link that is unknown, used, opened too often or expired says so (${look.name})`, () =>
    visit(look, async (person) => {
      const unknown = /no longer valid/i;
      assert.equal(await person.open('/authorize?session=unknown', unknown, 'An unknown link'), 404);

      const used = await connectLink(integration, `used ${look.name}`);
      await person.page.goto(used);
      await signInAs(person.page, 'ada');
      await person.arrive(connected, 'A person who is connected');
      assert.equal(await person.open(used, unknown, 'An unknown link'), 404);

      const worn = await connectLink(integration, `worn ${look.name}`);
      for (let start = 0; start < 5; start += 1) await person.page.goto(worn);
      assert.equal(await person.open(worn, /too often/i, 'A worn link'), 429);

      const expired = await connectLink(integration, `late ${look.name}`);
      await expire(expired);
      assert.equal(await person.open(expired, /expired/i, 'An expired link'), 410);
    }));

  test(`An administrator who comes back from consenting is told what it means (${look.name})`, () =>
    visit(look, async (person) => {
      assert.equal(await person.open('/integration-callback?admin_consent=True', /approved/i, 'Consent given'), 200);
      const refused = '/integration-callback?error=permission_denied';
      assert.equal(await person.open(refused, /administrator|approv/i, 'Consent refused'), 403);
    }));
}

test('A person who cancelled can use the same link again', () =>
  visit(look('phone-light'), async (person) => {
    const link = await connectLink(integration, 'undecided');
    await person.page.goto(link);
    await endOtherwise(person.page, 'Cancel');
    await person.arrive(/did not sign in/i, 'A person who cancels');
    await person.page.goto(link);
    await signInAs(person.page, 'ada');
    await person.arrive(connected, 'A person who is connected');
  }));

for (const ending of endings) {
  test(`Every control on the page of a person who ${ending.what} is reached by Tab, with a visible focus`, () =>
    visit(look('desktop-light'), async (person) => {
      await end(person, `keys ${ending.what}`, ending);
      await reachesEverythingByTab(person.page);
    }));
}

test('The pages show the name and the colour of the application', () =>
  visit(look('phone-dark'), async (person) => {
    await end(person, 'branded', endings[1]);
    await person.page.getByText(branding.name, { exact: true }).waitFor();
    assert.match(await person.page.title(), /Release board of mycompany/);
    const stripe = await person.page.evaluate('getComputedStyle(document.body).borderTopColor');
    assert.equal(stripe, 'rgb(122, 31, 162)');
  }));

test('The pages are the same without JavaScript', () =>
  visit(
    look('phone-light'),
    async (person) => {
      await person.page.goto(await connectLink(integration, 'plain'));
      await signInAs(person.page, 'ada');
      await person.arrive(connected, 'A person who is connected');
    },
    { javaScript: false },
  ));
