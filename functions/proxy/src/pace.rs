//! How fast calls may come: what Azure DevOps asks for, and what the operator has set.

use std::time::Duration;

use devops::rate_limit::RateLimit;
use edge::problem::{Code, Problem};
use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;
use vault::connections::Connection;
use vault::limits::{Exceeded, Limit, LimitLedger, Place, Standing, Subject, Taken};

use crate::Proxy;
use crate::deadlines::Deadlines;
use crate::target::Target;

/// The longest wait that is kept to. Azure DevOps' limits look back five minutes.
const LONGEST_WAIT: Duration = Duration::from_mins(5);
/// The longest wait that is waited here rather than by the caller.
const LONGEST_PAUSE: Duration = Duration::from_secs(20);

/// "`RateLimit` header fields for HTTP" (draft-ietf-httpapi-ratelimit-headers).
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The places that a call holds, until it gives them back.
pub(crate) struct Places {
    limits: LimitLedger,
    taken: Vec<Place>,
    standings: Vec<Standing>,
}

impl Places {
    /// The call is over.
    pub(crate) async fn give_back(&self) {
        for place in &self.taken {
            if let Err(error) = self.limits.give_back(place).await {
                tracing::warn!("a place could not be given back, it is free later: {error}");
            }
        }
    }

    /// Says how it stands with the limits, if there are any.
    pub(crate) fn describe(&self, headers: &mut HeaderMap) {
        for (name, value) in rate_limit_headers(&self.standings) {
            headers.insert(name, value);
        }
    }
}

impl Proxy {
    /// Waits until Azure DevOps may be called for this user, if that is soon.
    pub(crate) async fn wait_for_devops(
        &self,
        connection: &Connection,
        deadlines: &Deadlines,
    ) -> Result<(), Problem> {
        let Some(call_after) = connection.call_after else { return Ok(()) };
        let wait = call_after.duration_since(self.clock.now());
        let wait = Duration::try_from(wait).unwrap_or_default().min(LONGEST_WAIT);
        if wait > LONGEST_PAUSE || !deadlines.leave_room_after(wait) {
            return Err(Problem::new(Code::DevopsThrottled).retry_after(wait));
        }
        tokio::time::sleep(wait).await;
        Ok(())
    }

    /// Remembers when Azure DevOps wants to be called next, which it says on success, too.
    pub(crate) async fn heed(&self, connection: &Connection, headers: &HeaderMap) {
        let Some(wait) = RateLimit::from_headers(headers).retry_after else { return };
        // Times are kept in whole seconds; one is added so that it is never too early.
        let wait = SignedDuration::try_from(wait.min(LONGEST_WAIT)).unwrap_or_default();
        if wait.is_zero() {
            return;
        }
        let call_after = self.clock.now() + wait + SignedDuration::from_millis(999);
        if let Err(error) = self.connections.record_call_after(connection, call_after).await {
            tracing::warn!(connection = %connection.id, "a limit could not be noted: {error}");
        }
    }

    /// Takes a place under each of the operator's limits, or none.
    pub(crate) async fn take_places(
        &self,
        target: &Target,
        deadlines: &Deadlines,
    ) -> Result<Places, Problem> {
        let now = self.clock.now();
        let left = deadlines.end().saturating_duration_since(Instant::now());
        let until = now + SignedDuration::try_from(left).unwrap_or_default();
        let mut held =
            Places { limits: self.limits.clone(), taken: Vec::new(), standings: Vec::new() };
        for (subject, limit) in limits_of(target) {
            let rng = &mut self.random.clone();
            match self.limits.take(&subject, limit, until, now, rng).await? {
                Taken::Place(place, standing) => {
                    held.taken.push(place);
                    held.standings.push(standing);
                }
                Taken::Exceeded(exceeded, standing) => {
                    for place in &held.taken {
                        self.limits.undo(place).await?;
                    }
                    return Err(refused(exceeded, &standing));
                }
            }
        }
        Ok(held)
    }

    /// How it stands with each of the operator's limits.
    pub(crate) async fn standings(
        &self,
        target: &Target,
        now: Timestamp,
    ) -> Result<Vec<Standing>, Problem> {
        let mut standings = Vec::new();
        for (subject, limit) in limits_of(target) {
            standings.push(self.limits.look(&subject, limit, now).await?);
        }
        Ok(standings)
    }
}

fn limits_of(target: &Target) -> impl Iterator<Item = (Subject, Limit)> {
    let limits = &target.integration.settings.proxy_limits;
    let connection = || Subject::Connection(target.connection.id.clone());
    let integration = || Subject::Integration(target.integration.id.clone());
    let of_connection = limits.connection.map(|limit| (connection(), limit));
    let of_integration = limits.integration.map(|limit| (integration(), limit));
    of_connection.into_iter().chain(of_integration)
}

fn refused(exceeded: Exceeded, standing: &Standing) -> Problem {
    let whose = standing.subject.kind();
    let (code, retry_after) = match exceeded {
        Exceeded::Rate { retry_after } => (Code::RateLimited, retry_after),
        Exceeded::Concurrency => (Code::ConcurrencyLimited, Duration::from_secs(1)),
    };
    let problem = Problem::new(code)
        .detail(format!("It is the limit of this {whose}."))
        .retry_after(retry_after);
    rate_limit_headers(std::slice::from_ref(standing))
        .into_iter()
        .fold(problem, |problem, (name, value)| problem.header(name, value))
}

/// `RateLimit-Policy: "connection";q=100;w=60` and `RateLimit: "connection";r=99;t=1`; calls at a time count in
/// their own unit.
fn rate_limit_headers(standings: &[Standing]) -> Vec<(HeaderName, HeaderValue)> {
    let (mut policies, mut left) = (Vec::new(), Vec::new());
    for standing in standings {
        let kind = standing.subject.kind();
        if let (Some(rate), Some(remaining)) = (standing.limit.rate, standing.remaining) {
            policies.push(format!("\"{kind}\";q={};w={}", rate.requests, rate.per_seconds));
            let seconds = standing.full_in.as_millis().div_ceil(1000);
            left.push(format!("\"{kind}\";r={remaining};t={seconds}"));
        }
        if let (Some(most), Some(busy)) = (standing.limit.concurrent, standing.busy) {
            let name = format!("\"{kind}-concurrency\"");
            policies.push(format!("{name};q={most};qu=\"concurrent-requests\""));
            left.push(format!("{name};r={}", most.get().saturating_sub(busy)));
        }
    }
    let headers = [(RATE_LIMIT_POLICY, policies), (RATE_LIMIT, left)];
    let filled = headers.into_iter().filter(|(_, items)| !items.is_empty());
    filled
        .filter_map(|(name, items)| Some((name, HeaderValue::from_str(&items.join(", ")).ok()?)))
        .collect()
}
