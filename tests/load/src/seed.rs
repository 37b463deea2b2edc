//! Creates many connections as the callback stores them, all due since the same time.

use std::sync::Arc;

use devops::organization::OrganizationName;
use futures_util::stream::{self, TryStreamExt as _};
use ground::bearer_token::{BearerToken, InvalidBearerToken};
use ground::clock::SystemClock;
use ground::random::Random;
use indicatif::ProgressBar;
use jiff::Timestamp;
use local::{Aws, names};
use rand::Rng as _;
use secrecy::SecretString;
use serde_json::json;
use vault::api_keys::{ApiKeyRequest, ApiKeys, Role};
use vault::client_credentials::{ClientCredentials, NewCredential};
use vault::connections::{Account, Completed, Completion, Connections, Origin};
use vault::ids::ConnectionId;
use vault::integrations::{
    CredentialDescription, CredentialKind, Integration, Integrations, Status,
};
use vault::schedule::Lifetime;
use vault::sealing::Sealer;
use vault::sessions::{ConnectSession, Sessions, Start};
use vault::tokens::{TokenPair, TokenStore};

use crate::entra_stand_in::EntraStandIn;

/// The id of the integration of all connections.
pub(crate) const INTEGRATION: &str = "azure-devops";
/// Number of connections that are created concurrently.
const AT_ONCE: usize = 16;

/// The stores of the vault, as the callback uses them.
pub(crate) struct Seed {
    integration: Integration,
    connections: Connections,
    tokens: TokenStore,
    sessions: Sessions,
    tenants: Vec<String>,
}

impl Seed {
    /// Puts the integration.
    pub(crate) async fn new(aws: &Aws, shards: u32, tenants: u32) -> Result<Self, String> {
        let clock = Arc::new(SystemClock);
        let sealer = Sealer::new(aws.kms.clone(), names::KEY.to_owned(), clock.clone());
        let tables = names::tables();
        let integration = integration(Timestamp::now())?;
        let credentials = ClientCredentials::new(
            aws.secrets_manager.clone(),
            names::SECRETS.to_owned(),
            None,
            clock,
        );
        let secret = NewCredential::ClientSecret(SecretString::from(
            "a secret of the usual length, 40 letters",
        ));
        credentials.put(&integration.id, &secret).await.map_err(|e| e.to_string())?;
        let integrations = Integrations::new(aws.dynamodb.clone(), names::INTEGRATIONS.to_owned());
        let seen = integrations.get(&integration.id).await.map_err(|e| e.to_string())?;
        let put = integrations.put(integration.clone(), seen.as_ref()).await;
        if !put.map_err(|e| e.to_string())? {
            return Err("somebody else changes the integration".to_owned());
        }
        let mut rng = rand::rng();
        let tenants = (0..tenants.max(1))
            .map(|_| format!("{:08x}-2222-4333-8444-555555555555", rng.random::<u32>()))
            .collect();
        Ok(Self {
            integration,
            connections: Connections::new(aws.dynamodb.clone(), &tables, shards),
            tokens: TokenStore::new(aws.dynamodb.clone(), names::TOKENS.to_owned(), sealer),
            sessions: Sessions::new(aws.dynamodb.clone(), names::SESSIONS.to_owned()),
            tenants,
        })
    }

    /// Creates connections that are all due since `due_at`.
    pub(crate) async fn connect(
        &self,
        number: u32,
        due_at: Timestamp,
        bar: &ProgressBar,
    ) -> Result<(), String> {
        stream::iter((0..number).map(Ok))
            .try_for_each_concurrent(AT_ONCE, |user| async move {
                self.connect_one(user, due_at).await?;
                bar.inc(1);
                Ok(())
            })
            .await
    }

    /// Creates a connection whose access token expires at `due_at`, and returns its id.
    pub(crate) async fn connect_one(
        &self,
        user: u32,
        due_at: Timestamp,
    ) -> Result<ConnectionId, String> {
        let (now, rng) = (Timestamp::now(), &mut Random::System);
        let session = ConnectSession {
            integration: self.integration.id.clone(),
            user: parsed(&format!("user-{user:08}@mycompany.example"))?,
            organization: None,
            return_to: None,
            login_hint: None,
            scopes: self.integration.settings.scopes.names().to_vec(),
        };
        let failed = |e: vault::Error| e.to_string();
        let (token, _) = self.sessions.create(session.clone(), now, rng).await.map_err(failed)?;
        let Start::Started { key, .. } = self.sessions.start(&token, now).await.map_err(failed)?
        else {
            return Err("a session was not taken".to_owned());
        };
        let (access, refresh) = EntraStandIn::first_tokens(user);
        let (access, refresh) = (bearer(access)?, SecretString::from(refresh));
        let organization: OrganizationName = parsed("mycompany")?;
        let tenant = &self.tenants[usize::try_from(user).unwrap_or_default() % self.tenants.len()];
        let completion = Completion {
            origin: Origin::Session(&key),
            user: &session.user,
            requested: &session.scopes,
            integration: &self.integration,
            account: Account {
                tenant_id: parsed(tenant)?,
                object_id: parsed(&format!("{user:08x}-7777-4888-9999-aaaaaaaaaaaa"))?,
                name: Some(format!("Ada Lovelace the {user}th")),
                username: Some(format!("user-{user:08}@mycompany.example")),
            },
            organization: Some(organization),
            scopes: self.integration.settings.scopes.names().to_vec(),
            tokens: TokenPair { access: &access, access_expires_at: due_at, refresh: &refresh },
            lifetime: Lifetime { expires_at: due_at, refresh_at: None },
        };
        match self
            .connections
            .complete(&completion, &self.tokens, now, rng)
            .await
            .map_err(failed)?
        {
            Completed::Active { connection } => Ok(connection),
            other => Err(format!("a connection was not stored: {other:?}")),
        }
    }
}

/// Creates an API key of an application.
pub(crate) async fn api_key(aws: &Aws) -> Result<SecretString, String> {
    let keys = ApiKeys::new(aws.dynamodb.clone(), names::INTEGRATIONS.to_owned());
    let request = ApiKeyRequest {
        name: "load".to_owned(),
        role: Role::Application,
        integration: None,
        expires_at: None,
    };
    let made = keys.create(request, Timestamp::now(), &mut Random::System).await;
    let made = made.map_err(|e| e.to_string())?.ok_or("the integration of a key is gone")?;
    Ok(made.key)
}

/// The one integration of all connections.
fn integration(now: Timestamp) -> Result<Integration, String> {
    Ok(Integration {
        id: parsed(INTEGRATION)?,
        settings: serde_json::from_value(json!({
            "client_id": "3f0e5a1c-7c51-4c3f-8d1e-0c9d1f6f1a01",
            "organizations": ["mycompany"],
            "scopes": ["vso.code_write", "vso.work_write"],
            "confirmation": "none",
        }))
        .map_err(|e| e.to_string())?,
        credential: CredentialDescription { kind: CredentialKind::ClientSecret, expires_at: None },
        status: Status::Ready,
        probed_at: None,
        created_at: now,
        updated_at: now,
    })
}

fn bearer(access: String) -> Result<BearerToken, String> {
    SecretString::from(access).try_into().map_err(|e: InvalidBearerToken| e.to_string())
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|e| format!("{text}: {e}"))
}
