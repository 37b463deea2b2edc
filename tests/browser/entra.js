// The emulated Entra: its sign-in page and its control routes.

import { applicationKey, ask, connectLink, entra } from './stack.js';

const usernames = {
  ada: 'ada@mycompany.example', // in mycompany
  grace: 'grace@mycompany.example', // in mycompany too, reading only
  alan: 'alan@mycompany.example', // in no organization
  katherine: 'katherine@personal.example', // a personal account
};

/** Chooses an account on Entra's page. */
export async function signInAs(page, account) {
  const name = `<${usernames[account]}>`;
  await page.getByRole('button', { name }).click();
}

/** Connects a user, whose Entra account has the same name, on an open page. Returns the connection's id. */
export async function connect(page, integration, user) {
  await page.goto(await connectLink(integration, user));
  await signInAs(page, user);
  await page.getByRole('heading', { level: 1, name: /connected/i }).waitFor();
  const { items } = await ask('GET', `/connections?integration=${integration}&user=${user}`, { key: applicationKey });
  return items[0].id;
}

/** Leaves Entra's page by the button with these words, without signing in. */
export async function endOtherwise(page, words) {
  await page.getByRole('button', { name: words, exact: true }).click();
}

/** Puts this name and sign-in name into the ID token of the next sign-in. */
export const nameNextAccount = (name) =>
  control('faults', { route: 'token.authorization_code', id_token: { claims: { name, preferred_username: name } } });

/** Makes Entra accept personal accounts, so that ado-connect has to refuse them. */
export const letPersonalAccountsThrough = () => control('settings', { allow_personal_accounts: true });

async function control(route, body) {
  const answer = await fetch(`${entra}/_emulator/${route}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`Entra's emulator: ${answer.status} ${await answer.text()}`);
}
