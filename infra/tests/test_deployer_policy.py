"""infra/deployer-policy.json is what the resource types' schemas ask for, limited to the stack."""

import json
import os
import pathlib
import sys
import unittest

import readme

sys.path.insert(0, str(readme.REPOSITORY / "infra/tools"))
import deployer_policy

FILE = readme.REPOSITORY / "infra/deployer-policy.json"


class DeployerPolicy(unittest.TestCase):
    def test_the_policy_is_what_the_schemas_ask_for(self):
        if "UPDATE_DOCS" in os.environ:
            FILE.write_text(deployer_policy.text())
        self.assertEqual(FILE.read_text(), deployer_policy.text(), "UPDATE_DOCS=1 writes it")

    def test_it_fits_into_a_role(self):
        # "Role policy size can't exceed 10,240 characters", without white space: IAM and STS quotas.
        self.assertLess(len(json.dumps(deployer_policy.policy(), separators=(",", ":"))), 10_240)

    def test_it_reads_and_writes_no_item_message_or_secret_of_the_service(self):
        policy = json.dumps(deployer_policy.policy())
        for action in ["dynamodb:GetItem", "dynamodb:Scan", "sqs:ReceiveMessage", "kms:Decrypt", "lambda:InvokeFunction",
                       "logs:GetLogEvents", "integrations/"]:
            self.assertNotIn(action, policy)

    def test_roles_are_passed_only_to_the_services_that_the_template_trusts(self):
        [passing] = [one for one in deployer_policy.policy()["Statement"] if one["Action"] == "iam:PassRole"]
        services = ["events.amazonaws.com", "lambda.amazonaws.com", "scheduler.amazonaws.com"]
        self.assertEqual(passing["Condition"], {"StringEquals": {"iam:PassedToService": services}})

    def test_every_exception_is_still_one(self):
        kinds = {resource["Type"] for resource in deployer_policy.template()["Resources"].values()}
        asked = {action for kind in kinds for action in deployer_policy.handlers(kind)}
        for pattern in deployer_policy.UNUSED:
            self.assertTrue(any(deployer_policy.is_one(action, [pattern]) for action in asked), pattern)


if __name__ == "__main__":
    unittest.main()
