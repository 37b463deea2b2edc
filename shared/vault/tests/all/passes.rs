//! Passes in the embedded DynamoDB: who gets a pair of tokens, how often, and for how long.

use std::collections::HashSet;

use futures_util::future::join_all;
use ground::random::Random;
use jiff::Timestamp;
use local::names;
use oauth::pass::{Credential, Pair};
use oauth::pkce::CodeChallenge;
use oauth::scope::Scope;
use secrecy::{ExposeSecret, SecretString};
use vault::connections::{Completed, Status};
use vault::ids::ConnectionId;
use vault::passes::{Known, NewPass, Passes, Turned};

use crate::world::{ADA, SignIn, World, after};

/// The example of RFC 7636, appendix B.
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const DAY: i64 = 24 * 60 * 60;

struct Client {
    world: World,
    passes: Passes,
    connection: ConnectionId,
    code: Credential,
}

impl Client {
    /// A client that has just received its code.
    async fn admitted() -> Self {
        // Confirmation is required of an application, and has no meaning for a client.
        let world = World::start("required").await;
        let passes = Passes::new(world.aws.dynamodb.clone(), names::PASSES.to_owned());
        let (connection, code) = admit(&world).await;
        Self { world, passes, connection, code }
    }

    async fn turn(&self, presented: &Credential, now: Timestamp) -> Turned {
        match self.passes.get(&presented.pass).await.unwrap() {
            Some(read) => {
                self.passes.turn(read, presented, now, &mut Random::System).await.unwrap()
            }
            None => Turned::Invalid,
        }
    }

    async fn pair(&self, presented: &Credential, now: Timestamp) -> Pair {
        match self.turn(presented, now).await {
            Turned::Pair(pair) => pair,
            other => panic!("{other:?}"),
        }
    }

    async fn is_let_in(&self, access: &Credential, now: Timestamp) -> bool {
        self.passes.of_access(access, now).await.unwrap().is_some()
    }

    async fn exists(&self) -> bool {
        self.passes.get(&self.code.pass).await.unwrap().is_some()
    }
}

async fn admit(world: &World) -> (ConnectionId, Credential) {
    let new = NewPass {
        client_id: "https://client.example/metadata".to_owned(),
        client_name: "Agent".to_owned(),
        redirect_uri: "http://localhost:7777/callback".to_owned(),
        scope: Scope::Write,
        challenge: CodeChallenge::parse(CHALLENGE).unwrap(),
    };
    match world.admit(&new, &SignIn::of(ADA), after(0)).await {
        Completed::Admitted { connection, code } => (connection, credential(&code)),
        other => panic!("{other:?}"),
    }
}

fn credential(text: &SecretString) -> Credential {
    Credential::parse_pass(text).unwrap()
}

fn text(pair: &Pair) -> (String, String) {
    let text = |secret: SecretString| secret.expose_secret().to_owned();
    (text(pair.refresh.turning()), text(pair.access.access()))
}

#[tokio::test]
async fn a_code_becomes_a_pair_and_each_refresh_token_the_next() {
    let client = Client::admitted().await;
    let mut presented = client.code.clone();
    let mut seen = HashSet::new();
    for turn in 0..5 {
        let now = after(10 + turn * 80 * DAY);
        let pair = client.pair(&presented, now).await;
        assert!(client.is_let_in(&pair.access, now).await);
        assert!(seen.insert(text(&pair)));
        presented = pair.refresh;
    }
    let stored = client.passes.get(&client.code.pass).await.unwrap().unwrap();
    assert_eq!(stored.pass().connection, client.connection);
    assert_eq!(stored.knows(&presented), Some(Known::RefreshToken));
}

#[tokio::test]
async fn each_credential_ends_at_its_time() {
    let client = Client::admitted().await;
    assert!(matches!(client.turn(&client.code, after(60)).await, Turned::Invalid));
    let pair = client.pair(&client.code, after(59)).await;
    assert!(client.is_let_in(&pair.access, after(59 + 3599)).await);
    assert!(!client.is_let_in(&pair.access, after(59 + 3600)).await);
    assert!(matches!(client.turn(&pair.refresh, after(59 + 90 * DAY)).await, Turned::Invalid));
    client.pair(&pair.refresh, after(58 + 90 * DAY)).await;
}

#[tokio::test]
async fn sixty_four_parallel_refreshes_yield_one_pair_and_one_write() {
    let client = Client::admitted().await;
    let first = client.pair(&client.code, after(10)).await;
    let refreshes = join_all((0..64).map(|_| client.pair(&first.refresh, after(20)))).await;
    let pairs: HashSet<_> = refreshes.iter().map(text).collect();
    assert_eq!(pairs.len(), 1);
    // Had the pass turned twice, the first pair's refresh token were the one before the last and unknown.
    let again = client.pair(&first.refresh, after(79)).await;
    assert_eq!(pairs, HashSet::from([text(&again)]));
    client.pair(&again.refresh, after(100)).await;
}

#[tokio::test]
async fn the_last_refresh_token_ends_the_pass_when_it_comes_again_after_a_minute() {
    let client = Client::admitted().await;
    let first = client.pair(&client.code, after(10)).await;
    let second = client.pair(&first.refresh, after(20)).await;
    client.pair(&first.refresh, after(79)).await;
    assert!(client.is_let_in(&second.access, after(80)).await);
    assert!(matches!(client.turn(&first.refresh, after(81)).await, Turned::Reused));
    assert!(!client.exists().await);
    assert!(!client.is_let_in(&second.access, after(82)).await);
    assert!(matches!(client.turn(&second.refresh, after(82)).await, Turned::Invalid));
}

#[tokio::test]
async fn a_code_that_is_used_twice_ends_the_pass() {
    let client = Client::admitted().await;
    let pair = client.pair(&client.code, after(10)).await;
    assert!(matches!(client.turn(&client.code, after(11)).await, Turned::Reused));
    assert!(!client.is_let_in(&pair.access, after(12)).await);
}

#[tokio::test]
async fn older_and_unknown_credentials_are_refused_and_end_nothing() {
    let client = Client::admitted().await;
    let first = client.pair(&client.code, after(10)).await;
    let second = client.pair(&first.refresh, after(100)).await;
    let third = client.pair(&second.refresh, after(200)).await;
    let made_up = Credential { secret: "A".repeat(43).into(), ..client.code.clone() };
    for old in [&client.code, &first.refresh, &made_up, &third.access] {
        assert!(matches!(client.turn(old, after(300)).await, Turned::Invalid));
    }
    for no_access in [&third.refresh, &client.code, &made_up, &first.access, &second.access] {
        assert!(!client.is_let_in(no_access, after(300)).await);
    }
    assert!(client.is_let_in(&third.access, after(300)).await);
}

#[tokio::test]
async fn the_access_token_before_the_newest_is_valid_for_a_minute() {
    let client = Client::admitted().await;
    let first = client.pair(&client.code, after(10)).await;
    client.pair(&first.refresh, after(20)).await;
    assert!(client.is_let_in(&first.access, after(79)).await);
    assert!(!client.is_let_in(&first.access, after(80)).await);
}

#[tokio::test]
async fn the_table_has_nothing_that_a_client_could_present() {
    let client = Client::admitted().await;
    let first = client.pair(&client.code, after(10)).await;
    let second = client.pair(&first.refresh, after(20)).await;
    let scan = client.world.aws.dynamodb.scan().table_name(names::PASSES).send().await.unwrap();
    let items = format!("{:?}", scan.items());
    for credential in [&client.code, &first.refresh, &first.access, &second.refresh, &second.access]
    {
        assert!(!items.contains(credential.secret.expose_secret()));
    }
}

#[tokio::test]
async fn the_passes_of_a_connection_are_listed_and_deleted_together() {
    let client = Client::admitted().await;
    let (connection, other) = admit(&client.world).await;
    assert_eq!(connection, client.connection);
    let list = client.passes.of_connection(&connection, after(10)).await.unwrap();
    let ids: HashSet<_> = list.iter().map(|pass| pass.id.clone()).collect();
    assert_eq!(ids, HashSet::from([client.code.pass.clone(), other.pass.clone()]));
    assert_eq!(list[0].client_name, "Agent");
    client.passes.delete_of(&connection).await.unwrap();
    assert!(client.passes.of_connection(&connection, after(10)).await.unwrap().is_empty());
    assert!(matches!(client.turn(&other, after(10)).await, Turned::Invalid));
}

#[tokio::test]
async fn a_client_needs_no_confirmation_and_its_connection_keeps_its_id() {
    let client = Client::admitted().await;
    let known = client.world.connection(&client.connection).await.unwrap();
    assert_eq!(known.status, Status::Active);
    assert!(known.pending.is_none() && known.grant.is_some());
}
