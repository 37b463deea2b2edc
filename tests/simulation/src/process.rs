//! One process of ours: the real vault with its own wire and clock.

use std::sync::Arc;

use devops::organization::OrganizationName;
use entra::cloud::{Authority, Cloud as EntraCloud};
use entra::identifiers::TenantId;
use entra::metadata::MetadataCache;
use entra::token::TokenClient;
use ground::bearer_token::InvalidBearerToken;
use ground::clock::Clock;
use ground::random::Random;
use jiff::SignedDuration;
use local::names;
use secrecy::SecretString;
use serde_json::json;
use vault::audit::Audit;
use vault::aws::Clients;
use vault::client_credentials::{ClientCredentials, NewCredential};
use vault::connections::{Account, Completed, Completion, Connections, Origin};
use vault::events::Events;
use vault::ids::{ConnectionId, IntegrationId, UserId};
use vault::integrations::{
    CredentialDescription, CredentialKind, Integration, Integrations, Settings, Status,
};
use vault::refresh::drain::{Drain, DrainLimits};
use vault::refresh::{Parts, Refresher};
use vault::schedule::Lifetime;
use vault::sealing::Sealer;
use vault::sessions::{ConnectSession, Sessions, Start};
use vault::tokens::{TokenPair, TokenStore};

use crate::clock::SimulatedClock;
use crate::entra::SimulatedEntra;
use crate::faults::Faults;
use crate::wire::Wire;

/// The tenant of users, unless another is named.
const TENANT: &str = "11111111-2222-4333-8444-555555555555";

/// A process.
pub struct Process {
    /// The refresh protocol.
    pub refresher: Refresher,
    /// The connections that it renews.
    pub connections: Connections,
    /// Their integrations.
    pub integrations: Integrations,
    tokens: TokenStore,
    credentials: ClientCredentials,
    sessions: Sessions,
    /// The process's own clock.
    pub clock: SimulatedClock,
    /// The process's own randomness.
    pub random: Random,
    entra: SimulatedEntra,
}

impl Process {
    /// Starts a process with empty caches.
    pub fn start(
        wire: &Wire,
        faults: &Faults,
        entra: &SimulatedEntra,
        clock: SimulatedClock,
        seed: u64,
        shards: u32,
    ) -> Self {
        Self::with_events(wire, faults, entra, clock, (seed, shards), |_| Events::none())
    }

    /// Starts a process that sends events.
    pub fn with_events(
        wire: &Wire,
        faults: &Faults,
        entra: &SimulatedEntra,
        clock: SimulatedClock,
        (seed, shards): (u64, u32),
        events: impl FnOnce(&Clients) -> Events,
    ) -> Self {
        let aws = Clients::new(&wire.sdk_config());
        let events = events(&aws);
        let shared: Arc<dyn Clock> = Arc::new(clock);
        let transport = entra.transport(faults.clone());
        let sealer = Sealer::new(aws.kms(), names::KEY.to_owned(), Arc::clone(&shared));
        let random = Random::seeded(seed);
        let connections = Connections::new(aws.dynamodb.clone(), &names::tables(), shards);
        let tokens = TokenStore::new(aws.dynamodb.clone(), names::TOKENS.to_owned(), sealer);
        let integrations = Integrations::new(aws.dynamodb.clone(), names::INTEGRATIONS.to_owned());
        let (table, days) = (names::AUDIT.to_owned(), 400);
        let audit =
            Audit::new(aws.dynamodb.clone(), table, days, Arc::clone(&shared), random.clone());
        let credentials = ClientCredentials::new(
            aws.secrets_manager(),
            names::SECRETS.to_owned(),
            None,
            Arc::clone(&shared),
        );
        Self {
            refresher: Refresher::from(Parts {
                connections: connections.clone(),
                tokens: tokens.clone(),
                integrations: integrations.clone(),
                credentials: credentials.clone(),
                entra: TokenClient::new(transport.clone(), Arc::clone(&shared)),
                metadata: MetadataCache::new(
                    transport,
                    Authority::from(EntraCloud::Public),
                    Arc::clone(&shared),
                ),
                events,
                audit,
                clock: shared,
                random: random.clone(),
            }),
            connections,
            integrations,
            tokens,
            credentials,
            sessions: Sessions::new(aws.dynamodb.clone(), names::SESSIONS.to_owned()),
            clock,
            random,
            entra: entra.clone(),
        }
    }

    /// Returns a worker of this process.
    pub fn drain(&self, limits: DrainLimits) -> Drain {
        Drain::new(self.refresher.clone(), limits)
    }

    /// Puts an integration that needs no confirmation.
    ///
    /// # Errors
    /// If the vault refuses it.
    ///
    /// # Panics
    /// If another process puts it at the same time.
    pub async fn put_integration(&self, id: &str) -> Result<Integration, vault::Error> {
        let now = self.clock.now();
        let integration = Integration {
            id: integration_id(id),
            settings: settings(),
            credential: CredentialDescription {
                kind: CredentialKind::ClientSecret,
                expires_at: None,
            },
            status: Status::Ready,
            probed_at: None,
            created_at: now,
            updated_at: now,
        };
        let secret = NewCredential::ClientSecret(SecretString::from("a secret"));
        self.credentials.put(&integration.id, &secret).await?;
        let integrations = &self.integrations;
        let seen = integrations.get(&integration.id).await?;
        let is_put = integrations.put(integration.clone(), seen.as_ref()).await?;
        assert!(is_put, "another process changed it");
        Ok(integration)
    }

    /// Connects or reconnects a user, with tokens of this lifetime.
    ///
    /// # Errors
    /// If the vault does not answer; the user may try again.
    ///
    /// # Panics
    /// If Entra's stand-in mints a token that a header cannot carry.
    pub async fn connect(
        &self,
        integration: &Integration,
        user: &str,
        lifetime: SignedDuration,
    ) -> Result<Option<ConnectionId>, vault::Error> {
        self.connect_in(&constant(TENANT), integration, user, lifetime).await
    }

    /// Connects a user of another tenant.
    ///
    /// # Errors
    /// As [`Self::connect`].
    ///
    /// # Panics
    /// As [`Self::connect`].
    pub async fn connect_in(
        &self,
        tenant: &TenantId,
        integration: &Integration,
        user: &str,
        lifetime: SignedDuration,
    ) -> Result<Option<ConnectionId>, vault::Error> {
        let now = self.clock.now();
        let rng = &mut self.random.clone();
        let session = ConnectSession {
            integration: integration.id.clone(),
            user: user_id(user),
            organization: None,
            return_to: None,
            login_hint: None,
            scopes: integration.settings.scopes.names().to_vec(),
        };
        let (token, _) = self.sessions.create(session.clone(), now, rng).await?;
        let Start::Started { key, .. } = self.sessions.start(&token, now).await? else {
            return Ok(None);
        };
        let (_, access, refresh) = self.entra.sign_in();
        let access = SecretString::from(access).try_into();
        let access = access.unwrap_or_else(|error: InvalidBearerToken| panic!("{error}"));
        let refresh = SecretString::from(refresh);
        let expires_at = now + lifetime;
        let completion = Completion {
            origin: Origin::Session(&key),
            user: &session.user,
            requested: &session.scopes,
            integration,
            account: Account {
                tenant_id: tenant.clone(),
                object_id: constant("66666666-7777-4888-9999-aaaaaaaaaaaa"),
                name: None,
                username: None,
            },
            organization: Some(organization()),
            scopes: integration.settings.scopes.names().to_vec(),
            tokens: TokenPair { access: &access, access_expires_at: expires_at, refresh: &refresh },
            lifetime: Lifetime { expires_at, refresh_at: None },
        };
        match self.connections.complete(&completion, &self.tokens, now, rng).await? {
            Completed::Active { connection } => Ok(Some(connection)),
            _ => Ok(None),
        }
    }
}

/// Settings of an integration that needs no confirmation.
fn settings() -> Settings {
    let settings = json!({
        "client_id": "3f0e5a1c-7c51-4c3f-8d1e-0c9d1f6f1a01",
        "organizations": [organization()],
        "scopes": ["vso.code"],
        "confirmation": "none",
    });
    serde_json::from_value(settings).unwrap_or_else(|e| panic!("settings: {e}"))
}

fn organization() -> OrganizationName {
    constant("mycompany")
}

pub(crate) fn integration_id(text: &str) -> IntegrationId {
    constant(text)
}

pub(crate) fn user_id(text: &str) -> UserId {
    constant(text)
}

/// Parses a constant of the simulation.
#[expect(clippy::panic, reason = "a constant of the simulation is wrong")]
fn constant<T: std::str::FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| panic!("{text} is no value of this kind"))
}
