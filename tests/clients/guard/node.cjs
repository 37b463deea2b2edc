// Refuses and records every connection and name lookup that is not for the proxy. Loaded with
// `NODE_OPTIONS=--require`.
'use strict';

const dns = require('node:dns');
const dgram = require('node:dgram');
const { appendFileSync } = require('node:fs');
const net = require('node:net');

const allowed = process.env.PROXY_AUTHORITY;
const allowedHost = allowed.slice(0, allowed.lastIndexOf(':'));

function refusal(what) {
  appendFileSync(process.env.BYPASS_LOG, `${what}\n`);
  return Object.assign(new Error(`only the proxy may be reached: ${what}`), { code: 'EPERM' });
}

// Below http, https, tls, undici and `net.connect`.
const connect = net.Socket.prototype.connect;
net.Socket.prototype.connect = function guarded(...given) {
  const [options] = Array.isArray(given[0]) ? given[0] : net._normalizeArgs(given);
  const address = options.path ?? `${options.host ?? 'localhost'}:${options.port}`;
  if (address === allowed) return connect.apply(this, given);
  const error = refusal(`connect ${address}`);
  process.nextTick(() => this.destroy(error));
  return this;
};

dgram.Socket.prototype.send = function guarded() {
  throw refusal('datagram');
};

for (const name of ['lookup', 'lookupService']) {
  watch(dns, name);
  watch(dns.promises, name);
}
// The functions of these names below `dns` were taken from resolvers before this file was loaded.
for (const resolver of [dns, dns.promises, dns.Resolver.prototype, dns.promises.Resolver.prototype]) {
  for (const name of Object.getOwnPropertyNames(resolver)) {
    if (/^(resolve|reverse)/.test(name)) watch(resolver, name);
  }
}

/** The proxy's own name may be asked for. An address in numbers, at which a client's own server listens, is asked nowhere. */
function watch(object, name) {
  const plain = object[name];
  object[name] = function guarded(host, ...rest) {
    const isAddress = name === 'lookup' && net.isIP(host) !== 0;
    if (host === allowedHost || isAddress) return plain.call(this, host, ...rest);
    const error = refusal(`${name} ${host}`);
    const callback = rest.at(-1);
    if (typeof callback !== 'function') return Promise.reject(error);
    process.nextTick(callback, error);
    return {};
  };
}
