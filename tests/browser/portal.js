// The portal's pages as an operator uses them: by their visible words.

import { operatorKey } from './stack.js';

/** Sends the form of this button and waits for the answer, which may look like the page before. */
export async function send(page, name) {
  const answered = page.waitForEvent('framenavigated');
  await button(page, name).click();
  await answered;
  await page.waitForLoadState();
}

/** Signs in on the page that is open. */
export async function signIn(page, key = operatorKey) {
  await field(page, 'Operator key').fill(key);
  await send(page, 'Sign in');
}

/** Opens a page of the portal with a fresh session. */
export async function openSignedIn(visit, address, heading, name) {
  await visit.page.goto(address);
  await signIn(visit.page);
  await visit.arrive(heading, name);
}

/** Opens a part of the portal by its navigation. */
export async function goTo(visit, part) {
  const portal = visit.page.getByRole('navigation', { name: 'Portal', exact: true });
  await portal.getByRole('link', { name: part, exact: true }).click();
  await visit.arrive(part);
}

export const button = (page, name) => page.getByRole('button', { name, exact: true });
export const link = (page, name) => page.getByRole('link', { name, exact: true });
export const field = (page, label) => page.getByLabel(label, { exact: true });
export const row = (page, text) => page.getByRole('row').filter({ hasText: text });
export const alert = (page) => page.getByRole('alert');
export const notice = (page, text) => page.getByRole('status').filter({ hasText: text });

/** A checkbox or radio button by the beginning of its label, which ends with an explanation. */
export const choice = (page, role, text) => page.getByRole(role, { name: new RegExp(`^${text}`) });

/** The checkbox of a scope: its label begins with the scope's name. */
export const scope = (page, name) =>
  page.getByRole('checkbox', { name: new RegExp(`^${name.replace('.', '\\.')}(?![\\w.])`) });

/** The error of a field, found as assistive technology finds it. */
export async function refusal(field) {
  return field.evaluate((input) => {
    if (input.getAttribute('aria-invalid') !== 'true') return undefined;
    const described = (input.getAttribute('aria-describedby') ?? '').split(' ');
    const errors = described.map((id) => document.getElementById(id)).filter((one) => one?.matches('.error'));
    return errors.map((one) => one.textContent.trim()).join(' ');
  });
}
