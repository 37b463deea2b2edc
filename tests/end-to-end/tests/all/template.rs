//! `infra/template.yaml`: the functions' variables, authorization, retention and alarms.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use aws_lc_rs::digest;
use edge::config::{Config, FromVariables as _};
use edge::metrics::AUDIT_LOST;
use edge::problem::{Code, Problem};
use edge::routes::ROUTES;
use edge::serve::CHALLENGE;
use end_to_end::World;
use end_to_end::documents::{self, Document};
use local::Routes;
use local::template::{Template, function_name};
use refresh::config::RefreshConfig;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use rotate::config::RotateConfig;
use serde_json::{Value, json};

#[test]
fn the_deployment_page_lists_every_parameter_and_every_alarm() {
    let template = Template::read().unwrap();
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let parameters = template.parameters.iter().map(|(name, parameter)| {
        let default = text(&parameter["Default"]);
        let default = if default.is_empty() { default } else { format!("`{default}`") };
        [format!("`{name}`"), default, text(&parameter["Description"])]
    });
    let parameters = documents::table(["parameter", "default", "meaning"], parameters);
    let alarms: BTreeMap<String, String> = template
        .of_type("AWS::CloudWatch::Alarm")
        .map(|(_, alarm)| {
            (text(&alarm.properties["AlarmName"]), text(&alarm.properties["AlarmDescription"]))
        })
        .collect();
    let alarms = alarms
        .into_iter()
        .map(|(name, meaning)| [name.trim_start_matches("${AWS::StackName} ").to_owned(), meaning]);
    let readme = Document("infra/README.md");
    readme.assert_part("parameters", &parameters);
    readme.assert_part("alarms", &documents::table(["alarm", "meaning"], alarms));
}

#[test]
fn every_alarm_uses_an_existing_metric() {
    let template = Template::read().unwrap();
    let documented = Document("docs/reference/metrics.md").names("metrics");
    let filters: BTreeSet<&str> = template
        .of_type("AWS::Logs::MetricFilter")
        .map(|(_, filter)| &filter.properties["MetricTransformations"][0]["MetricName"])
        .map(|name| name.as_str().unwrap())
        .collect();
    let mut seen = BTreeMap::<&str, usize>::new();
    for (id, alarm) in template.of_type("AWS::CloudWatch::Alarm") {
        let metric = &alarm.properties;
        let namespace = metric["Namespace"].as_str().unwrap();
        let name = metric["MetricName"].as_str().unwrap();
        let dimensions: Vec<(&str, &str)> = metric["Dimensions"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|one| (one["Name"].as_str().unwrap(), one["Value"].as_str().unwrap()))
            .collect();
        *seen.entry(namespace).or_default() += 1;
        let known: &[&str] = match (namespace, dimensions.as_slice()) {
            ("AWS::StackName", []) => {
                let is_written = name == AUDIT_LOST && documented.iter().any(|known| known == name);
                assert!(is_written || filters.contains(name), "{id}: {name}");
                continue;
            }
            ("AWS::StackName", [("role", role)]) => {
                assert!(filters.contains(name) && template.resources.contains_key(*role), "{id}");
                continue;
            }
            ("AWS::StackName", [("function", "refresh" | "mcp" | "proxy")]) => {
                assert!(documented.iter().any(|known| known == name), "{id}: {name}");
                continue;
            }
            ("AWS/ApiGateway", [("ApiId", "Api")]) => &["4xx", "5xx", "Count", "Latency"],
            ("AWS/ApiGateway", [("ApiName", "${AWS::StackName}-streaming"), ("Stage", "live")]) => {
                &["4XXError", "5XXError", "Count", "Latency"]
            }
            ("AWS/Lambda", [("FunctionName", function)]) => {
                assert!(template.resources.contains_key(*function), "{id}: {function}");
                &["Errors", "Throttles"]
            }
            ("AWS/SQS", [("QueueName", queue)]) => {
                let queue = queue.trim_end_matches(".QueueName");
                assert!(template.resources.contains_key(queue), "{id}: {queue}");
                &["ApproximateNumberOfMessagesVisible", "ApproximateNumberOfMessagesNotVisible"]
            }
            other => panic!("{id}: {other:?}"),
        };
        assert!(known.contains(&name), "{id}: {name}");
    }
    assert!(seen["AWS::StackName"] >= 7 && seen.len() == 4, "{seen:?}");
}

#[test]
fn the_streaming_api_is_deployed_again_when_it_changes() {
    // A deployment is a snapshot of the API. CloudFormation makes a new one only for a new logical id.
    let template = Template::read().unwrap();
    let pictured = template.resources.iter().filter(|(_, resource)| {
        let kind = resource.r#type.strip_prefix("AWS::ApiGateway::");
        kind.is_some_and(|kind| !matches!(kind, "Deployment" | "Stage"))
    });
    let pictured: BTreeMap<_, _> = pictured.map(|(id, found)| (id, &found.properties)).collect();
    // Methods and gateway responses must be there before the picture is taken; nothing else refers to them.
    let last = ["AWS::ApiGateway::Method", "AWS::ApiGateway::GatewayResponse"];
    let last = last.iter().flat_map(|kind| template.of_type(kind).map(|(id, _)| id));
    let (_, deployment) = template.of_type("AWS::ApiGateway::Deployment").next().unwrap();
    let before = deployment.depends_on.as_array().unwrap().iter().filter_map(Value::as_str);
    assert_eq!(before.collect::<BTreeSet<_>>(), last.collect());
    let pictured = json!(pictured);
    let hash = digest::digest(&digest::SHA256, pictured.to_string().as_bytes());
    let mut expected = "StreamingDeployment".to_owned();
    for byte in &hash.as_ref()[..4] {
        write!(expected, "{byte:02x}").unwrap();
    }
    let found: Vec<&str> =
        template.of_type("AWS::ApiGateway::Deployment").map(|(id, _)| id).collect();
    assert_eq!(found, [expected.as_str()], "rename it, here and in cdk/lib/streaming.ts");
    assert_eq!(template.resources["StreamingStage"].properties["DeploymentId"], expected);
}

#[test]
fn api_gateway_s_own_refusals_are_problem_documents_in_the_words_of_the_table() {
    let template = Template::read().unwrap();
    let mut seen = BTreeMap::new();
    for (id, response) in template.of_type("AWS::ApiGateway::GatewayResponse") {
        let properties = &response.properties;
        let body = properties["ResponseTemplates"]["application/json"].as_str().unwrap();
        let body: Value = serde_json::from_str(body).unwrap();
        let code = Code::ALL.iter().find(|code| body["code"] == code.as_str()).unwrap();
        let mut document = json!({
            "type": format!("$stageVariables.publicUrl/problems/{}", code.as_str()),
            "title": code.title(),
            "code": code.as_str(),
            "advice": code.advice(),
            "request_id": "$context.requestId",
        });
        let response_type = properties["ResponseType"].as_str().unwrap();
        if response_type.starts_with("DEFAULT_") {
            // A status here would replace that of every refusal of the class, a 401 included.
            assert_eq!(properties.get("StatusCode"), None, "{id}");
        } else {
            let status = code.status().as_u16();
            document["status"] = status.into();
            assert_eq!(properties["StatusCode"], status.to_string(), "{id}");
        }
        assert_eq!(body, document, "{id}");
        let mut expected = Problem::new(*code).headers();
        if expected.contains_key("www-authenticate") {
            // API Gateway cannot tell programs, which are asked for a password, from browsers.
            let both = r#"Bearer realm="ado-connect", Basic realm="ado-connect""#;
            expected.insert("www-authenticate", both.parse().unwrap());
        }
        expected.insert("content-type", "application/problem+json".parse().unwrap());
        expected.insert("cache-control", "no-store".parse().unwrap());
        let headers = properties["ResponseParameters"].as_object().unwrap();
        assert_eq!(headers.len(), expected.len(), "{id}");
        for (name, value) in headers {
            let name = name.strip_prefix("gatewayresponse.header.").unwrap();
            assert_eq!(*value, format!("'{}'", expected[name].to_str().unwrap()), "{id}: {name}");
        }
        seen.insert(response_type, code.as_str());
    }
    let expected = [
        ("BAD_REQUEST_PARAMETERS", "missing_credentials"),
        ("DEFAULT_4XX", "request_refused"),
        ("DEFAULT_5XX", "service_unavailable"),
        ("INTEGRATION_FAILURE", "service_unavailable"),
        ("INTEGRATION_TIMEOUT", "service_unavailable"),
        ("INVALID_SIGNATURE", "not_found"),
        ("MISSING_AUTHENTICATION_TOKEN", "not_found"),
        ("REQUEST_TOO_LARGE", "request_too_large"),
        ("THROTTLED", "rate_limited"),
    ];
    assert_eq!(seen, BTreeMap::from(expected));
    // The address of the problems is the service's, not the REST API's.
    let stage = &template.resources["StreamingStage"].properties["Variables"];
    let public_url = &template.globals["Function"]["Environment"]["Variables"]["PUBLIC_URL"];
    assert_eq!(stage["publicUrl"], *public_url);
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
    // Only the proxies and mcp call, and the default is buffered.
    let of_streams = BTreeSet::from(["RESPONSE_MODE".to_owned()]);
    let of_calls = BTreeSet::from(["EXECUTIONS", "TRUST_SECONDS"].map(str::to_owned));
    let unsaid = &of_streams | &of_calls;
    let functions: Vec<&str> =
        template.of_type("AWS::Serverless::Function").map(|(id, _)| id).collect();
    for function in functions {
        let expected = match function_name(function).as_str() {
            "refresh" => &of_refresh - &unsaid,
            "rotate" => &of_rotate - &unsaid,
            "streaming-proxy" => of_all.clone(),
            "mcp" | "proxy" => &of_all - &of_streams,
            _ => &of_all - &unsaid,
        };
        assert_eq!(all(function), expected, "{function}");
    }
}

#[test]
fn the_configuration_page_lists_exactly_the_variables_of_the_template() {
    let page = Document("docs/reference/configuration.md");
    let listed: BTreeSet<String> = page.names("configuration").into_iter().collect();
    assert_eq!(listed, variables_of_all_functions(&Template::read().unwrap()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_local_stack_sets_no_variable_that_the_template_does_not_set() {
    let known = variables_of_all_functions(&Template::read().unwrap());
    let world = World::start().await;
    let told = world.stack.env_file();
    let told = told.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name);
    let more: Vec<&str> =
        told.filter(|name| !name.starts_with("AWS_") && !known.contains(*name)).collect();
    assert_eq!(more, Vec::<&str>::new());
}

type Variable<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// Returns the names of the variables that `reads` reads.
fn variables_of(reads: impl Fn(&Variable<'_>)) -> BTreeSet<String> {
    let names = RefCell::new(BTreeSet::new());
    reads(&|name| {
        names.borrow_mut().insert(name.to_owned());
        None
    });
    names.into_inner()
}

fn variables_of_all_functions(template: &Template) -> BTreeSet<String> {
    let mut variables = keys(&template.globals["Function"]["Environment"]["Variables"]);
    for (_, function) in template.of_type("AWS::Serverless::Function") {
        variables.extend(keys(&function.properties["Environment"]["Variables"]));
    }
    variables
}

fn keys(variables: &Value) -> BTreeSet<String> {
    variables.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect()
}

#[test]
fn every_function_has_its_own_role_log_and_limits_and_every_table_is_kept() {
    let template = Template::read().unwrap();
    let mut taken = BTreeSet::new();
    for (id, function) in template.of_type("AWS::Serverless::Function") {
        let properties = &function.properties;
        for property in ["MemorySize", "Timeout", "LoggingConfig", "Role", "FunctionName"] {
            assert!(properties.get(property).is_some(), "{id} has no {property}");
        }
        let own = ["LoggingConfig", "Role", "FunctionName"];
        for property in own.map(|name| properties[name].to_string()) {
            assert!(taken.insert(property.clone()), "{id}: another has {property}, too");
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
    // A shorter timeout delivers a message again while it is handled; a longer one delays the shard after a failure.
    let timeout = template.resources["RefreshFunction"].properties["Timeout"].as_u64().unwrap();
    for (id, source) in template.of_type("AWS::Lambda::EventSourceMapping") {
        let queue = source.properties["EventSourceArn"].as_str().unwrap().replace(".Arn", "");
        let visibility = template.resources[&queue].properties["VisibilityTimeout"].as_u64();
        let fits = timeout + 30..=2 * timeout;
        assert!(visibility.is_some_and(|visibility| fits.contains(&visibility)), "{id}");
    }
}

#[test]
fn neither_api_logs_or_traces_a_path_or_a_query() {
    let template = Template::read().unwrap();
    let setting = |id: &str, name: &str| template.resources[id].properties[name].clone();
    let of_http_api = setting("Stage", "AccessLogSettings");
    let of_rest_api = setting("StreamingStage", "AccessLogSetting");
    assert_eq!(of_rest_api[0], "HasStreamingAccessLog");
    let fields = [
        ("$context.routeKey", &of_http_api),
        ("$context.httpMethod $context.resourcePath", &of_rest_api[1]),
    ]
    .map(|(route, log)| {
        let fields: BTreeMap<String, String> =
            serde_json::from_str(log["Format"].as_str().unwrap()).unwrap();
        // The route as it is declared; a path contains names, a query string a code or a state, a message a key.
        assert_eq!(fields["route"], route);
        for value in fields.values() {
            for part in ["context.path", "queryString", "authorizer", "identity.user", "message"] {
                assert!(!value.contains(part), "{value}");
            }
        }
        fields.into_keys().collect::<BTreeSet<_>>()
    });
    assert_eq!(&fields[0] - &fields[1], ["integration_error".to_owned()].into());
    assert_eq!(&fields[1] - &fields[0], ["refusal".to_owned()].into());
    // Lambda's own trace of a function has no address.
    assert_eq!(setting("StreamingStage", "TracingEnabled"), false);
}

#[test]
fn one_parameter_closes_the_addresses_that_aws_gives_both_apis() {
    let template = Template::read().unwrap();
    let closed = |id: &str| template.resources[id].properties["DisableExecuteApiEndpoint"].clone();
    assert_eq!(closed("StreamingApi"), "DisableExecuteApi");
    assert_eq!(closed("Api"), json!(["HasDomain", true, "DisableExecuteApi"]));
    // "This setting takes affect when you update any setting on any stage": the REST API's stage has to change, too.
    let variables = &template.resources["StreamingStage"].properties["Variables"];
    assert_eq!(variables["executeApiDisabled"], "DisableExecuteApi");
}

#[test]
fn functions_answer_before_the_http_api_gives_up() {
    let template = Template::read().unwrap();
    for route in Routes::of_template().unwrap().iter() {
        let function = template.functions().find(|one| one.name == route.function).unwrap();
        assert!(function.timeout < Duration::from_secs(30), "{function:?}");
    }
}

#[test]
fn no_api_has_an_authorizer_of_its_own() {
    // The functions check each route's callers against the contract. An authorizer of the API would be a second
    // check, and a method with an API key or IAM would refuse callers that the contract allows.
    let template = Template::read().unwrap();
    for (id, route) in template.of_type("AWS::ApiGatewayV2::Route") {
        for property in ["AuthorizationType", "AuthorizerId", "ApiKeyRequired"] {
            assert!(route.properties.get(property).is_none(), "{id}");
        }
    }
    let mut methods = BTreeMap::new();
    for (id, method) in template.of_type("AWS::ApiGateway::Method") {
        let properties = &method.properties;
        assert_eq!(properties["AuthorizationType"], "NONE", "{id}");
        // It leads only to the proxy, and each of its routes requires a caller.
        let integration = properties["Integration"]["Uri"].as_str().unwrap();
        assert!(integration.contains("StreamingProxyFunction.Arn"), "{id}: {integration}");
        let validated = properties.get("RequestValidatorId").is_some();
        methods.insert(properties["HttpMethod"].as_str().unwrap(), validated);
    }
    // Browsers send preflights without credentials.
    assert_eq!(methods, BTreeMap::from([("ANY", true), ("OPTIONS", false)]));
    let permission =
        template.resources["StreamingProxyPermission"].properties["SourceArn"].as_str();
    assert!(permission.unwrap().ends_with("/*/*/proxy/*"));
    for route in ROUTES.iter().filter(|route| route.path.starts_with("/proxy")) {
        assert!(!route.callers.is_empty(), "{}", route.path);
    }
}

#[test]
fn functions_can_be_invoked_only_by_the_services_that_the_template_names() {
    let template = Template::read().unwrap();
    let mut invoked: BTreeSet<(String, String)> = BTreeSet::new();
    for (id, permission) in template.of_type("AWS::Lambda::Permission") {
        let properties = &permission.properties;
        assert_eq!(properties["Action"], "lambda:InvokeFunction", "{id}");
        // Without a source, any account's API or secret could invoke the function.
        let source = properties.get("SourceArn").or(properties.get("SourceAccount"));
        assert!(source.is_some_and(|source| source != "*"), "{id}");
        let text = |name: &str| properties[name].as_str().unwrap().to_owned();
        invoked.insert((function_name(&text("FunctionName")), text("Principal")));
    }
    let routes = Routes::of_template().unwrap();
    let by_api = routes.iter().map(|route| route.function.as_str()).chain(["streaming-proxy"]);
    let mut expected: BTreeSet<(String, String)> =
        by_api.map(|name| (name.to_owned(), "apigateway.amazonaws.com".to_owned())).collect();
    expected.insert(("rotate".to_owned(), "secretsmanager.amazonaws.com".to_owned()));
    assert_eq!(invoked, expected);
    // A function URL would bypass the gateway.
    assert_eq!(template.of_type("AWS::Lambda::Url").count(), 0);
}

#[test]
fn challenges_are_mapped_back_for_every_function_whose_callers_authenticate() {
    let template = Template::read().unwrap();
    let challenging = ROUTES.iter().filter(|route| !route.callers.is_empty());
    let challenging: BTreeSet<&str> = challenging.map(|route| route.function.as_str()).collect();
    let mapping = json!({"ResponseParameters": [{
        "Destination": "overwrite:header.WWW-Authenticate",
        "Source": format!("$response.header.{CHALLENGE}"),
    }]});
    let mapped = json!({"401": mapping, "403": mapping});
    for (id, integration) in template.of_type("AWS::ApiGatewayV2::Integration") {
        let function = id.trim_end_matches("Integration").to_ascii_lowercase();
        let expected = challenging.contains(function.as_str()).then_some(&mapped);
        assert_eq!(integration.properties.get("ResponseParameters"), expected, "{id}");
    }
}

#[test]
fn a_page_may_send_headers_that_have_an_effect_and_no_others() {
    let template = Template::read().unwrap();
    let cors = &template.resources["Api"].properties["CorsConfiguration"][1];
    let allowed: Vec<&str> = cors["AllowHeaders"]
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap())
        .collect();
    for name in &allowed {
        let mut headers = HeaderMap::new();
        headers.insert(name.parse::<HeaderName>().unwrap(), HeaderValue::from_static("x"));
        let passed = !devops::headers::upstream_request(&headers).is_empty();
        let is_ours = *name == "authorization" || name.starts_with("x-ado-connect-");
        // Microsoft's client for browsers sends it, and the proxy always does.
        let is_set = *name == "x-tfs-fedauthredirect";
        assert!(passed || is_ours || is_set, "{name} is dropped");
    }
    // A wildcard would not cover `authorization` (Fetch standard, "CORS non-wildcard request-header name").
    assert!(allowed.contains(&"authorization") && !allowed.contains(&"*"));
    assert!(allowed.is_sorted());
    // Without credentials mode, which the API does not allow, a wildcard exposes all.
    assert_eq!((&cors["ExposeHeaders"], &cors["AllowCredentials"]), (&json!(["*"]), &Value::Null));
}
