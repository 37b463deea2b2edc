#!/usr/bin/env python3
"""Prints infra/deployer-policy.json: what CloudFormation must be allowed, to deploy, change and delete the stack.

The actions are those of CloudFormation's own handlers of each resource type, in the schemas that cfn-lint ships. Whether
an action can be limited to a resource is in cfn-lint's copy of AWS' service authorization reference. The names of the
resources are those of a stack with the name `ado-connect`. They begin with it unless it is longer than
`longest_name`: CloudFormation shortens such a name in those of roles.
"""

import collections
import fnmatch
import json
import pathlib

import cfnlint
import cfnlint.decode

TEMPLATE = pathlib.Path(__file__).resolve().parents[1] / "template.yaml"
CFN_LINT = pathlib.Path(cfnlint.__file__).parent / "data"
# By service and type of resource, as the reference names them.
RESOURCES = {
    # APIs have generated ids. These are the collections of the template's types, without keys, usage plans and links to
    # networks.
    "apigateway": {
        "*": [f"arn:aws:apigateway:*::/{path}" for path in
              ("apis", "apis/*", "domainnames", "domainnames/*", "restapis", "restapis/*", "tags/*")],
    },
    "cloudwatch": {
        "alarm": ["arn:aws:cloudwatch:*:*:alarm:ado-connect *"],
        "dashboard": ["arn:aws:cloudwatch::*:dashboard/ado-connect-*"],
        "*": [],
    },
    "dynamodb": {"table": ["arn:aws:dynamodb:*:*:table/ado-connect-*"], "*": []},
    "events": {
        "event-bus": ["arn:aws:events:*:*:event-bus/ado-connect"],
        "rule-on-custom-event-bus": ["arn:aws:events:*:*:rule/ado-connect/*"],
        "connection": ["arn:aws:events:*:*:connection/*"],
        "api-destination": ["arn:aws:events:*:*:api-destination/*"],
        "*": [],
    },
    "iam": {"role": ["arn:aws:iam::*:role/ado-connect-*"], "*": []},
    # A key's id is not known before it exists. The keys' own policies decide, too, and the README replaces this afterwards.
    "kms": {"key": ["arn:aws:kms:*:*:key/*"], "*": []},
    "lambda": {
        "function": ["arn:aws:lambda:*:*:function:ado-connect-*"],
        "eventSourceMapping": ["arn:aws:lambda:*:*:event-source-mapping:*"],
        "*": [],
    },
    "logs": {
        "log-group": ["arn:aws:logs:*:*:log-group:/ado-connect/*", "arn:aws:logs:*:*:log-group:/aws/vendedlogs/ado-connect/*"],
        "*": [],
    },
    "scheduler": {"schedule": ["arn:aws:scheduler:*:*:schedule/default/ado-connect-*"], "*": []},
    "secretsmanager": {"Secret": ["arn:aws:secretsmanager:*:*:secret:ado-connect/operator-key-*"]},
    "sqs": {"queue": ["arn:aws:sqs:*:*:ado-connect-*"]},
}

# Actions of the handlers for what the template does not use.
UNUSED = {
    "dynamodb:*Item": "replicas; these would read and write the tables' items",
    "dynamodb:Query": "replicas",
    "dynamodb:Scan": "replicas",
    "dynamodb:*TableReplica": "replicas",
    "dynamodb:*Import*": "imports",
    "dynamodb:*KinesisStreamingDestination": "streams",
    "dynamodb:*ResourcePolicy": "policies of tables",
    "events:*Permission": "access to the bus from other accounts",
    "iam:*GroupPolicy": "policies of groups",
    "iam:*UserPolicy": "policies of users",
    "iam:AttachRolePolicy": "managed policies",
    "iam:DetachRolePolicy": "managed policies",
    "lambda:*CapacityProvider": "managed instances",
    "lambda:AssociateRuntimeAlias": "managed instances",
    "lambda:PutFunctionScalingConfig": "managed instances",
    "lambda:*CodeSigning*": "code signing",
    "lambda:GetLayerVersion": "layers",
    "logs:*BearerTokenAuthentication": "ingestion over HTTP",
    "logs:*IndexPolicy": "indexes of log groups",
    "logs:*DataProtectionPolicy": "masking",
    "logs:*KmsKey": "keys of log groups",
    "secretsmanager:*Replica*": "replicas",
    "secretsmanager:GetSecretValue": "the operator key, which CloudFormation generates and need not read",
}
# The handlers read these after each change, whether or not the template uses the feature.
READ = ("*:Describe*", "*:Get*", "*:List*")
NOT_READ = ("dynamodb:GetItem", "iam:*GroupPolicy", "iam:*UserPolicy", "lambda:GetLayerVersion", "lambda:GetCodeSigningConfig",
            "secretsmanager:GetSecretValue")
# Conditions on actions whose resources cannot be named.
CONDITIONS = {
    # The template's own waiting period, in which the deletion can be cancelled. Any shorter one is refused.
    "kms:ScheduleKeyDeletion": {"NumericGreaterThanEqualsIfExists": {"kms:ScheduleKeyDeletionPendingWindowInDays": "30"}},
    # A policy that locks its administrators out is refused.
    "kms:CreateKey": {"BoolIfExists": {"kms:BypassPolicyLockoutSafetyCheck": "false"}},
    "kms:PutKeyPolicy": {"BoolIfExists": {"kms:BypassPolicyLockoutSafetyCheck": "false"}},
    # "Condition keys for AWS Lambda": the function of an event source mapping.
    **{
        f"lambda:{action}EventSourceMapping": {"ArnLike": {"lambda:FunctionArn": "arn:aws:lambda:*:*:function:ado-connect-*"}}
        for action in ("Create", "Update", "Delete")
    },
}

# IAM: "Names of IAM roles … up to 64 characters". CloudFormation writes STACK-LOGICALID-SUFFIX, with 12 or 13 characters.
LONGEST_ROLE, SUFFIX = 64, 13


def longest_name(resources: dict) -> int:
    """Returns the length up to which a stack's name stays whole in the names of its roles."""
    roles = [name for name, resource in resources.items() if resource["Type"] == "AWS::IAM::Role"]
    return LONGEST_ROLE - SUFFIX - len("--") - max(map(len, roles))


def template() -> dict:
    decoded, errors = cfnlint.decode.decode(str(TEMPLATE))
    assert not errors, errors
    return decoded


def handlers(kind: str) -> set[str]:
    """Returns the actions of a resource type's handlers; those that list all of an account take no part in a deployment."""
    kind = kind.replace("AWS::Serverless::", "AWS::Lambda::")
    providers = json.loads((CFN_LINT / "schemas/providers/us-east-1.json").read_text())
    schema = json.loads((CFN_LINT / f"schemas/resources/{providers[kind]}.json").read_text())
    taking_part = [handler for name, handler in schema["handlers"].items() if name != "list"]
    return {action for handler in taking_part for action in handler["permissions"]}


def is_one(action: str, patterns) -> bool:
    return any(fnmatch.fnmatchcase(action, pattern) for pattern in patterns)


def is_unused(action: str) -> bool:
    return is_one(action, UNUSED) and (is_one(action, NOT_READ) or not is_one(action, READ))


def resources_of(action: str, reference: dict) -> list[str]:
    """Returns the resources to which an action can be limited, or all."""
    service, name = action.split(":")
    kinds = reference[service]["Actions"].get(name.lower(), {}).get("Resources", [])
    known = RESOURCES[service]
    return sorted({arn for kind in kinds for arn in known.get(kind, known.get("*", []))}) or ["*"]


def policy() -> dict:
    """Returns the policy."""
    reference = json.loads((CFN_LINT / "AdditionalSpecs/Policies.json").read_text())
    resources = template()["Resources"].values()
    grouped = collections.defaultdict(set)
    for kind in {resource["Type"] for resource in resources}:
        # What a handler does in other services is in `BESIDES`, limited to what it needs there.
        own = {action for action in handlers(kind) if action.split(":")[0] in services(kind)}
        for action in own - {"iam:PassRole", "iam:CreateServiceLinkedRole"}:
            if not is_unused(action):
                condition = json.dumps(CONDITIONS.get(action, {}))
                grouped[(tuple(resources_of(action, reference)), condition)].add(action)
    statements = [
        {"Effect": "Allow", "Action": sorted(actions), "Resource": list(arns) if len(arns) > 1 else arns[0]}
        | ({"Condition": json.loads(condition)} if condition != "{}" else {})
        for (arns, condition), actions in sorted(grouped.items())
    ]
    return {"Version": "2012-10-17", "Statement": statements + besides(resources)}


def services(kind: str) -> set[str]:
    _, name, _ = kind.split("::")
    return {{"ApiGatewayV2": "apigateway", "Serverless": "lambda"}.get(name, name.lower())}


def besides(resources) -> list[dict]:
    """Returns the statements for what handlers and the template do in other services."""
    trusted = {
        statement["Principal"].get("Service")
        for role in resources if role["Type"] == "AWS::IAM::Role"
        for statement in role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    } - {None}
    linked = ["apidestinations.events.amazonaws.com", "ops.apigateway.amazonaws.com"]
    return [
        {
            "Sid": "RolesOfTheStack",
            "Effect": "Allow",
            "Action": "iam:PassRole",
            "Resource": "arn:aws:iam::*:role/ado-connect-*",
            "Condition": {"StringEquals": {"iam:PassedToService": sorted(trusted)}},
        },
        {
            # The first API destination and the first API of an account.
            "Sid": "ServiceLinkedRoles",
            "Effect": "Allow",
            "Action": "iam:CreateServiceLinkedRole",
            "Resource": [f"arn:aws:iam::*:role/aws-service-role/{service}/*" for service in linked],
            "Condition": {"StringEquals": {"iam:AWSServiceName": linked}},
        },
        {
            # "Configure logging for HTTP APIs", API Gateway developer guide.
            "Sid": "AccessLog",
            "Effect": "Allow",
            "Action": [f"logs:{action}LogDelivery" for action in ("Create", "Delete", "Get", "Update")]
            + ["logs:DescribeResourcePolicies", "logs:ListLogDeliveries", "logs:PutResourcePolicy"],
            "Resource": "*",
        },
        {
            "Sid": "WebhookSecret",
            "Effect": "Allow",
            "Action": "secretsmanager:GetSecretValue",
            "Resource": "arn:aws:secretsmanager:*:*:secret:ado-connect-webhook*",
        },
        {
            # EventBridge keeps a connection's secret in the name of whoever creates the connection, below the name of the
            # connection, which CloudFormation generates.
            "Sid": "WebhookConnection",
            "Effect": "Allow",
            "Action": [f"secretsmanager:{action}" for action in
                       ("CreateSecret", "DeleteSecret", "GetSecretValue", "PutSecretValue", "UpdateSecret")],
            "Resource": "arn:aws:secretsmanager:*:*:secret:events!connection/*",
        },
        {
            "Sid": "BuiltFunctions",
            "Effect": "Allow",
            "Action": ["s3:GetObject", "s3:GetObjectVersion"],
            "Resource": "arn:aws:s3:::aws-sam-cli-managed-default-*",
        },
        {
            "Sid": "SamTransform",
            "Effect": "Allow",
            "Action": "cloudformation:CreateChangeSet",
            "Resource": "arn:aws:cloudformation:*:aws:transform/Serverless-2016-10-31",
        },
    ]


def text() -> str:
    return json.dumps(policy(), indent=2) + "\n"


if __name__ == "__main__":
    print(text(), end="")
