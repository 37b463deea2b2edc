//! Permissions: the roles of `infra/template.yaml`, their table in `infra/README.md`, and the embedded services, which
//! refuse the rest.

use std::collections::{BTreeMap, BTreeSet};

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, TransactWriteItem, Update};
use end_to_end::documents::{self, Document};
use end_to_end::{INTEGRATION, World};
use local::names;
use local::permissions::{Permissions, Role, Statement};
use local::template::{TEMPLATE, Template};
use serde_json::{Value, json};

/// The secrets of integrations.
const SECRETS: &str = "arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:${AWS::StackName}/integrations/*";
/// Actions that support no resources.
const WITHOUT_RESOURCE: [&str; 3] =
    ["xray:PutTraceSegments", "xray:PutTelemetryRecords", "sts:GetWebIdentityToken"];

/// Builds the tables of `infra/README.md`: the statements of each role, and who may assume it.
fn tables(permissions: &Permissions) -> [String; 2] {
    let mut may = Vec::new();
    let mut trust = Vec::new();
    for (name, role) in permissions.iter() {
        trust.push([format!("`{name}`"), format!("`{}`", role.trusts.join("`, `"))]);
        for statement in &role.statements {
            let actions = statement.actions.join("`, `");
            let resources = statement.resources.join("`, `");
            let mut conditions: Vec<String> =
                statement.exists_if.iter().map(|name| format!("`{name}`")).collect();
            for (operator, key, values) in &statement.condition {
                conditions.push(format!("`{key}` {operator} `{}`", values.join("`, `")));
            }
            let cells = [name, &actions, &resources].map(|cell| format!("`{cell}`"));
            let [name, actions, resources] = cells;
            may.push([name, actions, resources, conditions.join("; ")]);
        }
    }
    [
        documents::table(["who", "may", "on", "if"], may),
        documents::table(["who", "assumed by"], trust),
    ]
}

/// Returns the faults of roles: unnecessary wildcards in actions or resources, foreign resources, and principals other
/// than the stack's roles and AWS services.
fn faults(permissions: &Permissions, template: &Template) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, role) in permissions.iter() {
        for statement in &role.statements {
            for action in statement.actions.iter().filter(|action| action.contains(['*', '?'])) {
                faults.push(format!("{name} may {action}"));
            }
            for resource in &statement.resources {
                if !is_own(resource, statement, template) {
                    faults.push(format!("{name} reaches {resource}"));
                }
            }
        }
        for trusted in &role.trusts {
            let is_role = trusted.strip_suffix(".Arn").is_some_and(|id| {
                template.resources.get(id).is_some_and(|one| one.r#type == "AWS::IAM::Role")
            });
            if !is_role && !trusted.ends_with(".amazonaws.com") {
                faults.push(format!("{trusted} becomes {name}"));
            }
        }
    }
    faults
}

/// The parameter that names it.
const FORMER_KEY: &str = "FormerTokensKeyArn";

/// Whether a resource is one of the template's, by its ARN or its name, an index of one of its tables, or the secrets. So is
/// the key that was the stack's before.
fn is_own(resource: &str, statement: &Statement, template: &Template) -> bool {
    if resource == "*" {
        return statement.actions.iter().all(|action| WITHOUT_RESOURCE.contains(&action.as_str()));
    }
    if let Some((table, index)) =
        resource.strip_prefix("${").and_then(|rest| rest.split_once(".Arn}/index/"))
    {
        let indexes =
            template.resources.get(table).map(|table| &table.properties["GlobalSecondaryIndexes"]);
        let mut indexes = indexes.and_then(Value::as_array).into_iter().flatten();
        return indexes.any(|known| known["IndexName"] == index);
    }
    let id = resource.strip_suffix(".Arn").unwrap_or(resource);
    [SECRETS, FORMER_KEY].contains(&resource) || template.resources.contains_key(id)
}

fn read() -> (Template, Permissions) {
    let template = Template::read().unwrap();
    let permissions = Permissions::of(&template).unwrap();
    (template, permissions)
}

#[test]
fn the_deployment_page_lists_every_permission() {
    let (_, permissions) = read();
    let readme = Document("infra/README.md");
    let [may, trust] = tables(&permissions);
    readme.assert_part("permissions", &may);
    readme.assert_part("trust", &trust);
}

#[test]
fn no_role_has_a_wildcard_or_reaches_a_foreign_resource() {
    let (template, permissions) = read();
    assert_eq!(faults(&permissions, &template), Vec::<String>::new());
}

/// Returns the template with one statement added to one role.
fn with_statement(role: &str, statement: &str) -> Template {
    let mut template = Template::read().unwrap();
    let role = template.resources.get_mut(role).unwrap();
    let statements = &mut role.properties["Policies"][0]["PolicyDocument"]["Statement"];
    statements.as_array_mut().unwrap().push(serde_json::from_str(statement).unwrap());
    template
}

#[test]
fn a_wildcard_or_a_foreign_table_in_any_role_is_found() {
    let (template, permissions) = read();
    let roles: BTreeSet<&str> = template.of_type("AWS::IAM::Role").map(|(id, _)| id).collect();
    assert_eq!(roles.len(), permissions.iter().count());
    assert!(roles.contains("SchedulerRole") && roles.contains("FederationRole"), "{roles:?}");
    for role in &roles {
        for (action, resource, said) in [
            ("dynamodb:*", "TokensTable.Arn", "may dynamodb:*"),
            ("dynamodb:Get?tem", "TokensTable.Arn", "may dynamodb:Get?tem"),
            ("dynamodb:GetItem", "*", "reaches *"),
            (
                "dynamodb:GetItem",
                "arn:aws:dynamodb:us-east-1:123456789012:table/payroll",
                "reaches arn:aws",
            ),
            ("dynamodb:GetItem", "${TokensTable.Arn}-payroll", "reaches ${TokensTable"),
            ("dynamodb:Query", "${ConnectionsTable.Arn}/index/*", "reaches ${ConnectionsTable"),
            (
                "kms:Decrypt",
                "arn:${AWS::Partition}:kms:${AWS::Region}:${AWS::AccountId}:key/*",
                "reaches arn:",
            ),
        ] {
            let added =
                format!(r#"{{"Effect": "Allow", "Action": "{action}", "Resource": "{resource}"}}"#);
            let changed = with_statement(role, &added);
            let changed_permissions = Permissions::of(&changed).unwrap();
            let found = faults(&changed_permissions, &changed);
            assert!(found.iter().any(|fault| fault.contains(said)), "{role}: {found:?}");
            assert_ne!(tables(&changed_permissions), tables(&permissions), "{role}");
        }
        // A table of the stack is allowed, but the documentation changes.
        let own =
            r#"{"Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": "TokensTable.Arn"}"#;
        let changed = Permissions::of(&with_statement(role, own)).unwrap();
        assert_ne!(tables(&changed), tables(&permissions), "{role}");
    }
}

#[test]
fn permissions_that_no_role_of_the_stack_grants_are_found() {
    for (from, to, said) in [
        (
            "      Policies:\n        - PolicyName: authorize",
            "      ManagedPolicyArns: [arn:aws:iam::aws:policy/AdministratorAccess]\n      Policies:\n        - PolicyName: authorize",
            "managed policies",
        ),
        (
            "  AuthorizeLogs:\n",
            "  More:\n    Type: AWS::IAM::RolePolicy\n    Properties: {RoleName: !Ref AuthorizeRole}\n  AuthorizeLogs:\n",
            "AWS::IAM::RolePolicy",
        ),
        (
            "      Role: !GetAtt AuthorizeRole.Arn\n",
            "      Role: !GetAtt AuthorizeRole.Arn\n      Policies: [AdministratorAccess]\n",
            "Policies",
        ),
        (
            "      Role: !GetAtt AuthorizeRole.Arn\n",
            "      Role: !GetAtt AuthorizeRole.Arn\n      FunctionUrlConfig: {AuthType: NONE}\n",
            "FunctionUrlConfig",
        ),
        ("Role: !GetAtt AuthorizeRole.Arn", "Role: !GetAtt ManageRole.Arn", "has the same role"),
    ] {
        let changed = TEMPLATE.replacen(from, to, 1);
        assert_ne!(changed, TEMPLATE, "{from}");
        let refused = Permissions::of(&changed.parse().unwrap()).unwrap_err().to_string();
        assert!(refused.contains(said), "{refused}");
    }
    // A principal from outside of the stack is also a fault.
    let mut template = Template::read().unwrap();
    let role = template.resources.get_mut("FederationRole").unwrap();
    role.properties["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]["AWS"] = "*".into();
    let found = faults(&Permissions::of(&template).unwrap(), &template);
    assert_eq!(found, ["* becomes federation"]);
    // Without its condition the trust is in the whole account.
    let mut template = Template::read().unwrap();
    let role = template.resources.get_mut("FederationRole").unwrap();
    role.properties["AssumeRolePolicyDocument"]["Statement"][0]["Condition"].take();
    let found = faults(&Permissions::of(&template).unwrap(), &template);
    assert_eq!(found, ["arn:${AWS::Partition}:iam::${AWS::AccountId}:root becomes federation"]);
}

/// Returns the roles with a matching statement.
fn who(permissions: &Permissions, fits: impl Fn(&Statement) -> bool) -> Vec<&str> {
    let has = |role: &Role| role.statements.iter().any(&fits);
    permissions.iter().filter(|(_, role)| has(role)).map(|(name, _)| name).collect()
}

fn on(statement: &Statement, resource: &str) -> bool {
    statement.resources.iter().any(|one| one.contains(resource))
}

#[test]
fn only_functions_that_call_or_renew_open_tokens_and_authorize_never_sees_them() {
    let (template, permissions) = read();
    let may =
        |action: &str| who(&permissions, |one| one.actions.iter().any(|known| known == action));
    assert_eq!(may("kms:Decrypt"), ["mcp", "proxy", "refresh", "streaming-proxy"]);
    let seal = ["callback", "mcp", "proxy", "refresh", "streaming-proxy"];
    assert_eq!(may("kms:GenerateDataKey"), seal);
    let uses_the_key =
        |one: &Statement| one.actions.iter().any(|action| action.starts_with("kms:"));
    for statement in permissions.iter().flat_map(|(_, role)| &role.statements) {
        if uses_the_key(statement) {
            assert_eq!(statement.actions.len(), 1, "{statement:?}");
            let purpose = "kms:EncryptionContext:ado-connect:purpose".to_owned();
            let tokens = vec!["tokens".to_owned()];
            assert_eq!(statement.condition, [("StringEquals".to_owned(), purpose, tokens)]);
        }
    }
    // A write returns the item that it replaces, unless a condition forbids that.
    let writing = ["dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"];
    let reads = |statement: &Statement| {
        let nothing = ["StringEqualsIfExists", "dynamodb:ReturnValues", "NONE"];
        let returns_nothing = statement.condition.iter().any(|(operator, key, values)| {
            [operator, key].map(String::as_str) == nothing[..2] && *values == nothing[2..]
        });
        let writes = |action: &String| writing.contains(&action.as_str());
        on(statement, "TokensTable") && !(returns_nothing && statement.actions.iter().all(writes))
    };
    assert_eq!(who(&permissions, reads), ["mcp", "proxy", "refresh", "streaming-proxy"]);
    let nothing = who(&permissions, |one| on(one, "TokensTable") || on(one, "secret"));
    assert!(!nothing.contains(&"authorize"), "{nothing:?}");

    // The key's own policy allows the same roles and no others.
    let policy = &template.resources["TokensKey"].properties["KeyPolicy"]["Statement"];
    let statements: BTreeMap<&str, &Value> = policy
        .as_array()
        .unwrap()
        .iter()
        .map(|statement| (statement["Sid"].as_str().unwrap(), statement))
        .collect();
    let sids: Vec<_> = statements.keys().copied().collect();
    assert_eq!(sids, ["Administer", "OpenTokens", "SealTokens"]);
    for action in statements["Administer"]["Action"].as_array().unwrap() {
        let action = action.as_str().unwrap();
        for use_of_it in ["*", "crypt", "Generate", "Grant", "Sign", "Import", "Derive"] {
            let listing = action == "kms:ListGrants";
            assert!(listing || !action.contains(use_of_it), "administrators may {action}");
        }
    }
    let streaming = json!(["HasStreaming", "StreamingProxyRole.Arn", "AWS::NoValue"]);
    for (sid, action, users) in [
        (
            "SealTokens",
            "kms:GenerateDataKey",
            json!([
                "CallbackRole.Arn",
                "McpRole.Arn",
                "ProxyRole.Arn",
                "RefreshRole.Arn",
                streaming
            ]),
        ),
        (
            "OpenTokens",
            "kms:Decrypt",
            json!(["McpRole.Arn", "ProxyRole.Arn", "RefreshRole.Arn", streaming]),
        ),
    ] {
        let expected = json!({
            "Sid": sid,
            "Effect": "Allow",
            "Principal": {"AWS": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"},
            "Action": action,
            "Resource": "*",
            "Condition": {
                "ArnEquals": {"aws:PrincipalArn": users},
                "StringEquals": {"kms:EncryptionContext:ado-connect:purpose": "tokens"},
                "Null": {"kms:EncryptionContext:ado-connect:integration": "false"},
            },
        });
        assert_eq!(*statements[sid], expected);
    }
}

#[test]
fn every_role_can_be_bounded() {
    for (id, role) in Template::read().unwrap().of_type("AWS::IAM::Role") {
        let bounded = json!(["HasBoundary", "PermissionsBoundaryArn", "AWS::NoValue"]);
        assert_eq!(role.properties["PermissionsBoundary"], bounded, "{id}");
    }
}

/// Returns an SDK configuration for calls to the embedded services as a function.
pub fn as_function(world: &World, function: &str) -> SdkConfig {
    let variables = world.stack.aws().variables();
    let (_, url) = variables.iter().find(|(name, _)| name == "AWS_ENDPOINT_URL").unwrap();
    let credentials = Credentials::new(function, "local", None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .endpoint_url(url)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .retry_config(RetryConfig::disabled())
        .build()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_services_refuse_requests_that_a_role_does_not_allow() {
    let world = World::start().await;
    world.connect("ada", "ada").await;
    let tokens = world.items(names::TOKENS).await;
    let read_tokens = async |function: &str| {
        let dynamodb = aws_sdk_dynamodb::Client::new(&as_function(&world, function));
        let key = tokens[0]["pk"].clone();
        let read = dynamodb.get_item().table_name(names::TOKENS).key("pk", key).send().await;
        read.map(|read| read.item.is_some()).map_err(|e| e.code().map(str::to_owned))
    };
    assert_eq!(read_tokens("proxy").await, Ok(true));
    for function in ["authorize", "callback", "manage", "nobody"] {
        let denied = Err(Some("AccessDeniedException".to_owned()));
        assert_eq!(read_tokens(function).await, denied, "{function}");
    }

    let make_key = async |function: &str, purpose: &str| {
        let kms = aws_sdk_kms::Client::new(&as_function(&world, function));
        let made = kms.generate_data_key().key_id(names::KEY).number_of_bytes(32);
        let made = made.encryption_context("ado-connect:integration", INTEGRATION);
        let made = made.encryption_context("ado-connect:purpose", purpose).send().await;
        made.map(drop).map_err(|e| e.code().map(str::to_owned))
    };
    let denied = Err(Some("AccessDeniedException".to_owned()));
    assert_eq!(make_key("callback", "tokens").await, Ok(()));
    assert_eq!(make_key("callback", "anything").await, denied);
    assert_eq!(make_key("manage", "tokens").await, denied);
    assert_eq!(make_key("authorize", "tokens").await, denied);
}

/// Returns whether a request was allowed. Panics if it failed for another reason than a condition on the item.
fn is_allowed<T, E: ProvideErrorMetadata>(sent: Result<T, SdkError<E>>) -> bool {
    let Err(error) = sent else { return true };
    match error.code() {
        Some("ConditionalCheckFailedException") => true,
        Some("AccessDeniedException") => false,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_returns_sealed_tokens_to_no_role_that_may_not_read_them() {
    let world = World::start().await;
    world.connect("ada", "ada").await;
    let before = world.items(names::TOKENS).await;
    let (item, pk) = (&before[0], &before[0]["pk"]);
    let client = |function: &str| aws_sdk_dynamodb::Client::new(&as_function(&world, function));
    let (callback, manage) = (client("callback"), client("manage"));
    let put = callback.put_item().table_name(names::TOKENS).set_item(Some(item.clone()));
    assert!(!is_allowed(put.clone().return_values(ReturnValue::AllOld).send().await));
    assert!(is_allowed(put.send().await));
    // The condition fails, so that nothing is deleted.
    let delete = |client: &aws_sdk_dynamodb::Client| {
        let delete = client.delete_item().table_name(names::TOKENS).key("pk", pk.clone());
        delete.condition_expression("attribute_not_exists(pk)")
    };
    for client in [&callback, &manage] {
        assert!(!is_allowed(delete(client).return_values(ReturnValue::AllOld).send().await));
        assert!(is_allowed(delete(client).send().await));
    }
    let update = |expression: &str| {
        let update = manage.update_item().table_name(names::TOKENS).key("pk", pk.clone());
        update.update_expression(expression)
    };
    let expiry = || update("REMOVE expires_at");
    for returned in ReturnValue::values().iter().filter(|returned| **returned != "NONE") {
        let returned = ReturnValue::from(*returned);
        assert!(!is_allowed(expiry().return_values(returned.clone()).send().await), "{returned}");
    }
    assert!(is_allowed(expiry().send().await));
    assert!(!is_allowed(update("SET access = refresh").send().await));
    assert_eq!(world.items(names::TOKENS).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_manage_changes_what_an_operator_sets_of_an_integration() {
    let world = World::start().await;
    let key = format!("integration#{INTEGRATION}");
    let items = world.items(names::INTEGRATIONS).await;
    let stored = items.iter().find(|item| item["pk"].as_s() == Ok(&key)).unwrap();
    let attributes: BTreeSet<&str> =
        stored.keys().map(String::as_str).filter(|name| *name != "pk").collect();
    assert!(attributes.contains("confirmation") && attributes.len() > 15, "{attributes:?}");
    let update = |function: &str, expression: &str| {
        let client = aws_sdk_dynamodb::Client::new(&as_function(&world, function));
        let update = client.update_item().table_name(names::INTEGRATIONS);
        update.key("pk", AttributeValue::S(key.clone())).update_expression(expression)
    };
    let status: &[&str] = &["status", "updated_at"];
    for (function, writes) in [
        ("authorize", &[][..]),
        ("callback", status),
        ("manage", &attributes.iter().copied().collect::<Vec<_>>()),
        ("proxy", status),
        ("refresh", status),
        ("rotate", &["credential", "status", "updated_at"]),
        ("streaming-proxy", status),
    ] {
        let mut allowed = Vec::new();
        for name in &attributes {
            let update = update(function, "SET #name = #name");
            if is_allowed(update.expression_attribute_names("#name", *name).send().await) {
                allowed.push(*name);
            }
        }
        assert_eq!(allowed, writes, "{function}");
    }
    // However a request names it.
    for expression in ["SET confirmation = #status", "SET branding.title = #status", "REMOVE users"]
    {
        let update = update("proxy", expression).expression_attribute_names("#status", "status");
        assert!(!is_allowed(update.send().await), "{expression}");
    }
    let client = aws_sdk_dynamodb::Client::new(&as_function(&world, "proxy"));
    let part = Update::builder().table_name(names::INTEGRATIONS).key("pk", stored["pk"].clone());
    let part = part.update_expression("REMOVE confirmation").build().unwrap();
    let part = TransactWriteItem::builder().update(part).build();
    assert!(!is_allowed(client.transact_write_items().transact_items(part).send().await));
    let after = world.items(names::INTEGRATIONS).await;
    assert!(after.contains(stored), "{after:?}");
}
