// The official TypeScript client, unmodified, with nothing but an address: it finds the authorization server, signs its user
// in, refreshes its tokens, and asks for a new sign-in when they have ended. A line `authorize URL` asks for a browser, whose
// last address is the next line of the input.
import assert from 'node:assert/strict';
import { createInterface } from 'node:readline';
import { UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

const { ENDPOINT, CLIENT_DOCUMENT } = process.env;
const redirectUrl = 'http://localhost:7777/callback';
const browser = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
let asked = 0;

const provider = {
  redirectUrl,
  clientMetadataUrl: CLIENT_DOCUMENT,
  clientMetadata: { client_name: 'the TypeScript SDK', redirect_uris: [redirectUrl], token_endpoint_auth_method: 'none' },
  state: () => 'of-the-client',
  clientInformation: () => provider.information,
  saveClientInformation: (information) => (provider.information = information),
  tokens: () => provider.kept,
  saveTokens: (tokens) => (provider.kept = tokens),
  invalidateCredentials: () => (provider.kept = undefined),
  codeVerifier: () => provider.verifier,
  saveCodeVerifier: (verifier) => (provider.verifier = verifier),
  redirectToAuthorization(url) {
    asked += 1;
    console.log(`authorize ${url}`);
  },
};

async function connected() {
  const client = new Client({ name: 'the TypeScript SDK', version: '1' });
  const transport = new StreamableHTTPClientTransport(new URL(ENDPOINT), { authProvider: provider });
  return { client, transport, connect: () => client.connect(transport) };
}

const first = await connected();
await assert.rejects(first.connect(), UnauthorizedError);
const back = new URL((await browser.next()).value);
assert.equal(back.searchParams.get('state'), 'of-the-client');
assert.ok(back.searchParams.get('iss').endsWith(new URL(ENDPOINT).pathname));
await first.transport.finishAuth(back.searchParams.get('code'));
assert.equal(provider.information.client_id === CLIENT_DOCUMENT, CLIENT_DOCUMENT !== undefined);

const { client, connect } = await connected();
await connect();
const who = async () => {
  const { content, isError } = await client.callTool({ name: 'who_am_i', arguments: {} });
  assert.ok(!isError, content[0].text);
  return JSON.parse(content[0].text).user.name;
};
const name = await who();
assert.match(name, /Ada/);

const { refresh_token } = provider.kept;
provider.kept = { ...provider.kept, access_token: `${provider.kept.access_token.slice(0, -4)}AAAA` };
assert.equal(await who(), name);
assert.notEqual(provider.kept.refresh_token, refresh_token);
assert.equal(asked, 1, 'a refresh needs no browser');

const metadata = new URL(`/.well-known/oauth-authorization-server${new URL(ENDPOINT).pathname}`, ENDPOINT);
const { revocation_endpoint } = await (await fetch(metadata)).json();
const body = new URLSearchParams({ token: provider.kept.refresh_token });
assert.equal((await fetch(revocation_endpoint, { method: 'POST', body })).status, 200);
await assert.rejects(who(), UnauthorizedError);
assert.equal(asked, 2, 'a revoked client asks its user again');
await client.close();
console.log(`  ${name}, ${CLIENT_DOCUMENT ? 'by its metadata document' : 'registered'}`);
process.exit(0);
