"""The workflow builds what people build, where they build it."""

import re
import unittest

import yaml

import readme


class Workflow(unittest.TestCase):
    def setUp(self):
        workflow = yaml.safe_load((readme.REPOSITORY / ".github/workflows/ci.yml").read_text())
        self.triggers, jobs = workflow[True], workflow["jobs"]
        self.jobs = {name: (job, [step.get("run", "") for step in job["steps"]]) for name, job in jobs.items()}

    def test_the_default_architecture_is_built_on_its_own_on_x86_64_and_on_macos(self):
        template = (readme.REPOSITORY / "infra/template.yaml").read_text()
        default = re.search(r"\n  Architecture:\n    Type: String\n    Default: (\w+)", template)[1]
        runners = set()
        for job, steps in self.jobs.values():
            if f"infra/build {default}" in steps:
                runners |= set(job.get("strategy", {}).get("matrix", {}).get("runner", [job["runs-on"]]))
        self.assertEqual(runners, {"ubuntu-24.04", "ubuntu-24.04-arm", "macos-15"})

    def test_what_is_built_for_arm64_elsewhere_is_started_on_arm64(self):
        cross, steps = self.jobs["cross"]
        [uploaded] = [step["with"] for step in cross["steps"] if "upload-artifact" in step.get("uses", "")]
        started, commands = self.jobs["cross-started"]
        self.assertEqual((started["needs"], started["runs-on"]), ("cross", "ubuntu-24.04-arm"))
        self.assertEqual(started["strategy"]["matrix"], cross["strategy"]["matrix"])
        [downloaded] = [step["with"] for step in started["steps"] if "download-artifact" in step.get("uses", "")]
        self.assertEqual(downloaded["name"], uploaded["name"])
        unpacked = commands.index(f"mkdir -p target && tar -C target -xzf {uploaded['path']}")
        [start] = [step for step in started["steps"] if "BUILT_FUNCTIONS" in step.get("env", {})]
        self.assertIn("events::", start["run"])
        self.assertGreater(commands.index(start["run"]), unpacked)
        # Nothing is built in its place.
        self.assertFalse([command for command in commands if command.startswith("infra/build")])

    def test_what_is_built_for_arm64_is_started_there(self):
        job, steps = self.jobs["arm64"]
        built = steps.index("infra/build arm64")
        [started] = [step for step in job["steps"] if "BUILT_FUNCTIONS" in step.get("env", {})]
        self.assertIn("events::", started["run"])
        self.assertGreater(steps.index(started["run"]), built)

    def test_advisories_and_bills_of_materials_are_made_on_every_run(self):
        commands = [command for _, steps in self.jobs.values() for command in steps]
        self.assertTrue([command for command in commands if command.endswith("check advisories")])
        self.assertIn("infra/sbom", commands)

    def test_licences_bans_and_sources_are_checked_on_every_change_and_advisories_every_week(self):
        commands = [command for _, steps in self.jobs.values() for command in steps]
        self.assertIn(".ci/run infra", commands)
        self.assertRegex((readme.REPOSITORY / ".ci/run").read_text(), r"\n *infra/check\n")
        check = (readme.REPOSITORY / "infra/check").read_text().splitlines()
        self.assertIn("cargo deny --locked check licenses bans sources", check)
        # YAML 1.1 reads the key `on` as true.
        self.assertRegex(self.triggers["schedule"][0]["cron"], r"^\d+ \d+ \* \* [0-7]$")
        self.assertLessEqual({"push", "pull_request"}, self.triggers.keys())


if __name__ == "__main__":
    unittest.main()
