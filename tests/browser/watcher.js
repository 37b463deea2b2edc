// What holds for every page that any test opens. What happens by itself is noted as it comes, `look` measures the page
// that is open, and at the end of a visit nothing may have been noted.

import axe from 'axe-core';
import { note } from './figures.js';
import { demo, entra, gateway } from './stack.js';

const NARROW = [320, 390];
const MOST_BYTES = 60_000;

const tellViolations = () =>
  addEventListener('securitypolicyviolation', (event) =>
    console.error(`policy violated: ${event.effectiveDirective} ${event.blockedURI} ${event.sample}`),
  );

export class Watcher {
  #context;
  #javaScript;
  #incidents = new Set();
  #pending = new Set();
  #bytes = new WeakMap();
  #refusals = new Set();

  static async of(context, { javaScript }) {
    const watcher = new Watcher();
    watcher.#context = context;
    watcher.#javaScript = javaScript;
    await context.addInitScript(tellViolations);
    context.on('console', (message) => watcher.#said(message));
    context.on('weberror', (error) => watcher.#incident('uncaught error', error.error()));
    context.on('dialog', (dialog) => {
      watcher.#incident('dialog', dialog.message());
      watcher.#meanwhile(dialog.dismiss());
    });
    context.on('request', (request) => watcher.#sent(request));
    context.on('response', (response) => watcher.#meanwhile(watcher.#answered(response)));
    context.on('requestfinished', (request) => watcher.#meanwhile(watcher.#finished(request)));
    return watcher;
  }

  /** Measures the page that is open: its name in the table of figures is `name`. */
  async look(page, name) {
    await this.#settled();
    const bytes = this.#bytes.get(page)?.sum ?? 0;
    if (bytes >= MOST_BYTES) this.#incident('weight', `${bytes} bytes of ${page.url()}`);
    if (this.#javaScript) {
      note({ page: name, paint: await firstPaint(page), bytes });
      for (const finding of await findings(page)) this.#incident(`axe, ${name}`, finding);
      await this.untouched(page);
    }
    await this.fits(page);
  }

  /** No script of a stranger ran in the page that is open. */
  async untouched(page) {
    if ((await page.evaluate('window.__xss')) !== undefined) this.#incident("a stranger's script", page.url());
  }

  /** Nothing sticks out of the page on a phone. */
  async fits(page) {
    const size = page.viewportSize();
    if (!NARROW.includes(size.width)) return;
    for (const width of NARROW) {
      await page.setViewportSize({ ...size, width });
      const wide = await page.evaluate('document.documentElement.scrollWidth');
      if (wide > width) this.#incident('width', `sticks out of a screen of ${width} px: ${kind(page.url())}`);
    }
    await page.setViewportSize(size);
  }

  /** What has happened, when everything that is under way has ended. */
  async incidents() {
    await this.#settled();
    return [...this.#incidents];
  }

  #incident(sort, what) {
    this.#incidents.add(`${sort}: ${what}`);
  }

  #meanwhile(work) {
    const counted = work
      .catch((error) => {
        // A page that is left or closed meanwhile has nothing more to tell.
        if (!/closed|No resource|No data/.test(error.message)) this.#incident('watcher', error.message);
      })
      .finally(() => this.#pending.delete(counted));
    this.#pending.add(counted);
  }

  async #settled() {
    while (this.#pending.size > 0) await Promise.all(this.#pending);
  }

  #said(message) {
    if (!['error', 'warning'].includes(message.type())) return;
    const { url } = message.location();
    // The browser's own note that a document's status is not 200, which the test has asked for.
    if (message.text().startsWith('Failed to load resource') && this.#refusals.has(url)) return;
    if (url.startsWith(`${entra}/`)) return;
    this.#incident(`console ${message.type()}`, `${message.text()} (${url})`);
  }

  #sent(request) {
    const origin = new URL(request.url()).origin;
    const page = request.frame().page();
    const navigates = request.isNavigationRequest() && request.frame() === page.mainFrame();
    if (navigates && !request.redirectedFrom()) this.#bytes.set(page, { sum: 0 });
    const known = origin === gateway || (navigates && [entra, demo].includes(origin));
    if (!known) this.#incident('request', `${request.method()} ${request.url()}`);
  }

  async #finished(request) {
    const counter = this.#bytes.get(request.frame().page());
    const { responseHeadersSize, responseBodySize } = await request.sizes();
    if (counter) counter.sum += responseHeadersSize + responseBodySize;
  }

  async #answered(response) {
    const url = response.url();
    const isDocument = response.request().resourceType() === 'document';
    if (!isDocument || new URL(url).origin !== gateway) return;
    const status = response.status();
    if (status >= 300 && status < 400) return;
    if (status >= 400) this.#refusals.add(url);
    if (status >= 500) this.#incident('answer', `${status} ${url}`);
    const headers = await response.allHeaders();
    const policy = headers['content-security-policy'] ?? '';
    const holds = {
      'default-src': policy.includes("default-src 'none'"),
      'frame-ancestors': policy.includes("frame-ancestors 'none'"),
      unsafe: !policy.includes('unsafe-'),
      'referrer-policy': headers['referrer-policy'] === 'no-referrer',
      'cache-control': headers['cache-control'] === 'no-store',
      'x-content-type-options': headers['x-content-type-options'] === 'nosniff',
    };
    for (const [what, good] of Object.entries(holds)) {
      if (!good) this.#incident('header', `${what} of ${url}`);
    }
  }
}

/** An address without what differs from one thing of its kind to the next. */
const kind = (url) => new URL(url).pathname.replace(/conn_[0-9a-f]+/, '{connection}');

/** When the page's first text was on the screen, in milliseconds after it was asked for; the way through Entra's pages
 * is not ours, and the browser keeps redirects of other origins to itself. */
const firstPaint = (page) =>
  page.evaluate(async () => {
    const paint = await new Promise((resolve) =>
      new PerformanceObserver((list) => {
        const [first] = list.getEntriesByName('first-contentful-paint');
        if (first) resolve(first.startTime);
      }).observe({ type: 'paint', buffered: true }),
    );
    const [{ redirectStart, fetchStart, responseStart }] = performance.getEntriesByType('navigation');
    // Before these answer, they talk to Microsoft.
    if (/\/(integration-callback|verify|try)$/.test(location.pathname)) return paint - responseStart;
    return redirectStart > 0 ? paint : paint - fetchStart;
  });

/** What axe finds serious or critical, in lines that can be read. */
async function findings(page) {
  // Evaluated through the debugger, which the page's policy does not bind.
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() =>
    window.axe.run(document, { resultTypes: ['violations'], preload: false }),
  );
  return violations
    .filter(({ impact }) => ['serious', 'critical'].includes(impact))
    .flatMap(({ id, help, nodes }) => nodes.map(({ html, any }) => `${id}: ${help}: ${html} ${any[0]?.message ?? ''}`));
}
