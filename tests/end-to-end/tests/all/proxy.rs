//! The proxy: requests, answers and refusals.

use emulators::Fault;
use end_to_end::{Caller, INTEGRATION, PROJECTS, World};
use reqwest::Method;
use serde_json::{Value, json};

fn path(connection: &str, rest: &str) -> String {
    format!("/proxy/{connection}/{rest}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_arrives_without_the_parts_that_are_not_for_azure_devops() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    let target = path(
        &connection,
        "dev.azure.com/mycompany/Website/_apis/wit/workitems/$Task?api-version=7.1&$expand=all&x=%2F..%2F",
    );
    let body = br#"[{"op":"add","path":"/fields/System.Title","value":"A \u00fcber task"}]"#;
    let request = world
        .request(&Caller::Application, Method::POST, &target)
        .header("content-type", "application/json-patch+json")
        .header("accept", "application/json;api-version=7.1")
        .header("x-tfs-session", "11111111-2222-4333-8444-555555555555")
        .header("user-agent", "client/1.0")
        .header("cookie", "a=b")
        .header("x-forwarded-host", "evil.example")
        .header("forwarded", "host=evil.example")
        .header("x_http_method_override", "DELETE")
        .header("x_forwarded_for", "1.2.3.4")
        .header("x-amz-security-token", "x")
        .body(body.to_vec());
    let created = world.send(request).await.expect(200).json();
    assert_eq!(created["fields"]["System.Title"], "A über task");

    let requests = world.devops().requests();
    let sent = requests.iter().find(|request| request.route == "wit.workitems.create").unwrap();
    assert_eq!(
        sent.target,
        "/mycompany/Website/_apis/wit/workitems/$Task?api-version=7.1&$expand=all&x=%2F..%2F"
    );
    assert_eq!((sent.method.as_str(), sent.host.as_str()), ("POST", "dev.azure.com"));
    assert_eq!(&sent.body[..], body);
    assert_eq!(sent.header("content-type"), Some("application/json-patch+json"));
    assert_eq!(sent.header("accept"), Some("application/json;api-version=7.1"));
    assert_eq!(sent.header("x-tfs-fedauthredirect"), Some("Suppress"));
    let agent = sent.header("user-agent").unwrap();
    assert!(agent.starts_with("ado-connect/") && agent.ends_with("client/1.0"), "{agent}");
    for absent in [
        "cookie",
        "x-forwarded-host",
        "x-forwarded-for",
        "forwarded",
        "x_http_method_override",
        "x_forwarded_for",
        "x-amz-security-token",
    ] {
        assert_eq!(sent.header(absent), None, "{absent}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_that_could_mean_something_else_are_refused_before_anything_is_sent() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    world.devops().reset_counts();
    for (rest, status, code) in [
        ("evil.example/x", 400, "unknown_host"),
        ("dev.azure.com.evil.example/mycompany/_apis", 400, "unknown_host"),
        ("dev.azure.com:8443/mycompany/_apis", 400, "unknown_host"),
        ("user@dev.azure.com/mycompany/_apis", 400, "unknown_host"),
        ("169.254.169.254/latest/meta-data", 400, "unknown_host"),
        ("localhost/x", 400, "unknown_host"),
        ("graph.microsoft.com/v1.0/me", 400, "unknown_host"),
        ("dev.azure.com", 403, "organization_not_allowed"),
        ("dev.azure.com/fabrikam/_apis/projects", 403, "organization_not_allowed"),
        ("vssps.dev.azure.com/fabrikam/_apis/graph/users", 403, "organization_not_allowed"),
        ("fabrikam.visualstudio.com/_apis/projects", 403, "organization_not_allowed"),
        ("dev.azure.com/%66abrikam/_apis/projects", 403, "organization_not_allowed"),
        ("dev.azure.com/mycompany/%2e%2e/fabrikam/_apis/projects", 400, "ambiguous_path"),
        ("dev.azure.com/mycompany/..%2ffabrikam/_apis/projects", 400, "ambiguous_path"),
        ("dev.azure.com/mycompany/%252e%252e/fabrikam", 400, "ambiguous_path"),
        ("dev.azure.com//mycompany/_apis/projects", 400, "ambiguous_path"),
        ("dev.azure.com//fabrikam/_apis/projects", 400, "ambiguous_path"),
        ("dev.azure.com/mycompany/a%5C..%5C..%5Cfabrikam/_apis", 400, "ambiguous_path"),
        ("dev.azure.com/mycompany%5Cfabrikam/_apis", 400, "ambiguous_path"),
        ("dev.azure.com/mycompany/a%00b", 400, "ambiguous_path"),
        ("dev.azure.com/mycompany/a%0d%0aHost:%20evil", 400, "ambiguous_path"),
        ("dev.azure.com/mycompany/%ff", 400, "ambiguous_path"),
    ] {
        // The client must send the address without normalizing it.
        let answer = world.raw_get(&path(&connection, rest)).await;
        answer.expect_problem(status, code);
    }
    assert_eq!(world.devops().requests().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_of_azure_devops_and_their_older_names_are_reached() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    world.proxied(&connection, "mycompany.visualstudio.com/_apis/projects").await.expect(200);
    world.proxied(&connection, "DEV.azure.com/MyCompany/_apis/projects").await.expect(200);
    world
        .proxied(
            &connection,
            "app.vssps.visualstudio.com/_apis/profile/profiles/me?api-version=7.1",
        )
        .await
        .expect(200);
    let hosts: Vec<_> = world.devops().requests().into_iter().map(|request| request.host).collect();
    assert!(
        hosts.ends_with(&[
            "dev.azure.com".to_owned(),
            "dev.azure.com".to_owned(),
            "app.vssps.visualstudio.com".to_owned()
        ]),
        "{hosts:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn paging_headers_lead_through_all_pages() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    world.devops().add_projects("mycompany", "Paged", 7).unwrap();
    let (mut names, mut token): (Vec<Value>, Option<String>) = (Vec::new(), None);
    loop {
        let next = token
            .as_ref()
            .map(|token| format!("&continuationToken={}", encode(token)))
            .unwrap_or_default();
        let answer =
            world.proxied(&connection, &format!("{PROJECTS}?$top=3{next}")).await.expect(200);
        names.extend(
            answer.json()["value"]
                .as_array()
                .unwrap()
                .iter()
                .map(|project| project["name"].clone()),
        );
        token = answer.header("x-ms-continuationtoken").map(str::to_owned);
        if token.is_none() {
            break;
        }
    }
    assert_eq!(names.len(), 10);
}

/// Continuation tokens are opaque, so clients encode them.
fn encode(token: &str) -> String {
    url::form_urlencoded::byte_serialize(token.as_bytes()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_pass_both_ways_unchanged() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    let bytes: Vec<u8> =
        (0..1_000_000_u32).map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes()[2]).collect();
    let target = path(
        &connection,
        "dev.azure.com/mycompany/Website/_apis/wit/attachments?fileName=a.bin&api-version=7.1",
    );
    let request = world
        .request(&Caller::Application, Method::POST, &target)
        .header("content-type", "application/octet-stream")
        .body(bytes.clone());
    let uploaded = world.send(request).await.expect(201).json();
    let id = uploaded["id"].as_str().unwrap();
    let download = world
        .proxied(
            &connection,
            &format!("dev.azure.com/mycompany/Website/_apis/wit/attachments/{id}"),
        )
        .await;
    assert_eq!(download.expect(200).body, bytes);

    // A compressed answer stays as it is.
    let gzip: &[u8] =
        &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xab, 0xae, 5, 0, 0x43, 0xbf, 0xa6, 0xa3, 2, 0, 0, 0];
    let fault = Fault::on("projects.list")
        .status(200)
        .header("content-encoding", "gzip")
        .header("content-type", "application/json");
    world.devops().inject(fault.body_bytes(gzip));
    let answer = world.proxied(&connection, PROJECTS).await.expect(200);
    assert_eq!((answer.header("content-encoding"), answer.body.as_slice()), (Some("gzip"), gzip));
}

#[tokio::test(flavor = "multi_thread")]
async fn ranges_archives_and_versions_pass_both_ways() {
    let world = World::start().await;
    let scopes = json!(["vso.code", "vso.work_write", "vso.wiki_write"]);
    world.put_integration(INTEGRATION, json!({"scopes": scopes})).await.expect(200);
    let connection = world.connect("ada", "ada").await;
    let call = |method, rest: &str| {
        let target = path(&connection, &format!("dev.azure.com/mycompany/Website/_apis/{rest}"));
        world.request(&Caller::Application, method, &target)
    };
    let file = call(Method::POST, "wit/attachments?fileName=a.txt").body("0123456789");
    let file = world.send(file).await.expect(201).json();
    let part = call(Method::GET, &format!("wit/attachments/{}", file["id"].as_str().unwrap()));
    let part = world.send(part.header("range", "bytes=2-4")).await.expect(206);
    assert_eq!((part.text().as_str(), part.header("content-range")), ("234", Some("bytes 2-4/10")));

    let archive = call(Method::GET, "git/repositories/Website/items?path=/&$format=zip");
    let archive = world.send(archive).await.expect(200);
    assert_eq!(archive.header("content-type"), Some("application/zip"));
    assert!(archive.body.starts_with(b"PK"));

    let page = "wiki/wikis/Website.wiki/pages?path=/Home&api-version=7.1";
    let read = world.send(call(Method::GET, page)).await.expect(200);
    let version = read.header("etag").unwrap();
    for status in [200, 412] {
        let change = call(Method::PUT, page).header("if-match", version);
        world.send(change.json(&json!({"content": "New"}))).await.expect(status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_and_answers_beyond_the_limits_are_refused() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    let target =
        path(&connection, "dev.azure.com/mycompany/Website/_apis/wit/attachments?fileName=a.bin");
    for size in [7_000_000, 11_000_000] {
        let request =
            world.request(&Caller::Application, Method::POST, &target).body(vec![0; size]);
        world.send(request).await.expect_message(413, "Request Entity Too Large");
    }
    let large = vec![b'x'; 4_700_000];
    world.devops().inject(Fault::on("projects.list").status(200).body_bytes(&large));
    world.proxied(&connection, PROJECTS).await.expect_problem(502, "response_too_large");
    let request = world.request(&Caller::Application, Method::GET, &path(&connection, PROJECTS));
    let request = request.header("x-large", "x".repeat(11_000));
    world.send(request).await.expect_message(431, "Request Header Fields Too Large");
    // The request line counts, too.
    let query = path(&connection, &format!("{PROJECTS}?x={}", "x".repeat(11_000)));
    let refused = world.get(&Caller::Application, &query).await;
    refused.expect_message(431, "Request Header Fields Too Large");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_token_in_any_disguise_costs_one_refresh_and_no_failure() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    let html = "<html><title>Azure DevOps Services | Sign In</title></html>";
    for (number, fault) in (1..).zip([
        Fault::on("projects.list").status(401),
        Fault::on("projects.list")
            .status(203)
            .header("content-type", "text/html; charset=utf-8")
            .body(html),
        Fault::on("projects.list").status(302).header(
            "location",
            "https://spsprodcus1.vssps.visualstudio.com/_signin?realm=dev.azure.com",
        ),
        Fault::on("projects.list").status(200).header("content-type", "text/html").body(html),
    ]) {
        world.devops().inject(fault);
        world.proxied(&connection, PROJECTS).await.expect(200);
        assert_eq!(world.entra().count("token.refresh_token"), number);
    }
    // This holds for writes, too: a rejected token means that nothing was done.
    world.devops().reset_counts();
    world.devops().inject(Fault::on("wit.workitems.create").status(401));
    world.create_work_item(world.stack.public_url(), &connection).await.expect(200);
    assert_eq!(world.devops().count("wit.workitems.create"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_token_that_is_rejected_is_not_renewed_again_and_again() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    world.devops().inject(Fault::on("*").times(0).status(401));
    for _ in 0..5 {
        let answer = world.proxied(&connection, PROJECTS).await;
        answer.expect_problem(401, "connection_reauthorization_required");
    }
    assert_eq!(world.entra().count("token.refresh_token"), 1);
    // A user without access, or a fault of Azure DevOps, never disconnects a user.
    assert_eq!(world.connection(&connection).await["status"], "active");
    world.devops().clear_faults();
    world.proxied(&connection, PROJECTS).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_that_names_the_user_is_passed_on_as_it_is() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    world.devops().remove_member("mycompany", "ada").unwrap();
    let answer = world.proxied(&connection, PROJECTS).await.expect(401);
    assert!(answer.text().contains("TF400813"), "{}", answer.text());
    assert_eq!(world.entra().count("token.refresh_token"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claims_challenge_of_azure_devops_goes_into_the_refresh() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    world.entra().challenge("ada", None).unwrap();
    world.proxied(&connection, PROJECTS).await.expect(200);
    let refreshes = world.entra().requests();
    let refresh = refreshes.iter().find(|request| request.route == "token.refresh_token").unwrap();
    let claims = refresh.form_parameter("claims").unwrap();
    assert!(
        claims.contains("cp1")
            && claims.len() > r#"{"access_token":{"xms_cc":{"values":["cp1"]}}}"#.len(),
        "{claims}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_that_may_have_arrived_is_never_sent_again_and_a_get_is() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    world.devops().inject(Fault::on("wit.workitems.create").after_handling().reset());
    world
        .create_work_item(world.stack.public_url(), &connection)
        .await
        .expect_problem(502, "devops_unavailable");
    assert_eq!(world.devops().count("wit.workitems.create"), 1);

    world.devops().inject(Fault::on("projects.list").reset());
    world.proxied(&connection, PROJECTS).await.expect(200);
    assert_eq!(world.devops().count("projects.list"), 2);
    world.devops().inject(Fault::on("projects.list").times(0).reset());
    world.proxied(&connection, PROJECTS).await.expect_problem(502, "devops_unavailable");
}

#[tokio::test(flavor = "multi_thread")]
async fn throttled_reads_are_repeated_in_time_and_throttled_writes_are_passed_on() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    world.devops().inject(Fault::on("projects.list").status(429).retry_after(1));
    world.proxied(&connection, PROJECTS).await.expect(200);
    world.devops().inject(
        Fault::on("wit.workitems.create")
            .status(429)
            .retry_after(1)
            .header("x-ratelimit-remaining", "0"),
    );
    let answer = world.create_work_item(world.stack.public_url(), &connection).await.expect(429);
    assert_eq!(answer.header("x-ratelimit-remaining"), Some("0"));
    assert_eq!(world.devops().count("wit.workitems.create"), 1);
    world.devops().inject(Fault::on("projects.list").status(429).retry_after(3000));
    let answer = world.proxied(&connection, PROJECTS).await.expect(429);
    assert_eq!(answer.header("retry-after"), Some("3000"));
}

#[tokio::test(flavor = "multi_thread")]
async fn redirects_are_passed_on_and_addresses_point_back_at_the_proxy() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    let gateway = world.url(&path(&connection, ""));
    for status in [301, 302, 307, 308] {
        let fault = Fault::on("projects.list")
            .status(status)
            .header("location", "https://vssps.dev.azure.com/mycompany/_apis/x");
        world.devops().inject(fault);
        let answer = world.proxied(&connection, PROJECTS).await.expect(status);
        assert_eq!(
            answer.header("location"),
            Some(format!("{gateway}vssps.dev.azure.com/mycompany/_apis/x").as_str())
        );
        let fault = Fault::on("projects.list")
            .status(status)
            .header("location", "https://evil.example/steal");
        world.devops().inject(fault);
        let answer = world.proxied(&connection, PROJECTS).await.expect(status);
        assert_eq!(answer.header("location"), None);
        let storage = "https://account.blob.core.windows.net/x?sig=1";
        let fault = Fault::on("projects.list").status(status).header("location", storage);
        world.devops().inject(fault);
        let answer = world.proxied(&connection, PROJECTS).await.expect(status);
        assert_eq!(answer.header("location"), Some(storage));
    }
    let areas = world
        .proxied(&connection, "dev.azure.com/mycompany/_apis/resourceAreas")
        .await
        .expect(200)
        .json();
    for area in areas["value"].as_array().unwrap() {
        let location = area["locationUrl"].as_str().unwrap();
        assert!(location.starts_with(&gateway), "{location}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answer_headers_that_would_act_on_our_origin_are_removed() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    let fault = Fault::on("projects.list")
        .status(200)
        .header("content-type", "image/svg+xml")
        .header("set-cookie", "a=b")
        .header("strict-transport-security", "max-age=1")
        .header("access-control-allow-origin", "*")
        .header("alt-svc", "h3=\":443\"")
        .header("etag", "\"1\"")
        .body("<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>");
    world.devops().inject(fault);
    let answer = world.proxied(&connection, PROJECTS).await.expect(200);
    for absent in
        ["set-cookie", "strict-transport-security", "access-control-allow-origin", "alt-svc"]
    {
        assert_eq!(answer.header(absent), None, "{absent}");
    }
    assert_eq!(answer.header("etag"), Some("\"1\""));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert!(answer.header("content-security-policy").unwrap().contains("sandbox"));
    assert_eq!(answer.header("content-disposition"), Some("attachment"));
    // A name that Azure DevOps gives stays, and data is no document.
    let named =
        Fault::on("projects.list").status(200).header("content-type", "text/xml").body("<a/>");
    world.devops().inject(named.header("content-disposition", "inline; filename=a.xml"));
    let answer = world.proxied(&connection, PROJECTS).await.expect(200);
    assert_eq!(answer.header("content-disposition"), Some("inline; filename=a.xml"));
    let answer = world.proxied(&connection, PROJECTS).await.expect(200);
    assert_eq!(answer.header("content-disposition"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn azure_devops_that_does_not_answer_ends_in_a_clear_timeout() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    let held = world.devops().inject(Fault::on("projects.list").times(0).hold());
    world.proxied(&connection, PROJECTS).await.expect_problem(504, "devops_timeout");
    held.release();
}

#[tokio::test(flavor = "multi_thread")]
async fn our_key_works_where_a_personal_access_token_would() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    let key = world.new_key("application", Some(INTEGRATION)).await;
    for user in ["", "anything"] {
        let request =
            world.plain_get(&world.url(&path(&connection, PROJECTS))).basic_auth(user, Some(&key));
        world.send(request).await.expect(200);
    }
    let asked = world.devops().requests();
    assert!(
        asked.iter().all(|request| request
            .header("authorization")
            .is_none_or(|value| !value.contains(&key)))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_find_nothing_and_pending_connections_serve_nobody() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    world.put_integration("another", json!({})).await.expect(201);
    let stranger = Caller::Bearer(world.new_key("application", Some("another")).await);
    for rest in [PROJECTS, "evil.example/x", ""] {
        world.get(&stranger, &path(&connection, rest)).await.expect(404);
    }
    world
        .get(&stranger, &path(&connection, PROJECTS))
        .await
        .expect_problem(404, "connection_not_found");
    world
        .get(&Caller::Application, &path("conn_0", PROJECTS))
        .await
        .expect_problem(404, "connection_not_found");
    world
        .get(&Caller::Operator, &path(&connection, PROJECTS))
        .await
        .expect_problem(403, "role_not_allowed");
    world
        .get(&Caller::Nobody, &path(&connection, PROJECTS))
        .await
        .expect_problem(401, "missing_credentials");
    let request = world.request(&Caller::Application, Method::TRACE, &path(&connection, PROJECTS));
    world.send(request).await.expect_problem(405, "method_not_allowed");
    let returned = world.browser().finish(&world.connect_url("grace").await, "grace").await;
    let pending = returned.location_parameter("connection_id").unwrap();
    world.proxied(&pending, PROJECTS).await.expect_problem(409, "connection_pending");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_use_is_recorded_at_most_hourly() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    // Connecting does not count as a use.
    assert!(world.connection(&connection).await["last_used_at"].is_null());
    world.proxied(&connection, PROJECTS).await.expect(200);
    let before = world.connection(&connection).await["last_used_at"].clone();
    assert!(before.is_string());
    world.proxied(&connection, PROJECTS).await.expect(200);
    assert_eq!(world.connection(&connection).await["last_used_at"], before);
    let long_ago = aws_sdk_dynamodb::types::AttributeValue::N("1000000000".to_owned());
    world.set(local::names::CONNECTIONS, &connection, "last_used_at", long_ago).await;
    world.proxied(&connection, PROJECTS).await.expect(200);
    let after = world.connection(&connection).await["last_used_at"].clone();
    assert!(after.as_str() >= before.as_str(), "{after} {before}");
}
