// The local stack that `check` has started: its addresses, its keys and its API.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

const given = (name) => {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: run the tests with tests/browser/check`);
  return value;
};

export const gateway = given('GATEWAY');
export const entra = given('ENTRA');
export const azureDevops = given('AZURE_DEVOPS');
export const demo = given('DEMO');
export const operatorKey = given('OPERATOR_KEY');
export const applicationKey = given('APPLICATION_KEY');

/** The origins of two pages: the gateway's `CorsOrigins`, and another. */
export const listedOrigin = given('LISTED_ORIGIN');
export const foreignOrigin = given('FOREIGN_ORIGIN');

// The app that is registered in the emulated Entra, and the organization of its accounts.
export const clientId = 'ad0c0de0-0000-4000-8000-000000000001';
export const clientSecret = 'adO8Q~Y2FuYXJ5N2YzYTQy.emulated_secret-0';
export const organization = 'mycompany';

/** Calls the API. Returns the status, and the JSON body if there is one. */
export async function call(method, path, { key = operatorKey, body } = {}) {
  const answer = await fetch(gateway + path, {
    method,
    headers: { authorization: `Bearer ${key}`, ...(body && { 'content-type': 'application/json' }) },
    body: body && JSON.stringify(body),
  });
  const text = await answer.text();
  return { status: answer.status, body: text ? JSON.parse(text) : undefined };
}

/** Calls the API and returns the body. Throws if the call fails. */
export async function ask(method, path, options) {
  const { status, body } = await call(method, path, options);
  if (status >= 300) throw new Error(`${method} ${path}: ${status} ${JSON.stringify(body)}`);
  return body;
}

/** Puts an integration whose users need no confirmation, so no application to come back to. */
export async function putIntegration(id, changes = {}) {
  return ask('PUT', `/integrations/${id}`, {
    body: {
      client_id: clientId,
      client_credential: { kind: 'client_secret', client_secret: clientSecret },
      organizations: [organization],
      scopes: ['vso.project', 'vso.code'],
      confirmation: 'none',
      ...changes,
    },
  });
}

/** Creates a connect link, as an application does. */
export async function connectLink(integration, user, changes = {}) {
  const body = { integration, user, ...changes };
  return (await ask('POST', '/connect-sessions', { key: applicationKey, body })).connect_url;
}

/** Makes a connect link expire, by changing its row in the embedded table. */
export async function expire(link) {
  const token = new URL(link).searchParams.get('session');
  const row = `session#${createHash('sha256').update(token).digest('base64url')}`;
  await updateSessions({
    Key: { pk: { S: row } },
    ConditionExpression: 'attribute_exists(pk)',
    UpdateExpression: 'SET expires_at = :past',
    ExpressionAttributeValues: { ':past': { N: '1000000000' } },
  });
}

/** Adds calls and renewals to the counts of the hour that began then: `{ calls: 120, calls_failed: 3 }`. */
export async function haveCounted(hour, counts) {
  const [day, time] = hour.toISOString().split('T');
  const names = Object.keys(counts);
  await updateSessions({
    Key: { pk: { S: `tally#${day}` } },
    UpdateExpression: `SET ${names.map((_, index) => `#c${index} = :c${index}`).join(', ')}`,
    ExpressionAttributeNames: Object.fromEntries(names.map((name, index) => [`#c${index}`, `${time.slice(0, 2)}_${name}`])),
    ExpressionAttributeValues: Object.fromEntries(names.map((name, index) => [`:c${index}`, { N: `${counts[name]}` }])),
  });
}

/** Sends an UpdateItem for the table of sessions. */
async function updateSessions(update) {
  const lines = readFileSync(given('FUNCTIONS_ENV'), 'utf8').trim().split('\n');
  const functions = Object.fromEntries(lines.map((line) => line.split(/=(.*)/s)));
  const caller = `${functions.AWS_ACCESS_KEY_ID}/20250101/${functions.AWS_REGION}/dynamodb/aws4_request`;
  const answer = await fetch(functions.AWS_ENDPOINT_URL_DYNAMODB, {
    method: 'POST',
    headers: {
      'x-amz-target': 'DynamoDB_20120810.UpdateItem',
      'x-amz-date': '20250101T000000Z',
      'content-type': 'application/x-amz-json-1.0',
      authorization: `AWS4-HMAC-SHA256 Credential=${caller}, SignedHeaders=host, Signature=0`,
    },
    body: JSON.stringify({ TableName: functions.SESSIONS_TABLE, ...update }),
  });
  if (!answer.ok) throw new Error(`UpdateItem: ${answer.status} ${await answer.text()}`);
}
