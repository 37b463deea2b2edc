// The portal's pages as an operator uses them: by what stands on them.

import { operatorKey } from './stack.js';

/** Sends the form of this button, and waits for the page that answers: it may look like the one before. */
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

/** Goes to a part of the portal by its navigation. */
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

/** A box or a button of a choice: its label begins so, and goes on with what it means. */
export const choice = (page, role, text) => page.getByRole(role, { name: new RegExp(`^${text}`) });

/** A scope's box: its label begins with the scope's name. */
export const scope = (page, name) =>
  page.getByRole('checkbox', { name: new RegExp(`^${name.replace('.', '\\.')}(?![\\w.])`) });

/** What the page says is wrong with a field, read as assistive technology does. */
export async function refusal(field) {
  return field.evaluate((input) => {
    if (input.getAttribute('aria-invalid') !== 'true') return undefined;
    const described = (input.getAttribute('aria-describedby') ?? '').split(' ');
    const errors = described.map((id) => document.getElementById(id)).filter((one) => one?.matches('.error'));
    return errors.map((one) => one.textContent.trim()).join(' ');
  });
}
