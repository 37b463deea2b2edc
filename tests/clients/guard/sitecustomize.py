"""Refuses and notes every connection that does not go to the proxy. Loaded with `PYTHONPATH`."""

import os
import socket

_HOST, _PORT = os.environ["PROXY_AUTHORITY"].rsplit(":", 1)
_LOOPBACK = {_HOST, "127.0.0.1", "::1"}
_connect, _getaddrinfo = socket.socket.connect, socket.getaddrinfo


def _check(host, port):
    if host not in _LOOPBACK or str(port) != _PORT:
        with open(os.environ["BYPASS_LOG"], "a", encoding="utf-8") as log:
            log.write(f"{host}:{port}\n")
        raise ConnectionRefusedError(f"a connection to {host}:{port} is not one to the proxy")


def _guarded_connect(self, address):
    _check(address[0], address[1])
    return _connect(self, address)


def _guarded_getaddrinfo(host, port, *rest, **named):
    _check(host, port)
    return _getaddrinfo(host, port, *rest, **named)


socket.socket.connect = _guarded_connect
socket.getaddrinfo = _guarded_getaddrinfo
