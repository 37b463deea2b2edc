"""The official Python client, unmodified, with nothing but an address, in both eras: it finds the authorization server, signs
its user in, refreshes its tokens, and asks for a new sign-in when they have ended. A line `authorize URL` asks for a browser,
whose last address is the next line of the input."""

import asyncio
import json
import os
import sys
import urllib.parse
import urllib.request

from mcp import Client
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client
from mcp.shared.auth import OAuthClientMetadata

ENDPOINT = os.environ["ENDPOINT"]
DOCUMENT = os.environ.get("CLIENT_DOCUMENT")
REDIRECT_URI = "http://localhost:7777/callback"


class Storage:
    tokens = None
    client = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client):
        self.client = client


async def walk(mode: str, version: str) -> None:
    storage, asked = Storage(), []

    async def redirect(url: str) -> None:
        asked.append(url)
        print(f"authorize {url}", flush=True)

    async def callback() -> AuthorizationCodeResult:
        back = urllib.parse.urlsplit(await asyncio.to_thread(sys.stdin.readline))
        answer = dict(urllib.parse.parse_qsl(back.query))
        return AuthorizationCodeResult(code=answer["code"], state=answer["state"], iss=answer["iss"])

    def provider() -> OAuthClientProvider:
        metadata = OAuthClientMetadata(
            client_name="the Python SDK", redirect_uris=[REDIRECT_URI], token_endpoint_auth_method="none"
        )
        return OAuthClientProvider(ENDPOINT, metadata, storage, redirect, callback, client_metadata_url=DOCUMENT)

    async def name() -> str:
        async with create_mcp_http_client(auth=provider()) as http:
            async with Client(streamable_http_client(ENDPOINT, http_client=http), mode=mode) as client:
                assert client.protocol_version == version, client.protocol_version
                called = await client.call_tool("who_am_i", {})
                assert not called.is_error, called
                return json.loads(called.content[0].text)["user"]["name"]

    signed_in = await name()
    assert "Ada" in signed_in and len(asked) == 1, (signed_in, asked)
    assert (storage.client.client_id == DOCUMENT) == (DOCUMENT is not None), storage.client
    assert await name() == signed_in and len(asked) == 1, asked

    revoke(storage.tokens.refresh_token)
    assert await name() == signed_in and len(asked) == 2, asked
    print(f"  {version}: {signed_in}, {'by its metadata document' if DOCUMENT else 'registered'}", flush=True)


def revoke(token: str) -> None:
    path = urllib.parse.urlsplit(ENDPOINT).path
    metadata = urllib.parse.urljoin(ENDPOINT, f"/.well-known/oauth-authorization-server{path}")
    with urllib.request.urlopen(metadata) as answer:
        endpoint = json.load(answer)["revocation_endpoint"]
    form = urllib.parse.urlencode({"token": token}).encode()
    with urllib.request.urlopen(endpoint, form) as answer:
        assert answer.status == 200


async def main() -> None:
    await walk("auto", "2026-07-28")
    await walk("legacy", "2025-11-25")


asyncio.run(main())
