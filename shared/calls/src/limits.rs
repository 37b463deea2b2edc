//! The places that calls take under limits: the operator's, per connection and per integration, and the default ones.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use edge::problem::{Code, Problem};
use futures_util::future::{join_all, pending};
use http::{HeaderName, HeaderValue};
use jiff::Timestamp;
use tokio::runtime::Handle;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};
use vault::limits::{Exceeded, Limit, LimitLedger, Place, Standing, Subject, Taken};

use crate::Calls;
use crate::deadlines::Deadlines;
use crate::shares::Share;
use crate::target::Target;
use crate::watch::Withdrawn;

/// "`RateLimit` header fields for HTTP" (draft-ietf-httpapi-ratelimit-headers).
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The places that a call holds under the limits until its answer has left.
#[derive(Clone)]
pub(crate) struct Places {
    limits: LimitLedger,
    /// Shared by clones, because a long call takes one when it is under way.
    taken: Arc<Mutex<Vec<Place>>>,
    /// Locked while places are being taken, so that they are released afterwards and none is left behind.
    taking: Arc<AsyncMutex<()>>,
    pub(crate) standings: Vec<Standing>,
}

impl Calls {
    /// Takes a place under each limit, or none: under the operator's limits, and under these shares.
    ///
    /// # Errors
    /// [`Code::RateLimited`] or [`Code::ConcurrencyLimited`] if a limit is reached.
    pub(crate) async fn take_places(
        &self,
        target: &Target,
        deadlines: &Deadlines,
        shares: &[Share],
    ) -> Result<Places, Problem> {
        let limits = self.stores.limits.clone();
        let (taken, taking) = (Arc::default(), Arc::default());
        let mut held = Places { limits, taken, taking, standings: Vec::new() };
        let until = self.clock.now() + deadlines.time_left();
        if let Err(problem) = self.take_each_place(&mut held, target, until, shares).await {
            held.release().await;
            return Err(problem);
        }
        Ok(held)
    }

    async fn take_each_place(
        &self,
        held: &mut Places,
        target: &Target,
        until: Timestamp,
        shares: &[Share],
    ) -> Result<(), Problem> {
        for share in shares {
            // Without its standing: headers describe the operator's limits only.
            let taken = self.take_place(held, &share.subject, share.limit, until).await?;
            if matches!(taken, Taken::Exceeded(..)) {
                share.count_calls(&self.stores, &self.items, self.clock.now()).await;
                return Err(share.exceeded());
            }
        }
        for (subject, limit) in limits_of(target) {
            match self.take_place(held, &subject, limit, until).await? {
                Taken::Place(_, standing) => held.standings.push(standing),
                Taken::Exceeded(exceeded, standing) => return Err(refused(exceeded, &standing)),
            }
        }
        Ok(())
    }

    /// Takes one more place, which is then held. If there is none, gives back those that are held.
    async fn take_place(
        &self,
        held: &Places,
        subject: &Subject,
        limit: Limit,
        until: Timestamp,
    ) -> Result<Taken, Problem> {
        let (now, rng) = (self.clock.now(), &mut self.random.clone());
        let taken = held.limits.take(subject, limit, until, now, rng).await?;
        match &taken {
            Taken::Place(place, _) => held.add(place.clone()),
            Taken::Exceeded(..) => {
                for place in held.take() {
                    held.limits.undo(&place).await?;
                }
            }
        }
        Ok(taken)
    }

    /// Takes places for a call under these shares once it is long. Resolves if the call must end because one has none left.
    pub(crate) fn take_places_once_long(
        &self,
        shares: Vec<Share>,
        target: &Target,
        deadlines: Deadlines,
        places: &Places,
    ) -> Withdrawn {
        if shares.is_empty() {
            return Box::pin(pending());
        }
        let (places, long) = (places.clone(), self.shares.long());
        let (stores, items) = (Arc::clone(&self.stores), Arc::clone(&self.items));
        let is_read = target.method.is_safe();
        let (clock, mut random) = (Arc::clone(&self.clock), self.random.clone());
        Box::pin(async move {
            tokio::time::sleep(long).await;
            let taking = places.taking().await;
            // A task of its own, because a call that ends meanwhile must not leave a place behind.
            let exceeded = tokio::spawn(async move {
                let _taking = taking;
                let now = clock.now();
                let until = now + deadlines.time_left();
                for share in shares {
                    match stores
                        .limits
                        .take(&share.subject, share.limit, until, now, &mut random)
                        .await
                    {
                        Ok(Taken::Place(place, _)) => places.add(place),
                        Ok(Taken::Exceeded(..)) => {
                            share.count_calls(&stores, &items, now).await;
                            return Some(share);
                        }
                        // An outage of DynamoDB ends no call under way.
                        Err(_) => {}
                    }
                }
                None
            });
            match exceeded.await {
                Ok(Some(share)) if is_read => share.exceeded(),
                _ => pending().await,
            }
        })
    }

    /// Returns the state of each of the operator's limits that a call of this target would meet.
    ///
    /// # Errors
    /// [`Code::ServiceUnavailable`] if DynamoDB does not answer.
    pub async fn standings(&self, target: &Target) -> Result<Vec<Standing>, Problem> {
        let mut standings = Vec::new();
        for (subject, limit) in limits_of(target) {
            standings.push(self.stores.limits.standing(&subject, limit, self.clock.now()).await?);
        }
        Ok(standings)
    }
}

impl Places {
    fn add(&self, place: Place) {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).push(place);
    }

    fn take(&self) -> Vec<Place> {
        std::mem::take(&mut *self.taken.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Begins to take places while the call is under way.
    async fn taking(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.taking).lock_owned().await
    }

    pub(crate) async fn release(&self) {
        let _not_taking = self.taking.lock().await;
        join_all(self.take().iter().map(async |place| {
            if let Err(error) = self.limits.release(place).await {
                tracing::warn!("a place could not be released, it expires later: {error}");
            }
        }))
        .await;
    }
}

/// Places that are also released if nobody asks for the rest of the answer. Otherwise they would be taken until the call's
/// last deadline.
pub(crate) struct HeldPlaces(pub(crate) Option<Places>);

impl HeldPlaces {
    pub(crate) async fn release(mut self) {
        if let Some(places) = self.0.take() {
            places.release().await;
        }
    }
}

impl Drop for HeldPlaces {
    fn drop(&mut self) {
        if let (Some(places), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            runtime.spawn(async move { places.release().await });
        }
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
pub(crate) fn rate_limit_headers(standings: &[Standing]) -> Vec<(HeaderName, HeaderValue)> {
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

#[cfg(test)]
mod tests {
    use vault::limits::Rate;

    use super::*;

    fn standing() -> Standing {
        let rate = Rate { requests: 100.try_into().unwrap(), per_seconds: 60.try_into().unwrap() };
        Standing {
            subject: Subject::Integration("azure-devops".parse().unwrap()),
            limit: Limit { rate: Some(rate), concurrent: Some(5.try_into().unwrap()) },
            remaining: Some(99),
            full_in: Duration::from_millis(600),
            busy: Some(2),
        }
    }

    #[test]
    fn headers_describe_rate_and_concurrency_apart() {
        let headers = rate_limit_headers(&[standing()]);
        let text = |wanted: HeaderName| {
            let header = headers.iter().find(|(name, _)| *name == wanted).unwrap();
            header.1.to_str().unwrap().to_owned()
        };
        assert_eq!(
            text(RATE_LIMIT_POLICY),
            r#""integration";q=100;w=60, "integration-concurrency";q=5;qu="concurrent-requests""#
        );
        assert_eq!(text(RATE_LIMIT), r#""integration";r=99;t=1, "integration-concurrency";r=3"#);
        assert_eq!(rate_limit_headers(&[]), []);
    }

    #[test]
    fn a_refusal_names_the_limit_and_the_time_to_wait() {
        let rate = Exceeded::Rate { retry_after: Duration::from_secs(7) };
        assert_eq!(refused(rate, &standing()).code(), Code::RateLimited);
        let concurrency = refused(Exceeded::Concurrency, &standing());
        assert_eq!(concurrency.code(), Code::ConcurrencyLimited);
    }
}
