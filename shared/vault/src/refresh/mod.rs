//! The refresh protocol: one implementation for the schedule, the proxy and the API.
//!
//! ```text
//!  1 lease        connections   fence + 1, 30 s, only if the lease is free and the grant is the same
//!  2 read         tokens        consistently; if they are fresh: release, done
//!  3 ask Entra                  8 s in all: the lease always outlives it
//!  4 store        tokens        only over the version that was read, and over a lower fence
//!  5 release      connections   and schedule, only if the lease is still the same
//! ```
//!
//! A crash loses nothing at any step: before 4 the stored refresh token still works, because Entra does not revoke a
//! used one; after 4 the connection stays due, and the next worker finds fresh tokens. Failures are classified by
//! [`entra::error_class`], never by counting.

mod access_token;
pub mod drain;
mod due;
mod exchange;
mod failure;
mod lanes;
mod meter;
mod opened;
mod pace;
mod tenants;

pub use access_token::AccessToken;
pub use due::DueOutcome;
pub use failure::{Consequence, RefreshError};
pub use meter::Metered;

use std::sync::Arc;
use std::time::Duration;

use entra::metadata::MetadataCache;
use entra::token::TokenClient;
use ground::clock::Clock;
use ground::random::Random;
use jiff::Timestamp;
use tokio::time::Instant;

use crate::Error;
use crate::audit::{Actor, Audit};
use crate::client_credentials::ClientCredentials;
use crate::connections::{
    Acquired, Connection, Connections, Happening, Lease, RefreshFailure, Release, Status,
};
use crate::events::Events;
use crate::ids::GrantId;
use crate::integrations::{self, Integration, Integrations, NotServed};
use crate::schedule::{self, EXPIRY_MARGIN, Lifetime};
use crate::tokens::{Owner, SealedTokens, StoreOutcome, TokenPair, TokenStore};
use meter::Meter;
use opened::{OpenedTokens, Shown};
use tenants::{TenantTurn, Tenants};

/// The first and the longest pause of a waiting caller between two looks at the lease.
const POLL_FIRST: Duration = Duration::from_millis(25);
const POLL_LONGEST: Duration = Duration::from_millis(400);
/// How long a caller waits for the lease holder: as long as that one may take to ask Entra and store.
const WAIT_FOR_HOLDER: Duration = Duration::from_secs(10);
/// How long storing new tokens is tried: together with the exchange, still within the lease and a request's time.
const STORE_FOR: Duration = Duration::from_secs(10);

/// The stores and clients that a [`Refresher`] is made of.
#[derive(Clone)]
pub struct Parts {
    /// The connections: lease, status, schedule.
    pub connections: Connections,
    /// The sealed tokens.
    pub tokens: TokenStore,
    /// Integrations, for a rejected credential.
    pub integrations: Integrations,
    /// The client credentials of the integrations.
    pub credentials: ClientCredentials,
    /// Entra's token endpoint.
    pub entra: TokenClient,
    /// Entra's discovery documents, which name that endpoint.
    pub metadata: MetadataCache,
    /// Receives the changes of a connection's status.
    pub events: Events,
    /// Records failures.
    pub audit: Audit,
    /// Wall-clock time.
    pub clock: Arc<dyn Clock>,
    /// For leases, nonces and jitter.
    pub random: Random,
}

/// Renews tokens. Clones share one meter and the opened tokens.
#[derive(Clone)]
pub struct Refresher {
    parts: Parts,
    tenants: Tenants,
    opened: OpenedTokens,
    meter: Arc<Meter>,
}

/// Why tokens are renewed.
#[derive(Debug, Clone)]
pub enum Cause {
    /// The access token has expired, or is about to.
    Expired,
    /// Azure DevOps rejected this version, with this claims challenge if it sent one.
    Rejected {
        /// The rejected version.
        version: u64,
        /// The challenge's `claims`, JSON.
        claims: Option<String>,
    },
    /// A caller asked for it, although the token of this version is fresh.
    Requested {
        /// The version at the time of the request.
        version: u64,
    },
    /// The schedule.
    Due,
}

impl Cause {
    /// Whether these tokens are good enough, so that Entra need not be asked.
    fn is_met_by(&self, sealed: &SealedTokens, connection: &Connection, now: Timestamp) -> bool {
        let unexpired = sealed.access_expires_at() > now + EXPIRY_MARGIN;
        match self {
            Self::Expired => unexpired,
            Self::Rejected { version, .. } | Self::Requested { version } => {
                unexpired && sealed.version > *version
            }
            // A worker that renewed them crashed before it updated the connection.
            Self::Due => {
                let known = connection.token_expires_at;
                unexpired && known.is_none_or(|known| sealed.access_expires_at() > known)
            }
        }
    }

    /// The history entry for a renewal for this cause.
    fn worth_noting(&self, before: &Connection) -> Option<Happening> {
        match self {
            Self::Requested { .. } => Some(Happening::RenewedOnRequest),
            Self::Rejected { .. } => Some(Happening::RenewedAfterRejection),
            Self::Expired | Self::Due => {
                (before.failures > 0).then_some(Happening::RenewedAfterFailures)
            }
        }
    }

    fn claims(&self) -> Option<&str> {
        match self {
            Self::Rejected { claims, .. } => claims.as_deref(),
            _ => None,
        }
    }

    fn rejected_version(&self) -> Option<u64> {
        match self {
            Self::Rejected { version, .. } => Some(*version),
            _ => None,
        }
    }
}

enum Renewal {
    Token(AccessToken),
    /// The grant was replaced or deleted: look again.
    Superseded,
}

/// New tokens that were stored.
struct Renewed {
    version: u64,
    lifetime: Lifetime,
    /// The scopes that Entra granted with them, if it named any.
    granted: Option<Vec<String>>,
}

impl From<Parts> for Refresher {
    fn from(parts: Parts) -> Self {
        let tenants = Tenants::new(parts.integrations.clone(), Arc::clone(&parts.clock));
        Self { parts, tenants, opened: OpenedTokens::default(), meter: Arc::default() }
    }
}

impl Refresher {
    /// Returns the requests to Entra that were counted since the last call of this, and resets the counts.
    pub fn take_metered(&self) -> Metered {
        self.meter.take()
    }

    /// A usable access token: the stored one, or a renewed one if that has expired. `actor` needs it.
    ///
    /// # Errors
    /// [`RefreshError`] when there is none before `deadline`.
    pub async fn access_token(
        &self,
        actor: &Actor,
        connection: &Connection,
        integration: &Integration,
        deadline: Instant,
    ) -> Result<AccessToken, RefreshError> {
        let grant = usable_grant(connection)?;
        served(connection, integration)?;
        let owner = owner(connection, grant);
        if let Some(token) = self.opened_token(owner, connection).await {
            return Ok(token);
        }
        let sealed = self.parts.tokens.get(owner).await?.ok_or(RefreshError::Gone)?;
        let now = self.parts.clock.now();
        if Cause::Expired.is_met_by(&sealed, connection, now) {
            let token = self.open(owner, &sealed, false).await?;
            self.opened.keep(owner, &token, sealed.data_key(), now);
            return Ok(token);
        }
        self.renew(actor, connection.clone(), integration, Cause::Expired, deadline).await
    }

    /// Returns a token that was opened before, if it is the one that the connection shows.
    async fn opened_token(&self, owner: Owner<'_>, connection: &Connection) -> Option<AccessToken> {
        let shown = Shown::by(connection)?;
        let opened = self.opened.find(owner, shown, self.parts.clock.now())?;
        let is_opening = self.parts.tokens.opens(owner, &opened.wrapped).await;
        is_opening.then(|| opened.into_token())
    }

    /// Renews the tokens although they are fresh, because a caller asks for it.
    ///
    /// # Errors
    /// As [`Self::renew`].
    pub async fn renew_now(
        &self,
        actor: &Actor,
        connection: &Connection,
        integration: &Integration,
        deadline: Instant,
    ) -> Result<AccessToken, RefreshError> {
        let owner = owner(connection, usable_grant(connection)?);
        let sealed = self.parts.tokens.get(owner).await?.ok_or(RefreshError::Gone)?;
        let cause = Cause::Requested { version: sealed.version };
        self.renew(actor, connection.clone(), integration, cause, deadline).await
    }

    /// Renews the tokens, or waits for another caller that does.
    ///
    /// # Errors
    /// [`RefreshError`] when there is no usable token before `deadline`.
    pub async fn renew(
        &self,
        actor: &Actor,
        mut connection: Connection,
        integration: &Integration,
        cause: Cause,
        deadline: Instant,
    ) -> Result<AccessToken, RefreshError> {
        let deadline = deadline.min(Instant::now() + WAIT_FOR_HOLDER);
        let mut pause = POLL_FIRST;
        loop {
            let grant = usable_grant(&connection)?.clone();
            served(&connection, integration)?;
            self.may_ask(&connection, integration).await?;
            let now = self.parts.clock.now();
            match self
                .parts
                .connections
                .acquire(&connection.id, &grant, now, &mut self.parts.random.clone())
                .await?
            {
                Acquired::Gone => return Err(RefreshError::Gone),
                Acquired::Leased(lease, leased) => {
                    match self.renew_leased(actor, &lease, &leased, integration, &cause).await? {
                        Renewal::Token(token) => return Ok(token),
                        Renewal::Superseded => {}
                    }
                }
                Acquired::Refused(seen) => {
                    if let Some(token) = self.still_valid_token(&seen, &cause).await? {
                        return Ok(token);
                    }
                    if Instant::now() + pause >= deadline {
                        return Err(RefreshError::InProgress);
                    }
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(POLL_LONGEST);
                }
            }
            connection = self.wait(&connection, &mut pause, deadline).await?;
            if let Some(token) = self.holders_token(&connection, &cause).await? {
                return Ok(token);
            }
        }
    }

    /// Whether Entra may be asked now: not before an earlier failure's `retry_at`, not for a stopped integration, and not
    /// about a tenant that refuses the app. A rejected credential gets one attempt in each
    /// [`integrations::PROBE_INTERVAL`].
    async fn may_ask(
        &self,
        connection: &Connection,
        integration: &Integration,
    ) -> Result<(), RefreshError> {
        let now = self.parts.clock.now();
        let tenants = self.tenants.of(integration).await?;
        // A tenant with an entry waits as a whole, and its connections go on with it.
        let waits_by_itself =
            connection.failure != Some(RefreshFailure::TenantRefused) || tenants.is_full();
        if let (Some(retry_at), Some(failure)) = (connection.retry_at, connection.failure)
            && retry_at > now
            && waits_by_itself
        {
            return Err(RefreshError::of(failure, retry_at.duration_since(now)));
        }
        let turn = tenants::turn(&tenants, &connection.account.tenant_id, now);
        match integration.status {
            integrations::Status::Paused => Err(RefreshError::IntegrationPaused),
            integrations::Status::Ready => match turn {
                TenantTurn::NotBefore(time) => {
                    Err(RefreshError::TenantRefused { retry_after: time.duration_since(now) })
                }
                TenantTurn::Ask | TenantTurn::Probe(_) | TenantTurn::Lost(_) => Ok(()),
            },
            // Entra is not asked.
            integrations::Status::CredentialRejected if matches!(turn, TenantTurn::Lost(_)) => {
                Ok(())
            }
            integrations::Status::CredentialRejected => {
                // A tenant that waits must not use up the attempt with the credential.
                let may_try = !matches!(turn, TenantTurn::NotBefore(_))
                    && self.parts.integrations.claim_probe(&integration.id, now).await?;
                if may_try { Ok(()) } else { Err(RefreshError::CredentialRejected) }
            }
        }
    }

    /// Steps 2 to 5, under the lease.
    async fn renew_leased(
        &self,
        actor: &Actor,
        lease: &Lease,
        connection: &Connection,
        integration: &Integration,
        cause: &Cause,
    ) -> Result<Renewal, RefreshError> {
        let owner = owner(connection, &lease.grant);
        let now = self.parts.clock.now();
        if let Err(why) = served(connection, integration) {
            return Err(self.leave_unserved(lease, why, now).await?);
        }
        let sealed = self.parts.tokens.get(owner).await?.ok_or(RefreshError::Gone)?;
        if cause.is_met_by(&sealed, connection, now) {
            let release = self.untouched(connection, integration, &sealed, now);
            self.parts.connections.release(lease, &release, now).await?;
            return Ok(Renewal::Token(self.open(owner, &sealed, true).await?));
        }
        let tenant = &connection.account.tenant_id;
        match self.tenants.claim(integration, tenant, now).await? {
            TenantTurn::Ask | TenantTurn::Probe(_) => {}
            TenantTurn::NotBefore(time) => {
                return Err(self.wait_for_tenant(lease, time, now).await?);
            }
            TenantTurn::Lost(reason) => {
                let (release, error) = failure::lost(reason);
                self.end(actor, lease, connection, &release, now).await?;
                return Err(error);
            }
        }
        let refresh_token = self.parts.tokens.open_refresh(owner, &sealed).await?;
        let asked = self.ask_entra(connection, integration, &refresh_token, cause.claims()).await;
        let tokens = match asked {
            Ok(tokens) => tokens,
            Err(failure) => {
                if failure.proves_that_the_tenant_takes_the_app() {
                    self.tenants.accepted(integration, tenant).await;
                }
                if failure.blames_the_grant() && self.is_superseded(owner, &sealed).await? {
                    return Ok(Renewal::Superseded);
                }
                let given_up = self.give_up(actor, lease, connection, integration, cause, failure);
                return Err(given_up.await?);
            }
        };
        let lifetime = Lifetime::of(&tokens);
        let pair = TokenPair {
            access: &tokens.access_token,
            access_expires_at: lifetime.expires_at,
            // RFC 6749 section 6: without a new refresh token the old one stays valid.
            refresh: tokens.refresh_token.as_ref().unwrap_or(&refresh_token),
        };
        // Nothing may come between Entra's answer and the store, which the lease has to outlive.
        let stored = self.store(owner, &sealed, lease.fence, &pair).await?;
        let released = match stored {
            StoreOutcome::Stored => {
                let granted = devops::scopes::granted(&tokens.scopes);
                let renewed = Renewed { version: sealed.version + 1, lifetime, granted };
                self.release(lease, connection, integration, cause, renewed).await
            }
            StoreOutcome::Superseded => Ok(()),
        };
        self.accepted(integration, tenant).await;
        released?;
        if stored == StoreOutcome::Superseded {
            tracing::info!(connection = %connection.id, "renewed tokens were superseded and dropped");
            return Ok(Renewal::Superseded);
        }
        Ok(Renewal::Token(AccessToken {
            bearer: tokens.access_token,
            version: sealed.version + 1,
            expires_at: lifetime.expires_at,
            renewed: true,
        }))
    }

    /// Ends the lease after new tokens were stored.
    async fn release(
        &self,
        lease: &Lease,
        connection: &Connection,
        integration: &Integration,
        cause: &Cause,
        renewed: Renewed,
    ) -> Result<(), Error> {
        let Renewed { version, lifetime, granted } = renewed;
        self.meter.count(|counts| counts.renewals += 1);
        let now = self.parts.clock.now();
        let warmth = integration.warmth(connection.last_used_at);
        let due_at = schedule::next_renewal(lifetime, warmth, now, &mut self.parts.random.clone());
        let scopes = granted.and_then(|granted| connection.changed_scopes(granted));
        let (token_version, token_expires_at) = (version, lifetime.expires_at);
        let release = Release::Renewed { token_version, token_expires_at, due_at, scopes };
        let is_ours = self.parts.connections.release(lease, &release, now).await?;
        if is_ours && let Some(what) = cause.worth_noting(connection) {
            self.parts.connections.note(connection, what, now).await;
        }
        Ok(())
    }

    /// Stores new tokens. Retries, so that a brief outage of DynamoDB or KMS does not waste them.
    async fn store(
        &self,
        owner: Owner<'_>,
        read: &SealedTokens,
        fence: u64,
        pair: &TokenPair<'_>,
    ) -> Result<StoreOutcome, Error> {
        let give_up_at = Instant::now() + STORE_FOR;
        let mut pause = POLL_FIRST;
        loop {
            match self
                .parts
                .tokens
                .replace(owner, read, fence, pair, &mut self.parts.random.clone())
                .await
            {
                Err(Error::Unavailable { .. }) if Instant::now() + pause < give_up_at => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(POLL_LONGEST);
                }
                Err(error) => {
                    tracing::error!(connection = %owner.connection, "unsaved_token: {error}");
                    self.meter.count(|counts| counts.unsaved_tokens += 1);
                    return Err(error);
                }
                stored => return stored,
            }
        }
    }

    /// Whether newer tokens were stored after `read`: then Entra refused only the old ones.
    async fn is_superseded(&self, owner: Owner<'_>, read: &SealedTokens) -> Result<bool, Error> {
        let now = self.parts.tokens.get(owner).await?;
        Ok(now.is_none_or(|stored| stored.version != read.version))
    }

    /// For a waiting caller: the current token, if it is still valid and was not rejected.
    async fn still_valid_token(
        &self,
        seen: &Connection,
        cause: &Cause,
    ) -> Result<Option<AccessToken>, RefreshError> {
        let grant = usable_grant(seen)?;
        if matches!(cause, Cause::Requested { .. }) {
            return Ok(None);
        }
        let owner = owner(seen, grant);
        let Some(sealed) = self.parts.tokens.get(owner).await? else { return Ok(None) };
        let valid = sealed.access_expires_at() > self.parts.clock.now();
        let rejected = cause.rejected_version().is_some_and(|version| sealed.version <= version);
        if valid && !rejected {
            return Ok(Some(self.open(owner, &sealed, sealed.version > 1).await?));
        }
        Ok(None)
    }

    /// Waits until nobody holds the lease, and returns the connection as it is then.
    async fn wait(
        &self,
        connection: &Connection,
        pause: &mut Duration,
        deadline: Instant,
    ) -> Result<Connection, RefreshError> {
        loop {
            let seen =
                self.parts.connections.get(&connection.id).await?.ok_or(RefreshError::Gone)?;
            if !seen.is_leased(self.parts.clock.now()) {
                return Ok(seen);
            }
            if Instant::now() + *pause >= deadline {
                return Err(RefreshError::InProgress);
            }
            tokio::time::sleep(*pause).await;
            *pause = (*pause * 2).min(POLL_LONGEST);
        }
    }

    /// The lease holder's tokens, if they are good enough.
    async fn holders_token(
        &self,
        seen: &Connection,
        cause: &Cause,
    ) -> Result<Option<AccessToken>, RefreshError> {
        let owner = owner(seen, usable_grant(seen)?);
        let Some(sealed) = self.parts.tokens.get(owner).await? else { return Ok(None) };
        if cause.is_met_by(&sealed, seen, self.parts.clock.now()) {
            return Ok(Some(self.open(owner, &sealed, true).await?));
        }
        Ok(None)
    }

    /// A release after step 2, which reschedules an overdue connection.
    fn untouched(
        &self,
        connection: &Connection,
        integration: &Integration,
        sealed: &SealedTokens,
        now: Timestamp,
    ) -> Release {
        let lifetime = Lifetime { expires_at: sealed.access_expires_at(), refresh_at: None };
        let overdue = connection.due_at.is_none_or(|due| due <= now);
        let warmth = integration.warmth(connection.last_used_at);
        Release::Untouched {
            token_version: sealed.version,
            token_expires_at: lifetime.expires_at,
            due_at: overdue.then(|| {
                schedule::next_renewal(lifetime, warmth, now, &mut self.parts.random.clone())
            }),
        }
    }

    async fn open(
        &self,
        owner: Owner<'_>,
        sealed: &SealedTokens,
        renewed: bool,
    ) -> Result<AccessToken, Error> {
        Ok(AccessToken {
            bearer: self.parts.tokens.open_access(owner, sealed).await?,
            version: sealed.version,
            expires_at: sealed.access_expires_at(),
            renewed,
        })
    }
}

fn owner<'a>(connection: &'a Connection, grant: &'a GrantId) -> Owner<'a> {
    Owner { integration: &connection.integration, connection: &connection.id, grant }
}

fn served(connection: &Connection, integration: &Integration) -> Result<(), NotServed> {
    integration.serves(&connection.account.tenant_id, connection.organization.as_ref())
}

/// The current grant, if the connection is active.
fn usable_grant(connection: &Connection) -> Result<&GrantId, RefreshError> {
    match (connection.status, &connection.grant) {
        (Status::Active, Some(grant)) => Ok(grant),
        (Status::ReauthorizationRequired, _) => Err(RefreshError::ReauthorizationRequired {
            reason: connection.reason.clone().unwrap_or_default(),
        }),
        _ => Err(RefreshError::Pending),
    }
}
