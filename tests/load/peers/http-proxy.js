// A proxy with the package http-proxy and its usual settings, with connections that are kept.
'use strict';
const http = require('node:http');
const httpProxy = require('http-proxy');

const proxy = httpProxy.createProxyServer({
  target: process.env.UPSTREAM,
  agent: new http.Agent({ keepAlive: true }),
  headers: { authorization: `Bearer ${process.env.TOKEN}` },
});
const server = http.createServer((request, response) => {
  proxy.web(request, response, (error) => {
    response.writeHead(502).end(error.message);
  });
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
