// Refuses and notes every connection that does not go to the proxy. Loaded with `NODE_OPTIONS=--require`.
'use strict';
const fs = require('node:fs');
const net = require('node:net');

const allowed = process.env.PROXY_AUTHORITY;
const connect = net.Socket.prototype.connect;

net.Socket.prototype.connect = function guarded(...args) {
  const options = Array.isArray(args[0]) ? args[0][0] : args[0];
  const authority = `${options.host ?? 'localhost'}:${options.port ?? options.path}`;
  if (authority !== allowed) {
    fs.appendFileSync(process.env.BYPASS_LOG, `${authority}\n`);
    throw new Error(`a connection to ${authority} is not one to the proxy`);
  }
  return connect.apply(this, args);
};
