//! What `infra/template.yaml` deploys: who may do what, which variables functions get, who is asked for credentials.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
use edge::config::{Config, RefreshConfig, RotateConfig};
use end_to_end::{INTEGRATION, World};
use local::names;
use local::permissions::{Permissions, Statement, function_name};
use local::template::{TEMPLATE, Template};
use serde_json::Value;

/// The table of `infra/README.md`: one row for what a function may do to one thing.
fn table(permissions: &Permissions) -> String {
    let mut table =
        "<!-- permissions -->\n| function | may | on | if |\n| --- | --- | --- | --- |\n"
            .to_owned();
    for (function, statements) in permissions.iter() {
        for statement in statements {
            let actions = statement.actions.join("`, `");
            let resources = statement.resources.join("`, `");
            let mut conditions: Vec<String> =
                statement.exists_if.iter().map(|name| format!("`{name}`")).collect();
            for (operator, key, values) in &statement.condition {
                conditions.push(format!("`{key}` {operator} `{}`", values.join("`, `")));
            }
            let conditions = conditions.join("; ");
            writeln!(table, "| `{function}` | `{actions}` | `{resources}` | {conditions} |")
                .unwrap();
        }
    }
    table.push_str("<!-- /permissions -->");
    table
}

/// What no role of ours has: actions or resources with a wildcard that AWS does not force upon us, and resources that
/// are not the stack's own.
fn faults(permissions: &Permissions, template: &Template) -> Vec<String> {
    let mut faults = Vec::new();
    for (function, statements) in permissions.iter() {
        for statement in statements {
            for action in statement.actions.iter().filter(|action| action.contains('*')) {
                faults.push(format!("{function} may {action}"));
            }
            for resource in &statement.resources {
                if !is_own(resource, statement, template) {
                    faults.push(format!("{function} reaches {resource}"));
                }
            }
        }
    }
    faults
}

fn is_own(resource: &str, statement: &Statement, template: &Template) -> bool {
    let secrets = "arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:${AWS::StackName}/integrations/*";
    // These actions know no resources.
    if resource == "*" {
        let no_resource =
            |action: &String| action.starts_with("xray:Put") || action == "sts:GetWebIdentityToken";
        return statement.actions.iter().all(no_resource);
    }
    if resource == secrets {
        return true;
    }
    let name = resource.trim_start_matches("${").split(['.', '}']).next().unwrap_or_default();
    template.resources.contains_key(name) && (resource == name || !resource.ends_with('*'))
}

fn read() -> (Template, Permissions) {
    let template = Template::read().unwrap();
    let permissions = Permissions::of(&template).unwrap();
    (template, permissions)
}

#[test]
fn the_documentation_says_what_each_function_may_do() {
    let (_, permissions) = read();
    let expected = table(&permissions);
    let readme = include_str!("../../../../infra/README.md");
    assert!(readme.contains(&expected), "infra/README.md's table should be:\n{expected}");
}

#[test]
fn the_documentation_lists_every_parameter_and_every_alarm() {
    let template = Template::read().unwrap();
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let mut parameters =
        "<!-- parameters -->\n| parameter | default | meaning |\n| --- | --- | --- |\n".to_owned();
    for (name, parameter) in &template.parameters {
        let default = text(&parameter["Default"]);
        let default = if default.is_empty() { default } else { format!("`{default}`") };
        let meaning = text(&parameter["Description"]);
        writeln!(parameters, "| `{name}` | {default} | {meaning} |").unwrap();
    }
    parameters.push_str("<!-- /parameters -->");
    let alarms: BTreeMap<String, String> = template
        .of_type("AWS::CloudWatch::Alarm")
        .map(|(_, alarm)| {
            (text(&alarm.properties["AlarmName"]), text(&alarm.properties["AlarmDescription"]))
        })
        .collect();
    let mut table = "<!-- alarms -->\n| alarm | meaning |\n| --- | --- |\n".to_owned();
    for (name, meaning) in alarms {
        let name = name.trim_start_matches("${AWS::StackName} ");
        writeln!(table, "| {name} | {meaning} |").unwrap();
    }
    table.push_str("<!-- /alarms -->");
    let readme = include_str!("../../../../infra/README.md");
    for expected in [parameters, table] {
        assert!(readme.contains(&expected), "infra/README.md's table should be:\n{expected}");
    }
}

#[test]
fn every_alarm_looks_at_a_metric_that_there_is() {
    let template = Template::read().unwrap();
    let documented = include_str!("../../../../README.md");
    let own = template
        .of_type("AWS::CloudWatch::Alarm")
        .filter(|(_, alarm)| alarm.properties["Namespace"] == "AWS::StackName");
    let mut seen = 0;
    for (id, alarm) in own {
        let metric = alarm.properties["MetricName"].as_str().unwrap();
        if metric == "Unauthorized" {
            let filter = &template.resources["UnauthorizedFilter"].properties;
            assert_eq!(filter["MetricTransformations"][0]["MetricName"], metric);
        } else {
            assert!(documented.contains(&format!("`{metric}`")), "{id}: {metric}");
            assert_eq!(alarm.properties["Dimensions"][0]["Name"], "function", "{id}");
            assert_eq!(alarm.properties["Dimensions"][0]["Value"], "refresh", "{id}");
        }
        seen += 1;
    }
    assert!(seen >= 6, "{seen}");
}

#[test]
fn no_role_has_a_wildcard_or_reaches_what_is_not_the_stack_s() {
    let (template, permissions) = read();
    assert_eq!(faults(&permissions, &template), Vec::<String>::new());
}

/// A template in which one statement was added to one role.
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
    let roles: BTreeSet<String> = template
        .of_type("AWS::Serverless::Function")
        .map(|(_, function)| function.properties["Role"].as_str().unwrap().replace(".Arn", ""))
        .collect();
    assert!(roles.len() >= 6, "{roles:?}");
    for role in &roles {
        for (added, said) in [
            (
                r#"{"Effect": "Allow", "Action": "dynamodb:*", "Resource": "TokensTable.Arn"}"#,
                "may dynamodb:*",
            ),
            (r#"{"Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": "*"}"#, "reaches *"),
            (
                r#"{"Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": "arn:aws:dynamodb:us-east-1:123456789012:table/payroll"}"#,
                "reaches arn:aws:dynamodb",
            ),
            (
                r#"{"Effect": "Allow", "Action": ["kms:Decrypt", "kms:Re*"], "Resource": "TokensKey.Arn"}"#,
                "may kms:Re*",
            ),
        ] {
            let changed = with_statement(role, added);
            let changed_permissions = Permissions::of(&changed).unwrap();
            let found = faults(&changed_permissions, &changed);
            assert!(found.iter().any(|fault| fault.contains(said)), "{role}: {found:?}");
            assert_ne!(table(&changed_permissions), table(&permissions), "{role}");
        }
        // A table of the stack's own is no fault, but changes what is documented.
        let own =
            r#"{"Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": "TokensTable.Arn"}"#;
        let changed = Permissions::of(&with_statement(role, own)).unwrap();
        assert_ne!(table(&changed), table(&permissions), "{role}");
    }
    let managed = TEMPLATE.replacen(
        "      Policies:\n        - PolicyName: authorize",
        "      ManagedPolicyArns: [arn:aws:iam::aws:policy/AdministratorAccess]\n      Policies:\n        - PolicyName: authorize",
        1,
    );
    assert_ne!(managed, TEMPLATE);
    let refused = Permissions::of(&managed.parse().unwrap()).unwrap_err();
    assert!(refused.to_string().contains("managed policies"), "{refused}");
}

#[test]
fn only_callback_refresh_and_proxy_open_tokens_and_authorize_never_sees_them() {
    let (template, permissions) = read();
    let may = |service: &str, resource: &str| -> Vec<&str> {
        let reaches = |statement: &Statement| {
            statement.actions.iter().any(|action| action.starts_with(service))
                && statement.resources.iter().any(|one| one.contains(resource))
        };
        permissions
            .iter()
            .filter(|(_, all)| all.iter().any(reaches))
            .map(|(name, _)| name)
            .collect()
    };
    assert_eq!(may("kms:", "TokensKey"), ["callback", "proxy", "refresh", "streaming-proxy"]);
    assert_eq!(may("dynamodb:GetItem", "TokensTable"), ["proxy", "refresh", "streaming-proxy"]);
    assert!(!may("dynamodb:", "TokensTable").contains(&"authorize"));
    assert!(!may("secretsmanager:", "").contains(&"authorize"));
    let (_, statements) = permissions.iter().find(|(name, _)| *name == "proxy").unwrap();
    let seals: Vec<_> =
        statements.iter().filter(|one| one.actions.iter().any(|a| a.starts_with("kms:"))).collect();
    assert!(seals.iter().all(|one| one.condition.iter().any(|(operator, key, values)| {
        operator == "StringEquals"
            && key == "kms:EncryptionContext:ado-connect:purpose"
            && values == &["tokens"]
    })));

    // The key itself says the same, and lets nobody else use it.
    let policy = &template.resources["TokensKey"].properties["KeyPolicy"]["Statement"];
    let users: BTreeMap<&str, &Value> = policy
        .as_array()
        .unwrap()
        .iter()
        .filter(|statement| {
            let actions = statement["Action"].to_string();
            ["kms:*", "Decrypt", "Encrypt", "GenerateDataKey", "CreateGrant"]
                .iter()
                .any(|use_of_it| actions.contains(use_of_it))
        })
        .map(|statement| (statement["Sid"].as_str().unwrap(), statement))
        .collect();
    assert_eq!(users.keys().copied().collect::<Vec<_>>(), ["SealTokens"]);
    let seal = users["SealTokens"];
    assert_eq!(
        seal["Condition"]["StringEquals"]["kms:EncryptionContext:ado-connect:purpose"],
        "tokens"
    );
    assert_eq!(seal["Condition"]["Null"]["kms:EncryptionContext:ado-connect:integration"], "false");
    let principals = seal["Principal"]["AWS"].to_string();
    for role in ["CallbackRole.Arn", "ProxyRole.Arn", "RefreshRole.Arn", "StreamingProxyRole.Arn"] {
        assert!(principals.contains(role), "{principals}");
    }
    assert!(!principals.contains("Manage") && !principals.contains("Authorize"), "{principals}");
}

#[test]
fn functions_get_exactly_the_variables_that_they_read() {
    let template = Template::read().unwrap();
    let everywhere = keys(&template.globals["Function"]["Environment"]["Variables"]);
    let all = |function: &str| -> BTreeSet<String> {
        let own = &template.resources[function].properties["Environment"]["Variables"];
        everywhere.union(&keys(own)).cloned().collect()
    };
    let of_all = variables_of(|variable| drop(Config::from_variables(variable)));
    let of_refresh = variables_of(|variable| drop(RefreshConfig::from_variables(variable)));
    let of_rotate = variables_of(|variable| drop(RotateConfig::from_variables(variable)));
    assert!(of_refresh.is_superset(&of_all) && of_all.len() > 15);
    // Buffered unless said, so only the one that streams is told.
    let unsaid = BTreeSet::from(["RESPONSE_MODE".to_owned()]);
    let functions: Vec<&str> =
        template.of_type("AWS::Serverless::Function").map(|(id, _)| id).collect();
    for function in functions {
        let expected = match function_name(function).as_str() {
            "refresh" => &of_refresh - &unsaid,
            "rotate" => &of_rotate - &unsaid,
            "streaming-proxy" => of_all.clone(),
            _ => &of_all - &unsaid,
        };
        assert_eq!(all(function), expected, "{function}");
    }
}

type Variable<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// The names of the variables that are asked for.
fn variables_of(reads: impl Fn(&Variable<'_>)) -> BTreeSet<String> {
    let names = RefCell::new(BTreeSet::new());
    reads(&|name| {
        names.borrow_mut().insert(name.to_owned());
        None
    });
    names.into_inner()
}

/// A client of the embedded services with a function's own credentials.
fn as_function(world: &World, function: &str) -> SdkConfig {
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
async fn the_embedded_services_refuse_what_a_role_does_not_allow() {
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

fn keys(variables: &Value) -> BTreeSet<String> {
    variables.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect()
}

#[test]
fn every_function_has_its_own_role_log_and_limits_and_every_table_is_kept() {
    let template = Template::read().unwrap();
    for (id, function) in template.of_type("AWS::Serverless::Function") {
        let properties = &function.properties;
        for property in ["MemorySize", "Timeout", "LoggingConfig", "Role", "FunctionName"] {
            assert!(properties.get(property).is_some(), "{id} has no {property}");
        }
    }
    for (id, log) in template.of_type("AWS::Logs::LogGroup") {
        assert_eq!(log.properties["RetentionInDays"], "LogRetentionDays", "{id}");
    }
    for (id, table) in template.of_type("AWS::DynamoDB::Table") {
        assert_eq!(table.properties["BillingMode"], "PAY_PER_REQUEST", "{id}");
        if id == "SessionsTable" {
            continue;
        }
        assert_eq!(table.deletion_policy.as_deref(), Some("Retain"), "{id}");
        assert_eq!(table.properties["DeletionProtectionEnabled"], "DeletionProtection", "{id}");
        let recovery = &table.properties["PointInTimeRecoverySpecification"];
        assert_eq!(recovery["PointInTimeRecoveryEnabled"], true, "{id}");
    }
    // Else a message is seen again while it is being handled; AWS refuses less than the function's own time.
    let timeout = template.resources["RefreshFunction"].properties["Timeout"].as_u64().unwrap();
    for (id, source) in template.of_type("AWS::Lambda::EventSourceMapping") {
        let queue = source.properties["EventSourceArn"].as_str().unwrap().replace(".Arn", "");
        let visibility = template.resources[&queue].properties["VisibilityTimeout"].as_u64();
        assert!(visibility.is_some_and(|visibility| visibility >= 6 * timeout), "{id}");
    }
    // A query string may hold a code or a state.
    let access_log = &template.resources["Stage"].properties["AccessLogSettings"]["Format"];
    let access_log = access_log.as_str().unwrap();
    for field in ["$context.path", "queryString", "$context.authorizer", "$context.identity.user "]
    {
        assert!(!access_log.contains(field), "{access_log}");
    }
    serde_json::from_str::<Value>(
        &access_log
            .replace(":$context.status", ":1")
            .replace(":$context.responseLength", ":1")
            .replace(":$context.responseLatency", ":1"),
    )
    .unwrap();
}

#[test]
fn no_api_takes_over_who_may_call() {
    // Each route's callers are in the contract, and the functions ask for them. An authorizer of the API's would be a
    // second place, and a method with an API key or IAM would refuse whom the contract lets in.
    let template = Template::read().unwrap();
    for (id, route) in template.of_type("AWS::ApiGatewayV2::Route") {
        for property in ["AuthorizationType", "AuthorizerId", "ApiKeyRequired"] {
            assert!(route.properties.get(property).is_none(), "{id}");
        }
    }
    let methods: Vec<_> = template.of_type("AWS::ApiGateway::Method").collect();
    assert_eq!(methods.len(), 1);
    assert_eq!(methods[0].1.properties["AuthorizationType"], "NONE");
    // It leads to the proxy alone, whose every route has callers.
    let integration = methods[0].1.properties["Integration"]["Uri"].as_str().unwrap();
    assert!(integration.contains("StreamingProxyFunction.Arn"), "{integration}");
    let permission =
        template.resources["StreamingProxyPermission"].properties["SourceArn"].as_str();
    assert!(permission.unwrap().ends_with("/*/*/proxy/*"));
    for route in edge::routes::ROUTES.iter().filter(|route| route.path.starts_with("/proxy")) {
        assert!(!route.callers.is_empty(), "{}", route.path);
    }
}
