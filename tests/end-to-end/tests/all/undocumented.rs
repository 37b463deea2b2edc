//! Behaviour of an HTTP API that AWS does not document and of which reports differ: callers are served with either.

use end_to_end::{Caller, PROJECTS, World};
use local::{AbsentSources, Challenges, GatewayOptions, InvalidTexts};
use reqwest::Method;

#[tokio::test(flavor = "multi_thread")]
async fn a_challenge_arrives_once_whether_or_not_the_http_api_renames_it() {
    for challenges in [Challenges::Renamed, Challenges::Kept] {
        let world = World::behind(GatewayOptions { challenges, ..GatewayOptions::default() }).await;
        for (path, offers_basic) in
            [("/connections", false), (&format!("/proxy/conn_1/{PROJECTS}"), true)]
        {
            let refused = world.get(&Caller::Nobody, path).await.expect(401);
            let offered = refused.headers.get_all("www-authenticate").iter();
            let offered: Vec<_> = offered.map(|value| value.to_str().unwrap()).collect();
            let [offered] = offered[..] else { panic!("{challenges:?}: {refused:?}") };
            assert_eq!(offered.contains("Basic realm="), offers_basic, "{offered}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_without_a_challenge_names_no_scheme_whether_or_not_an_empty_one_is_added() {
    for (absent_sources, challenge) in
        [(AbsentSources::LeftOut, None), (AbsentSources::Empty, Some(""))]
    {
        let gateway = GatewayOptions { absent_sources, ..GatewayOptions::default() };
        let world = World::behind(gateway).await;
        let refused = world.get(&Caller::Application, "/integrations").await;
        let refused = refused.expect_problem(403, "role_not_allowed");
        assert_eq!(refused.header("www-authenticate"), challenge);
        // A challenge of the function is not replaced, and other statuses have no header at all.
        let challenged = world.get(&Caller::Nobody, "/integrations").await.expect(401);
        assert_eq!(challenged.header("www-authenticate"), Some(r#"Bearer realm="ado-connect""#));
        let answered = world.get(&Caller::Operator, "/integrations").await.expect(200);
        assert_eq!(answered.header("www-authenticate"), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_is_not_utf_8_arrives_as_it_was_sent_or_is_refused() {
    // Latin-1.
    let (name, text) = (b"{\"user\": \"J\xfcrgen\"}", b"J\xfcrgen");
    for (invalid_texts, code) in
        [(InvalidTexts::Encoded, "malformed_json"), (InvalidTexts::Replaced, "invalid_request")]
    {
        let gateway = GatewayOptions { invalid_texts, ..GatewayOptions::default() };
        let world = World::behind(gateway).await;
        let connection = world.connect("ada", "ada").await;
        let request = world.request(&Caller::Application, Method::POST, "/connect-sessions");
        let request = request.header("content-type", "application/json").body(&name[..]);
        world.send(request).await.expect_problem(400, code);

        for front in world.fronts() {
            let url = format!("{front}/proxy/{connection}/{PROJECTS}");
            let request = world.request_at(&Caller::Application, Method::POST, &url);
            let before = world.devops().requests().len();
            let answer = world.send(request.header("content-type", "text/plain").body(&text[..]));
            let answer = answer.await;
            let mut sent = world.devops().requests().split_off(before);
            sent.retain(|request| request.method == "POST");
            if front == world.stack.public_url() && invalid_texts == InvalidTexts::Replaced {
                let refused = answer.expect_problem(400, "invalid_request");
                assert!(refused.text().contains("streaming address"), "{}", refused.text());
                assert!(sent.is_empty(), "{sent:?}");
            } else {
                assert!(!sent.is_empty(), "{front}: {answer:?}");
                assert!(sent.iter().all(|request| request.body == text[..]), "{front}: {sent:?}");
            }
        }
    }
}
