//! Attacks on the consent, and what is written before it.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_and_no_code_issued_before_the_user_approves() {
    let world = world().await;
    let client = Client::registered(&world).await;
    world.check_for_leaks();
    let victim = world.browser();
    let url = client.authorize_url(&[]);

    // A link that somebody else sent: the page names the client, and nothing has begun.
    let page = victim.open_page(&url).await.expect(200);
    let token = csrf(&page);
    // Framed in another page: no browser shows it.
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("frame-ancestors 'none'"));
    // A form of another site, with the victim's cookies, with and without a token of the attacker's own browser.
    let attacker = world.browser();
    let of_attacker = csrf(&attacker.open_page(&url).await.expect(200));
    for (token, site) in [
        (of_attacker.as_str(), "same-origin"),
        (of_attacker.as_str(), "cross-site"),
        ("", "same-origin"),
        (token.as_str(), "cross-site"),
        (token.as_str(), "same-site"),
    ] {
        let request = world.request_at(&Caller::Nobody, Method::POST, &url);
        let request = request
            .header("sec-fetch-site", site)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(format!("csrf={token}&write=on"));
        victim.send(request).await.expect_problem(403, "form_refused");
    }
    // A token without its cookie.
    let other = world.browser();
    other.submit(&url, &[("csrf", &token)]).await.expect(403);
    let requests = world.requests_to_aws();
    assert_eq!(writes(&requests), Vec::<&String>::new());
    // A state that no approval has made.
    for state in ["", "client-state", "0000000000000000000000000000000000000000000"] {
        let callback = world.url(&format!("/integration-callback?code=x&state={state}"));
        let refused = victim.open(&callback).await.expect(400);
        assert!(refused.header("location").is_none());
    }
    assert_eq!(passes(&world).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_counts_for_the_browser_and_the_client_that_it_was_given_in_and_for() {
    let world = world().await;
    let client = Client::registered(&world).await;
    let (victim, attacker) = (world.browser(), world.browser());
    // The attacker approves an own request, and lets the victim sign in for it.
    let entra = client.approve(&attacker).await;
    let callback = attacker.decide(&entra, &[("account", "ada"), ("action", "approve")]).await;
    victim.open(callback.as_str()).await.expect_problem(400, "browser_mismatch");
    assert_eq!(passes(&world).await, 0);
    // A second client is asked about again, although the user has let the first one in and Entra remembers that.
    client.signed_in(&victim, "ada").await;
    let second = json!({"client_name": "Another", "redirect_uris": ["https://evil.example/cb"]});
    let path = format!("/oauth/{INTEGRATION}/register");
    let second = world.post(&Caller::Nobody, &path, second).await.expect(201).json();
    let second = Client::new(
        &world,
        INTEGRATION,
        second["client_id"].as_str().unwrap(),
        "https://evil.example/cb",
    );
    let page = victim.open_page(&second.authorize_url(&[])).await.expect(200);
    assert!(page.text().contains("Another") && page.text().contains("evil.example"));
    // The first client's form with the second's address.
    let token = csrf(&page);
    let mixed = client.authorize_url(&[("redirect_uri", "https://evil.example/cb")]);
    let refused = victim.submit(&mixed, &[("csrf", &token)]).await;
    assert_eq!(refused.status, 400, "{refused:?}");
    assert_eq!(passes(&world).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_or_an_address_that_is_not_certain_gets_a_page_and_no_redirect() {
    let world = world().await;
    let client = Client::registered(&world).await;
    for (name, value) in [
        ("client_id", ""),
        ("client_id", "unknown"),
        ("client_id", "dcr.AAAA"),
        ("client_id", "https://127.0.0.1/metadata"),
        ("client_id", "https://localhost/metadata"),
        ("client_id", "https://169.254.169.254/latest/meta-data"),
        ("redirect_uri", ""),
        ("redirect_uri", "https://evil.example/callback"),
        ("redirect_uri", "http://localhost:7777/callback/"),
        ("redirect_uri", "http://localhost@evil.example/callback"),
        ("redirect_uri", "http://localhost:7777/callback#x"),
        ("redirect_uri", "javascript:alert(1)"),
    ] {
        let page = world.browser().open_page(&client.authorize_url(&[(name, value)])).await;
        assert_eq!(page.status, 400, "{name}={value}: {page:?}");
        assert!(page.header("location").is_none() && page.text().contains("<h1>"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn registrations_write_nothing() {
    let world = world().await;
    world.check_for_leaks();
    let path = format!("/oauth/{INTEGRATION}/register");
    for n in 0..REGISTRATIONS {
        let uri = format!("http://localhost/{n}");
        let metadata = json!({"client_name": format!("Agent {n}"), "redirect_uris": [uri]});
        world.post(&Caller::Nobody, &path, metadata).await.expect(201);
        if n % 100 == 99 {
            assert_eq!(writes(&world.requests_to_aws()), Vec::<&String>::new());
            world.check_for_leaks();
        }
    }
}

const REGISTRATIONS: u32 = 500;
