//! The management API for operators and applications, and its refusals.

use emulators::entra::{DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET, TestCertificate};
use end_to_end::{Answer, Caller, INTEGRATION, World};
use local::names;
use reqwest::Method;
use serde_json::{Value, json};

#[track_caller]
fn assert_names_field(answer: &Answer, field: &str) {
    let problem = answer.clone().expect_problem(400, "invalid_request").json();
    let fields: Vec<_> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["field"].as_str().unwrap())
        .collect();
    assert!(fields.contains(&field), "{field}: {problem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_integration_is_created_replaced_shown_and_never_shows_its_secret() {
    let world = World::start().await;
    let wish = json!({"client_credential": {"kind": "client_secret", "client_secret": "s3cr3t-of-the-test", "expires_at": "2030-01-01T00:00:00Z"}, "tenant": "organizations"});
    let created = world.put_integration("second", wish.clone()).await.expect(201);
    let replaced = world.put_integration("second", wish).await.expect(200);
    let shown = world.get(&Caller::Operator, "/integrations/second").await.expect(200);
    let listed = world.get(&Caller::Operator, "/integrations").await.expect(200);
    for answer in [&created, &replaced, &shown, &listed] {
        assert!(!answer.text().contains("s3cr3t"), "{}", answer.text());
    }
    let shown = shown.json();
    let expected = [
        ("id", json!("second")),
        ("client_id", json!(DEFAULT_CLIENT_ID.to_string())),
        (
            "client_credential",
            json!({"kind": "client_secret", "expires_at": "2030-01-01T00:00:00Z"}),
        ),
        ("organizations", json!(["mycompany"])),
        ("tenant", json!("organizations")),
        ("allowed_tenants", json!([])),
        ("allowed_return_origins", json!(["https://app.mycompany.example"])),
        ("confirmation", json!("required")),
        ("redirect_uri", json!(world.url("/integration-callback"))),
        ("status", json!("ready")),
    ];
    for (name, value) in expected {
        assert_eq!(shown[name], value, "{name}");
    }
    assert_eq!(listed.json()["items"].as_array().unwrap().len(), 2);
    // A request without a credential keeps the stored one.
    let body = json!({"client_id": DEFAULT_CLIENT_ID.to_string(), "organizations": "any", "scopes": ["user_impersonation"]});
    let kept = world
        .ask_json(&Caller::Operator, Method::PUT, "/integrations/second", &body)
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&kept["organizations"], &kept["client_credential"]["expires_at"]),
        (&json!("any"), &json!("2030-01-01T00:00:00Z"))
    );
    world
        .get(&Caller::Operator, "/integrations/third")
        .await
        .expect_problem(404, "integration_not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_fields_of_an_integration_are_named() {
    let world = World::start().await;
    for (changes, field) in [
        (json!({"client_id": "not a guid"}), "client_id"),
        (json!({"organizations": []}), "organizations"),
        (json!({"organizations": ["my company"]}), "organizations"),
        (json!({"organizations": "all"}), "organizations"),
        (json!({"scopes": []}), "scopes"),
        (json!({"scopes": ["vso.everything"]}), "scopes"),
        (json!({"scopes": ["vso.code", "user_impersonation"]}), "scopes"),
        (json!({"tenant": "common"}), "tenant"),
        (
            json!({"allowed_return_origins": ["http://app.mycompany.example"]}),
            "allowed_return_origins",
        ),
        (
            json!({"allowed_return_origins": ["https://app.mycompany.example/path"]}),
            "allowed_return_origins",
        ),
        (
            json!({"client_credential": {"kind": "certificate", "certificate_pem": "x", "private_key_pem": "hunter2"}}),
            "client_credential",
        ),
    ] {
        let answer = world.put_integration("second", changes).await;
        assert!(!answer.text().contains("hunter2"));
        assert_names_field(&answer, field);
    }
    for changes in [
        json!({"unknown": 1}),
        json!({"confirmation": "maybe"}),
        json!({"allowed_tenants": ["x"]}),
        json!({"client_credential": {"kind": "password"}}),
    ] {
        world.put_integration("second", changes).await.expect_problem(400, "invalid_request");
    }
    let nameless = json!({"client_id": DEFAULT_CLIENT_ID.to_string(), "organizations": ["mycompany"], "scopes": ["vso.code"]});
    let answer =
        world.ask_json(&Caller::Operator, Method::PUT, "/integrations/second", &nameless).await;
    assert_names_field(&answer, "client_credential");
    world.put_integration("Bad_Name", json!({})).await.expect_problem(400, "invalid_request");
    world
        .get(&Caller::Operator, "/integrations/second")
        .await
        .expect_problem(404, "integration_not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_bodies_are_refused_without_an_echo() {
    let world = World::start().await;
    let put = |kind: &str, body: String| {
        let request = world.request(&Caller::Operator, Method::PUT, "/integrations/second");
        world.send(request.header("content-type", kind.to_owned()).body(body))
    };
    for body in ["", "{", "[]x", "{\"client_secret\": \"hunter2\"", "\u{0}"] {
        let answer = put("application/json", body.to_owned()).await;
        assert_eq!(answer.status, 400, "{}", answer.text());
        assert!(!answer.text().contains("hunter2"));
    }
    put("application/json", "{\"a\":".to_owned()).await.expect_problem(400, "malformed_json");
    put("text/plain", "{}".to_owned()).await.expect_problem(415, "unsupported_media_type");
    put("application/json", format!("\"{}\"", "x".repeat(70_000)))
        .await
        .expect_problem(413, "request_too_large");
    put("application/json", format!("\"{}\"", "x".repeat(7_000_000)))
        .await
        .expect_message(413, "Request Entity Too Large");
    put("application/json", "{\"client_id\": \"hunter2\"}".to_owned())
        .await
        .expect_problem(400, "invalid_request");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_as_good_as_a_secret() {
    let world = World::start().await;
    let certificate = TestCertificate::generate().unwrap();
    world.entra().add_certificate(DEFAULT_CLIENT_ID, &certificate.certificate_pem).unwrap();
    let credential = json!({"kind": "certificate", "certificate_pem": certificate.certificate_pem, "private_key_pem": certificate.private_key_pem});
    let shown = world
        .put_integration(INTEGRATION, json!({"client_credential": credential}))
        .await
        .expect(200)
        .json();
    assert_eq!(shown["client_credential"]["kind"], "certificate");
    world.stack.restart_functions().await;
    let connection = world.connect("ada", "ada").await;
    let requests = world.entra().requests();
    let exchange =
        requests.iter().find(|request| request.route == "token.authorization_code").unwrap();
    assert!(exchange.form_parameter("client_assertion").is_some());
    assert!(exchange.form_parameter("client_secret").is_none());
    world.expire_tokens().await;
    world.proxied(&connection, "dev.azure.com/mycompany/_apis/projects").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_an_integration_leaves_nothing_of_it() {
    let world = World::start().await;
    world.connect("ada", "ada").await;
    world.connect("grace", "grace").await;
    let path = format!("/integrations/{INTEGRATION}");
    world.ask(&Caller::Operator, Method::DELETE, &path).await.expect(204);
    world
        .ask(&Caller::Operator, Method::DELETE, &path)
        .await
        .expect_problem(404, "integration_not_found");
    assert!(world.items(names::CONNECTIONS).await.is_empty());
    assert!(world.items(names::TOKENS).await.is_empty());
    let name = format!("{}integrations/{INTEGRATION}", names::SECRETS);
    assert!(
        world.stack.aws().secrets_manager.get_secret_value().secret_id(name).send().await.is_err()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn verify_finds_faults_and_names_their_fixes() {
    let world = World::start().await;
    let verify = async |id: &str| {
        let path = format!("/integrations/{id}/verify");
        world.ask(&Caller::Operator, Method::POST, &path).await.expect(200).json()
    };
    let finding = |found: &Value, check: &str| {
        let findings = found["findings"].as_array().unwrap();
        findings
            .iter()
            .find(|f| f["check"] == check)
            .unwrap_or_else(|| panic!("{check}: {found}"))
            .clone()
    };
    let good = verify(INTEGRATION).await;
    assert_eq!(good["ok"], true, "{good}");
    for check in ["redirect_uri", "client_credential", "organization", "clock"] {
        assert_eq!(finding(&good, check)["status"], "ok", "{good}");
    }
    let wrong = json!({"client_credential": {"kind": "client_secret", "client_secret": "wrong", "expires_at": "2020-01-01T00:00:00Z"}, "organizations": ["nosuchorganization", "mycompany"]});
    world.put_integration("wrong", wrong).await.expect(201);
    let bad = verify("wrong").await;
    assert_eq!(bad["ok"], false);
    for check in ["client_credential", "credential_expiry", "organization"] {
        let finding = finding(&bad, check);
        assert_eq!(finding["status"], "failed", "{bad}");
        assert!(finding["fix"].as_str().unwrap().ends_with('.'));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_credential_is_replaced_alone_and_verify_sees_only_the_new_one() {
    let world = World::start().await;
    let narrow = json!({"allowed_calls": [{"methods": ["GET"]}], "always_warm": true});
    let before = world.put_integration(INTEGRATION, narrow).await.expect(200).json();
    let path = format!("/integrations/{INTEGRATION}/client-credential");
    let put = async |secret: &str| {
        let credential = json!({"kind": "client_secret", "client_secret": secret, "expires_at": "2100-01-01T00:00:00Z"});
        world.ask_json(&Caller::Operator, Method::PUT, &path, &credential).await
    };
    let verify = async || {
        let path = format!("/integrations/{INTEGRATION}/verify");
        world.post(&Caller::Operator, &path, json!({})).await.expect(200).json()["ok"].clone()
    };

    // A mistyped secret: calls continue with the previous one, and `verify` reports the new one.
    let mut after = put("a-slip").await.expect(200).json();
    assert_eq!(verify().await, false);
    let connection = world.connect("ada", "ada").await;
    world.proxied(&connection, "dev.azure.com/mycompany/_apis/projects").await.expect(200);
    assert_eq!(verify().await, false);

    let secret = world.entra().new_secret(DEFAULT_CLIENT_ID).unwrap();
    put(&secret).await.expect(200);
    assert_eq!(verify().await, true);
    // `verify` reads a secret that another process has put, past its own cache.
    let secrets = &world.stack.aws().secrets_manager;
    let name = format!("{}integrations/{INTEGRATION}", names::SECRETS);
    let slip = r#"{"kind":"client_secret","client_secret":"another-slip"}"#;
    secrets.put_secret_value().secret_id(name).secret_string(slip).send().await.unwrap();
    assert_eq!(verify().await, false);
    put(&secret).await.expect(200);
    world.entra().remove_secret(DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET).unwrap();
    world.renew(&connection).await.expect(200);

    // All other fields are unchanged.
    assert_eq!(after["client_credential"]["expires_at"], "2100-01-01T00:00:00Z");
    for changing in ["client_credential", "updated_at"] {
        after[changing] = before[changing].clone();
    }
    assert_eq!(after, before);
    for slip in ["", " pasted with a blank", "and a line\n"] {
        assert_names_field(&put(slip).await, "client_credential.client_secret");
    }
    let nobody = "/integrations/nobody/client-credential";
    let credential = json!({"kind": "federated"});
    let refused = world.ask_json(&Caller::Operator, Method::PUT, nobody, &credential).await;
    refused.expect_problem(404, "integration_not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connect_session_takes_only_what_the_integration_allows() {
    let world = World::start().await;
    world.put_integration("any", json!({"organizations": "any"})).await.expect(201);
    let session = async |changes: Value| {
        let mut wish =
            json!({"integration": INTEGRATION, "user": "ada", "return_to": world.return_to()});
        for (name, value) in changes.as_object().unwrap() {
            wish[name] = value.clone();
        }
        world.post(&Caller::Application, "/connect-sessions", wish).await
    };
    session(json!({})).await.expect(201);
    session(json!({"organization": "MyCompany", "scopes": ["vso.code"], "login_hint": "ada@mycompany.example"})).await.expect(201);
    session(json!({"integration": "nobody"})).await.expect_problem(404, "integration_not_found");
    session(json!({"organization": "fabrikam"}))
        .await
        .expect_problem(403, "organization_not_allowed");
    session(json!({"scopes": ["vso.security_manage"]}))
        .await
        .expect_problem(400, "scope_not_allowed");
    assert_names_field(&session(json!({"user": null})).await, "user");
    assert_names_field(&session(json!({"return_to": null})).await, "return_to");
    assert_names_field(&session(json!({"integration": "any"})).await, "organization");
    assert_names_field(&session(json!({"login_hint": "a\nb"})).await, "login_hint");
    session(json!({"user": "a\u{0}b"})).await.expect_problem(400, "invalid_request");
    session(json!({"unknown": true})).await.expect_problem(400, "invalid_request");

    let link = session(json!({"login_hint": "ada@mycompany.example"})).await.json();
    let authorize_url = world.browser().start(link["connect_url"].as_str().unwrap()).await;
    assert!(
        authorize_url
            .query_pairs()
            .any(|(name, value)| name == "login_hint" && value == "ada@mycompany.example")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn return_addresses_lead_only_to_allowed_origins() {
    let world = World::start().await;
    let ask = async |return_to: &str| {
        let wish = json!({"integration": INTEGRATION, "user": "ada", "return_to": return_to});
        world.post(&Caller::Application, "/connect-sessions", wish).await
    };
    for good in [
        "https://app.mycompany.example",
        "https://app.mycompany.example/a?b=c#d",
        "https://app.mycompany.example:443/",
        "https://APP.mycompany.example/x",
    ] {
        ask(good).await.expect(201);
    }
    for bad in [
        "",
        " ",
        "/",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/%09/evil.example",
        "///evil.example",
        "////evil.example",
        "https:evil.example",
        "https:/evil.example",
        "https:///evil.example",
        "https://evil.example",
        "http://app.mycompany.example",
        "https://app.mycompany.example.evil.example/",
        "https://app.mycompany.example@evil.example/",
        "https://app.mycompany.example:x@evil.example/",
        "https://user@app.mycompany.example/",
        "https://:pw@app.mycompany.example/",
        "https://evil.example/app.mycompany.example",
        "https://evil.example?https://app.mycompany.example",
        "https://evil.example#https://app.mycompany.example",
        "https://evil.example\\@app.mycompany.example/",
        "https://app.mycompany.example\\.evil.example",
        "https://app.mycompany.example:8443/",
        "https://app.mycompany.example:80/",
        "https://sub.app.mycompany.example/",
        "https://mycompany.example/",
        "https://appmycompany.example/",
        "https://app.mycompany.example%2eevil.example/",
        "https://app.mycompany.example%00.evil.example/",
        "https://app.mycompany.example\u{3002}evil.example/",
        "https://evil\u{3002}example/",
        "https://xn--app-mycompany-example/",
        "https://\u{430}pp.mycompany.example/",
        "javascript:alert(1)",
        "javascript://app.mycompany.example/%0aalert(1)",
        "data:text/html,x",
        "vbscript:x",
        "file:///etc/passwd",
        "ftp://app.mycompany.example/",
        "blob:https://app.mycompany.example/x",
        "about:blank",
        "intent://app.mycompany.example/",
        "app.mycompany.example",
        "app.mycompany.example/x",
        "://app.mycompany.example",
        "https://app.mycompany.example\r\nLocation: https://evil.example",
        "https://app.mycompany.example/\r\nSet-Cookie: a=b",
        "https://app.mycompany.example/\u{0}",
        "https://app.mycompany.example/\t",
        "\thttps://app.mycompany.example/",
        " https://app.mycompany.example/",
        "https://app.mycompany.example/ x",
        "https://app.my\tcompany.example/",
        "https://[::1]/",
        "https://127.0.0.1/",
        "https://0x7f000001/",
        "https://2130706433/",
        "https://169.254.169.254/",
        "https://localhost/",
        "https://app.mycompany.example.:8443/",
        "wss://app.mycompany.example/",
        "HTTPS://evil.example/",
        "https://evil.example:443@app.mycompany.example:8443/",
        "null",
    ] {
        let answer = ask(bad).await;
        assert_eq!(answer.status, 400, "{bad:?}: {}", answer.text());
        answer.expect_problem(400, "return_to_not_allowed");
    }
    ask(&format!("https://app.mycompany.example/{}", "x".repeat(3000)))
        .await
        .expect_problem(400, "return_to_not_allowed");
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_listed_page_by_page_and_filtered() {
    let world = World::start().await;
    let mut expected = Vec::new();
    for user in ["u1", "u2", "u3"] {
        expected.push(world.connect(user, "ada").await);
    }
    world.browser().finish(&world.connect_url("u4").await, "ada").await.expect(303);
    world.put_integration("second", json!({"confirmation": "none"})).await.expect(201);
    let link = world.connect_url_for(json!({"integration": "second", "user": "u1"})).await;
    world.browser().finish(&link, "ada").await.expect(200);

    for query in ["limit=1", "limit=2", "limit=200", "status=active&limit=1"] {
        let (mut listed, mut cursor): (Vec<Value>, Option<String>) = (Vec::new(), None);
        loop {
            let next = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
            let page = world
                .get(&Caller::Application, &format!("/connections?{query}{next}"))
                .await
                .expect(200)
                .json();
            listed.extend(page["items"].as_array().unwrap().iter().cloned());
            cursor = page["next_cursor"].as_str().map(str::to_owned);
            if cursor.is_none() {
                break;
            }
        }
        let wanted = if query.contains("active") { 4 } else { 5 };
        assert_eq!(listed.len(), wanted, "{query}");
        for id in &expected {
            assert_eq!(
                listed.iter().filter(|item| item["id"] == id.as_str()).count(),
                1,
                "{query}"
            );
        }
    }
    let one = world
        .get(&Caller::Application, &format!("/connections?integration={INTEGRATION}&user=u2"))
        .await
        .json();
    assert_eq!(one["items"].as_array().unwrap().len(), 1);
    assert_eq!(one["items"][0]["id"], expected[1].as_str());
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=x", "limit"),
        ("status=gone", "status"),
        ("cursor=x", "cursor"),
        ("integration=BAD", "integration"),
    ] {
        let answer = world.get(&Caller::Application, &format!("/connections?{query}")).await;
        assert_names_field(&answer, field);
    }
    world
        .get(&Caller::Application, "/connections?user=a&user=b")
        .await
        .expect_problem(400, "duplicate_parameter");
    world
        .get(&Caller::Application, "/connections?nonsense=1")
        .await
        .expect_problem(400, "invalid_request");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_bound_to_an_integration_sees_only_that_one() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    world.put_integration("second", json!({})).await.expect(201);
    let bound = Caller::Bearer(world.new_key("application", Some("second")).await);
    let path = format!("/connections/{connection}");
    for (method, path) in [
        (Method::GET, path.clone()),
        (Method::DELETE, path.clone()),
        (Method::POST, format!("{path}/refresh")),
        (Method::POST, format!("{path}/token")),
    ] {
        world.ask(&bound, method, &path).await.expect_problem(404, "connection_not_found");
    }
    let body = json!({"confirmation": "x", "user": "ada"});
    world
        .post(&bound, &format!("{path}/confirm"), body)
        .await
        .expect_problem(404, "connection_not_found");
    assert_eq!(world.get(&bound, "/connections").await.json()["items"], json!([]));
    world
        .get(&bound, &format!("/connections?integration={INTEGRATION}"))
        .await
        .expect_problem(404, "integration_not_found");
    let wish = json!({"integration": INTEGRATION, "user": "x", "return_to": world.return_to()});
    world
        .post(&bound, "/connect-sessions", wish)
        .await
        .expect_problem(404, "integration_not_found");
    assert_eq!(world.connection(&connection).await["status"], "active");
}

#[tokio::test(flavor = "multi_thread")]
async fn api_keys_are_shown_once_and_forgotten_at_once() {
    let world = World::start().await;
    let made = world
        .post(&Caller::Operator, "/api-keys", json!({"name": "ci", "role": "operator"}))
        .await
        .expect(201)
        .json();
    let (id, key) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    assert!(key.starts_with(&format!("adoc_{id}_")));
    let caller = Caller::Bearer(key.to_owned());
    let listed = world.get(&caller, "/api-keys").await.expect(200);
    assert!(!listed.text().contains(key.splitn(3, '_').nth(2).unwrap()));
    world.ask(&Caller::Operator, Method::DELETE, &format!("/api-keys/{id}")).await.expect(204);
    world.get(&caller, "/api-keys").await.expect_problem(401, "invalid_credentials");
    world
        .ask(&Caller::Operator, Method::DELETE, &format!("/api-keys/{id}"))
        .await
        .expect_problem(404, "api_key_not_found");
    for (wish, field) in [
        (json!({"name": "", "role": "operator"}), "name"),
        (json!({"name": "x", "role": "admin"}), "role"),
        (json!({"name": "x", "role": "operator", "integration": INTEGRATION}), "integration"),
    ] {
        assert_names_field(&world.post(&Caller::Operator, "/api-keys", wish).await, field);
    }
    let wish = json!({"name": "x", "role": "application", "integration": "nobody"});
    world
        .post(&Caller::Operator, "/api-keys", wish)
        .await
        .expect_problem(404, "integration_not_found");
}
