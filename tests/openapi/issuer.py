"""An identity provider on loopback that names users: its discovery document, its keys, and one token.

issuer.py FILE AUDIENCE: writes its address and a token of a user for this audience into FILE, a line each, and serves until
it is ended. Needs OpenSSL.
"""

import base64
import http.server
import json
import pathlib
import subprocess
import sys
import tempfile
import time

# Longer than the requests take.
LIFETIME = 6 * 3600


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def openssl(*arguments, given=None) -> bytes:
    return subprocess.run(["openssl", *arguments], input=given, check=True, capture_output=True).stdout


def signed(key: pathlib.Path, claims: dict) -> str:
    header = {"alg": "RS256", "kid": "1", "typ": "JWT"}
    text = ".".join(encoded(json.dumps(part).encode()) for part in (header, claims))
    return f"{text}.{encoded(openssl('dgst', '-sha256', '-sign', str(key), given=text.encode()))}"


def public(key: pathlib.Path) -> dict:
    modulus = openssl("rsa", "-in", str(key), "-noout", "-modulus").decode().strip().removeprefix("Modulus=")
    return {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "1", "n": encoded(bytes.fromhex(modulus)), "e": "AQAB"}


def serve(file: pathlib.Path, audience: str):
    with tempfile.TemporaryDirectory() as folder:
        key = pathlib.Path(folder) / "key.pem"
        openssl("genrsa", "-out", str(key), "2048")
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Documents)
        issuer = f"http://127.0.0.1:{server.server_port}"
        server.documents = {
            "/.well-known/openid-configuration": {"issuer": issuer, "jwks_uri": f"{issuer}/keys"},
            "/keys": {"keys": [public(key)]},
        }
        now = int(time.time())
        claims = {"iss": issuer, "aud": audience, "sub": "ada", "iat": now, "exp": now + LIFETIME}
        written = file.with_suffix(".new")
        written.write_text(f"{issuer}\n{signed(key, claims)}\n")
        written.rename(file)
        server.serve_forever()


class Documents(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        document = self.server.documents.get(self.path)
        body = json.dumps(document).encode()
        self.send_response(200 if document else 404)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    match sys.argv[1:]:
        case [file, audience]:
            serve(pathlib.Path(file), audience)
        case _:
            sys.exit(f"usage: {sys.argv[0]} FILE AUDIENCE")
