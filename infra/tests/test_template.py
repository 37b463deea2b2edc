"""infra/template.yaml against rules of CloudFormation that no linter knows."""

import re
import runpy
import unittest

import cfnlint.decode

import readme

# Types whose names are global in an account, or in the world, and not in a region: a second stack with such a name
# fails, or takes the first one's place.
GLOBAL_NAMES = {
    "AWS::CloudFront::CachePolicy": "CachePolicyConfig",
    "AWS::CloudWatch::Dashboard": "DashboardName",
    "AWS::IAM::Group": "GroupName",
    "AWS::IAM::InstanceProfile": "InstanceProfileName",
    "AWS::IAM::ManagedPolicy": "ManagedPolicyName",
    "AWS::IAM::Role": "RoleName",
    "AWS::IAM::User": "UserName",
    "AWS::S3::Bucket": "BucketName",
}


def template() -> dict:
    decoded, errors = cfnlint.decode.decode(str(readme.REPOSITORY / "infra/template.yaml"))
    assert not errors, errors
    return decoded


def names_without_region(resources: dict) -> list[str]:
    """Returns the resources whose name is global and does not contain the region."""
    found = []
    for logical_id, resource in resources.items():
        name = resource.get("Properties", {}).get(GLOBAL_NAMES.get(resource["Type"], ""))
        if name is not None and "AWS::Region" not in str(name):
            found.append(logical_id)
    return found


class Template(unittest.TestCase):
    def test_two_stacks_of_one_name_in_two_regions_share_no_name(self):
        resources = template()["Resources"]
        self.assertIn("AWS::CloudWatch::Dashboard", {resource["Type"] for resource in resources.values()})
        self.assertEqual(names_without_region(resources), [])

    def test_a_global_name_without_the_region_is_found(self):
        role = {"Type": "AWS::IAM::Role", "Properties": {"RoleName": {"Fn::Sub": "${AWS::StackName}-proxy"}}}
        self.assertEqual(names_without_region({"Role": role}), ["Role"])

    def test_no_parameter_is_a_secret(self):
        # SAM prompts for such a parameter without its default, and asks again until it gets a word.
        hidden = [name for name, parameter in template()["Parameters"].items() if "NoEcho" in parameter]
        self.assertEqual(hidden, [])

    def test_no_command_lists_only_the_first_hundred_resources(self):
        # "Only the first 100 resources will be returned", DescribeStackResources.
        for document in [*readme.REPOSITORY.glob("*.md"), *readme.REPOSITORY.glob("docs/**/*.md"),
                         *readme.REPOSITORY.glob("infra/*"), readme.REPOSITORY / "infra/cdk/README.md"]:
            if document.is_file():
                self.assertIsNone(re.search("describe-stack-resources", document.read_text()), document)

    def test_the_cost_counts_the_alarms_of_a_stack_without_options(self):
        alarms = [one for one in template()["Resources"].values() if one["Type"] == "AWS::CloudWatch::Alarm"]
        metrics, meaning = runpy.run_path(str(readme.REPOSITORY / "infra/cost"))["HABITS"]["alarm-metrics"]
        self.assertEqual(metrics, len([one for one in alarms if "Condition" not in one]))
        self.assertIn(f"{len(alarms)} with all", meaning)


if __name__ == "__main__":
    unittest.main()
