"""infra/smoke against a deployment that does everything otherwise: what it finds, and how it ends."""

import http.server
import json
import os
import socket
import subprocess
import threading
import unittest

import readme


class Otherwise(http.server.BaseHTTPRequestHandler):
    """An API that challenges nobody, answers no preflight, cuts paths at the wrong place, and replaces bytes."""

    protocol_version = "HTTP/1.1"
    organization = "mycompany"

    def is_plain(self) -> bool:
        is_dry = self.headers.get("X-Ado-Connect-Dry") and "X-Smoke" not in self.headers
        return is_dry and self.command == "GET" and self.path == "/proxy/conn_1/dev.azure.com/mycompany/_apis/projects"

    def answer(self, status: int, document: dict):
        body = b"" if self.command == "HEAD" else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def respond(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path.startswith("/connections?"):
            self.answer(200, {"items": [{"id": "conn_1", "organization": self.organization}]})
        elif self.is_plain():
            self.answer(200, {"path": "/mycompany/_apis/projects", "query": None})
        elif self.path == "/connect-sessions":
            self.answer(404, {"code": "integration_not_found"})
        elif "X-Ado-Connect-Dry" in self.headers:
            self.answer(200, {"path": "/mycompany/another/address", "query": None})
        else:
            self.answer(403, {"message": f"no {self.headers.get('Authorization')}"})

    do_GET = do_POST = do_HEAD = do_OPTIONS = respond

    def log_message(self, *_):
        pass


class Refusing(Otherwise):
    """An API that refuses all but plain calls for a reason that has nothing to do with the question."""

    def respond(self):
        if self.is_plain() or self.path.startswith("/connections?"):
            return super().respond()
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.answer(403, {"code": "call_not_allowed"})

    do_GET = do_POST = do_HEAD = do_OPTIONS = respond


class Closing(Otherwise):
    """An API that closes the connection when a large body arrives, without an answer."""

    def respond(self):
        if int(self.headers.get("Content-Length", 0)) < 1 << 20:
            return super().respond()
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    do_GET = do_POST = do_HEAD = do_OPTIONS = respond


class AnyOrganization(Otherwise):
    """A connection that serves several organizations."""

    organization = None


class Useless(Otherwise):
    """An API where even plain calls fail."""

    def is_plain(self) -> bool:
        return False


class Smoke(unittest.TestCase):
    def run_smoke(self, handler: type, streams: bool, *options: str, key: str = "-") -> subprocess.CompletedProcess:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        return subprocess.run([readme.REPOSITORY / "infra/smoke", url, url if streams else "-", key, *options],
                              env=os.environ | {"APPLICATION_KEY": "key"}, capture_output=True, text=True, timeout=240)

    def smoke(self, handler: type, streams: bool, *options: str) -> tuple[int, dict[str, str]]:
        run = self.run_smoke(handler, streams, *options)
        lines = [line.split("  ") for line in run.stdout.splitlines()[:-1]]
        return run.returncode, {[part for part in line if part][1].strip(): line[0] for line in lines}

    def test_a_refusal_for_another_reason_is_no_way_to_cope(self):
        status, verdicts = self.smoke(Refusing, streams=True)
        self.assertEqual(status, 1)
        others = {question for question, verdict in verdicts.items() if verdict != "otherwise, and we do not"}
        # Plain calls, and lines that need https or --large.
        self.assertEqual(others, {"streaming: header names in lower case", "streaming: a call over HTTP/2",
                                  "streaming: a stream that is broken off"})

    def test_nothing_is_asked_where_plain_calls_fail(self):
        run = self.run_smoke(Useless, streams=False)
        self.assertEqual((run.returncode, run.stdout), (2, ""))
        self.assertIn("a plain dry call of /_apis/projects", run.stderr)

    def test_a_connection_of_several_organizations_needs_the_name_of_one(self):
        run = self.run_smoke(AnyOrganization, streams=False)
        self.assertEqual(run.returncode, 2)
        self.assertIn("--organization", run.stderr)
        self.assertIn("gateway: HEAD", self.run_smoke(AnyOrganization, False, "--organization", "mycompany").stdout)

    def test_the_key_of_an_argument_wins_over_that_of_the_environment(self):
        seen = []

        class Noting(Otherwise):
            def respond(self):
                seen.append(self.headers.get("Authorization"))
                super().respond()

            do_GET = do_POST = do_HEAD = do_OPTIONS = respond

        self.run_smoke(Noting, streams=False)
        self.assertEqual(seen[0], "Bearer key")
        seen.clear()
        self.run_smoke(Noting, streams=False, key="another")
        self.assertEqual(seen[0], "Bearer another")

    def test_a_connection_that_is_closed_under_a_large_body_counts_as_a_refusal(self):
        _, verdicts = self.smoke(Closing, streams=False)
        self.assertEqual(verdicts["gateway: a body of 11 MB"], "otherwise, and we cope")

    def test_a_refused_download_is_no_broken_stream(self):
        _, verdicts = self.smoke(Otherwise, True, "--large", "items")
        self.assertEqual(verdicts["streaming: a stream that is broken off"], "otherwise, and we do not")

    def test_findings_that_break_callers_end_it_with_1(self):
        status, verdicts = self.smoke(Otherwise, streams=True)
        self.assertEqual(status, 1)
        breaking = {question for question, verdict in verdicts.items() if verdict == "otherwise, and we do not"}
        for question in ["gateway: the challenge of a call without a key", "gateway: the preflight of a call",
                         "gateway: HEAD", "gateway: a text that is not UTF-8", "gateway: %20 in a path",
                         "gateway: %3F in a path", "gateway: Expect: 100-continue", "streaming: %2F in a path",
                         "streaming: an address that it does not have"]:
            self.assertIn(question, breaking)
        # Larger requests than documented are nobody's loss.
        self.assertEqual(verdicts["gateway: a body of 11 MB"], "otherwise, and we cope")

    def test_the_open_questions_come_first_and_none_is_about_a_streaming_address_that_is_not_there(self):
        _, verdicts = self.smoke(Otherwise, streams=False)
        first = list(verdicts)[:7]
        for part in ["challenge", "mapped header", "%3F", "//", "Expect", "UTF-8"]:
            self.assertTrue(any(part in question for question in first), f"{part}: {first}")
        self.assertFalse([question for question in verdicts if question.startswith("streaming")])


if __name__ == "__main__":
    unittest.main()
