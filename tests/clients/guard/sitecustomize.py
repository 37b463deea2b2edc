"""Refuses and records every connection and name lookup that is not for the proxy. Loaded with `PYTHONPATH`.

An audit hook sits below every library, sees each use of the socket module, and cannot be removed.
"""

import os
import socket
import sys


_HOST, _, _PORT = os.environ["PROXY_AUTHORITY"].rpartition(":")
_RESOLVED = socket.getaddrinfo(_HOST, int(_PORT), type=socket.SOCK_STREAM)
_ALLOWED = {(_HOST, int(_PORT))} | {address[:2] for *_, address in _RESOLVED}
_HOSTS = {host for host, _ in _ALLOWED}
_LOG = os.environ["BYPASS_LOG"]


def _guard(event, arguments):
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = arguments[1]
        if isinstance(address, tuple) and address[:2] in _ALLOWED:
            return
        what = "connect " + (":".join(map(str, address[:2])) if isinstance(address, tuple) else str(address))
    elif event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"):
        host = arguments[0].decode() if isinstance(arguments[0], bytes) else arguments[0]
        if host in _HOSTS:
            return
        what = f"lookup {host}"
    else:
        return
    with open(_LOG, "a", encoding="utf-8") as log:
        log.write(what + "\n")
    raise PermissionError(f"only the proxy may be reached: {what}")


sys.addaudithook(_guard)
