//! A vault with one connected user, and the stand-ins of Entra and Azure DevOps.

use std::sync::Arc;
use std::time::Duration;

use calls::{Calls, Rules, Shares, Stores};
use devops::client::DevopsClient;
use edge::config::ResponseMode;
use emulators::entra::{DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET};
use emulators::{AZURE_DEVOPS, AzureDevOps, AzureDevOpsOptions, Entra, EntraOptions};
use entra::cloud::Authority;
use entra::metadata::MetadataCache;
use entra::token::TokenClient;
use ground::clock::{Clock, SystemClock};
use ground::random::Random;
use jiff::SignedDuration;
use local::{Aws, names};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use url::Url;
use vault::api_keys::ApiKeys;
use vault::audit::{Actor, Audit};
use vault::call_items::CallItemReader;
use vault::client_credentials::{ClientCredentials, NewCredential};
use vault::connections::{Account, Completed, Completion, Connections, Origin};
use vault::events::Events;
use vault::ids::ConnectionId;
use vault::integrations::{Integration, Integrations};
use vault::limits::LimitLedger;
use vault::refresh::{Parts, Refresher};
use vault::schedule::Lifetime;
use vault::sealing::Sealer;
use vault::sessions::{ConnectSession, Sessions, Start};
use vault::tallies::Tallies;
use vault::tokens::{TokenPair, TokenStore};

/// The application's name of the connected user.
pub const USER: &str = "ada";
const REDIRECT: &str = "http://localhost:9/integration-callback";
/// The example of RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

pub struct World {
    pub calls: Calls,
    pub connections: Connections,
    pub tallies: Tallies,
    pub audit: Audit,
    pub connection: ConnectionId,
    pub entra: Entra,
    pub devops: AzureDevOps,
    refresher: Refresher,
    integration: Integration,
    pub aws: Aws,
}

impl World {
    /// Ada is connected under an integration with these fields besides the usual ones.
    pub async fn start(fields: Value) -> Self {
        Self::start_at(fields, Arc::new(SystemClock)).await
    }

    /// As [`Self::start`], with a clock for the calls. Entra and Azure DevOps have their own.
    pub async fn start_at(fields: Value, clock: Arc<dyn Clock>) -> Self {
        let aws = Aws::start("operator key").await.unwrap();
        let entra = Entra::start(listener().await, EntraOptions::redirecting_to(REDIRECT)).unwrap();
        let devops =
            AzureDevOps::start(listener().await, &entra, AzureDevOpsOptions::default()).unwrap();

        let tables = names::tables();
        let dynamodb = &aws.dynamodb;
        let call_items = CallItemReader::new(dynamodb.clone(), None, &tables);
        let connections = Connections::new(dynamodb.clone(), &tables, 1);
        let api_keys = ApiKeys::new(dynamodb.clone(), tables.integrations.clone());
        let integrations = Integrations::new(dynamodb.clone(), tables.integrations);
        let tallies = Tallies::new(dynamodb.clone(), tables.sessions.clone(), Arc::clone(&clock));
        let limits = LimitLedger::new(dynamodb.clone(), tables.sessions.clone());
        let sealer = Sealer::new(aws.kms.clone(), names::KEY.to_owned(), Arc::clone(&clock));
        let tokens = TokenStore::new(dynamodb.clone(), tables.tokens, sealer);
        let secrets = aws.secrets_manager.clone();
        let credentials =
            ClientCredentials::new(secrets, names::SECRETS.to_owned(), None, Arc::clone(&clock));
        let random = Random::System;
        let audit = Audit::new(dynamodb.clone(), tables.audit, 400, Arc::clone(&clock), random);
        let http = ground::http::client().unwrap();
        let authority = Authority::from_override(url(entra.base_url())).unwrap();

        let integration = integration(fields);
        let secret = NewCredential::ClientSecret(SecretString::from(DEFAULT_CLIENT_SECRET));
        credentials.put(&integration.id, &secret).await.unwrap();
        assert!(integrations.put(integration.clone(), None).await.unwrap());
        let sessions = Sessions::new(dynamodb.clone(), tables.sessions);
        let connection = connect(&entra, &sessions, &connections, &tokens, &integration).await;

        let refresher = Refresher::from(Parts {
            connections: connections.clone(),
            tokens,
            integrations: integrations.clone(),
            credentials,
            entra: TokenClient::new(http.clone(), Arc::clone(&clock)),
            metadata: MetadataCache::new(http.clone(), authority, Arc::clone(&clock)),
            events: Events::none(),
            audit: audit.clone(),
            clock: Arc::clone(&clock),
            random: Random::System,
        });
        let stores = Stores {
            connections: connections.clone(),
            integrations,
            api_keys,
            call_items,
            limits,
            tallies: tallies.clone(),
            audit: audit.clone(),
        };
        let client = DevopsClient::new(http, Some(url(devops.base_url())));
        let shares = Shares::of(1000, ResponseMode::Buffered);
        let rules = Rules { shares, trust: Duration::ZERO };
        let calls = Calls::new(stores, refresher.clone(), client, clock, Random::System, rules);
        Self {
            calls,
            connections,
            tallies,
            audit,
            connection,
            entra,
            devops,
            refresher,
            integration,
            aws,
        }
    }

    /// Renews the tokens, as the schedule does.
    pub async fn renew(&self) {
        let connection = self.connections.get(&self.connection).await.unwrap().unwrap();
        let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
        let actor = Actor::service("test");
        self.refresher.renew_now(&actor, &connection, &self.integration, deadline).await.unwrap();
    }
}

async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

fn url(text: &str) -> Url {
    text.parse().unwrap()
}

fn integration(fields: Value) -> Integration {
    let mut integration = json!({
        "id": "azure-devops",
        "client_id": DEFAULT_CLIENT_ID.to_string(),
        "credential": {"kind": "client_secret"},
        "organizations": ["mycompany"],
        "scopes": ["vso.code", "vso.project"],
        "confirmation": "none",
        "status": "ready",
        "created_at": SystemClock.now(),
        "updated_at": SystemClock.now(),
    });
    let Value::Object(fields) = fields else { panic!("fields of an integration") };
    integration.as_object_mut().unwrap().extend(fields);
    serde_json::from_value(integration).unwrap()
}

/// Signs Ada in and stores her tokens, as the functions `authorize` and `callback` do.
async fn connect(
    entra: &Entra,
    sessions: &Sessions,
    connections: &Connections,
    tokens: &TokenStore,
    integration: &Integration,
) -> ConnectionId {
    let (now, rng) = (SystemClock.now(), &mut Random::System);
    let session = ConnectSession {
        integration: integration.id.clone(),
        user: USER.parse().unwrap(),
        organization: None,
        return_to: None,
        login_hint: None,
        scopes: integration.settings.scopes.names().to_vec(),
    };
    let (token, _) = sessions.create(session.clone(), now, rng).await.unwrap();
    let Start::Started { key, .. } = sessions.start(&token, now).await.unwrap() else {
        panic!("the session was not started")
    };
    let signed_in = sign_in(entra, integration.settings.scopes.names()).await;
    let secret = |name: &str| SecretString::from(signed_in[name].as_str().unwrap());
    let (access, refresh) = (secret("access_token").try_into().unwrap(), secret("refresh_token"));
    let expires_at = now + SignedDuration::from_hours(1);
    let completion = Completion {
        origin: Origin::Session(&key),
        user: &session.user,
        requested: &session.scopes,
        integration,
        account: Account {
            tenant_id: emulators::entra::TENANT_A.to_string().parse().unwrap(),
            object_id: "66666666-7777-4888-9999-aaaaaaaaaaaa".parse().unwrap(),
            name: None,
            username: None,
        },
        organization: Some("mycompany".parse().unwrap()),
        scopes: integration.settings.scopes.names().to_vec(),
        tokens: TokenPair { access: &access, access_expires_at: expires_at, refresh: &refresh },
        lifetime: Lifetime { expires_at, refresh_at: None },
    };
    match connections.complete(&completion, tokens, now, rng).await.unwrap() {
        Completed::Active { connection } => connection,
        _ => panic!("the connection is not active"),
    }
}

/// The token response of a sign-in of Ada (OpenID Connect, authorization code flow with PKCE).
async fn sign_in(entra: &Entra, scopes: &[String]) -> Value {
    let client_id = DEFAULT_CLIENT_ID.to_string();
    let scopes = scopes.iter().map(|scope| format!("{AZURE_DEVOPS}/{scope}"));
    let scope = format!("openid offline_access {}", scopes.collect::<Vec<_>>().join(" "));
    let base = format!("{}/organizations/oauth2/v2.0", entra.base_url());
    let parameters = [
        ("client_id", client_id.as_str()),
        ("response_type", "code"),
        ("redirect_uri", REDIRECT),
        ("scope", scope.as_str()),
        ("state", "a-state"),
        ("nonce", "a-nonce"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    let http = ground::http::client().unwrap();
    let decision = Url::parse_with_params(&format!("{base}/authorize/decision"), parameters);
    let fields = [("account", "ada"), ("action", "approve")];
    let answer = http.post(decision.unwrap()).form(&fields).send().await.unwrap();
    let location = url(answer.headers()["location"].to_str().unwrap());
    let code = location.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
    let fields = [
        ("client_id", client_id.as_str()),
        ("client_secret", DEFAULT_CLIENT_SECRET),
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
    ];
    let answer = http.post(format!("{base}/token")).form(&fields).send().await.unwrap();
    answer.json().await.unwrap()
}
