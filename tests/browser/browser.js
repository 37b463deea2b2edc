// One Chromium for a test file, and visits with a clean profile each.

import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';
import { gateway } from './stack.js';
import { Watcher } from './watcher.js';

let running;

/** Chromium, started when it is first needed. */
export const browser = () =>
  (running ??= chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    chromiumSandbox: false,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  }));

/** Ends the browser, after the last visit. */
export const close = async () => (await running)?.close();

/** Makes a profile add these credentials to each request for the gateway, as it does with a password that it has cached. */
export const holdCredentials = (context, authorization) =>
  context.route(`${gateway}/**`, (route) =>
    route.continue({ headers: { ...route.request().headers(), authorization } }),
  );

/** Runs `walk` with a page in a clean profile, without the watcher. */
export async function inCleanProfile(options, walk) {
  const context = await (await browser()).newContext({ baseURL: gateway, locale: 'en', ...options });
  context.setDefaultTimeout(10_000);
  try {
    return await walk(await context.newPage());
  } finally {
    await context.close();
  }
}

/** Opens a clean profile and runs `walk` with a visit. Fails if the watcher has noted an incident. */
export async function visit({ viewport, colorScheme }, walk, { javaScript = true } = {}) {
  const context = await (await browser()).newContext({
    viewport,
    colorScheme,
    javaScriptEnabled: javaScript,
    baseURL: gateway,
    locale: 'en',
    serviceWorkers: 'block',
  });
  context.setDefaultTimeout(10_000);
  const watcher = await Watcher.of(context, { javaScript, viewport, colorScheme });
  const page = await context.newPage();
  try {
    await walk(new Visit(page, watcher, javaScript));
  } catch (error) {
    error.stack += await whereabouts(page, watcher);
    await context.close();
    throw error;
  }
  const incidents = await watcher.incidents();
  await context.close();
  assert.deepEqual(incidents, [], 'incidents');
}

class Visit {
  constructor(page, watcher, javaScript) {
    Object.assign(this, { page, watcher, javaScript });
  }

  /** Opens an address, and arrives at the page with this heading. Answers with the status. */
  async open(address, heading, name) {
    const response = await this.page.goto(address);
    await this.arrive(heading, name);
    return response.status();
  }

  /** Waits for the page with this heading and looks at it. `name`: where the heading is not the page's name. */
  async arrive(heading, name = heading) {
    await this.page.getByRole('heading', { level: 1, name: heading, exact: true }).waitFor();
    await this.page.waitForLoadState();
    await this.watcher.look(this.page, name);
  }
}

/** For the report of a failure: the address, the incidents, and the page's content. */
async function whereabouts(page, watcher) {
  const shown = await page
    .getByRole('main')
    .ariaSnapshot({ timeout: 1000 })
    .catch(() => 'no page');
  const incidents = await watcher.incidents();
  return ['', '', `at ${page.url()}`, ...incidents, ...shown.split('\n').slice(0, 40), ''].join('\n');
}
