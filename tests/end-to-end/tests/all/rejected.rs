//! Refusals of Azure DevOps: those of a token, those of a person, and those for lack of a scope.

use std::io::Write as _;

use emulators::{Fault, Page};
use end_to_end::portal::Operator;
use end_to_end::{Answer, Caller, INTEGRATION, PROJECTS, World};
use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::Method;
use serde_json::{Value, json};

const WORK_ITEM: &str = "dev.azure.com/mycompany/Website/_apis/wit/workitems/1";
const ANONYMOUS: &str = "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa";
const ADA: &str = "d291b0c4-a05c-6ea6-8df1-4b41d5f39eff";
const SIGN_IN: &str = "<!DOCTYPE html><html><head><title>\r\n\tAzure DevOps Services | Sign In\r\n</title></head></html>";

/// The sentence of a refusal in the JSON of an error.
fn error(name: &str) -> String {
    let message = format!("TF400813: The user '{name}' is not authorized to access this resource.");
    json!({"$id": "1", "innerException": null, "message": message,
        "typeName": "Microsoft.TeamFoundation.Framework.Server.UnauthorizedRequestException, Microsoft.TeamFoundation.Framework.Server",
        "typeKey": "UnauthorizedRequestException", "errorCode": 0, "eventId": 3000})
    .to_string()
}

/// The same as a page of about 90 kB.
fn page(name: &str) -> String {
    format!(
        "<!DOCTYPE html><html><head><title>TF400813: The user &#39;{name}&#39; is not authorized to access this resource.\
         </title></head><body class='x'><a href='mailto:help@mycompany.example'>Help</a>{}</body></html>",
        "<p>Azure DevOps</p>".repeat(5000)
    )
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn refused() -> Fault {
    Fault::on("projects.list").status(401).header("content-type", "application/json; charset=utf-8")
}

fn refused_with_page() -> Fault {
    refused().header("content-type", "text/html; charset=utf-8")
}

/// Sends the application's request through one of the fronts.
async fn send(
    world: &World,
    front: &str,
    method: Method,
    rest: &str,
    connection: &str,
    headers: &[(&str, &str)],
) -> Answer {
    let url = format!("{front}/proxy/{connection}/{rest}");
    let mut request = world.request_at(&Caller::Application, method, &url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    world.send(request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_nobody_costs_one_refresh_and_one_repetition() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    let compressed =
        |text: &str| refused().header("content-encoding", "gzip").body_bytes(&gzip(text));
    let mut refreshes = 0;
    for front in world.fronts() {
        for fault in [
            refused().body(&error(ANONYMOUS)),
            refused().body(&error("00000000-0000-0000-0000-000000000000")),
            refused().body(&error(&format!("System:PublicAccess;{ANONYMOUS}"))),
            refused().body(&format!("\u{feff}{}", error(""))),
            refused().body(&error(ANONYMOUS).replace('\'', "\\u0027")),
            refused().body("TF400813: L'utilisateur '' n'est pas autorisé à accéder à cette ressource."),
            refused().body("TF400813: Resource not available for anonymous access. Client authentication required."),
            refused_with_page().body(&page(ANONYMOUS)),
            compressed(&error(ANONYMOUS)),
            compressed(&page(ANONYMOUS)),
            refused().header("x-tfs-serviceerror", &format!("TF400813%3A%20The%20user%20%27{ANONYMOUS}%27")),
            Fault::on("projects.list").status(403).body(&error(ANONYMOUS)),
            Fault::on("projects.list").page(Page::SignIn203),
            Fault::on("projects.list").page(Page::SignIn200),
            Fault::on("projects.list").page(Page::SignIn302),
            Fault::on("projects.list").page(Page::Unauthorized401),
            Fault::on("projects.list").page(Page::Anonymous401),
        ] {
            let context = format!("{front} {fault:?}");
            world.devops().inject(fault);
            let accept = [("accept-encoding", "br, gzip, deflate")];
            let answer = send(&world, front, Method::GET, PROJECTS, &connection, &accept).await;
            refreshes += 1;
            assert_eq!(answer.status, 200, "{context}");
            assert_eq!(world.entra().count("token.refresh_token"), refreshes, "{context}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_a_person_passes_byte_for_byte_and_costs_no_refresh() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    let json = error(ADA);
    let escaped = error("ada@mycompany.example").replace('\'', "\\u0027").replace('@', "\\u0040");
    let page = page("MYCOMPANY\\ada");
    let german = format!("TF400813: Der Benutzer \u{201e}{ADA}\u{201c} ist nicht berechtigt.");
    let compressed = gzip(&page);
    for front in world.fronts() {
        for (body, encoding) in [
            (json.as_bytes(), "identity"),
            (escaped.as_bytes(), "identity"),
            (page.as_bytes(), "identity"),
            (german.as_bytes(), "identity"),
            (compressed.as_slice(), "gzip"),
        ] {
            let fault = refused().header("content-encoding", encoding).body_bytes(body);
            world.devops().inject(fault);
            let answer =
                send(&world, front, Method::GET, PROJECTS, &connection, &[]).await.expect(401);
            assert_eq!(answer.body, body);
            assert_eq!(answer.header("content-encoding"), Some(encoding));
        }
        let error = format!("TF400813%3A%20The%20user%20%27{ADA}%27%20is%20not%20authorized");
        world.devops().inject(refused().header("x-tfs-serviceerror", &error).body("Refused."));
        send(&world, front, Method::GET, PROJECTS, &connection, &[]).await.expect(401);
    }
    // As the stand-in refuses a person itself: as JSON, as a page, compressed.
    world.devops().remove_member("mycompany", "ada").unwrap();
    for front in world.fronts() {
        for headers in [
            &[("accept", "application/json")][..],
            &[("accept", "text/html,application/xhtml+xml")],
            &[("accept", "text/html"), ("accept-encoding", "gzip")],
            &[("accept-encoding", "deflate")],
            &[("accept-encoding", "br")],
        ] {
            let answer = send(&world, front, Method::GET, PROJECTS, &connection, headers).await;
            let answer = answer.expect(401);
            let encoding = headers.iter().find(|(name, _)| *name == "accept-encoding");
            assert_eq!(answer.header("content-encoding"), encoding.map(|(_, value)| *value));
            assert!(answer.header("www-authenticate").is_none(), "{answer:?}");
        }
    }
    assert_eq!(world.entra().count("token.refresh_token"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_is_answered_with_a_page_is_handed_on_and_never_sent_twice() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    let done = [
        "<html><title>Created</title><p>Sign In at <a href='https://login.microsoftonline.com'>Microsoft</a></html>",
        "<html><title>Created</title><form action='https://app.vssps.visualstudio.com/_signout'></form></html>",
        "<html><title>Created</title><form action='https://login.microsoftonline.com/common/oauth2/logout'></form></html>",
        "<html><title>Created</title><form data-action='https://login.microsoftonline.com/' action='/x'></form></html>",
    ];
    for (front, done) in world.fronts().into_iter().flat_map(|front| done.map(|done| (front, done)))
    {
        for method in [Method::POST, Method::PATCH, Method::PUT, Method::DELETE] {
            for status in [200, 201, 202, 203] {
                world.devops().reset_counts();
                let answered = Fault::on("*").status(status).header("content-type", "text/html");
                world.devops().inject(answered.body(done));
                let answer = send(&world, front, method.clone(), WORK_ITEM, &connection, &[]).await;
                assert_eq!(answer.expect(status).text(), done);
                assert_eq!(world.devops().requests().len(), 1, "{method} {status}");
            }
        }
    }
    assert_eq!(world.entra().count("token.refresh_token"), 0);
    // Not even after the sign-in page itself, which no program can read.
    for front in world.fronts() {
        for status in [200, 203] {
            world.devops().reset_counts();
            let page = Fault::on("wit.workitems.create").status(status);
            world
                .devops()
                .inject(page.header("content-type", "text/html; charset=utf-8").body(SIGN_IN));
            let refused = world.create_work_item(front, &connection).await;
            let problem = refused.expect_problem(502, "devops_unavailable").json();
            assert!(problem["detail"].as_str().unwrap().contains("not sent again"), "{problem}");
            assert_eq!(world.devops().count("wit.workitems.create"), 1, "{status}");
            assert_eq!(world.entra().count("token.refresh_token"), 1);
        }
        world.create_work_item(front, &connection).await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttled_or_broken_probe_asks_nobody_to_sign_in_again() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    for front in world.fronts() {
        let probe = || Fault::on("connection_data");
        for probe in [probe().status(500), probe().reset().times(9)] {
            world.devops().inject(Fault::on("projects.list").status(401).times(2));
            world.devops().inject(probe);
            let refused = send(&world, front, Method::GET, PROJECTS, &connection, &[]).await;
            refused.expect_problem(502, "devops_unavailable");
            world.devops().clear_faults();
            send(&world, front, Method::GET, PROJECTS, &connection, &[]).await.expect(200);
        }
    }
    world.devops().inject(Fault::on("projects.list").status(401).times(2));
    world.devops().inject(Fault::on("connection_data").status(429).retry_after(100));
    let refused = world.proxied(&connection, PROJECTS).await;
    let refused = refused.expect_problem(429, "devops_throttled");
    assert_eq!(refused.header("retry-after"), Some("100"));
    assert_eq!(world.connection(&connection).await["status"], "active");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_an_answer_repeats_from_the_request_costs_no_refresh() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    for id in [ANONYMOUS, "00000000-0000-0000-0000-000000000000"] {
        let message = format!(
            "VS800075: The project with id 'vstfs:///Classification/TeamProject/{id}' does not exist."
        );
        let answer = Fault::on("projects").status(404).header("content-type", "application/json");
        world.devops().inject(answer.body(&json!({"message": message}).to_string()));
        let rest = format!("{PROJECTS}/{id}");
        let answer =
            send(&world, world.stack.public_url(), Method::GET, &rest, &connection, &[]).await;
        assert_eq!(answer.expect(404).json()["message"], message);
    }
    assert_eq!(world.entra().count("token.refresh_token"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_without_access_never_gets_a_sign_in_page() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    world.devops().remove_member("mycompany", "ada").unwrap();
    for front in world.fronts() {
        for page in [Page::SignIn203, Page::SignIn200, Page::SignIn302, Page::Unauthorized401] {
            world.devops().inject(Fault::on("projects.list").page(page).times(2));
            let refused = send(&world, front, Method::GET, PROJECTS, &connection, &[]).await;
            refused.expect_problem(403, "organization_access_denied");
            world.devops().clear_faults();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_narrow_scope_is_named_where_it_would_do() {
    let world = World::start().await;
    let scopes = json!({"scopes": ["vso.code"]});
    world.put_integration(INTEGRATION, scopes).await.expect(200);
    let connection = world.connect("ada", "ada").await;
    let rest =
        "dev.azure.com/mycompany/Website/_apis/git/repositories/Website/pullRequests/1/threads";
    let refused =
        send(&world, world.stack.public_url(), Method::POST, rest, &connection, &[]).await;
    let problem = refused.expect_problem(403, "insufficient_scope").json();
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("vso.code_write or vso.threads_full"), "{detail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_the_resource_is_handed_on_although_data_was_expected() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    let report = "<html><title>Test report</title><p>All tests passed.</html>";
    let fault = Fault::on("projects.list").times(0).status(200).header("content-type", "text/html");
    world.devops().inject(fault.body(report));
    for front in world.fronts() {
        for _ in 0..2 {
            let answer = send(&world, front, Method::GET, PROJECTS, &connection, &[]).await;
            assert_eq!(answer.expect(200).text(), report);
        }
    }
    assert_eq!(world.entra().count("token.refresh_token"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_token_that_azure_devops_refuses_connects_nobody() {
    let world = World::start().await;
    for fault in [
        Fault::on("connection_data").status(401).body(&error(ANONYMOUS)),
        Fault::on("connection_data").status(401).body(&error(ADA)),
        Fault::on("connection_data").page(Page::Anonymous401),
    ] {
        world.devops().inject(fault);
        let link = world.connect_url("ada").await;
        let answer = world.browser().finish(&link, "ada").await.expect(303);
        assert_eq!(
            answer.location_parameter("error").as_deref(),
            Some("organization_access_denied")
        );
    }
    world.connect("ada", "ada").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scopes_that_entra_did_not_grant_are_shown_and_their_calls_are_refused_with_advice() {
    let world = World::start().await;
    world.entra().change_settings(|settings| {
        settings.withheld_scopes =
            vec!["vso.work_write".to_owned(), "vso.build_execute".to_owned()];
    });
    let connection = world.connect("ada", "ada").await;
    let missing = json!(["vso.work_write", "vso.build_execute"]);
    let shown = world.connection(&connection).await;
    assert_eq!(shown["scopes"], json!(["vso.code_write", "vso.project"]));
    assert_eq!(shown["missing_scopes"], missing);
    let listed = world.get(&Caller::Application, "/connections").await.expect(200).json();
    assert_eq!(listed["items"][0]["missing_scopes"], missing);
    let operator = Operator::sign_in(&world, world.stack.operator_key()).await;
    for page in [format!("/portal/connections/{connection}"), "/portal/connections".to_owned()] {
        let page = operator.open(&page).await.expect(200).text();
        assert!(page.contains("vso.work_write, vso.build_execute"), "{page}");
    }

    for front in world.fronts() {
        let calls = [
            send(&world, front, Method::GET, WORK_ITEM, &connection, &[]).await,
            world.create_work_item(front, &connection).await,
        ];
        for (answer, scope) in calls.into_iter().zip(["vso.work", "vso.work_write"]) {
            let problem = answer.expect_problem(403, "insufficient_scope").json();
            let detail = problem["detail"].as_str().unwrap();
            assert!(detail.contains("vso.code_write, vso.project"), "{detail}");
            let advice = format!("asks for {scope}, but Entra did not grant it");
            assert!(detail.contains(&advice), "{detail}");
        }
        send(&world, front, Method::GET, PROJECTS, &connection, &[]).await.expect(200);
    }
    assert_eq!(world.entra().count("token.refresh_token"), 1);
    assert_eq!(world.connection(&connection).await["status"], "active");

    // The advice helps.
    world.entra().change_settings(|settings| settings.withheld_scopes.clear());
    assert_eq!(world.connect("ada", "ada").await, connection);
    assert_eq!(world.connection(&connection).await["missing_scopes"], json!([]));
    world.proxied(&connection, WORK_ITEM).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_with_fewer_scopes_shows_which_ones_were_lost() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    let renew = async || {
        world.renew(&connection).await.expect(200);
        world.connection(&connection).await
    };
    let scopes = json!(["vso.code_write", "vso.work_write", "vso.build_execute", "vso.project"]);
    let unchanged = renew().await;
    assert_eq!((&unchanged["scopes"], &unchanged["missing_scopes"]), (&scopes, &json!([])));
    world.entra().change_settings(|settings| {
        settings.withheld_scopes = vec!["vso.work_write".to_owned()];
    });
    for _ in 0..2 {
        let narrowed = renew().await;
        assert_eq!(
            narrowed["scopes"],
            json!(["vso.code_write", "vso.build_execute", "vso.project"])
        );
        assert_eq!(narrowed["missing_scopes"], json!(["vso.work_write"]));
    }
    world.proxied(&connection, WORK_ITEM).await.expect_problem(403, "insufficient_scope");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scope_that_the_integration_does_not_ask_for_is_named() {
    let world = World::start().await;
    let scopes = json!({"scopes": ["vso.code"]});
    world.put_integration(INTEGRATION, scopes).await.expect(200);
    let connection = world.connect("ada", "ada").await;
    assert_eq!(world.connection(&connection).await["missing_scopes"], json!([]));
    for _ in 0..3 {
        let refused = world.proxied(&connection, WORK_ITEM).await;
        let problem = refused.expect_problem(403, "insufficient_scope").json();
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("The call needs vso.work: add it to"), "{detail}");
    }
    // Also where Git pushes.
    let push = "dev.azure.com/mycompany/Website/_git/Website/info/refs?service=git-receive-pack";
    let refused = world.proxied(&connection, push).await;
    let problem: Value = refused.expect_problem(403, "insufficient_scope").json();
    assert!(problem["detail"].as_str().unwrap().contains("vso.code_write"), "{problem}");
    assert_eq!(world.entra().count("token.refresh_token"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_401_in_an_area_where_the_scopes_suffice_never_asks_for_a_new_sign_in() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    world.devops().inject(Fault::on("wit").times(0).status(401));
    for _ in 0..4 {
        let refused = world.proxied(&connection, WORK_ITEM).await;
        let problem = refused.expect_problem(403, "insufficient_scope").json();
        assert!(problem["detail"].as_str().unwrap().contains("vso.work"), "{problem}");
        world.proxied(&connection, PROJECTS).await.expect(200);
    }
    assert_eq!(world.entra().count("token.refresh_token"), 1);
}
