"""infra/smoke against a deployment that does everything otherwise: what it finds, and how it ends."""

import http.server
import json
import subprocess
import threading
import unittest

import readme


class Otherwise(http.server.BaseHTTPRequestHandler):
    """An API that challenges nobody, answers no preflight, cuts paths at the wrong place, and replaces bytes."""

    protocol_version = "HTTP/1.1"

    def answer(self, status: int, document: dict):
        body = b"" if self.command == "HEAD" else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def respond(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path.startswith("/connections?"):
            self.answer(200, {"items": [{"id": "conn_1", "organization": "mycompany"}]})
        elif self.path == "/connect-sessions":
            self.answer(404, {"code": "integration_not_found"})
        elif "X-Ado-Connect-Dry" in self.headers:
            self.answer(200, {"path": "/mycompany/another/address", "query": None})
        else:
            self.answer(403, {"message": f"no {self.headers.get('Authorization')}"})

    do_GET = do_POST = do_HEAD = do_OPTIONS = respond

    def log_message(self, *_):
        pass


class Smoke(unittest.TestCase):
    def smoke(self, handler: type, streams: bool) -> tuple[int, dict[str, str]]:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        run = subprocess.run([readme.REPOSITORY / "infra/smoke", url, url if streams else "-", "key"],
                             capture_output=True, text=True, timeout=240)
        lines = [line.split("  ") for line in run.stdout.splitlines()[:-1]]
        return run.returncode, {[part for part in line if part][1].strip(): line[0] for line in lines}

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
        first = list(verdicts)[:6]
        for part in ["challenge", "%3F", "//", "Expect", "UTF-8"]:
            self.assertTrue(any(part in question for question in first), f"{part}: {first}")
        self.assertFalse([question for question in verdicts if question.startswith("streaming")])


if __name__ == "__main__":
    unittest.main()
