// Holds for every page that any test opens. Events are noted as they come, `look` measures the page that is open, and at
// the end of a visit there must be no incident.

import axe from 'axe-core';
import { note } from './figures.js';
import { layoutFaults } from './layout.js';
import { demo, entra, gateway } from './stack.js';

/** The widths of small and large phones, of a tablet and of a desktop. */
const WIDTHS = [320, 360, 390, 768, 1280];
const MOST_BYTES = 60_000;

const tellViolations = () =>
  addEventListener('securitypolicyviolation', (event) =>
    console.error(`policy violated: ${event.effectiveDirective} ${event.blockedURI} ${event.sample}`),
  );

export class Watcher {
  #context;
  #javaScript;
  #widths;
  #incidents = new Set();
  #pending = new Set();
  #bytes = new WeakMap();
  #refusals = new Set();

  static async of(context, { javaScript, viewport, colorScheme }) {
    const watcher = new Watcher();
    watcher.#context = context;
    watcher.#javaScript = javaScript;
    // Colours move nothing: in the dark, the window's own width is enough.
    watcher.#widths = colorScheme === 'light' ? WIDTHS : [viewport.width];
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

  /** Checks that no stranger's script ran in the page that is open. */
  async untouched(page) {
    if ((await page.evaluate('window.__xss')) !== undefined) this.#incident("a stranger's script", page.url());
  }

  /** Checks the layout at each width, by resizing the window. */
  async fits(page) {
    const size = page.viewportSize();
    for (const width of this.#widths) {
      await page.setViewportSize({ ...size, width });
      for (const fault of await layoutFaults(page)) this.#incident(`layout at ${width} px`, `${kind(page.url())}: ${fault}`);
    }
    await page.setViewportSize(size);
  }

  /** The incidents of the visit, once everything that is under way has ended. */
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
        // The page was left or closed meanwhile.
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
    // The browser notes each status that is not 200; the test has asked for this one.
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
    if (!isDocument || ![gateway, demo].includes(new URL(url).origin)) return;
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

/** The path of an address, without the id of a connection. */
const kind = (url) => new URL(url).pathname.replace(/conn_[0-9a-f]+/, '{connection}');

/** When the page's first text was on the screen, in milliseconds after it was asked for. The way through Entra's pages
 * is not ours, and the browser keeps redirects of other origins to itself. */
const firstPaint = (page) =>
  page.evaluate(async (demo) => {
    const paint = await new Promise((resolve) =>
      new PerformanceObserver((list) => {
        const [first] = list.getEntriesByName('first-contentful-paint');
        if (first) resolve(first.startTime);
      }).observe({ type: 'paint', buffered: true }),
    );
    const [{ redirectStart, fetchStart, responseStart }] = performance.getEntriesByType('navigation');
    // Before these answer, they call Microsoft, and the demo application calls us.
    const asksOthers = /\/(integration-callback|verify|try)$/.test(location.pathname) || location.origin === demo;
    if (asksOthers) return paint - responseStart;
    return redirectStart > 0 ? paint : paint - fetchStart;
  }, demo);

/** The serious and critical findings of axe, one a line. */
async function findings(page) {
  // The debugger evaluates it, so the page's policy does not apply.
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() =>
    window.axe.run(document, { resultTypes: ['violations'], preload: false }),
  );
  return violations
    .filter(({ impact }) => ['serious', 'critical'].includes(impact))
    .flatMap(({ id, help, nodes }) => nodes.map(({ html, any }) => `${id}: ${help}: ${html} ${any[0]?.message ?? ''}`));
}
