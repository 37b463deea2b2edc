"""Tries to bypass the proxy in the ways that a client could. Fails if an attempt succeeds."""

import socket
import urllib.error
import urllib.request


def _socket(kind, use):
    with socket.socket(socket.AF_INET, kind) as tried:
        tried.settimeout(5)
        use(tried)


TRIES = {
    "https": lambda: urllib.request.urlopen("https://dev.azure.com/", timeout=5),
    "socket": lambda: _socket(socket.SOCK_STREAM, lambda tried: tried.connect(("127.0.0.2", 443))),
    "other port": lambda: _socket(socket.SOCK_STREAM, lambda tried: tried.connect_ex(("127.0.0.1", 9))),
    "lookup": lambda: socket.getaddrinfo("app.vssps.visualstudio.com", 443),
    "old lookup": lambda: socket.gethostbyname("vssps.dev.azure.com"),
    "datagram": lambda: _socket(socket.SOCK_DGRAM, lambda tried: tried.sendto(b"x", ("127.0.0.1", 53))),
}

for name, attempt in TRIES.items():
    try:
        attempt()
    except PermissionError:
        continue
    except urllib.error.URLError as error:
        if isinstance(error.reason, PermissionError):
            continue
    raise SystemExit(f"{name} was not refused")
