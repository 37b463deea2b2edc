// Lists projects with Microsoft's client for Node.
// npm install --no-save azure-devops-node-api@17.0.1
// GATEWAY=… APPLICATION_KEY=… CONNECTION_ID=… node examples/projects.mjs

import azdev from 'azure-devops-node-api';

const { GATEWAY, APPLICATION_KEY, CONNECTION_ID } = process.env;
const url = `${GATEWAY}/proxy/${CONNECTION_ID}/dev.azure.com/mycompany`;
const connection = new azdev.WebApi(url, azdev.getPersonalAccessTokenHandler(APPLICATION_KEY));
const core = await connection.getCoreApi();
for (const project of await core.getProjects()) console.log(project.name);
