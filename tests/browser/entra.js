// The emulated Entra: its sign-in page, and what its control routes make it say.

import { entra } from './stack.js';

const usernames = {
  ada: 'ada@mycompany.example', // in mycompany
  grace: 'grace@mycompany.example', // in mycompany too, reading only
  alan: 'alan@mycompany.example', // in no organization
  katherine: 'katherine@personal.example', // a personal account
};

/** Picks an account on Entra's page. */
export async function signInAs(page, account) {
  const name = `<${usernames[account]}>`;
  await page.getByRole('button', { name }).click();
}

/** Ends on Entra's page without signing in, by the button's words. */
export async function endOtherwise(page, words) {
  await page.getByRole('button', { name: words, exact: true }).click();
}

/** Whoever signs in next has this name and this sign-in name in the ID token. */
export const nameNextAccount = (name) =>
  control('faults', { route: 'token.authorization_code', id_token: { claims: { name, preferred_username: name } } });

/** Personal accounts get past Entra's page, for us to refuse. */
export const letPersonalAccountsThrough = () => control('settings', { allow_personal_accounts: true });

async function control(route, body) {
  const answer = await fetch(`${entra}/_emulator/${route}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`Entra's emulator: ${answer.status} ${await answer.text()}`);
}
