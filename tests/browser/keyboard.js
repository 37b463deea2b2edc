// The keyboard alone: Tab reaches every control, and the focus is visible.

import assert from 'node:assert/strict';

/** Presses Tab through the page once. */
export async function reachesEverythingByTab(page) {
  const wanted = await page.evaluate(mark);
  const reached = new Map();
  await page.evaluate('document.activeElement?.blur()');
  // Headless Chromium has no buttons of its own, so the round ends where it began.
  for (let press = 0; press < wanted.length * 2 + 10 && reached.size < wanted.length; press += 1) {
    await page.keyboard.press('Tab');
    const { stop, outline } = await page.evaluate(focused);
    // A date field has several stops.
    if (stop !== undefined) reached.set(stop, outline || reached.get(stop));
  }
  const missed = wanted.filter((_, stop) => !reached.has(stop));
  assert.deepEqual(missed, [], `${page.url()}: not reached by Tab`);
  const unseen = wanted.filter((_, stop) => !reached.get(stop));
  assert.deepEqual(unseen, [], `${page.url()}: the focus is not visible`);
}

/** Numbers the controls. Of the radio buttons of a group, Tab stops at one. */
function mark() {
  const usable = document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea, summary');
  const groups = new Set();
  const stops = [...usable].filter((element) => {
    if (element.disabled || !element.checkVisibility({ visibilityProperty: true })) return false;
    if (element.type !== 'radio') return true;
    const chosen = document.querySelector(`input[name="${element.name}"]:checked`);
    if (chosen ? chosen !== element : groups.has(element.name)) return false;
    return groups.add(element.name);
  });
  stops.forEach((element, index) => (element.dataset.stop = index));
  return stops.map((element) => element.outerHTML.slice(0, 120));
}

function focused() {
  const element = document.activeElement;
  const style = getComputedStyle(element);
  return {
    stop: element.dataset.stop && Number(element.dataset.stop),
    outline: style.outlineStyle !== 'none' && Number.parseFloat(style.outlineWidth) > 0,
  };
}
