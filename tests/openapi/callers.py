"""Sends requests made up from openapi.json as each kind of caller: nobody, a user, an application, an operator.

An answer must be one that the document describes, in status, media type, headers and schema; none may be a 5xx, and
none may be given to a request without a caller that needs one. The calls come in this order because an operator's
requests change and delete what the others use.
"""

import html
import http.cookiejar
import json
import os
import pathlib
import re
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request

CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "allow_header_conformance",
]
# Requests made up at random for each operation, beside those that cover its parameters one by one.
EXAMPLES = 40
# The integration whose users name themselves, and that of the demo application.
USERS, APPLICATION = "azure-devops", "demo"


class Stack:
    """What the local stack has printed."""

    def __init__(self, printed: str):
        def value(name: str) -> str:
            return re.search(rf"^  {name} +(\S+)", printed, re.MULTILINE)[1]

        self.gateway = value("gateway")
        self.demo = value("demo application")
        self.operator_key = value("operator key")
        self.application_key = value("application key")
        self.token_of_a_user = os.environ["JWT"]

    def ask(self, method: str, path: str, key: str, body=None):
        request = urllib.request.Request(self.gateway + path, method=method)
        request.add_header("authorization", f"Bearer {key}")
        data = None
        if body is not None:
            request.add_header("content-type", "application/json")
            data = json.dumps(body).encode()
        with urllib.request.urlopen(request, data, timeout=60) as answer:
            return json.load(answer)


def connect(stack: Stack, key: str, integration: str, **user) -> str:
    """Signs Ada in at Entra's emulator for a user, and returns the id of the active connection."""
    session = {"integration": integration, "return_to": f"{stack.demo}/connected", **user}
    link = stack.ask("POST", "/connect-sessions", key, session)["connect_url"]
    browser = Browser()
    page = browser.get(link)
    forms = re.findall(r'<form method="post" action="([^"]+)">(.*?)</form>', page.text, re.DOTALL)
    action, fields = next(form for form in forms if "ada@mycompany.example" in form[1])
    names = dict(re.findall(r'name="([^"]+)" value="([^"]*)"', fields))
    returned = browser.post(urllib.parse.urljoin(page.address, html.unescape(action)), names)
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(returned).query)
    connection = query["connection_id"][0]
    confirmation = {"confirmation": query["confirmation"][0], **user}
    stack.ask("POST", f"/connections/{connection}/confirm", key, confirmation)
    return connection


class Page:
    def __init__(self, address: str, text: str):
        self.address, self.text = address, text


class Browser:
    """Follows redirects with cookies, up to the application's own address."""

    def __init__(self):
        # Browsers treat localhost as secure.
        policy = http.cookiejar.DefaultCookiePolicy(secure_protocols=("http", "https"))
        jar = http.cookiejar.CookieJar(policy)
        self.last = ""
        outer = self

        class Redirects(urllib.request.HTTPRedirectHandler):
            def redirect_request(self, request, body, code, message, headers, address):
                outer.last = address
                if "confirmation=" in address:
                    return None
                return super().redirect_request(request, body, code, message, headers, address)

        cookies = urllib.request.HTTPCookieProcessor(jar)
        self.opener = urllib.request.build_opener(cookies, Redirects)

    def get(self, address: str) -> Page:
        with self.opener.open(address, timeout=60) as answer:
            return Page(answer.geturl(), answer.read().decode())

    def post(self, address: str, fields: dict) -> str:
        """Sends a form; returns the application's address at the end of its redirects."""
        try:
            self.opener.open(address, urllib.parse.urlencode(fields).encode(), timeout=60).close()
        except urllib.error.HTTPError as redirect:
            redirect.close()
        return self.last


class Caller:
    def __init__(self, name: str, key=None, parameters=None, without=()):
        self.name, self.key, self.parameters, self.without = name, key, parameters or {}, without
        self.checks = CHECKS if key else [*CHECKS, "needs_a_caller"]


def existing(connection: str, integration: str) -> dict:
    """Parameters of requests for what exists."""
    return {
        "path.connection": connection,
        "path.host": "dev.azure.com",
        "path.path": "mycompany/_apis/projects",
        "path.integration": integration,
        "query.integration": integration,
    }


def callers(stack: Stack):
    yield Caller("nobody")
    # Schemathesis repeats ids that it has seen in answers, so requests with made-up ids may delete every connection.
    kept = ["^/connections/[^/]*$", "^/portal"]
    token = stack.token_of_a_user
    yield Caller("a user, made-up ids", token)
    own = connect(stack, token, USERS)
    yield Caller("a user, its own connection", token, existing(own, USERS), kept)
    key = stack.application_key
    yield Caller("an application, made-up ids", key)
    own = connect(stack, key, APPLICATION, user="ada")
    yield Caller("an application, its own connection", key, existing(own, APPLICATION), kept)
    # A paused service would answer everything else with 503.
    yield Caller("an operator", stack.operator_key, without=["^/service/pause$"])


def run(stack: Stack, scratch: pathlib.Path, seed: str) -> int:
    failed = []
    for number, caller in enumerate(callers(stack)):
        print(f"\n== as {caller.name}", flush=True)
        folder = scratch / str(number)
        folder.mkdir()
        if not made_up_requests(stack, caller, folder, seed):
            failed.append(caller.name)
    for name in failed:
        print(f"an answer that the document does not allow, or a 5xx, as {name}", file=sys.stderr)
    return 1 if failed else 0


def made_up_requests(stack: Stack, caller: Caller, folder: pathlib.Path, seed: str) -> bool:
    lines = ["[parameters]"]
    lines += [f'"{name}" = {json.dumps(value)}' for name, value in caller.parameters.items()]
    (folder / "schemathesis.toml").write_text("\n".join(lines) + "\n")
    command = [os.environ["SCHEMATHESIS"], "--config-file", "schemathesis.toml", "run", f"{stack.gateway}/openapi.json"]
    command += ["--checks", ",".join(caller.checks), "--seed", seed, "--max-examples", str(EXAMPLES)]
    command += ["--phases", "examples,coverage,fuzzing", "--continue-on-failure", "--no-color", "--warnings", "off"]
    command += ["--request-timeout", "60"]
    if caller.key:
        command += ["--header", f"Authorization: Bearer {caller.key}"]
    for path in caller.without:
        command += ["--exclude-path-regex", path]
    hooks = {"SCHEMATHESIS_HOOKS": "caller_check", "PYTHONPATH": str(pathlib.Path(__file__).parent.resolve())}
    return subprocess.run(command, cwd=folder, env={**os.environ, **hooks}).returncode == 0


if __name__ == "__main__":
    match sys.argv[1:]:
        case [printed, scratch, seed]:
            sys.exit(run(Stack(pathlib.Path(printed).read_text()), pathlib.Path(scratch), seed))
        case _:
            sys.exit(f"usage: {sys.argv[0]} STACK SCRATCH SEED")
