//! Calls with nothing of the proxy in scope, against the stand-ins over a real wire: the interface of a second function
//! that calls Azure DevOps for a user.
#![allow(clippy::unwrap_used, missing_docs)]

mod world;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use calls::deadlines::Deadlines;
use calls::target::Target;
use calls::{Body, Call, Calls, Destination, Named, Reading, Upstream};
use edge::caller::{Caller, Kind};
use edge::config::ResponseMode;
use edge::log::RequestLog;
use edge::problem::{Code, Problem};
use emulators::{Fault, Page};
use ground::clock::{Clock as _, StoppedClock, SystemClock};
use http::{HeaderMap, Method};
use local::names;
use serde_json::{Value, json};
use vault::audit::{Entry, Order, Span, Trail};
use vault::tallies::Counter;

use crate::world::{USER, World};

const PROJECTS: &str = "/mycompany/_apis/projects";
const WORK_ITEMS: &str = "/mycompany/Website/_apis/wit/workitems/1";

fn application() -> Caller {
    let kind = Kind::Application { integration: None };
    Caller { id: "key:1".to_owned(), kind, api_key: None }
}

fn user() -> Caller {
    let kind = Kind::User { user: USER.parse().unwrap() };
    Caller { id: "user:1".to_owned(), kind, api_key: None }
}

async fn target(
    calls: &Calls,
    caller: &Caller,
    connection: Named<'_>,
    method: &Method,
) -> Result<Target, Problem> {
    target_at(calls, caller, connection, method, PROJECTS).await
}

async fn target_at(
    calls: &Calls,
    caller: &Caller,
    connection: Named<'_>,
    method: &Method,
    path: &str,
) -> Result<Target, Problem> {
    let destination = Destination { connection, method, host: "dev.azure.com", path, query: None };
    let id = match connection {
        Named::Id(id) => id.parse().ok(),
        Named::Own { .. } => None,
    };
    let admitted = calls.admit_known(caller.clone(), id.as_ref()).await?;
    calls.target(admitted, &destination, &RequestLog::new("1")).await
}

fn call() -> Call {
    Call {
        headers: HeaderMap::new(),
        body: Bytes::new(),
        deadlines: Deadlines::new(ResponseMode::Buffered, None),
        reading: Reading::Whole,
    }
}

/// As an application calls: by the connection's id, with the whole answer.
async fn get_projects(world: &World) -> Result<Upstream, Problem> {
    get(world, PROJECTS).await
}

async fn get(world: &World, path: &str) -> Result<Upstream, Problem> {
    let id = Named::Id(world.connection.as_str());
    let target = target_at(&world.calls, &application(), id, &Method::GET, path).await?;
    world.calls.send(&target, &call(), &RequestLog::new("1")).await
}

fn json_of(upstream: Upstream) -> Value {
    let Body::Whole(bytes) = upstream.body else { panic!("the body was not read whole") };
    serde_json::from_slice(&bytes).unwrap()
}

#[tokio::test]
async fn a_call_is_answered_with_status_headers_and_all_bytes() {
    let world = World::start(json!({})).await;
    let upstream = get_projects(&world).await.unwrap();
    assert_eq!(upstream.status, 200);
    assert!(upstream.headers["content-type"].to_str().unwrap().starts_with("application/json"));
    assert_eq!(upstream.rate_limit_headers(), []);
    assert_eq!(json_of(upstream)["count"], 3);
}

#[tokio::test]
async fn a_user_calls_by_its_own_connection_and_reaches_no_other() {
    let world = World::start(json!({"users": "jwt"})).await;
    let own = Named::Own { integration: None };
    let found = target(&world.calls, &user(), own, &Method::GET).await.unwrap();
    assert_eq!(found.connection.id, world.connection);

    let stranger = Caller { kind: Kind::User { user: "mallory".parse().unwrap() }, ..user() };
    let id = Named::Id(world.connection.as_str());
    for named in [own, id] {
        let refused = target(&world.calls, &stranger, named, &Method::GET).await.err().unwrap();
        assert_eq!(refused.code(), Code::ConnectionNotFound);
    }
    // Where applications name the users, nobody is one of them by a token.
    let world = World::start(json!({})).await;
    for named in [own, Named::Id(world.connection.as_str())] {
        let refused = target(&world.calls, &user(), named, &Method::GET).await.err().unwrap();
        assert_eq!(refused.code(), Code::ConnectionNotFound);
    }
}

#[tokio::test]
async fn the_integration_s_policy_holds_before_anything_is_sent() {
    let world = World::start(json!({"allowed_calls": [{"methods": ["GET"]}]})).await;
    let id = Named::Id(world.connection.as_str());
    let post = target(&world.calls, &application(), id, &Method::POST).await.unwrap();
    assert!(post.permission(&HeaderMap::new(), b"").is_err());
    let refused = world.calls.send(&post, &call(), &RequestLog::new("1")).await.err().unwrap();
    assert_eq!(refused.code(), Code::CallNotAllowed);
    assert_eq!(world.devops.count("projects"), 0);
    assert!(get_projects(&world).await.is_ok());

    let refused = target(&world.calls, &application(), id, &Method::TRACE).await.err().unwrap();
    assert_eq!(refused.code(), Code::MethodNotAllowed);
}

#[tokio::test]
async fn a_closed_area_is_reached_only_if_it_is_opened_and_each_call_there_is_audited() {
    let hooks = async |world: &World| {
        let refused = get(world, "/mycompany/_apis/hooks/subscriptions").await.err();
        let trail = Trail::OfConnection(&world.connection);
        let page = world.audit.read(trail, Span::default(), Order::OldestFirst, None, 9);
        let called = |entry: &Entry| entry.what == "closed_area_called";
        let audited = page.await.unwrap().entries.iter().filter(|entry| called(entry)).count();
        (refused.map(|problem| problem.code()) == Some(Code::CallNotAllowed), audited)
    };
    let closed = World::start(json!({})).await;
    assert_eq!(hooks(&closed).await, (true, 0));
    let opened = World::start(json!({"allow_hook_calls": true})).await;
    assert_eq!(hooks(&opened).await, (false, 1));
}

#[tokio::test]
async fn the_operator_s_limits_hold_and_a_place_is_free_after_its_call() {
    let limits = json!({"connection": {"requests": 2, "per_seconds": 3600, "concurrent": 1}});
    let world = World::start(json!({"proxy_limits": limits})).await;
    for remaining in [1, 0] {
        let upstream = get_projects(&world).await.unwrap();
        let headers = upstream.rate_limit_headers();
        let limit = headers.iter().find(|(name, _)| name == "ratelimit").unwrap();
        let text = limit.1.to_str().unwrap();
        assert!(text.starts_with(&format!("\"connection\";r={remaining};")), "{text}");
    }
    let refused = get_projects(&world).await.err().unwrap();
    assert_eq!(refused.code(), Code::RateLimited);
    assert_eq!(world.devops.count("projects"), 2);
}

#[tokio::test]
async fn a_rejected_token_is_renewed_once_and_the_call_sent_once_more() {
    let world = World::start(json!({})).await;
    world.devops.inject(Fault::on("projects").status(401));
    assert_eq!(get_projects(&world).await.unwrap().status, 200);
    assert_eq!(world.devops.count("projects"), 2);
    assert_eq!(world.entra.count("token.refresh_token"), 1);
}

#[tokio::test]
async fn a_call_that_is_rejected_twice_asks_for_a_new_sign_in_and_costs_no_further_refresh() {
    let world = World::start(json!({"reconnect_url": "https://app.mycompany.example/again"})).await;
    world.devops.inject(Fault::on("*").status(401).times(9));
    for _ in 0..2 {
        let refused = get_projects(&world).await.err().unwrap();
        assert_eq!(refused.code(), Code::ConnectionReauthorizationRequired);
        assert_eq!(world.entra.count("token.refresh_token"), 1);
    }
}

#[tokio::test]
async fn a_call_without_its_scope_is_refused_with_the_scopes_and_costs_one_refresh_only() {
    let world = World::start(json!({})).await;
    let refreshes = || world.entra.count("token.refresh_token");
    for _ in 0..3 {
        let refused = get(&world, WORK_ITEMS).await.err().unwrap();
        assert_eq!(refused.code(), Code::InsufficientScope);
        let detail = refused.detail_text().unwrap();
        assert!(detail.contains("vso.code, vso.project"), "{detail}");
        assert!(detail.contains("needs vso.work:"), "{detail}");
        assert_eq!(refreshes(), 1);
    }
    // The first call was sent twice and presented the token elsewhere; the others were sent once.
    assert_eq!((world.devops.count("wit"), world.devops.count("connection_data")), (4, 1));
    assert_eq!(get_projects(&world).await.unwrap().status, 200);

    // A new version of the token changes nothing, and Entra is not asked again to learn that.
    world.renew().await;
    assert_eq!(refreshes(), 2);
    let refused = get(&world, WORK_ITEMS).await.err().unwrap();
    assert_eq!((refused.code(), refreshes()), (Code::InsufficientScope, 2));
    assert_eq!(world.devops.count("connection_data"), 2);

    // A token that is rejected everywhere is renewed all the same.
    world.entra.revoke_access_tokens("ada").unwrap();
    assert_eq!(get_projects(&world).await.unwrap().status, 200);
    assert_eq!(refreshes(), 3);
    world.entra.revoke_access_tokens("ada").unwrap();
    let refused = get(&world, WORK_ITEMS).await.err().unwrap();
    assert_eq!((refused.code(), refreshes()), (Code::InsufficientScope, 4));
}

#[tokio::test]
async fn a_refusal_without_a_word_that_describes_its_caller_is_about_scopes_at_once() {
    let world = World::start(json!({})).await;
    let ada = "d291b0c4-a05c-6ea6-8df1-4b41d5f39eff:ada@mycompany.example";
    world.devops.inject(Fault::on("projects").status(401).header("x-vss-userdata", ada));
    let refused = get_projects(&world).await.err().unwrap();
    assert_eq!(refused.code(), Code::InsufficientScope);
    assert_eq!(world.entra.count("token.refresh_token"), 0);

    let throttled = Fault::on("projects").status(401).header("x-vss-userdata", ada);
    world.devops.inject(throttled.retry_after(120));
    assert_eq!(get_projects(&world).await.unwrap().status, 401);
    let connection = world.connections.get(&world.connection).await.unwrap().unwrap();
    assert!(connection.call_after.is_some(), "a wait is noted, whatever the refusal is about");
}

#[tokio::test]
async fn a_refusal_that_asks_to_wait_is_about_the_pace_and_costs_no_refresh() {
    for fault in [
        Fault::on("projects").status(401).retry_after(120),
        Fault::on("projects").page(Page::Anonymous401).retry_after(120),
        Fault::on("projects").page(Page::SignIn203).retry_after(120),
        Fault::on("projects").status(401).header("x-ratelimit-remaining", "0"),
        Fault::on("projects")
            .status(401)
            .header("x-ratelimit-remaining", "0")
            .header("x-ratelimit-reset", "-9223372036854775808"),
    ] {
        let world = World::start(json!({})).await;
        world.devops.inject(fault);
        let refused = get_projects(&world).await.err().unwrap();
        assert_eq!(refused.code(), Code::DevopsThrottled);
        assert_eq!(world.entra.count("token.refresh_token"), 0);
        let connection = world.connections.get(&world.connection).await.unwrap().unwrap();
        assert!(connection.call_after.is_some() && connection.rejected_version.is_none());
    }
}

#[tokio::test]
async fn a_call_that_is_challenged_again_after_a_renewal_costs_no_further_one() {
    let world = World::start(json!({})).await;
    // {"access_token":{"acrs":{"essential":true,"value":"c1"}}}
    let challenge = r#"Bearer error="insufficient_claims", claims="eyJhY2Nlc3NfdG9rZW4iOnsiYWNycyI6eyJlc3NlbnRpYWwiOnRydWUsInZhbHVlIjoiYzEifX19""#;
    let refused = Fault::on("projects").status(401).header("www-authenticate", challenge);
    world.devops.inject(refused.times(9));
    for _ in 0..3 {
        let refused = get_projects(&world).await.err().unwrap();
        assert_eq!(refused.code(), Code::ConnectionReauthorizationRequired);
        assert_eq!(world.entra.count("token.refresh_token"), 1);
    }
}

#[tokio::test]
async fn a_probe_without_an_outcome_is_answered_as_it_is_and_costs_one_refresh_only() {
    let probe = || Fault::on("connection_data").times(9);
    for (probe, code, is_wait_noted) in [
        (probe().status(429).retry_after(120), Code::DevopsThrottled, true),
        (probe().status(503).retry_after(120), Code::DevopsThrottled, true),
        (probe().status(401).retry_after(120), Code::DevopsThrottled, true),
        (probe().page(Page::SignIn203).retry_after(120), Code::DevopsThrottled, true),
        (probe().status(503), Code::DevopsUnavailable, false),
        (probe().status(500), Code::DevopsUnavailable, false),
        (probe().reset().times(99), Code::DevopsUnavailable, false),
    ] {
        let world = World::start(json!({})).await;
        world.devops.inject(Fault::on("projects").status(401).times(9));
        world.devops.inject(probe);
        for _ in 0..4 {
            let refused = get_projects(&world).await.err().unwrap();
            assert_eq!(refused.code(), code);
            assert_eq!(world.entra.count("token.refresh_token"), 1);
        }
        let connection = world.connections.get(&world.connection).await.unwrap().unwrap();
        assert_eq!(connection.accepted_elsewhere, None);
        assert_eq!(connection.call_after.is_some(), is_wait_noted);
        world.devops.clear_faults();
        if !is_wait_noted {
            assert_eq!(get_projects(&world).await.unwrap().status, 200);
        }
    }
}

#[tokio::test]
async fn a_probe_that_answers_again_decides_without_a_further_refresh() {
    let down = || Fault::on("connection_data").status(503);
    let rejected = Fault::on("connection_data").status(401).times(9);
    for (probe, code) in
        [(None, Code::InsufficientScope), (Some(rejected), Code::ConnectionReauthorizationRequired)]
    {
        let world = World::start(json!({})).await;
        world.devops.inject(Fault::on("projects").status(401).times(9));
        world.devops.inject(down());
        let refused = get_projects(&world).await.err().unwrap();
        assert_eq!(refused.code(), Code::DevopsUnavailable);
        if let Some(probe) = probe {
            world.devops.inject(probe);
        }
        for _ in 0..2 {
            let refused = get_projects(&world).await.err().unwrap();
            assert_eq!(refused.code(), code);
            assert_eq!(world.entra.count("token.refresh_token"), 1);
        }
    }
}

#[tokio::test]
async fn an_answer_with_a_word_is_probed_although_the_call_is_known_to_need_another_scope() {
    let world = World::start(json!({})).await;
    let probes = || world.devops.count("connection_data");
    for _ in 0..2 {
        let refused = get(&world, WORK_ITEMS).await.err().unwrap();
        assert_eq!((refused.code(), probes()), (Code::InsufficientScope, 1));
    }
    for (page, expected) in [(Page::Anonymous401, 2), (Page::SignIn203, 3), (Page::SignIn302, 4)] {
        world.devops.inject(Fault::on("wit").page(page));
        let refused = get(&world, WORK_ITEMS).await.err().unwrap();
        assert_eq!((refused.code(), probes()), (Code::InsufficientScope, expected));
    }
    // The answer is right: the token is rejected everywhere, and a renewed one is asked for.
    world.entra.revoke_access_tokens("ada").unwrap();
    world.devops.inject(Fault::on("wit").page(Page::Anonymous401));
    let refreshes = world.entra.count("token.refresh_token");
    get(&world, WORK_ITEMS).await.err().unwrap();
    assert_eq!(world.entra.count("token.refresh_token"), refreshes + 1);
}

#[tokio::test]
async fn a_sign_in_page_is_never_the_answer_also_for_a_person_without_access() {
    for page in [Page::SignIn203, Page::SignIn200, Page::SignIn302, Page::Unauthorized401] {
        let world = World::start(json!({})).await;
        world.devops.remove_member("mycompany", "ada").unwrap();
        world.devops.inject(Fault::on("projects").page(page).times(9));
        let refused = get_projects(&world).await.err().unwrap();
        assert_eq!(refused.code(), Code::OrganizationAccessDenied, "{page:?}");
        let connection = world.connections.get(&world.connection).await.unwrap().unwrap();
        assert_eq!(connection.accepted_elsewhere, Some(true));
    }
}

#[tokio::test]
async fn a_policy_that_blocks_the_token_is_named_in_place_of_a_sign_in_page() {
    let world = World::start(json!({})).await;
    world.devops.inject(Fault::on("projects").page(Page::SignIn203).times(9));
    let policy = "VS403463: The conditional access policy of the organization has failed.";
    world.devops.inject(Fault::on("connection_data").status(403).body(policy));
    let refused = get_projects(&world).await.err().unwrap();
    assert_eq!(refused.code(), Code::PolicyBlocked);
}

/// Calls an address that names no organization.
async fn get_profile(world: &World) -> Result<Upstream, Problem> {
    let destination = Destination {
        connection: Named::Id(world.connection.as_str()),
        method: &Method::GET,
        host: "app.vssps.visualstudio.com",
        path: "/_apis/profile/profiles/me",
        query: None,
    };
    let log = RequestLog::new("1");
    let admitted = world.calls.admit_known(application(), Some(&world.connection)).await?;
    let target = world.calls.target(admitted, &destination, &log).await?;
    world.calls.send(&target, &call(), &log).await
}

#[tokio::test]
async fn a_token_is_probed_above_the_organizations_for_a_call_that_names_none() {
    let world = World::start(json!({})).await;
    world.devops.remove_member("mycompany", "ada").unwrap();
    world.devops.inject(Fault::on("profile").status(401).times(9));
    let refused = get_profile(&world).await.err().unwrap();
    assert_eq!(refused.code(), Code::InsufficientScope);
    let counts = ["deployment.connection_data", "connection_data"];
    assert_eq!(counts.map(|route| world.devops.count(route)), [1, 0]);
}

#[tokio::test]
async fn a_refusal_above_the_organizations_is_about_none_of_them() {
    for status in [403, 404] {
        let world = World::start(json!({})).await;
        world.devops.inject(Fault::on("profile").page(Page::SignIn203).times(9));
        world.devops.inject(Fault::on("deployment.connection_data").status(status).times(9));
        for _ in 0..2 {
            let refused = get_profile(&world).await.err().unwrap();
            assert_eq!(refused.code(), Code::DevopsUnavailable);
            assert_eq!(world.entra.count("token.refresh_token"), 1);
        }
    }
}

#[tokio::test]
async fn a_write_that_meets_a_sign_in_page_is_sent_once_and_costs_one_refresh() {
    let world = World::start(json!({})).await;
    world.devops.inject(Fault::on("projects").page(Page::SignIn200).times(9));
    for sent in 1..4 {
        assert_unconfirmed(&post_projects(&world).await);
        assert_eq!(world.devops.count("projects"), sent);
        assert_eq!(world.entra.count("token.refresh_token"), 1);
    }
}

#[tokio::test]
async fn a_write_that_may_have_had_its_effect_never_invites_its_caller_to_repeat_it() {
    let page = || Fault::on("projects").page(Page::SignIn200);
    let probe = || Fault::on("connection_data");
    let renewal = || Fault::on("token.refresh_token");
    let nothing = || Fault::on("nothing").status(500);
    for (answer, probe, renewal, is_about_pace) in [
        (page().retry_after(5), nothing(), nothing(), true),
        (page().header("x-ratelimit-remaining", "0"), nothing(), nothing(), true),
        (page(), probe().status(429).retry_after(120), nothing(), false),
        (page(), probe().status(503), nothing(), false),
        (page(), probe().reset().times(9), nothing(), false),
        (page(), probe().status(401), nothing(), false),
        (page(), probe().status(403), nothing(), false),
        (page(), nothing(), renewal().status(503).times(9), false),
        (page(), nothing(), renewal().status(429).retry_after(7).times(9), false),
    ] {
        let world = World::start(json!({})).await;
        world.devops.inject(answer);
        world.devops.inject(probe);
        world.entra.inject(renewal);
        assert_unconfirmed(&post_projects(&world).await);
        assert_eq!(world.devops.count("projects"), 1);
        assert_eq!(world.entra.count("token.refresh_token") == 0, is_about_pace);
        let connection = world.connections.get(&world.connection).await.unwrap().unwrap();
        assert!(connection.call_after.is_some() || !is_about_pace, "the next call waits");
    }
}

#[tokio::test]
async fn a_write_that_meets_a_sign_in_page_after_the_renewal_is_not_sent_again_either() {
    for page in [Page::SignIn200, Page::SignIn203] {
        for wait in [0, 5] {
            let world = World::start(json!({})).await;
            world.devops.inject(Fault::on("projects").status(401));
            world.devops.inject(Fault::on("projects").page(page).retry_after(wait));
            assert_unconfirmed(&post_projects(&world).await);
            assert_eq!(world.devops.count("projects"), 2);
        }
    }
}

async fn post_projects(world: &World) -> Problem {
    let id = Named::Id(world.connection.as_str());
    let post = target(&world.calls, &application(), id, &Method::POST).await.unwrap();
    world.calls.send(&post, &call(), &RequestLog::new("1")).await.err().unwrap()
}

fn assert_unconfirmed(refused: &Problem) {
    assert_eq!(refused.code(), Code::DevopsUnavailable, "{:?}", refused.cause_text());
    assert!(!refused.headers().contains_key("retry-after"));
    let detail = refused.detail_text().unwrap();
    assert!(detail.contains("not sent again") && detail.contains("may have had its effect"));
}

#[tokio::test]
async fn a_page_with_203_in_place_of_data_is_a_sign_in_page_and_never_handed_on() {
    let world = World::start(json!({})).await;
    let page = Fault::on("projects").status(203).header("content-type", "text/html").body("<html>");
    world.devops.inject(page.times(9));
    for _ in 0..2 {
        let refused = get_projects(&world).await.err().unwrap();
        assert_eq!(refused.code(), Code::InsufficientScope);
        assert_eq!(world.entra.count("token.refresh_token"), 1);
    }
}

#[tokio::test]
async fn a_page_in_place_of_data_is_handed_on_if_the_token_is_good() {
    let world = World::start(json!({})).await;
    let page = Fault::on("projects").status(200).header("content-type", "text/html").body("<html>");
    world.devops.inject(page.times(9));
    for requests in [2, 3] {
        let upstream = get_projects(&world).await.unwrap();
        let Body::Whole(bytes) = upstream.body else { panic!("the body was not read whole") };
        assert_eq!(bytes, "<html>");
        assert_eq!(world.devops.count("projects"), requests);
        assert_eq!(world.entra.count("token.refresh_token"), 1);
    }
}

/// Counts of a moment in which DynamoDB takes more than 250 ms are lost, so a slow machine gets some tries.
#[tokio::test]
async fn every_call_is_counted_whether_it_is_sent_refused_or_fails() {
    let mut counted = Vec::new();
    while counted.len() < 5 && !counted.contains(&(3, 1)) {
        counted.push(Box::pin(count_three_calls()).await);
    }
    assert!(counted.contains(&(3, 1)), "{counted:?}");
}

/// Makes a call that succeeds, one without a target and one that fails. Returns how many calls and failures are counted.
async fn count_three_calls() -> (u64, u64) {
    let world = World::start(json!({})).await;
    get_projects(&world).await.unwrap();
    let nobody = target(&world.calls, &application(), Named::Id("nobody"), &Method::GET).await;
    assert_eq!(nobody.err().unwrap().code(), Code::ConnectionNotFound);
    world.devops.inject(Fault::on("projects").status(500));
    assert_eq!(get_projects(&world).await.unwrap().status, 500);
    // A failure is written at once, together with everything before it.
    let hours = world.tallies.last_hours(2).await.unwrap();
    let count = |counter| hours.iter().map(|hour| hour.count(counter)).sum::<u64>();
    (count(Counter::Calls), count(Counter::CallsFailed))
}

#[tokio::test]
async fn azure_devops_pace_is_kept_by_the_next_call() {
    let world = World::start(json!({})).await;
    world.devops.inject(Fault::on("projects").status(200).retry_after(120));
    get_projects(&world).await.unwrap();
    let refused = get_projects(&world).await.err().unwrap();
    assert_eq!(refused.code(), Code::DevopsThrottled);
    assert_eq!(world.devops.count("projects"), 1);
    let connection = world.connections.get(&world.connection).await.unwrap().unwrap();
    let wait = connection.call_after.unwrap().duration_since(SystemClock.now());
    assert!(Duration::try_from(wait).unwrap() > Duration::from_mins(1));
    assert!(connection.last_used_at.is_some(), "the call was recorded as a use");
}

#[tokio::test]
async fn an_opened_token_is_used_no_longer_than_its_data_key() {
    let clock = StoppedClock::at(SystemClock.now());
    let world = World::start_at(json!({}), Arc::clone(&clock) as _).await;
    get_projects(&world).await.unwrap();
    // A later token under the data key that KMS has just opened.
    clock.advance(200);
    world.renew().await;
    get_projects(&world).await.unwrap();
    let key = world.aws.kms.describe_key().key_id(names::KEY).send().await.unwrap();
    let key = key.key_metadata.unwrap().key_id;
    world.aws.kms.disable_key().key_id(&key).send().await.unwrap();
    clock.advance(99);
    get_projects(&world).await.unwrap();
    clock.advance(1);
    let refused = get_projects(&world).await.err().unwrap();
    assert_eq!(refused.code(), Code::ServiceUnavailable);
    world.aws.kms.enable_key().key_id(&key).send().await.unwrap();
    get_projects(&world).await.unwrap();
}
