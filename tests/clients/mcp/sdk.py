"""The official Python client, unmodified, with a key in a header of its own, in both eras."""

import asyncio
import json
import os

from mcp import Client
from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client

ENDPOINT = os.environ["ENDPOINT"]
HEADERS = {"Authorization": f"Bearer {os.environ['API_KEY']}"}


async def walk(mode: str, version: str) -> None:
    async with create_mcp_http_client(headers=HEADERS) as http:
        async with Client(streamable_http_client(ENDPOINT, http_client=http), mode=mode) as client:
            assert client.protocol_version == version, client.protocol_version
            assert client.server_info.name == "ado-connect"
            tools = (await client.list_tools()).tools
            names = [tool.name for tool in tools]
            assert names[:4] == ["who_am_i", "list_projects", "list_teams", "find_people"], names
            assert "get_pull_request_diff" in names and "query_work_items" in names, names
            me = await answer(client, "who_am_i")
            assert "Ada" in me["user"]["name"], me
            teams = await answer(client, "list_teams", {"project": "Website"})
            assert teams["items"], teams
            refused = await client.call_tool("list_teams", {"project": "Webiste"})
            assert refused.is_error and "Website" in refused.content[0].text, refused
            print(f"  {client.protocol_version}: {me['user']['name']}, {len(tools)} tools")


async def answer(client: Client, tool: str, arguments: dict | None = None) -> dict:
    called = await client.call_tool(tool, arguments or {})
    assert not called.is_error, called
    return json.loads(called.content[0].text)


async def main() -> None:
    # `auto` asks for the newest version first.
    await walk("auto", "2026-07-28")
    await walk("legacy", "2025-11-25")


asyncio.run(main())
