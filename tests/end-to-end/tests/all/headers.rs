//! Headers of requests and answers, exactly as in the tables of `docs/reference/headers.md`.

use std::collections::BTreeMap;

use emulators::Fault;
use end_to_end::World;
use end_to_end::documents::{self, Document};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, TestRunner};
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

/// The page with the tables.
const PAGE: Document = Document("docs/reference/headers.md");
/// Number of random sets of headers in each direction.
const CASES: usize = 200;
/// Header names in use that may be missing in a table.
const WELL_KNOWN: &str = "accept-charset access-control-allow-origin access-control-request-method age allow \
    alt-svc alt-used cache-control cdn-loop cf-connecting-ip clear-site-data client-ip content-disposition \
    content-encoding content-security-policy cookie cookie2 cross-origin-opener-policy date dnt etag expect-ct expires \
    forwarded from front-end-https if-match if-range keep-alive last-modified link location max-forwards nel origin p3p \
    pragma prefer priority proxy-authenticate proxy-authorization proxy-connection proxy-status public-key-pins range \
    ratelimit ratelimit-policy referer referrer-policy report-to reporting-endpoints sec-fetch-site server \
    server-timing set-cookie set-cookie2 sourcemap strict-transport-security te timing-allow-origin traceparent trailer \
    true-client-ip upgrade-insecure-requests vary via warning www-authenticate x-ado-connect-user x-amz-date \
    x-amz-security-token x-amzn-trace-id x-client-ip x-cluster-client-ip x-content-type-options x-csrf-token \
    x-forwarded-for x-forwarded-host x-forwarded-proto x-frame-options x-http-method x-http-method-override \
    x-method-override x-original-host x-original-url x-powered-by x-ratelimit-limit x-real-ip x-request-id \
    x-requested-with x-rewrite-url x-tfs-fedauthredirect x-tfs-session x-vss-e2eid x-xss-protection";

/// Headers that HTTP itself reads, so a real answer cannot carry random values of them.
const FRAMING: [&str; 4] = ["connection", "content-length", "transfer-encoding", "upgrade"];

/// The proxy's treatment of a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Passed,
    Changed,
    /// Passed, with something of ours after it.
    Extended,
    Replaced,
    Dropped,
    /// The whole request is.
    Refused,
}

/// A table of the page.
struct Table {
    /// Names, or prefixes of names.
    rules: Vec<(String, Fate)>,
    /// The treatment of all names with an underscore.
    underscores: Option<Fate>,
}

impl Table {
    fn read(name: &str) -> Self {
        let mut found = Self { rules: Vec::new(), underscores: None };
        for cells in PAGE.rows(name) {
            let fate = match cells[1].as_str() {
                "passed" => Fate::Passed,
                "changed" => Fate::Changed,
                "extended" => Fate::Extended,
                "replaced" => Fate::Replaced,
                "dropped" => Fate::Dropped,
                "refused" => Fate::Refused,
                other => panic!("unknown treatment: {other}"),
            };
            if cells[0].contains("underscore") {
                found.underscores = Some(fate);
            }
            found.rules.extend(documents::names(&cells[0]).into_iter().map(|name| (name, fate)));
        }
        assert!(found.rules.len() > 20, "{:?}", found.rules);
        found
    }

    fn fate(&self, name: &str) -> Fate {
        if let Some(fate) = self.underscores.filter(|_| name.contains('_')) {
            return fate;
        }
        let rule = self.rules.iter().find(|(pattern, _)| match pattern.split_once('*') {
            Some((beginning, end)) => name.starts_with(beginning) && name.ends_with(end),
            None => name == pattern,
        });
        rule.map_or(Fate::Passed, |(_, fate)| *fate)
    }

    fn leave_refused_out(&self, headers: &mut BTreeMap<String, String>) {
        headers.retain(|name, _| self.fate(name) != Fate::Refused);
        if headers.is_empty() {
            headers.insert("x-other".to_owned(), "v".to_owned());
        }
    }

    /// Generates names from the table, similar names, and others.
    fn names(&self) -> impl Strategy<Value = String> + use<> {
        let in_table = self.rules.iter().map(|(pattern, _)| pattern.replace('*', "a"));
        let well_known = WELL_KNOWN.split_whitespace().map(str::to_owned);
        let known: Vec<String> =
            in_table.chain(well_known).filter(|name| name != "authorization").collect();
        let neighbours = proptest::sample::select(known.clone()).prop_flat_map(|name| {
            let shorter = name[..name.len() - 1].trim_end_matches('-').to_owned();
            prop_oneof![
                Just(format!("{name}x")),
                Just(format!("x-{name}")),
                Just(shorter),
                Just(name.replacen('-', "_", 1)),
            ]
        });
        prop_oneof![4 => proptest::sample::select(known), 2 => neighbours, 2 => "[a-z][a-z0-9-]{0,10}[a-z0-9]"]
    }

    /// Generates random headers.
    fn headers(&self) -> impl Strategy<Value = BTreeMap<String, String>> + use<> {
        // No value is a number, because `Retry-After` would be obeyed.
        proptest::collection::btree_map(self.names(), "v[!-~]{0,12}", 1..14)
    }
}

/// Returns random cases, the same on every run.
fn cases<S: Strategy>(strategy: &S) -> Vec<S::Value> {
    let mut runner = TestRunner::new_with_rng(
        Config::default(),
        proptest::test_runner::TestRng::deterministic_rng(
            proptest::test_runner::RngAlgorithm::ChaCha,
        ),
    );
    (0..CASES).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect()
}

/// API Gateway's own treatment of headers, in front of the proxy.
struct Front {
    url: String,
    /// Names, with what happens to them in a request and in an answer.
    rules: BTreeMap<String, [String; 2]>,
}

impl Front {
    /// Both fronts, as the page describes them.
    fn both(world: &World) -> [Self; 2] {
        let rows = PAGE.rows("streaming headers");
        let rules = rows.iter().flat_map(|cells| {
            let fates = [cells[1].clone(), cells[2].clone()];
            documents::names(&cells[0]).into_iter().map(move |name| (name, fates.clone()))
        });
        let rules: BTreeMap<_, _> = rules.collect();
        assert!(rules.len() >= 9, "{rules:?}");
        let gateway = Self { url: world.stack.public_url().to_owned(), rules: BTreeMap::new() };
        [gateway, Self { url: world.stack.streaming_url().to_owned(), rules }]
    }

    fn in_request(&self, name: &str) -> &str {
        self.rules.get(name).map_or("passed", |fates| &fates[0])
    }

    fn in_answer(&self, name: &str) -> &str {
        self.rules.get(name).map_or("passed", |fates| &fates[1])
    }
}

/// An application that calls the proxy.
struct Caller<'a> {
    world: &'a World,
    connection: String,
    key: String,
}

impl<'a> Caller<'a> {
    async fn of(world: &'a World) -> Self {
        let connection = world.connect("ada", "ada").await;
        Self { world, connection, key: world.new_key("application", None).await }
    }

    /// Calls the proxy through a front. Returns the headers of the answer.
    async fn call_through(&self, front: &Front, headers: &BTreeMap<String, String>) -> HeaderMap {
        let path = format!("/proxy/{}/dev.azure.com/mycompany/_apis/projects", self.connection);
        self.world.raw_get_with(&front.url, &path, headers).await.expect(200).headers
    }

    /// Calls the function with headers that a server would not take. Returns the headers of the answer.
    async fn call(&self, headers: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let path = format!("/proxy/{}/dev.azure.com/mycompany/_apis/projects", self.connection);
        let mut headers = headers.clone();
        headers.insert("authorization".to_owned(), format!("Bearer {}", self.key));
        let event = json!({
            "rawPath": path, "rawQueryString": "", "headers": headers, "isBase64Encoded": false,
            "requestContext": {"requestId": "r-1", "stage": "$default", "http": {"method": "GET", "path": path}},
        });
        let event = event.to_string().into_bytes();
        let answer = self.world.stack.invoke("proxy", event).await.unwrap();
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        assert_eq!(answer["statusCode"], 200, "{answer}");
        assert_eq!(answer["cookies"], json!([]));
        serde_json::from_value(answer["headers"].clone()).unwrap()
    }

    /// Returns the headers of the last request, as Azure DevOps received them.
    fn arrived(&self) -> BTreeMap<String, String> {
        let requests = self.world.devops().requests();
        let last = requests.last().unwrap();
        assert_eq!(last.route, "projects.list");
        last.headers.iter().cloned().collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn request_headers_arrive_at_azure_devops_as_the_table_says() {
    let world = World::start().await;
    let caller = Caller::of(&world).await;
    let table = Table::read("request headers");
    for (number, mut sent) in cases(&table.headers()).into_iter().enumerate() {
        table.leave_refused_out(&mut sent);
        let named = sent.keys().nth(number % sent.len()).cloned().filter(|_| number % 3 == 0);
        if let Some(named) = &named {
            sent.insert("connection".to_owned(), format!("close, {named}"));
        }
        caller.call(&sent).await;
        let arrived = caller.arrived();
        for (name, value) in &sent {
            let fate = if named.as_ref() == Some(name) { Fate::Dropped } else { table.fate(name) };
            let arrived = arrived.get(name);
            match fate {
                Fate::Passed => assert_eq!(arrived, Some(value), "{name} of {sent:?}"),
                Fate::Changed => {
                    assert!(arrived.unwrap().ends_with(value.as_str()), "{name}: {arrived:?}");
                    assert_ne!(arrived, Some(value), "{name}");
                }
                Fate::Extended => panic!("no header of a request is extended"),
                Fate::Replaced => assert_ne!(arrived.unwrap(), value, "{name}"),
                Fate::Dropped if matches!(name.as_str(), "user-agent" | "accept" | "host") => {
                    assert_ne!(arrived, Some(value), "{name} of {sent:?}");
                }
                Fate::Dropped => assert_eq!(arrived, None, "{name} of {sent:?}"),
                Fate::Refused => panic!("{name} is refused"),
            }
        }
        for name in arrived.keys().filter(|name| !sent.contains_key(*name)) {
            let ours = ["authorization", "host", "user-agent", "accept", "x-tfs-fedauthredirect"];
            assert!(ours.contains(&name.as_str()), "{name} was added");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_with_a_refused_header_reaches_nobody() {
    let world = World::start().await;
    let caller = Caller::of(&world).await;
    world.devops().reset_counts();
    let table = Table::read("request headers");
    let refused = table.rules.iter().filter(|(_, fate)| *fate == Fate::Refused);
    let refused: Vec<_> = refused.map(|(name, _)| name).collect();
    assert_eq!(refused.len(), 3, "{refused:?}");
    let path = format!("/proxy/{}/dev.azure.com/mycompany/_apis/projects", caller.connection);
    for (name, front) in refused.iter().flat_map(|name| world.fronts().map(|front| (name, front))) {
        let sent = [((*name).clone(), "DELETE".to_owned())].into_iter().collect();
        let answer = world.raw_get_with(front, &path, &sent).await;
        answer.expect_problem(400, "invalid_request");
    }
    assert_eq!(world.devops().requests().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn answer_headers_reach_the_caller_as_the_table_says() {
    let world = World::start().await;
    let caller = Caller::of(&world).await;
    let table = Table::read("answer headers");
    let usual = caller.call(&BTreeMap::new()).await;
    for mut sent in cases(&table.headers()) {
        sent.retain(|name, _| !FRAMING.contains(&name.as_str()));
        for name in ["location", "link"] {
            if let Some(value) = sent.get_mut(name) {
                let address = "https://vssps.dev.azure.com/mycompany/_apis/x";
                *value = if name == "link" {
                    format!("<{address}>; rel=\"next\"")
                } else {
                    address.to_owned()
                };
            }
        }
        let fault = sent
            .iter()
            .fold(Fault::on("projects.list").status(200).body("{}"), |fault, (name, value)| {
                fault.header(name, value)
            });
        world.devops().inject(fault);
        let came = caller.call(&BTreeMap::new()).await;
        for (name, value) in &sent {
            let came = came.get(name);
            match table.fate(name) {
                Fate::Passed => assert_eq!(came, Some(value), "{name} of {sent:?}"),
                Fate::Changed => {
                    assert!(came.unwrap().contains("/proxy/conn_"), "{name}: {came:?}");
                }
                Fate::Extended => {
                    assert!(came.unwrap().starts_with(&format!("{value},")), "{name}: {came:?}");
                }
                Fate::Replaced => assert_ne!(came.unwrap(), value, "{name}"),
                Fate::Dropped => assert_eq!(came, None, "{name} of {sent:?}"),
                Fate::Refused => panic!("no header of an answer is refused"),
            }
        }
        for name in came.keys().filter(|name| !sent.contains_key(*name)) {
            assert!(usual.contains_key(name), "{name} was added");
        }
    }
}

/// Headers that a server reads itself.
const READ_BY_SERVERS: [&str; 7] = [
    "authorization",
    "connection",
    "content-length",
    "expect",
    "host",
    "transfer-encoding",
    "upgrade",
];

#[tokio::test(flavor = "multi_thread")]
async fn request_headers_pass_both_fronts_as_the_tables_say() {
    let world = World::start().await;
    let caller = Caller::of(&world).await;
    let table = Table::read("request headers");
    for front in Front::both(&world) {
        for mut sent in cases(&table.headers()) {
            sent.retain(|name, _| !READ_BY_SERVERS.contains(&name.as_str()));
            table.leave_refused_out(&mut sent);
            caller.call_through(&front, &sent).await;
            let arrived = caller.arrived();
            for (name, value) in &sent {
                let reaches_function = front.in_request(name) == "passed";
                let passes = reaches_function && table.fate(name) == Fate::Passed;
                let came = arrived.get(name) == Some(value);
                assert_eq!(came, passes, "{name} of {sent:?} at {}", front.url);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answer_headers_pass_both_fronts_as_the_tables_say() {
    let world = World::start().await;
    let caller = Caller::of(&world).await;
    let table = Table::read("answer headers");
    for front in Front::both(&world) {
        for mut sent in cases(&table.headers()) {
            sent.retain(|name, _| !READ_BY_SERVERS.contains(&name.as_str()));
            // These carry addresses, and a value that is none passes as it came.
            sent.retain(|name, _| table.fate(name) != Fate::Changed);
            let fault = Fault::on("projects.list").status(200).body("{}");
            let fault = sent.iter().fold(fault, |fault, (name, value)| fault.header(name, value));
            world.devops().inject(fault);
            let came = caller.call_through(&front, &BTreeMap::new()).await;
            for (name, value) in &sent {
                let leaves_proxy = table.fate(name) == Fate::Passed;
                let renamed = format!("x-amzn-remapped-{name}");
                let expected = match front.in_answer(name) {
                    _ if !leaves_proxy => (false, false),
                    "passed" => (true, false),
                    "renamed" => (false, true),
                    "dropped" => (false, false),
                    other => panic!("unknown treatment: {other}"),
                };
                let is_there = |name: &str| came.get(name).is_some_and(|came| came == value);
                assert_eq!(
                    (is_there(name), is_there(&renamed)),
                    expected,
                    "{name} of {sent:?} at {}",
                    front.url
                );
            }
        }
    }
}

/// Request headers of many different clients.
const ODD_REQUEST: &str = "\
Accept: application/json;api-version=7.1;excludeUrls=true
accept-language: de-CH, de;q=0.9
CONTENT-TYPE: application/json-patch+json; charset=utf-8
If-Match: \"3\", W/\"4\"
if-none-match: *
Range: bytes=0-99, 200-
Prefer: return=minimal
traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
tracestate: rojo=00f067aa0ba902b7
baggage: user=ada
X-VSS-E2EID: 2c9a8c1e-0000-4000-8000-000000000001
X-TFS-Session: 7e0f1c2a-0000-4000-8000-000000000002
X-TFS-FedAuthRedirect: Follow
x-vss-forcemsapassthrough: true
X-Requested-With: XMLHttpRequest
git-protocol: version=2
User-Agent: VSServices/7.1 (NetStandard; Linux)
Origin: https://app.mycompany.example
Referer: https://app.mycompany.example/page
Sec-Fetch-Mode: cors
DNT: 1
Cache-Control: no-cache
Pragma: no-cache
Cookie: UserAuthentication=x
X-Forwarded-Host: evil.example
X_Forwarded_For: 10.0.0.1
X_HTTP_Method_Override: DELETE
X-Original-URL: /fabrikam
X-Ado-Connect-User: grace
Connection: close, x-hop
x-hop: 1
TE: trailers
x-empty-ish: .
x-quotes: \"a\\\"b\", 'c'
x-percent: %00%0d%0a
x-long-1234567890123456789012345678901234567890: 1";

/// Answer headers of many different services.
const ODD_ANSWER: &str = "\
Content-Type: application/octet-stream
Content-Disposition: attachment; filename*=UTF-8''%c3%bc.txt
Content-Encoding: gzip
Content-Language: en-US
Content-Range: bytes 0-99/1000
ETag: W/\"0815\"
Last-Modified: Mon, 23 Nov 2026 10:00:00 GMT
Link: <https://dev.azure.com/mycompany/_apis/a?x=1>; rel=\"next\", </other>; rel=\"prev\"
Location: https://mycompany.visualstudio.com/_apis/b
X-MS-ContinuationToken: 2026-01-05T08:00:00.0000000Z;17+/=
X-RateLimit-Remaining: 0
ActivityId: 2c9a8c1e-0000-4000-8000-000000000003
X-TFS-ProcessId: 2c9a8c1e-0000-4000-8000-000000000004
X-VSS-UserData: 2c9a8c1e-0000-4000-8000-000000000005:ada@mycompany.example
X-VSS-E2EID: 2c9a8c1e-0000-4000-8000-000000000001
X-TFS-Session: 7e0f1c2a-0000-4000-8000-000000000002
X-VSS-SenderDeploymentId: 2c9a8c1e-0000-4000-8000-000000000006
X-MSEdge-Ref: Ref A: 0 Ref B: EMULATED
Request-Context: appId=cid-v1:0
Cache-Control: public, max-age=3600, s-maxage=7200
CDN-Cache-Control: public, max-age=86400
Surrogate-Control: max-age=86400
X-Accel-Expires: 86400
Vary: Accept-Encoding
Server: Microsoft-IIS/10.0
Set-Cookie: VstsSession=x; domain=.visualstudio.com
WWW-Authenticate: Basic realm=\"https://tfsprodweu1.app.visualstudio.com/\"
Strict-Transport-Security: max-age=31536000
Access-Control-Allow-Origin: *
Content-Security-Policy: script-src *
X-Frame-Options: SAMEORIGIN
Alt-Svc: h3=\":443\"
NEL: {}
Keep-Alive: timeout=5";

#[tokio::test(flavor = "multi_thread")]
async fn forty_odd_headers_pass_in_both_directions_as_in_the_snapshot() {
    let world = World::start().await;
    let caller = Caller::of(&world).await;
    let pairs = |text: &str| -> BTreeMap<String, String> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(n, v)| (n.to_owned(), v.to_owned()))
            .collect()
    };
    let sent = pairs(ODD_REQUEST);
    let came = pairs(ODD_ANSWER);
    let fault = Fault::on("projects.list").status(200).body("x");
    world
        .devops()
        .inject(came.iter().fold(fault, |fault, (name, value)| fault.header(name, value)));
    let mut down = caller.call(&sent).await;
    let mut up = caller.arrived();
    // Different on each run.
    assert!(down.remove("date").is_some());
    for (name, what) in [("authorization", "Bearer <token of Entra ID>"), ("host", "<host>")] {
        up.insert(name.to_owned(), what.to_owned());
    }
    let gateway = world.url(&format!("/proxy/{}", caller.connection));
    for value in down.values_mut() {
        *value = value.replace(&gateway, "<proxy>");
    }
    insta::assert_json_snapshot!("forty_odd_headers", json!({"up": up, "down": down}));
}
