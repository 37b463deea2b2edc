//! Renews all connections that are due in one shard, until none is left or the time is up.
//!
//! ```text
//!   due index ──pages──> lanes (integration, tenant) ──┬─ window of the integration ─┐
//!                                                │     ├─ pace of the tenant ────────┼─> refresh protocol
//!                                                │     └─ places in all ─────────────┘   (at most N at once)
//!                                                └─ must wait, or integration gone ────> put off or deleted
//!                                                                                        (at most N more at once)
//! ```
//!
//! - The *window* of an integration is the number of its concurrent refreshes. It begins with one and doubles while
//!   Entra accepts the app's credential: a credential that expired overnight costs a few refusals, not hundreds, before
//!   the breaker (the integration's status in DynamoDB) stops them all.
//! - The *pace* of a tenant is found by additive increase and multiplicative decrease.
//! - A tenant that refuses the app (its breaker is in DynamoDB, too) is asked by one row at a time, and only when a try is
//!   due; its other rows are put off, at places of their own. It narrows no window and holds up no other tenant. The
//!   rows of a lost tenant, which Entra is not asked about, need neither a try nor a place in a window.
//!
//! A row that is not handled stays due or is put off; either way the index returns it later.

use std::collections::{HashMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use entra::identifiers::TenantId;
use futures_util::FutureExt as _;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::lanes::{Lanes, Next, Paces, Turn};
use super::tenants::{self, TenantTurn};
use super::{DueOutcome, Refresher};
use crate::Error;
use crate::connections::{Due, DueCursor};
use crate::ids::IntegrationId;
use crate::integrations::{Integration, PROBE_INTERVAL, RefusedTenant, RefusedTenants, Status};

/// Rows in one page of the due index.
const PAGE: i32 = 1000;
const PAGE_ROWS: usize = 1000;
/// The most rows in memory, about 10 MB; the others wait in the index.
const MOST_WAITING: usize = 20_000;
/// How long an integration's status is cached: a pause or an open breaker takes effect within this time.
const STATUS_KNOWN_FOR: Duration = Duration::from_secs(3);
/// After this many failures of our own in a row a worker stops, instead of failing on every due connection.
const MOST_OWN_FAILURES: u32 = 20;
/// How long a connection is put off that cannot be handled at all, such as an unreadable one.
const UNUSABLE_FOR: SignedDuration = SignedDuration::from_hours(1);

/// The limits of one worker.
#[derive(Debug, Clone, Copy)]
pub struct DrainLimits {
    /// Connections renewed at the same time. As many others are put off meanwhile.
    pub concurrency: usize,
    /// Token requests per second for each Entra tenant.
    pub rate: f64,
}

/// Drains shards.
pub struct Drain {
    refresher: Refresher,
    limits: DrainLimits,
    paces: Mutex<Paces>,
}

/// The result of draining a shard.
#[derive(Debug, Default)]
pub struct Drained {
    /// Whether nothing was left.
    pub finished: bool,
    /// The number of connections for each outcome.
    pub tally: Tally,
    /// How long each one had been due when its turn came, in seconds.
    pub overdue: Vec<u32>,
    /// Why it stopped early: our own side kept failing. What was not handled stays due.
    pub failure: Option<Error>,
}

/// Outcomes, counted.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is explained at `DueOutcome`")]
pub struct Tally {
    pub renewed: u64,
    pub erased: u64,
    pub nothing: u64,
    pub put_off: u64,
    pub unavailable: u64,
    pub throttled: u64,
    pub refused: u64,
    pub credential_rejected: u64,
    pub tenant_refused: u64,
    pub misconfigured: u64,
    pub reauthorization_required: u64,
    /// Our own side failed.
    pub failed: u64,
}

impl Tally {
    fn count(&mut self, outcome: DueOutcome) {
        *match outcome {
            DueOutcome::Renewed => &mut self.renewed,
            DueOutcome::Erased => &mut self.erased,
            DueOutcome::Nothing => &mut self.nothing,
            DueOutcome::PutOff => &mut self.put_off,
            DueOutcome::Unavailable => &mut self.unavailable,
            DueOutcome::Throttled => &mut self.throttled,
            DueOutcome::Refused => &mut self.refused,
            DueOutcome::CredentialRejected => &mut self.credential_rejected,
            DueOutcome::TenantRefused => &mut self.tenant_refused,
            DueOutcome::Misconfigured => &mut self.misconfigured,
            DueOutcome::ReauthorizationRequired => &mut self.reauthorization_required,
        } += 1;
    }
}

impl Drain {
    /// A worker with these limits.
    pub fn new(refresher: Refresher, limits: DrainLimits) -> Self {
        Self { refresher, limits, paces: Mutex::default() }
    }

    /// Handles the connections that are due in a shard; begins nothing new after `deadline`.
    pub async fn shard(&self, shard: u32, deadline: Instant) -> Drained {
        let mut run = Run {
            drain: self,
            shard,
            due_before: self.refresher.parts.clock.now(),
            lanes: Lanes::default(),
            known: HashMap::new(),
            position: Position::Beginning,
            drained: Drained::default(),
            places: Places::default(),
            own_failures: 0,
        };
        run.run(deadline).await;
        run.drained
    }
}

enum Position {
    Beginning,
    At(DueCursor),
    End,
}

/// An integration as it was read.
enum Found {
    Readable(Arc<Integration>),
    /// There is none: it was deleted.
    Nothing,
    /// Its item is one of a newer release, or damaged.
    Unreadable,
}

struct Known {
    fresh_until: Instant,
    integration: Found,
    /// The tenants that refuse its app.
    refused: Arc<RefusedTenants>,
    /// The refusing tenants in which a try is under way.
    tried: HashSet<TenantId>,
    /// How many of its connections may be refreshed at the same time.
    window: usize,
    /// How many of them are.
    under_way: usize,
    /// Renewals in a row for which Entra was unavailable.
    unavailable: usize,
    /// When a rejected credential may be tried again.
    probe_at: Timestamp,
}

impl Known {
    /// Until when a tenant of a usable integration waits, if it does. Entra is not asked about it.
    fn tenant_waits_until(&self, tenant: &TenantId, now: Timestamp) -> Option<Timestamp> {
        match tenants::turn(&self.refused, tenant, now) {
            TenantTurn::NotBefore(time) => Some(time),
            TenantTurn::Probe(_) if self.tried.contains(tenant) => Some(now),
            TenantTurn::Ask | TenantTurn::Probe(_) | TenantTurn::Lost(_) => None,
        }
    }

    fn is_lost(&self, tenant: &TenantId) -> bool {
        self.refused.get(tenant).is_some_and(RefusedTenant::is_lost)
    }

    /// Whether the next row of a tenant needs a request to Entra.
    fn asks_entra(&self, tenant: &TenantId, now: Timestamp) -> bool {
        let Found::Readable(found) = &self.integration else { return false };
        let is_usable = match found.status {
            Status::Ready => true,
            Status::CredentialRejected => self.probe_at <= now,
            Status::Paused => false,
        };
        is_usable && !self.is_lost(tenant) && self.tenant_waits_until(tenant, now).is_none()
    }

    /// Takes the outcome of a renewal into account; `limit` is the widest window.
    fn renewed(&mut self, tenant: &TenantId, outcome: &Result<DueOutcome, Fault>, limit: usize) {
        self.under_way -= 1;
        self.tried.remove(tenant);
        let Ok(outcome) = outcome else { return };
        match outcome {
            DueOutcome::CredentialRejected => {
                self.window = 1;
                self.fresh_until = Instant::now();
            }
            // The entry is in DynamoDB by now. Other tenants are not affected, so the window stays.
            DueOutcome::TenantRefused => self.fresh_until = Instant::now(),
            DueOutcome::Unavailable => self.count_unavailable(),
            DueOutcome::Renewed
            | DueOutcome::Refused
            | DueOutcome::Throttled
            | DueOutcome::ReauthorizationRequired => {
                if matches!(outcome, DueOutcome::Renewed | DueOutcome::Refused) {
                    self.unavailable = 0;
                }
                self.accepted(tenant, limit);
            }
            _ => {}
        }
    }

    /// Narrows the window when Entra as a whole does not answer; a single tenant has its pace.
    fn count_unavailable(&mut self) {
        self.unavailable += 1;
        if self.unavailable >= self.window {
            self.window = (self.window / 2).max(1);
            self.unavailable = 0;
        }
    }

    /// Widens the window, because Entra accepts the app's credential.
    fn accepted(&mut self, tenant: &TenantId, limit: usize) {
        self.window = (self.window * 2).min(limit);
        let was_stopped =
            matches!(&self.integration, Found::Readable(one) if one.status != Status::Ready);
        // After a try, the tenant or the integration may be accepted again.
        if was_stopped || self.refused.get(tenant).is_some() {
            self.fresh_until = Instant::now();
        }
    }
}

enum Action {
    Renew(Arc<Integration>),
    /// Ends the grant of a connection in a lost tenant. Entra is not asked.
    GiveUp(Arc<Integration>),
    PutOff {
        until: Timestamp,
    },
    Delete,
}

impl Action {
    const fn is_renewal(&self) -> bool {
        matches!(self, Self::Renew(_))
    }
}

/// The rows under way.
#[derive(Default)]
struct Places {
    renewals: usize,
    others: usize,
}

impl Places {
    fn of(&mut self, is_renewal: bool) -> &mut usize {
        if is_renewal { &mut self.renewals } else { &mut self.others }
    }
}

struct Handled {
    row: Due,
    is_renewal: bool,
    outcome: Result<DueOutcome, Fault>,
}

enum Fault {
    /// An AWS service did not answer; the row stays due.
    Unavailable(Error),
    /// The connection cannot be handled at all; it was put aside.
    Unusable,
}

struct Run<'a> {
    drain: &'a Drain,
    shard: u32,
    due_before: Timestamp,
    lanes: Lanes,
    known: HashMap<IntegrationId, Known>,
    position: Position,
    drained: Drained,
    places: Places,
    /// In a row.
    own_failures: u32,
}

impl Run<'_> {
    async fn run(&mut self, deadline: Instant) {
        let drain = self.drain;
        let mut under_way = FuturesUnordered::new();
        loop {
            let mut wake_at = None;
            while self.may_begin(deadline) && self.has_place() {
                match self.next_action().await {
                    Ok(Begin::Row(row, action)) => {
                        under_way.push(handle(&drain.refresher, row, action));
                    }
                    Ok(Begin::At(time)) => {
                        wake_at = Some(time.unwrap_or(deadline).min(deadline));
                        break;
                    }
                    Err(error) => self.drained.failure = Some(error),
                }
            }
            let left = self.lanes.waiting > 0 || !matches!(self.position, Position::End);
            if under_way.is_empty() && (!left || !self.may_begin(deadline)) {
                self.drained.finished = !left;
                return;
            }
            let handled = match wake_at {
                Some(time) => tokio::time::timeout_at(time, under_way.next()).await,
                None => Ok(under_way.next().await),
            };
            match handled {
                Ok(Some(handled)) => self.note(&handled),
                // Nothing is under way, so there is nothing to wait for but time.
                Ok(None) => tokio::time::sleep_until(wake_at.unwrap_or(deadline)).await,
                Err(_) => {}
            }
        }
    }

    fn may_begin(&self, deadline: Instant) -> bool {
        self.drained.failure.is_none() && Instant::now() < deadline
    }

    fn has_place(&self) -> bool {
        self.places.renewals.min(self.places.others) < self.drain.limits.concurrency
    }

    /// The next row and what to do with it, or the time until which there is none.
    async fn next_action(&mut self) -> Result<Begin, Error> {
        loop {
            if self.lanes.waiting <= PAGE_ROWS / 2 {
                self.read_page().await?;
            }
            match self.next() {
                Next::Row(row) => {
                    if let Some(action) = self.action(&row).await? {
                        return Ok(Begin::Row(row, action));
                    }
                    self.lanes.push(row);
                }
                Next::Read(integration) => self.read_integration(&integration).await?,
                // The waiting rows are held back by their tenants or integrations; rows of others may follow.
                Next::Wait(_) if self.may_read_page() => self.read_page().await?,
                Next::Wait(time) => return Ok(Begin::At(time)),
            }
        }
    }

    fn next(&mut self) -> Next {
        let Self { lanes, known, drain, places, .. } = self;
        let limit = drain.limits.concurrency;
        let mut paces = drain.paces.lock().unwrap_or_else(PoisonError::into_inner);
        let (now, wall_clock) = (Instant::now(), drain.refresher.parts.clock.now());
        lanes.next(|integration, tenant| {
            let Some(known) = known.get(integration).filter(|known| now < known.fresh_until) else {
                return Turn::Unknown;
            };
            if !known.asks_entra(tenant, wall_clock) {
                return if places.others < limit { Turn::Now } else { Turn::Later };
            }
            if places.renewals >= limit || known.under_way >= known.window {
                return Turn::Later;
            }
            let pace = paces.of(tenant, drain.limits.rate);
            if pace.ready_at() > now {
                return Turn::At(pace.ready_at());
            }
            pace.take(now);
            Turn::Now
        })
    }

    /// What to do with a row whose turn it is, or `None` if its integration must be read first.
    async fn action(&mut self, row: &Due) -> Result<Option<Action>, Error> {
        let refresher = &self.drain.refresher;
        let Some(known) = self.known.get_mut(&row.integration) else { return Ok(None) };
        let now = refresher.parts.clock.now();
        let waits_until = known.tenant_waits_until(&row.tenant, now);
        let action = match &known.integration {
            Found::Nothing => Action::Delete,
            Found::Unreadable => Action::PutOff { until: now + UNUSABLE_FOR },
            Found::Readable(found)
                if found.status != Status::Paused && known.is_lost(&row.tenant) =>
            {
                Action::GiveUp(Arc::clone(found))
            }
            Found::Readable(found) => match (found.status, waits_until) {
                (Status::Ready, Some(until)) => Action::PutOff { until },
                (Status::Ready, None) => {
                    if known.refused.get(&row.tenant).is_some() {
                        known.tried.insert(row.tenant.clone());
                    }
                    Action::Renew(Arc::clone(found))
                }
                (Status::Paused, _) => Action::PutOff { until: now },
                // A tenant that waits must not use up the attempt with the credential.
                (Status::CredentialRejected, waits) if waits.is_some() || known.probe_at > now => {
                    Action::PutOff { until: now }
                }
                (Status::CredentialRejected, _) => {
                    known.probe_at = now + PROBE_INTERVAL;
                    if refresher.parts.integrations.claim_probe(&found.id, now).await? {
                        Action::Renew(Arc::clone(found))
                    } else {
                        Action::PutOff { until: now }
                    }
                }
            },
        };
        if action.is_renewal() {
            known.under_way += 1;
        }
        *self.places.of(action.is_renewal()) += 1;
        let age = now.duration_since(row.due_at).as_secs();
        self.drained.overdue.push(u32::try_from(age.max(0)).unwrap_or(u32::MAX));
        Ok(Some(action))
    }

    fn may_read_page(&self) -> bool {
        let room = self.lanes.waiting + PAGE_ROWS <= MOST_WAITING;
        room && !matches!(self.position, Position::End)
    }

    async fn read_page(&mut self) -> Result<(), Error> {
        let from = match &self.position {
            Position::Beginning => None,
            Position::At(cursor) => Some(cursor),
            Position::End => return Ok(()),
        };
        let connections = &self.drain.refresher.parts.connections;
        let page = connections.due_in_shard(self.shard, self.due_before, from, PAGE).await?;
        for row in page.rows {
            self.lanes.push(row);
        }
        self.position = page.next.map_or(Position::End, Position::At);
        Ok(())
    }

    async fn read_integration(&mut self, id: &IntegrationId) -> Result<(), Error> {
        let refresher = &self.drain.refresher;
        let integration = match refresher.parts.integrations.get(id).await {
            Ok(Some(found)) => Found::Readable(Arc::new(found)),
            Ok(None) => Found::Nothing,
            Err(error @ Error::Corrupt { .. }) => {
                tracing::error!(integration = %id, "the integration's connections are put off: {error}");
                Found::Unreadable
            }
            Err(error) => return Err(error),
        };
        // Not from the cache of the refreshes: one of those under way may hold its lock, and they rest meanwhile.
        let refused = match &integration {
            Found::Readable(found) => refresher.parts.integrations.refused_tenants(found).await?,
            Found::Nothing | Found::Unreadable => RefusedTenants::default(),
        };
        let probed_at = match &integration {
            Found::Readable(found) => found.probed_at,
            Found::Nothing | Found::Unreadable => None,
        };
        let now = refresher.parts.clock.now();
        let known = self.known.entry(id.clone()).or_insert_with(|| Known {
            fresh_until: Instant::now(),
            integration: Found::Nothing,
            refused: Arc::default(),
            tried: HashSet::new(),
            window: 1,
            under_way: 0,
            unavailable: 0,
            probe_at: now,
        });
        known.refused = Arc::new(refused);
        known.fresh_until = Instant::now() + STATUS_KNOWN_FOR;
        known.probe_at = probed_at.map_or(now, |at| at + PROBE_INTERVAL);
        known.integration = integration;
        Ok(())
    }

    fn note(&mut self, handled: &Handled) {
        let (row, limit) = (&handled.row, self.drain.limits.concurrency);
        *self.places.of(handled.is_renewal) -= 1;
        if handled.is_renewal
            && let Some(known) = self.known.get_mut(&row.integration)
        {
            known.renewed(&row.tenant, &handled.outcome, limit);
        }
        self.note_pace(&row.tenant, &handled.outcome);
        match &handled.outcome {
            Ok(outcome) => {
                self.own_failures = 0;
                self.drained.tally.count(*outcome);
            }
            Err(fault) => {
                self.drained.tally.failed += 1;
                if let Fault::Unavailable(error) = fault {
                    self.own_failures += 1;
                    if self.own_failures >= MOST_OWN_FAILURES {
                        self.drained.failure.get_or_insert_with(|| error.clone());
                    }
                }
            }
        }
    }

    fn note_pace(&self, tenant: &TenantId, outcome: &Result<DueOutcome, Fault>) {
        let mut paces = self.drain.paces.lock().unwrap_or_else(PoisonError::into_inner);
        let pace = paces.of(tenant, self.drain.limits.rate);
        match outcome {
            Ok(DueOutcome::Throttled | DueOutcome::Unavailable) => pace.throttled(Instant::now()),
            Ok(DueOutcome::Renewed) => pace.answered(),
            _ => {}
        }
    }
}

enum Begin {
    Row(Due, Action),
    At(Option<Instant>),
}

async fn handle(refresher: &Refresher, row: Due, action: Action) -> Handled {
    let is_renewal = action.is_renewal();
    let handling = async {
        match &action {
            Action::Renew(integration) | Action::GiveUp(integration) => {
                refresher.handle_due(&row, integration).await
            }
            Action::PutOff { until } => refresher.put_off(&row, *until).await,
            Action::Delete => refresher.delete_orphan(&row.connection).await,
        }
    };
    let failure = match AssertUnwindSafe(handling).catch_unwind().await {
        Ok(Ok(outcome)) => return Handled { row, is_renewal, outcome: Ok(outcome) },
        Ok(Err(error @ (Error::Unavailable { .. } | Error::Contended { .. }))) => {
            tracing::error!(connection = %row.connection, "a due connection could not be handled: {error}");
            return Handled { row, is_renewal, outcome: Err(Fault::Unavailable(error)) };
        }
        Ok(Err(error)) => error.to_string(),
        Err(_panic) => "its handling panicked".to_owned(),
    };
    tracing::error!(connection = %row.connection, "a due connection is put aside: {failure}");
    put_aside(refresher, &row).await;
    Handled { row, is_renewal, outcome: Err(Fault::Unusable) }
}

/// Puts a connection off for an hour, so that it does not stay at the head of its shard for ever.
async fn put_aside(refresher: &Refresher, row: &Due) {
    let until = refresher.parts.clock.now() + UNUSABLE_FOR;
    if let Err(error) = refresher.parts.connections.postpone(row, until).await {
        tracing::error!(connection = %row.connection, "the due connection could not be put aside: {error}");
    }
}
