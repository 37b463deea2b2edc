// Makes the pictures of the documents: `UPDATE_SCREENSHOTS=1 tests/browser/check`. Together they have at most 300 kB.

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { close, visit } from './browser.js';
import { signInAs } from './entra.js';
import { look } from './looks.js';
import { choice, field, openSignedIn, scope } from './portal.js';
import { clientId, connectLink, haveCounted, organization, putIntegration } from './stack.js';

const MOST_BYTES = 300_000;
const folder = process.argv[2] ?? join(import.meta.dirname, '../../docs/pictures');
const integration = 'build-dashboard';
let bytes = 0;

/** Takes a picture of the page as WebP, down to its end or to the end of the screen. */
async function picture(page, name) {
  const devtools = await page.context().newCDPSession(page);
  const { width, height } = page.viewportSize();
  const end = await page.evaluate('Math.ceil(document.querySelector("main").getBoundingClientRect().bottom) + 24');
  const clip = { x: 0, y: 0, width, height: Math.min(height, end), scale: 1 };
  const { data } = await devtools.send('Page.captureScreenshot', { format: 'webp', quality: 85, clip });
  const image = Buffer.from(data, 'base64');
  bytes += image.length;
  await writeFile(join(folder, `${name}.webp`), image);
  console.log(`${name}.webp: ${image.length} bytes`);
}

async function connect(person, user, account) {
  await person.page.goto(await connectLink(integration, user));
  await signInAs(person.page, account);
  await person.arrive(/connected/i, 'A person who is connected');
}

await mkdir(folder, { recursive: true });
await putIntegration(integration, { branding: { name: 'Release board', accent_color: '#7a1fa2' } });

await visit(look('phone-light'), async (person) => {
  await connect(person, 'grace.hopper', 'grace');
  await connect(person, 'ada.lovelace', 'ada');
  await picture(person.page, 'connected');
});

await visit(look('desktop-light'), async (operator) => {
  const { page } = operator;
  await openSignedIn(operator, '/portal/integrations/new', 'Create an integration');
  await field(page, 'Name').fill('release-notes');
  await field(page, 'Application (client) ID').fill(clientId);
  await field(page, 'Azure DevOps organizations').fill(organization);
  await choice(page, 'radio', 'Only these scopes').check();
  await scope(page, 'vso.code').check();
  await page.evaluate('scrollTo(0, 0)');
  await picture(page, 'integration-form');
  // An ordinary day: more calls by day than by night, and one hour in which Entra did not answer.
  for (let back = 1; back < 24; back += 1) {
    const hour = new Date(Date.now() - back * 3600_000);
    const busy = Math.round(420 * (1 - Math.cos(((hour.getUTCHours() - 1) / 12) * Math.PI)) + (back % 5) * 17);
    const unavailable = back === 9 ? 38 : 0;
    await haveCounted(hour, { calls: busy, calls_failed: Math.round(busy / 90), renewed: 61 + (back % 4), unavailable });
  }
  await operator.open('/portal/health', 'Health');
  await picture(page, 'health');
});

await visit(look('desktop-dark'), async (operator) => {
  await openSignedIn(operator, `/portal/connections?integration=${integration}`, 'Connections', 'Connections, filtered');
  await picture(operator.page, 'connections');
});

await close();
console.log(`together ${bytes} bytes`);
if (bytes > MOST_BYTES) throw new Error(`the pictures have more than ${MOST_BYTES} bytes`);
