//! Codes and refresh tokens: who gets a pair, how often, and who ends a pass.

use std::collections::HashSet;

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::future::join_all;
use local::names;

use super::*;

/// Moves the last turn of the only pass into the past.
async fn let_pass(world: &World, seconds: i64) {
    let item = world.items(names::PASSES).await.remove(0);
    let turned: i64 = item["turned_at"].as_n().unwrap().parse().unwrap();
    let pk = item["pk"].as_s().unwrap();
    world
        .set(names::PASSES, pk, "turned_at", AttributeValue::N((turned - seconds).to_string()))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_parallel_refreshes_yield_one_pair_by_one_write() {
    let world = world().await;
    let client = Client::registered(&world).await;
    let first = client.tokens("ada").await;
    world.check_for_leaks();
    let before = world.items(names::PASSES).await.remove(0);
    let answers = join_all((0..64).map(|_| client.refresh(&first.refresh))).await;
    let pairs: HashSet<_> = answers.iter().map(|answer| client.redeemed(answer)).collect();
    assert_eq!(pairs.len(), 1);
    let after = world.items(names::PASSES).await.remove(0);
    assert_eq!(after["previous"], before["current"], "one write has succeeded");
    let pair = pairs.into_iter().next().unwrap();
    client.list_tools(&pair.access).await.expect(200);
    // The access token before it is good for a minute, because a request may be under way.
    client.list_tools(&first.access).await.expect(200);
    let_pass(&world, 61).await;
    client.list_tools(&first.access).await.expect(401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_that_comes_again_after_a_minute_ends_the_pass() {
    let world = world().await;
    let client = Client::registered(&world).await;
    let first = client.tokens("ada").await;
    let second = client.redeemed(&client.refresh(&first.refresh).await);
    let connection = connection_of(&world).await;
    let_pass(&world, 58).await;
    assert_eq!(client.redeemed(&client.refresh(&first.refresh).await), second);
    let_pass(&world, 3).await;
    let refused = client.refresh(&first.refresh).await.expect(400);
    assert_eq!(error_of(&refused), "invalid_grant");
    assert_eq!(passes(&world).await, 0);
    client.list_tools(&second.access).await.expect(401);
    assert_eq!(error_of(&client.refresh(&second.refresh).await), "invalid_grant");
    let path = format!("/audit?connection={connection}");
    let trail = world.get(&Caller::Operator, &path).await.expect(200).text();
    assert!(trail.contains("pass_created") && trail.contains("pass_reused"), "{trail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_is_used_twice_ends_the_pass() {
    let world = world().await;
    let client = Client::registered(&world).await;
    let code = client.code("ada").await;
    let tokens = client.redeemed(&client.redeem(&code, &[]).await);
    assert_eq!(error_of(&client.redeem(&code, &[]).await.expect(400)), "invalid_grant");
    assert_eq!(passes(&world).await, 0);
    client.list_tools(&tokens.access).await.expect(401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_without_its_proof_is_refused_and_stays_its_client_s() {
    let world = world().await;
    let client = Client::registered(&world).await;
    let other = json!({"client_name": "Another", "redirect_uris": ["http://localhost/callback"]});
    let path = format!("/oauth/{INTEGRATION}/register");
    let other = world.post(&Caller::Nobody, &path, other).await.json();
    let code = client.code("ada").await;
    for (name, value) in [
        ("code_verifier", OTHER_VERIFIER),
        ("client_id", other["client_id"].as_str().unwrap()),
        ("redirect_uri", "http://localhost:7778/callback"),
        ("redirect_uri", "http://localhost/callback"),
    ] {
        let refused = client.redeem(&code, &[(name, value)]).await.expect(400);
        assert_eq!(error_of(&refused), "invalid_grant", "{name}");
    }
    // It is no refresh token, and the first refresh token is no code.
    assert_eq!(error_of(&client.refresh(&code).await), "invalid_grant");
    let tokens = client.redeemed(&client.redeem(&code, &[]).await);
    assert_eq!(error_of(&client.redeem(&tokens.refresh, &[]).await), "invalid_grant");
    client.list_tools(&tokens.access).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_expires_after_a_minute() {
    let world = world().await;
    let client = Client::registered(&world).await;
    let code = client.code("ada").await;
    let item = world.items(names::PASSES).await.remove(0);
    let past = AttributeValue::N("1000000000".to_owned());
    world.set(names::PASSES, item["pk"].as_s().unwrap(), "expires_at", past).await;
    assert_eq!(error_of(&client.redeem(&code, &[]).await.expect(400)), "invalid_grant");
}
