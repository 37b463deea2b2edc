"""infra/restore against a stand-in of the AWS CLI that refuses as DynamoDB does after a restore."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

import readme

# A DynamoDB of a few tables. `refusals` has the errors of a command's next calls.
AWS = r'''
import json, os, sys

with open(os.environ["DYNAMODB"]) as file:
    state = json.load(file)
words = sys.argv[2:]
command = words[0]
option = lambda name: words[words.index(name) + 1]
state["calls"].append(command)

def save():
    with open(os.environ["DYNAMODB"], "w") as file:
        json.dump(state, file)

def fail(error):
    save()
    sys.exit(f"An error occurred ({error}) when calling {command}")

def table():
    return state["tables"].get(option("--table-name")) or fail("ResourceNotFoundException")

def restore(name, source, **summary):
    if name in state["tables"]:
        fail("TableAlreadyExistsException")
    new = {"items": source["items"], "protected": False, "recovery": "DISABLED", "expiry": "DISABLED"}
    state["changing"][name] = ["CREATING"] * 3
    state["tables"][name] = new | summary

if state["refusals"].get(command):
    fail(state["refusals"][command].pop(0))
answer = ""
match command:
    case "describe-table":
        changing = state["changing"].get(option("--table-name"), [])
        if changing[:1] == ["GONE"]:
            del state["tables"][option("--table-name")], state["changing"][option("--table-name")]
        members = {
            "Table.TableStatus": changing.pop(0) if changing else "ACTIVE",
            "Table.RestoreSummary.SourceBackupArn": table().get("from", "None"),
            "Table.DeletionProtectionEnabled": table()["protected"],
        } if option("--table-name") in state["tables"] else fail("ResourceNotFoundException")
        answer = members[option("--query")]
    case "restore-table-to-point-in-time":
        source = state["tables"][option("--source-table-name")]
        restore(option("--target-table-name"), {"items": "of " + option("--restore-date-time")})
    case "list-backups":
        made = [arn for arn, (of, _) in state["backups"].items() if of == option("--table-name")]
        answer = made[0] if made else "None"
    case "create-backup":
        answer = f"arn:aws:dynamodb:backup/{len(state['backups'])}"
        state["backups"][answer] = [option("--table-name"), table()["items"]]
    case "describe-backup":
        answer = "AVAILABLE"
    case "restore-table-from-backup":
        arn = option("--backup-arn")
        restore(option("--target-table-name"), {"items": state["backups"][arn][1]}, **{"from": arn})
    case "update-table":
        table()["protected"] = "--deletion-protection-enabled" in words
    case "delete-table":
        if table()["protected"]:
            fail("ValidationException")
        state["changing"][option("--table-name")] = ["DELETING"] * 3 + ["GONE"]
    case "update-continuous-backups":
        table()["recovery"] = "ENABLED"
    case "describe-continuous-backups":
        answer = table()["recovery"]
    case "update-time-to-live":
        if table()["expiry"] != "DISABLED":
            fail("ValidationException")
        table()["expiry"] = "ENABLED"
    case "describe-time-to-live":
        answer = table()["expiry"]
    case _:
        fail("UnknownCommand")
save()
print(answer)
'''
RESTORED = {"items": "of 2026-11-28T10:00:00Z", "protected": True, "recovery": "ENABLED", "expiry": "ENABLED"}


class Restore(unittest.TestCase):
    def setUp(self):
        self.directory = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        programs = self.directory / "bin"
        programs.mkdir()
        (programs / "aws").write_text(f"#!{sys.executable} -IS\n{AWS}")
        # Time passes at once.
        (programs / "sleep").write_text("#!/bin/sh\n")
        for program in programs.iterdir():
            program.chmod(0o755)
        self.environment = os.environ | {"PATH": f"{programs}:{os.environ['PATH']}", "DYNAMODB": str(self.directory / "state")}
        self.tables = {"tokens": {"items": "damaged", "protected": True, "recovery": "ENABLED", "expiry": "ENABLED"}}
        self.backups, self.changing = {}, {}

    def restore(self, *more: str, **refusals: list[str]) -> subprocess.CompletedProcess:
        state = self.directory / "state"
        refusals = {command.replace("_", "-"): errors for command, errors in refusals.items()}
        state.write_text(json.dumps({"tables": self.tables, "backups": self.backups, "changing": self.changing,
                                     "refusals": refusals, "calls": []}))
        run = subprocess.run([readme.REPOSITORY / "infra/restore", "tokens", "2026-11-28T10:00:00Z", *more], timeout=120,
                             env=self.environment, capture_output=True, text=True)
        after = json.loads(state.read_text())
        self.tables, self.backups, self.changing, self.calls = (after[name] for name in ["tables", "backups", "changing", "calls"])
        return run

    def tokens(self) -> dict:
        return {name: value for name, value in self.tables["tokens"].items() if name != "from"}

    def test_the_table_returns_under_its_name_with_its_settings_and_they_are_printed(self):
        run = self.restore("expires_at")
        self.assertEqual((run.returncode, self.tokens()), (0, RESTORED), run.stderr)
        self.assertEqual(run.stdout.split(), ["tokens", "deletion", "protection:", "True", "point-in-time", "recovery:",
                                              "ENABLED", "time", "to", "live:", "ENABLED"])

    def test_refusals_right_after_a_restore_are_waited_for(self):
        refused = ["ContinuousBackupsUnavailableException"] * 2
        run = self.restore("expires_at", create_backup=refused, update_continuous_backups=refused,
                           update_time_to_live=["ResourceInUseException"])
        self.assertEqual((run.returncode, self.tokens()), (0, RESTORED), run.stderr)
        self.assertEqual((self.calls.count("create-backup"), self.calls.count("update-continuous-backups")), (3, 3))

    def test_another_error_ends_it_with_that_error(self):
        run = self.restore("expires_at", update_continuous_backups=["AccessDeniedException"])
        self.assertNotEqual(run.returncode, 0)
        self.assertIn("AccessDeniedException", run.stderr)
        self.assertEqual(self.calls.count("update-continuous-backups"), 1)

    def test_a_second_start_goes_on_wherever_the_first_one_ended(self):
        for command in ["restore-table-to-point-in-time", "create-backup", "describe-backup", "delete-table",
                        "restore-table-from-backup", "update-continuous-backups", "describe-time-to-live"]:
            with self.subTest(command):
                self.tables = {"tokens": {"items": "damaged", "protected": True, "recovery": "ENABLED", "expiry": "ENABLED"}}
                self.backups, self.changing = {}, {}
                first = self.restore("expires_at", **{command.replace("-", "_"): ["InternalServerError"]})
                self.assertNotEqual(first.returncode, 0)
                second = self.restore("expires_at")
                self.assertEqual((second.returncode, self.tokens()), (0, RESTORED), second.stderr)
        self.restore("expires_at")
        self.assertFalse({"delete-table", "create-backup", "restore-table-from-backup"} & set(self.calls))

    def test_no_time_to_live_is_set_on_a_table_that_has_none(self):
        self.restore()
        self.assertEqual(self.tokens(), RESTORED | {"expiry": "DISABLED"})


if __name__ == "__main__":
    unittest.main()
