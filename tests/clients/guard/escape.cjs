// Tries to bypass the proxy in the ways that a client could. Fails if an attempt succeeds.
'use strict';
const dgram = require('node:dgram');
const dns = require('node:dns');
const https = require('node:https');
const net = require('node:net');

const tries = {
  https: () => new Promise((done, failed) => https.get('https://dev.azure.com/', done).on('error', failed)),
  fetch: () => fetch('https://app.vssps.visualstudio.com/'),
  socket: () => new Promise((done, failed) => net.connect(443, '127.0.0.2', done).on('error', failed)),
  'other port': () => new Promise((done, failed) => new net.Socket().connect(9, done).on('error', failed)),
  lookup: () => new Promise((done, failed) => dns.lookup('vssps.dev.azure.com', (error) => (error ? failed(error) : done()))),
  'promised lookup': () => dns.promises.lookup('vsrm.dev.azure.com'),
  'own resolver': () => new dns.promises.Resolver().resolve4('vsaex.dev.azure.com'),
  datagram: async () => dgram.createSocket('udp4').send('x', 53, '127.0.0.1'),
};

(async () => {
  for (const [name, attempt] of Object.entries(tries)) {
    const refused = await attempt().then(() => false, (error) => (error.cause ?? error).code === 'EPERM');
    if (!refused) throw new Error(`${name} was not refused`);
  }
})();
