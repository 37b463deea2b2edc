// The proxy that many write by hand: a route of Express that asks the upstream with axios.
'use strict';
const http = require('node:http');
const axios = require('axios');
const express = require('express');

const upstream = axios.create({
  baseURL: process.env.UPSTREAM,
  httpAgent: new http.Agent({ keepAlive: true }),
  responseType: 'stream',
  validateStatus: () => true,
});
const app = express();
app.use(express.raw({ type: '*/*', limit: '6mb' }));
app.use(async (request, response) => {
  const { host, connection, 'content-length': length, ...headers } = request.headers;
  const answer = await upstream.request({
    method: request.method,
    url: request.originalUrl,
    headers: { ...headers, authorization: `Bearer ${process.env.TOKEN}` },
    data: Buffer.isBuffer(request.body) ? request.body : undefined,
  });
  const { connection: hop, 'keep-alive': kept, 'transfer-encoding': encoding, ...passed } = answer.headers;
  response.status(answer.status).set(passed);
  answer.data.pipe(response);
});
const server = app.listen(0, '127.0.0.1', () => console.log(server.address().port));
