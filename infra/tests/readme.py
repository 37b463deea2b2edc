"""The shell commands of infra/README.md, so that tests run what a reader would run."""

import pathlib
import re

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
README = REPOSITORY / "infra/README.md"


def commands(text: str | None = None) -> list[str]:
    """Returns the lines of the fenced shell blocks; a line that ends in a backslash goes on in the next one."""
    text = README.read_text() if text is None else text
    lines = []
    for block in re.findall(r"^ *```sh\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL):
        lines += [line.strip() for line in block.replace("\\\n", " ").splitlines()]
    return [line for line in lines if line]


def exports() -> list[str]:
    """Returns the statements that set the region."""
    return [line for line in commands() if re.match(r"export AWS_\w*REGION=", line)]


def the_command(pattern: str) -> str:
    """Returns the only command that matches, without its comment."""
    found = [line for line in commands() if re.search(pattern, line)]
    assert len(found) == 1, f"{len(found)} commands match {pattern}: {found}"
    return found[0].split("    #")[0]
