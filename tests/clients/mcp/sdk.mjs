// The official TypeScript client, unmodified, with a key in a header of its own.
import assert from 'node:assert/strict';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

const { ENDPOINT, API_KEY } = process.env;
const transport = new StreamableHTTPClientTransport(new URL(ENDPOINT), {
  requestInit: { headers: { Authorization: `Bearer ${API_KEY}` } },
});
const client = new Client({ name: 'the TypeScript SDK', version: '1' });
await client.connect(transport);
assert.equal(client.getServerVersion().name, 'ado-connect');
assert.match(client.getInstructions(), /list_projects/);
await client.ping();

const { tools } = await client.listTools();
const names = tools.map((tool) => tool.name);
assert.deepEqual(names.slice(0, 4), ['who_am_i', 'list_projects', 'list_teams', 'find_people']);
assert.ok(names.includes('get_pull_request_diff') && names.includes('query_work_items'), names.join());
assert.ok(tools.every((tool) => tool.annotations.openWorldHint));

const call = async (name, args) => client.callTool({ name, arguments: args });
const answer = async (name, args) => {
  const { content, isError } = await call(name, args);
  assert.ok(!isError, content[0].text);
  return JSON.parse(content[0].text);
};
const me = await answer('who_am_i', {});
assert.match(me.user.name, /Ada/);
const projects = new Set();
for (let next; ; ) {
  const page = await answer('list_projects', { limit: 1, ...(next && { next }) });
  for (const project of page.items) projects.add(project.name);
  if (!page.next) break;
  next = page.next;
}
assert.ok(projects.has('Website') && projects.size > 1, [...projects].join());
const refused = await call('list_teams', { project: 'Webiste' });
assert.ok(refused.isError && refused.content[0].text.includes('Website'));
await assert.rejects(() => call('no_such_tool', {}));
await client.close();
console.log(`  ${me.user.name}, ${tools.length} tools, ${projects.size} projects`);
