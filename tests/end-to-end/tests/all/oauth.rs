//! The sign-in of MCP clients: from an address without credentials to calls in the user's name.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use end_to_end::{Answer, Browser, Caller, INTEGRATION, World, client_documents};
use reqwest::Method;
use serde_json::{Value, json};
use url::Url;

mod attacks;
mod ends;
mod turns;
mod walk;

/// A verifier of RFC 7636, and another.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const OTHER_VERIFIER: &str = "0000000000000000000000000000000000000000000";
const CALLBACK: &str = "http://localhost:7777/callback";
/// The address of the metadata document of a client.
const DOCUMENT: &str = "https://client.example/metadata.json";

/// A world whose integration has an endpoint.
async fn world() -> World {
    let world = World::start().await;
    offer(&world, json!({"access": "write"})).await;
    world
}

async fn offer(world: &World, mcp: Value) {
    let changes = json!({"scopes": ["vso.project", "vso.identity"], "mcp": mcp});
    world.put_integration(INTEGRATION, changes).await.expect(200);
}

/// A client of the endpoint of an integration.
struct Client<'w> {
    world: &'w World,
    integration: String,
    id: String,
    redirect_uri: String,
    scope: &'static str,
}

/// An access token and the refresh token beside it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Tokens {
    access: String,
    refresh: String,
}

impl<'w> Client<'w> {
    /// A client that has registered itself.
    async fn registered(world: &'w World) -> Self {
        Self::registered_at(world, INTEGRATION).await
    }

    async fn registered_at(world: &'w World, integration: &str) -> Self {
        let metadata =
            json!({"client_name": "An agent", "redirect_uris": ["http://localhost/callback"]});
        let path = format!("/oauth/{integration}/register");
        let registered = world.post(&Caller::Nobody, &path, metadata).await.expect(201).json();
        let id = registered["client_id"].as_str().unwrap().to_owned();
        Self::new(world, integration, &id, CALLBACK)
    }

    fn new(world: &'w World, integration: &str, id: &str, redirect_uri: &str) -> Self {
        let [integration, id, redirect_uri] =
            [integration, id, redirect_uri].map(ToOwned::to_owned);
        Self { world, integration, id, redirect_uri, scope: "read write" }
    }

    /// The authorization request, with these changes; an empty value removes a parameter.
    fn authorize_url(&self, changes: &[(&str, &str)]) -> String {
        let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, VERIFIER.as_bytes()));
        let mut parameters = BTreeMap::from([
            ("client_id", self.id.as_str()),
            ("redirect_uri", &self.redirect_uri),
            ("response_type", "code"),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
            ("scope", self.scope),
            ("state", "client-state"),
        ]);
        parameters.extend(changes.iter().copied());
        parameters.retain(|_, value| !value.is_empty());
        let mut url: Url = self.endpoint("authorize").parse().unwrap();
        url.query_pairs_mut().extend_pairs(parameters);
        url.into()
    }

    fn endpoint(&self, name: &str) -> String {
        self.world.url(&format!("/oauth/{}/{name}", self.integration))
    }

    /// Goes from the client's link over the consent to Entra. Returns Entra's address.
    async fn approve(&self, browser: &Browser<'_>) -> Url {
        browser.let_in(&self.authorize_url(&[])).await
    }

    /// Goes all the way. Returns the answer that leads back to the client.
    async fn signed_in(&self, browser: &Browser<'_>, account: &str) -> Answer {
        let mut entra = self.approve(browser).await;
        let decision = [("account", account), ("action", "approve")];
        loop {
            let callback = browser.decide(&entra, &decision).await;
            let answer = browser.open(callback.as_str()).await.expect(303);
            let next = answer.location();
            if !next.as_str().starts_with(self.world.entra().base_url()) {
                return answer;
            }
            // Once more, with what Entra or the connection has asked for.
            assert!(!entra.as_str().contains("acrs") && next.as_str().contains("acrs"), "{next}");
            entra = next;
        }
    }

    /// Goes all the way. Returns the code.
    async fn code(&self, account: &str) -> String {
        let answer = self.signed_in(&self.world.browser(), account).await;
        let code = answer.location_parameter("code").expect("a code");
        self.world.secret(&code);
        code
    }

    async fn tokens(&self, account: &str) -> Tokens {
        let code = self.code(account).await;
        self.redeemed(&self.redeem(&code, &[]).await)
    }

    /// Presents a code, with these changes.
    async fn redeem(&self, code: &str, changes: &[(&str, &str)]) -> Answer {
        let mut form = BTreeMap::from([
            ("grant_type", "authorization_code"),
            ("code", code),
            ("client_id", &self.id),
            ("redirect_uri", &self.redirect_uri),
            ("code_verifier", VERIFIER),
        ]);
        form.extend(changes.iter().copied());
        self.token(&form).await
    }

    async fn refresh(&self, refresh_token: &str) -> Answer {
        self.token(&BTreeMap::from([
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh_token),
            ("client_id", self.id.as_str()),
        ]))
        .await
    }

    async fn token(&self, form: &BTreeMap<&str, &str>) -> Answer {
        self.post("token", form).await
    }

    async fn revoke(&self, token: &str) -> Answer {
        self.post("revoke", &BTreeMap::from([("token", token), ("client_id", &self.id)])).await
    }

    async fn post(&self, endpoint: &str, form: &BTreeMap<&str, &str>) -> Answer {
        let path = format!("/oauth/{}/{endpoint}", self.integration);
        let request = self.world.request(&Caller::Nobody, Method::POST, &path);
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        self.world.send(request.body(body)).await
    }

    fn redeemed(&self, answer: &Answer) -> Tokens {
        assert_eq!(answer.status, 200, "{answer:?}");
        let answer = answer.json();
        let text = |name: &str| answer[name].as_str().unwrap().to_owned();
        let tokens = Tokens { access: text("access_token"), refresh: text("refresh_token") };
        self.world.secret(&tokens.access);
        self.world.secret(&tokens.refresh);
        tokens
    }

    /// Lists the tools with a token, or with none.
    async fn list_tools(&self, access: &str) -> Answer {
        self.message(access, "tools/list", json!({})).await
    }

    async fn call(&self, access: &str, tool: &str) -> Answer {
        self.message(access, "tools/call", json!({"name": tool, "arguments": {}})).await
    }

    async fn message(&self, access: &str, method: &str, params: Value) -> Answer {
        let caller = match access {
            "" => Caller::Nobody,
            access => Caller::Bearer(access.to_owned()),
        };
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        self.world.post(&caller, &format!("/mcp/{}", self.integration), body).await
    }
}

/// The token of the form on a consent page.
fn csrf(page: &Answer) -> String {
    let page = page.text();
    let (_, token) = page.split_once("name=\"csrf\" value=\"").expect("a form");
    token.split_once('"').unwrap().0.to_owned()
}

fn error_of(answer: &Answer) -> String {
    answer.json()["error"].as_str().unwrap_or_default().to_owned()
}

/// The writes to DynamoDB among the requests to AWS, without the audit trail.
fn writes(requests: &[String]) -> Vec<&String> {
    let is_write = |request: &&String| {
        ["PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems", "BatchWriteItem"]
            .iter()
            .any(|operation| request.contains(operation))
    };
    requests.iter().filter(is_write).collect()
}

async fn passes(world: &World) -> usize {
    world.items(local::names::PASSES).await.len()
}

/// The connection of the only pass.
async fn connection_of(world: &World) -> String {
    let item = world.items(local::names::PASSES).await.remove(0);
    item["connection"].as_s().unwrap().clone()
}
