"""The README's first commands, run by SAM itself: their region, their questions, and how they end without a network."""

import os
import pathlib
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import tomllib
import unittest

import readme

# Each command takes a few seconds; a loaded machine may take much longer.
SECONDS = 240
REFUSED = "Could not connect to the endpoint URL"
# A terminal's colours.
CONTROL = re.compile(rb"\x1b\[[0-9;]*m")
# SAM's questions end with the answer that Enter gives.
QUESTION = re.compile(r"\[[^\[\]\n]*\]: ")


class FirstDeployment(unittest.TestCase):
    def setUp(self):
        self.directory = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        built = self.directory / ".aws-sam/build"
        built.mkdir(parents=True)
        shutil.copy(readme.REPOSITORY / "infra/template.yaml", built / "template.yaml")
        # A port that is taken but listens to nobody, so that every connection is refused at once.
        taken = self.enterContext(socket.socket())
        taken.bind(("127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{taken.getsockname()[1]}"

    def shell(self, command: str) -> tuple[list[str], dict[str, str]]:
        """Returns a shell with credentials and what the README exports, and nothing else."""
        environment = {
            "HOME": str(self.directory),
            "PATH": os.environ["PATH"],
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_MAX_ATTEMPTS": "1",
            "SAM_CLI_TELEMETRY": "0",
            "TERM": "dumb",
            "LC_ALL": "C.UTF-8",
        }
        return ["bash", "-c", "\n".join([*readme.exports(), command])], environment

    def test_the_command_without_questions_finds_its_region_and_reaches_for_aws(self):
        command = readme.the_command(r"^sam deploy (?!.*--guided).*--no-confirm-changeset")
        self.assertIn(REFUSED, self.run_without_questions(command))

    def test_the_configuration_file_takes_the_place_of_all_options(self):
        [configuration] = re.findall(r"^```toml\n(.*?)^```", readme.README.read_text(), re.MULTILINE | re.DOTALL)
        (self.directory / "samconfig.toml").write_text(configuration)
        self.assertIn(REFUSED, self.run_without_questions("sam deploy"))
        told = tomllib.loads(configuration)["default"]["deploy"]["parameters"]
        overrides = dict(one.split("=") for one in told.pop("parameter_overrides").split())
        command = readme.the_command(r"^sam deploy (?!.*--guided).*--no-confirm-changeset")
        options = {"stack_name": "--stack-name ado-connect", "resolve_s3": "--resolve-s3",
                   "capabilities": "--capabilities CAPABILITY_IAM", "confirm_changeset": "--no-confirm-changeset"}
        self.assertEqual(told.keys(), options.keys())
        for option in options.values():
            self.assertIn(option, command)
        template = (readme.REPOSITORY / "infra/template.yaml").read_text()
        for name in overrides:
            self.assertIn(f"\n  {name}:\n    Type:", template)

    def run_without_questions(self, command: str) -> str:
        arguments, environment = self.shell(command)
        run = subprocess.run(arguments, cwd=self.directory, env=environment, stdin=subprocess.DEVNULL, timeout=SECONDS,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return run.stdout

    def test_enter_answers_every_question_of_the_guided_deployment(self):
        output = self.press_enter(readme.the_command(r"^sam deploy .*--guided"))
        self.assertIn(REFUSED, output)
        self.assertIn(f"AWS Region [{self.region()}]:", output)
        template = (readme.REPOSITORY / "infra/template.yaml").read_text()
        parameters = re.findall(r"^  (\w+):\n    Type: ", template.split("\nRules:\n")[0], re.MULTILINE)
        asked = len(QUESTION.findall(output))
        # Besides each parameter once: the stack, its region, and how to deploy.
        self.assertEqual([name for name in parameters if output.count(f"Parameter {name} [") != 1], [])
        self.assertTrue(30 < len(parameters) < asked < 60, f"infra/README.md says some fifty questions, not {asked}")

    def test_output_that_pauses_after_a_colon_is_no_question(self):
        # The second Enter is for what only looks like a question to someone who sees no more of the output yet.
        output = self.press_enter("printf 'Stack Name [ado-connect]: '; read -r; printf 'Values: '; read -r; echo 'none'")
        self.assertIn("none", output)
        self.assertEqual(len(QUESTION.findall(output)), 1)

    def test_deleting_the_stack_asks_for_the_same_region(self):
        deletes = {line for line in readme.commands() if line.startswith("sam delete")}
        self.assertTrue(deletes)
        for command in deletes:
            output = self.press_enter(command)
            self.assertIn(f"in the region {self.region()} ?", output)

    def region(self) -> str:
        arguments, environment = self.shell("printf %s $AWS_REGION")
        return subprocess.run(arguments, env=environment, check=True, capture_output=True, text=True).stdout

    def press_enter(self, command: str) -> str:
        """Runs a command in a terminal, and presses Enter whenever its output ends like a question. Returns the output.

        How much of the output is read at a time is chance, so Enter may be pressed once too often. It then answers the
        next question. Questions are counted in the whole output.
        """
        arguments, environment = self.shell(command)
        child, terminal = pty.fork()
        if child == 0:
            os.chdir(self.directory)
            os.execvpe(arguments[0], arguments, environment)
        deadline = time.monotonic() + SECONDS
        pressed, output, unanswered = 0, b"", b""
        try:
            while True:
                ready, _, _ = select.select([terminal], [], [], max(0, deadline - time.monotonic()))
                self.assertTrue(ready, f"no end in {SECONDS} seconds: {output[-300:]}")
                try:
                    read = os.read(terminal, 65536)
                except OSError:  # Linux' end of a terminal
                    read = b""
                if not read:
                    break
                output += read
                unanswered += read
                if CONTROL.sub(b"", unanswered).endswith(b": "):
                    pressed += 1
                    self.assertLess(pressed, 200, f"no end of questions: {output[-300:]}")
                    os.write(terminal, b"\n")
                    unanswered = b""
        finally:
            os.close(terminal)
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        return CONTROL.sub(b"", output).decode(errors="replace")


class Build(unittest.TestCase):
    def test_cargo_lambda_refuses_a_lock_file_that_is_out_of_date(self):
        # SAM passes no flags to Cargo Lambda, so the workspace has to ask for it.
        workspace = tomllib.loads((readme.REPOSITORY / "Cargo.toml").read_text())["workspace"]
        locked = str(workspace["metadata"]["lambda"].get("build", {}).get("locked", False)).lower()
        with tempfile.TemporaryDirectory() as directory:
            member = pathlib.Path(directory) / "member"
            (member / "src").mkdir(parents=True)
            (member / "src/main.rs").write_text("fn main() {}\n")
            (member / "Cargo.toml").write_text('[package]\nname = "member"\nversion = "0.1.0"\nedition = "2024"\n')
            (member.parent / "Cargo.toml").write_text(
                f'[workspace]\nresolver = "3"\nmembers = ["member"]\n[workspace.metadata.lambda.build]\nlocked = {locked}\n')
            build = subprocess.run(["cargo", "lambda", "build", "--release"], cwd=member, timeout=SECONDS,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.assertNotEqual(build.returncode, 0)
        self.assertIn("because --locked was passed", build.stdout)


if __name__ == "__main__":
    unittest.main()
