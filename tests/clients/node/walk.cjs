// Microsoft's Node client, unmodified, with the proxy as organization URL and our key as personal access token.
'use strict';
const assert = require('node:assert/strict');
const { Readable } = require('node:stream');
const azdev = require('azure-devops-node-api');

const { ORGANIZATION_URL, API_KEY, PATHS } = process.env;
const PROJECT = 'Website';

async function main() {
  const handler = azdev.getPersonalAccessTokenHandler(API_KEY);
  const connection = new azdev.WebApi(ORGANIZATION_URL, handler);

  const self = await connection.connect();
  step('signed in', self.authenticatedUser.providerDisplayName);
  assert.match(self.authenticatedUser.providerDisplayName, /Ada/);
  const locations = await connection.getLocationsApi();
  const areas = await locations.getResourceAreas();
  for (const area of areas) {
    assert.ok(area.locationUrl.startsWith(ORGANIZATION_URL.split('/dev.azure.com')[0]), area.locationUrl);
  }
  step('resource areas', areas.length);
  // Above the organizations: an area that Azure DevOps does not list for any of them.
  const profile = await (await connection.getProfileApi()).getProfile('me');
  assert.equal(profile.id.length, 36);
  step('profile', profile.id);

  const core = await connection.getCoreApi();
  const names = new Set();
  for (let page; page === undefined || page.length > 0; ) {
    page = await core.getProjects(undefined, 100, names.size);
    page.forEach((project) => names.add(project.name));
  }
  step('projects, page by page', names.size);
  assert.equal(names.size, 1000);

  const git = await connection.getGitApi();
  const repositories = await git.getRepositories(PROJECT);
  assert.equal(repositories[0].name, PROJECT);
  step('repositories', repositories.length);
  const pullRequests = await git.getPullRequests(repositories[0].id, {});
  assert.ok(pullRequests.length > 0 && pullRequests[0].title);
  step('pull requests', pullRequests.length);

  const wit = await connection.getWorkItemTrackingApi();
  await workItems(wit);
  await encodedNames(connection, wit);

  const pipelines = await connection.getPipelinesApi();
  const [pipeline] = await pipelines.listPipelines(PROJECT);
  const run = await pipelines.runPipeline({}, PROJECT, pipeline.id);
  assert.ok(run.id > 0);
  step('pipeline run', run.id);
}

async function workItems(wit) {
  const title = `From Node, übermäßig ${process.pid}`;
  const set = (path, value) => ({ op: 'add', path: `/fields/${path}`, value });
  const created = await wit.createWorkItem(null, [set('System.Title', title)], PROJECT, 'Task');
  assert.equal((await wit.getWorkItem(created.id)).fields['System.Title'], title);
  const updated = await wit.updateWorkItem(
    null,
    [{ op: 'test', path: '/rev', value: created.rev }, set('System.State', 'Active')],
    created.id,
  );
  assert.equal(updated.fields['System.State'], 'Active');
  const query = `SELECT [System.Id] FROM WorkItems WHERE [System.Title] = '${title}'`;
  const found = await wit.queryByWiql({ query }, { project: PROJECT });
  assert.deepEqual(found.workItems.map((item) => item.id), [created.id]);
  step('work item', created.id);

  const bytes = Buffer.from(Array.from({ length: 1_000_000 }, (_, i) => (i * 2654435761) % 251));
  const file = await wit.createAttachment(null, Readable.from([bytes]), 'a.bin', undefined, PROJECT);
  const content = await wit.getAttachmentContent(file.id, 'a.bin', PROJECT);
  const received = [];
  for await (const chunk of content) received.push(chunk);
  assert.ok(Buffer.concat(received).equals(bytes), 'the attachment is not what it was');
  step('attachment, bytes', bytes.length);
}

// Where the front decodes paths, a question mark in a name ends the path, and a percent sign is refused.
const arrives = (name) => PATHS !== 'decoded' || !/[?%]/.test(name);

async function decodedNames(wit) {
  assert.equal((await wit.getQuery(PROJECT, 'Shared Queries/Why?')).path, 'Shared Queries/Why');
  await assert.rejects(wit.getQuery(PROJECT, 'Shared Queries/100% done'), { statusCode: 400 });
  step('names with ? and %', 'as documented');
}

// Route values that this client encodes whole, and an address that Azure DevOps made itself.
async function encodedNames(connection, wit) {
  if (PATHS === 'decoded') await decodedNames(wit);
  const area = await wit.getClassificationNode(PROJECT, 'Areas', 'Parent/Child');
  assert.equal(area.name, 'Child');
  for (const name of ['R&D; 50% more'].filter(arrives)) {
    assert.equal((await wit.getClassificationNode(PROJECT, 'Areas', name)).name, name);
  }
  step('area node', area.path);
  for (const path of ['Shared Queries/Open bugs', 'Shared Queries/Why?', 'Shared Queries/100% done'].filter(arrives)) {
    assert.equal((await wit.getQuery(PROJECT, path)).path, path);
    step('stored query', path);
  }
  for (const name of ['C#', 'ready?', '50%'].filter(arrives)) assert.equal((await wit.getTag(PROJECT, name)).name, name);
  step('tag', 'C#');

  const wiki = await connection.rest.get(
    `${ORGANIZATION_URL}/${PROJECT}/_apis/wiki/wikis/${PROJECT}.wiki/pages?path=/Home/Onboarding guide&api-version=7.1`,
  );
  assert.match(wiki.result.url, /%2FHome%2FOnboarding%2520guide$/);
  const page = await connection.rest.get(proxied(wiki.result.url));
  assert.equal(page.result.path, '/Home/Onboarding guide');
  step('wiki page by its url', page.result.path);

  const build = await connection.getBuildApi();
  const folders = await build.getFolders(PROJECT, '\\Team\\Nightly');
  assert.deepEqual(folders.map((folder) => folder.path), ['\\Team\\Nightly']);
  step('build folder', folders[0].path);
  const archive = [];
  for await (const chunk of await build.getArtifactContentZip(PROJECT, 41, 'drop')) archive.push(chunk);
  assert.equal(Buffer.concat(archive).subarray(0, 2).toString(), 'PK');
  step('artifact, bytes', Buffer.concat(archive).length);
}

/** Microsoft's address in an answer, called through the proxy. */
function proxied(url) {
  return url.replace('https://', `${ORGANIZATION_URL.split('/dev.azure.com')[0]}/`);
}

function step(what, result) {
  console.log(`  node: ${what}: ${result}`);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
