//! One call of Azure DevOps with a user's token, under the rules of the user's integration.
//!
//! ```text
//!  a function:  Calls::admit ──> Calls::target ──> Calls::send ──> status, headers, body
//!
//!  admit        who calls? does the service run?   reads everything that decides about the call, in one request
//!  target       which connection? which address? which method?   counts the call, found or refused
//!  send         policy ─> pace ─> limits ─> token ─> send ─> judge ─> note
//!                                             ^                │ rejected: renew once,
//!                                             └────────────────┘ send once more
//! ```
//!
//! The functions above it speak to callers and shape requests and answers. Every refusal is a [`Problem`] with a stable
//! code. A call that may have had an effect is never sent again, and no redirect is followed.

mod admission;
pub mod connection;
pub mod deadlines;
mod destination;
mod items;
mod judge;
mod limits;
mod me;
mod pace;
mod permission;
pub mod refusal;
mod repetition;
mod scopes;
mod send;
mod shares;
pub mod target;
mod upstream;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use devops::client::DevopsClient;
use edge::deployment::Deployment;
use edge::log::RequestLog;
use edge::metrics::Unit;
use edge::problem::Problem;
use ground::clock::Clock;
use ground::random::Random;
use ground::remembered::Remembered;
use http::{HeaderMap, StatusCode};
use vault::api_keys::ApiKeys;
use vault::audit::Audit;
use vault::call_items::{CallItemReader, CallKeys};
use vault::connections::{Connection, Connections};
use vault::ids::ConnectionId;
use vault::integrations::Integrations;
use vault::limits::LimitLedger;
use vault::refresh::Refresher;
use vault::tallies::{Counter, Tallies};

pub use crate::admission::Admitted;
pub use crate::destination::{Destination, Named};
use crate::items::Items;
use crate::me::KnownIntegrations;
use crate::repetition::RetryBudget;
pub use crate::send::{Call, Reading};
pub use crate::shares::Shares;
use crate::target::Target;
pub use crate::upstream::{Body, Upstream};
use crate::watch::Withdrawn;

/// The stores that calls read and write, besides the tokens.
pub struct Stores {
    /// The connections, with when each may be called next and when it was used last.
    pub connections: Connections,
    /// Their integrations.
    pub integrations: Integrations,
    /// The API keys. A key that has made too many calls at a time is marked there.
    pub api_keys: ApiKeys,
    /// Reads the items that permit a call under way.
    pub call_items: CallItemReader,
    /// The use of the operator's limits.
    pub limits: LimitLedger,
    /// The hourly counts.
    pub tallies: Tallies,
    /// The audit trail.
    pub audit: Audit,
}

/// The operator's rules for all calls of a process.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// The parts of the function's executions that one key and one connection may hold.
    pub shares: Shares,
    /// The time for which the items that decide about a call are believed after they were read.
    pub trust: Duration,
}

/// Makes calls of Azure DevOps.
pub struct Calls {
    stores: Arc<Stores>,
    items: Arc<Items>,
    known_integrations: KnownIntegrations,
    refresher: Refresher,
    devops: DevopsClient,
    clock: Arc<dyn Clock>,
    random: Random,
    shares: Shares,
    retry_budget: RetryBudget,
}

impl Calls {
    /// Makes the part of a deployment that calls Azure DevOps, with the tokens of `refresher`.
    pub fn of(deployment: &Deployment, refresher: Refresher) -> Self {
        let stores = Stores {
            connections: deployment.connections(),
            integrations: deployment.integrations(),
            api_keys: deployment.api_keys(),
            call_items: deployment.call_items(),
            limits: deployment.limits(),
            tallies: deployment.tallies(),
            audit: deployment.audit.clone(),
        };
        let clock = Arc::clone(&deployment.clock);
        let config = &deployment.config;
        let rules = Rules {
            shares: Shares::of(config.executions, config.response_mode),
            trust: config.trust.into(),
        };
        let (devops, random) = (deployment.devops(), deployment.random.clone());
        Self::new(stores, refresher, devops, clock, random, rules)
    }

    /// Makes calls with these stores and clients.
    pub fn new(
        stores: Stores,
        refresher: Refresher,
        devops: DevopsClient,
        clock: Arc<dyn Clock>,
        random: Random,
        rules: Rules,
    ) -> Self {
        let (reader, integrations) = (stores.call_items.clone(), stores.integrations.clone());
        Self {
            items: Arc::new(Items::new(reader, integrations, rules.trust, Arc::clone(&clock))),
            known_integrations: Remembered::new(Arc::clone(&clock), me::KNOWN_FOR),
            retry_budget: RetryBudget::new(clock.now()),
            shares: rules.shares,
            stores: Arc::new(stores),
            refresher,
            devops,
            clock,
            random,
        }
    }

    /// Finds the connection and the address that a caller names, and counts the call: in the hourly tally each target
    /// is one call.
    ///
    /// # Errors
    /// A [`Problem`] if the caller may not know of the connection, if the connection cannot be used, or if it may not
    /// call this address or this method.
    pub async fn target(
        &self,
        admitted: Admitted,
        destination: &Destination<'_>,
        log: &RequestLog,
    ) -> Result<Target, Problem> {
        self.stores.tallies.count(Counter::Calls, 1);
        let target = self.find(admitted, destination, log).await;
        if let Err(problem) = &target {
            self.stores.tallies.write().await;
            self.count_failure(problem.code().status()).await;
        }
        target
    }

    /// Calls a target. Returns the answer of Azure DevOps, whatever its status.
    ///
    /// # Errors
    /// A [`Problem`] for everything that Azure DevOps does not answer itself: the integration's policy and limits, a
    /// token that cannot be had or is rejected, and an answer that is late, broken or too large.
    pub async fn send(
        &self,
        target: &Target,
        call: &Call,
        log: &RequestLog,
    ) -> Result<Upstream, Problem> {
        // The counts are written while Azure DevOps works, so that few callers wait for it.
        // Boxed, because it is large with everything that it awaits.
        let sent = Box::pin(self.send_under_rules(target, call, log));
        let (sent, ()) = tokio::join!(sent, self.stores.tallies.write());
        note_renewals(&self.refresher, log);
        let status = match &sent {
            Ok(upstream) => upstream.status,
            Err(problem) => problem.code().status(),
        };
        self.count_failure(status).await;
        sent.map_err(|problem| {
            connection::with_reconnect_url(problem, &target.connection, &target.integration)
        })
    }

    async fn send_under_rules(
        &self,
        target: &Target,
        call: &Call,
        log: &RequestLog,
    ) -> Result<Upstream, Problem> {
        // What the operator allows under this integration, before a token is touched.
        let permission = target.permission(&call.headers, &call.body)?;
        permission.record(target, &self.stores.audit).await;
        // The pace that Azure DevOps asks for: a short wait happens below, a long one is left to the caller.
        let wait = pace::wait(&target.connection, &call.deadlines, &*self.clock)?;
        // The operator's limits and the default ones. The call holds its places under them until the answer's body has left.
        let is_streamed = call.reading == Reading::AsItComes;
        let (counted, others) = self.shares.of_call(target, is_streamed, self.clock.now());
        let places = self.take_places(target, &call.deadlines, &counted).await?;
        // The permission is watched until the answer's body has left. A call that becomes long takes its places meanwhile.
        let mut withdrawn = watch::either(
            self.watch(target),
            self.take_places_once_long(others, target, call.deadlines, &places),
        );
        // Token, call and verdict; with a renewed token once more if Azure DevOps rejects this one.
        let sending = async {
            // A sleep of no time lasts until the clock's next tick.
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
            self.send_judged(target, call, log).await
        };
        let sent = tokio::select! {
            biased;
            sent = sending => sent,
            problem = &mut withdrawn => Err(watch::of_ended(problem, &target.method)),
        };
        match sent {
            Ok(upstream) => {
                // When Azure DevOps may be called next, and that the connection is in use.
                self.note(&target.connection, &upstream.headers).await;
                Ok(upstream.holding(places, withdrawn).await)
            }
            Err(problem) => {
                places.release().await;
                Err(problem)
            }
        }
    }

    fn watch(&self, target: &Target) -> Withdrawn {
        let keys = CallKeys {
            api_key: target.api_key.as_ref().map(|key| key.id.clone()),
            integration: Some(target.integration.id.clone()),
            connection: Some(target.connection.id.clone()),
        };
        watch::watch(self.stores.call_items.clone(), keys, Arc::clone(&self.clock))
    }

    async fn note(&self, connection: &Connection, headers: &HeaderMap) {
        let now = self.clock.now();
        let connections = &self.stores.connections;
        if let Some(call_after) = pace::call_after(headers, now) {
            if let Err(error) = connections.record_call_after(connection, call_after).await {
                tracing::warn!(connection = %connection.id, "a limit could not be recorded: {error}");
            }
            self.distrust(&connection.id).await;
        }
        match connections.record_use(connection, now, &mut self.random.clone()).await {
            Ok(false) => {}
            Ok(true) => self.distrust(&connection.id).await,
            Err(error) => {
                tracing::warn!(connection = %connection.id, "the use could not be recorded: {error}");
            }
        }
    }

    /// Ends the trust in a connection that this process has changed: the next call reads it.
    pub async fn distrust(&self, connection: &ConnectionId) {
        self.items.forget_connection(connection).await;
    }

    async fn count_failure(&self, status: StatusCode) {
        if status.is_server_error() {
            self.stores.tallies.count(Counter::CallsFailed, 1);
            self.stores.tallies.write_failures().await;
        }
    }
}

/// Adds the requests to Entra and the renewals since the last call of this to the metrics of a request.
pub fn note_renewals(refresher: &Refresher, log: &RequestLog) {
    let metered = refresher.take_metered();
    for (name, value) in [
        ("TokenRequests", metered.token_requests),
        ("TokensRenewed", metered.renewals),
        ("TokensUnsaved", metered.unsaved_tokens),
    ] {
        if value > 0 {
            log.metric(name, Unit::Count, value);
        }
    }
}
