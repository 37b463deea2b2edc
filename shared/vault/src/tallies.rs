//! Hourly counts of calls, renewals and failures, for the portal's charts. They are approximate: each process writes its
//! counts at most every ten seconds, so the last counts of a process that ends are lost. (Alarms use CloudWatch metrics
//! instead.)
//!
//! One item a day in the table `sessions`: `tally#2026-11-28`, with an attribute `16_calls` for each hour and counter.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use ground::clock::Clock;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::Error;
use crate::table::{Item, Write, n, s};

/// The least time between two writes of a process.
const WRITTEN_EVERY: Duration = Duration::from_secs(10);
/// Failures are written sooner, because in an outage there may be no further call.
const FAILURES_WRITTEN_EVERY: Duration = Duration::from_secs(1);
/// A write may take this long; otherwise its counts are dropped.
const PATIENCE: Duration = Duration::from_millis(250);
/// The lifetime of a day's item.
const KEPT_FOR: SignedDuration = SignedDuration::from_hours(24 * 9);

/// A counted quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Counter {
    /// Calls of the proxy.
    Calls,
    /// Calls that ended with a 5xx from Azure DevOps or from us.
    CallsFailed,
    /// Tokens that the schedule renewed.
    Renewed,
    /// Renewals for which Entra was not available.
    Unavailable,
    /// Renewals that Entra throttled.
    Throttled,
    /// Renewals that Entra refused and that are tried again.
    Refused,
    /// Renewals that failed because Entra rejects the client credential.
    CredentialRejected,
    /// Renewals that failed because a tenant refuses the app.
    TenantRefused,
    /// Renewals that failed because Entra does not take our request.
    Misconfigured,
    /// Connections whose user must sign in again.
    ReauthorizationRequired,
    /// Renewals that failed on our own side.
    OwnFailures,
}

impl Counter {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Calls,
        Self::CallsFailed,
        Self::Renewed,
        Self::Unavailable,
        Self::Throttled,
        Self::Refused,
        Self::CredentialRejected,
        Self::TenantRefused,
        Self::Misconfigured,
        Self::ReauthorizationRequired,
        Self::OwnFailures,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Calls => "calls",
            Self::CallsFailed => "calls_failed",
            Self::Renewed => "renewed",
            Self::Unavailable => "unavailable",
            Self::Throttled => "throttled",
            Self::Refused => "refused",
            Self::CredentialRejected => "credential_rejected",
            Self::TenantRefused => "tenant_refused",
            Self::Misconfigured => "misconfigured",
            Self::ReauthorizationRequired => "reauthorization_required",
            Self::OwnFailures => "own_failures",
        }
    }
}

/// The counts of one hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hour {
    /// When it began.
    pub begins: Timestamp,
    counts: BTreeMap<Counter, u64>,
}

impl Hour {
    /// The value of a counter.
    pub fn count(&self, counter: Counter) -> u64 {
        self.counts.get(&counter).copied().unwrap_or_default()
    }
}

/// The counts of this process, and the written ones of all processes.
#[derive(Clone)]
pub struct Tallies {
    client: Client,
    table: String,
    clock: Arc<dyn Clock>,
    counted: Arc<Mutex<Counted>>,
}

/// By the beginning of the hour.
type Counts = BTreeMap<(Timestamp, Counter), u64>;

#[derive(Debug, Default)]
struct Counted {
    waiting: Counts,
    written_at: Option<Timestamp>,
    failures_written_at: Option<Timestamp>,
}

impl Tallies {
    /// Counts in the given table.
    pub fn new(client: Client, table: String, clock: Arc<dyn Clock>) -> Self {
        Self { client, table, clock, counted: Arc::default() }
    }

    /// Adds to a counter in memory.
    pub fn count(&self, counter: Counter, number: u64) {
        if number > 0 {
            let hour = hour_of(self.clock.now());
            let mut unwritten = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
            *unwritten.waiting.entry((hour, counter)).or_default() += number;
        }
    }

    /// Writes the counts, unless that was done in the last ten seconds. Takes at most a quarter of a second; counts that
    /// DynamoDB refuses are written the next time.
    pub async fn write(&self) {
        let now = self.clock.now();
        self.write_if(|counted| is_due(&mut counted.written_at, WRITTEN_EVERY, now)).await;
    }

    /// The same after a failure, with a pause of one second.
    pub async fn write_failures(&self) {
        let now = self.clock.now();
        let pause = FAILURES_WRITTEN_EVERY;
        self.write_if(|counted| is_due(&mut counted.failures_written_at, pause, now)).await;
    }

    async fn write_if(&self, is_due: impl FnOnce(&mut Counted) -> bool) {
        let waiting = {
            let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
            if counted.waiting.is_empty() || !is_due(&mut counted) {
                return;
            }
            std::mem::take(&mut counted.waiting)
        };
        let mut days: BTreeMap<String, Counts> = BTreeMap::new();
        for ((hour, counter), number) in waiting {
            days.entry(key(hour)).or_default().insert((hour, counter), number);
        }
        for (day, counts) in days {
            match tokio::time::timeout(PATIENCE, self.add(&day, &counts)).await {
                Ok(Ok(())) => {}
                // They may be written all the same, and must not be counted twice.
                Err(_) => tracing::warn!("counts could not be written in time"),
                Ok(Err(error)) => {
                    tracing::warn!("counts could not be written: {error}");
                    let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
                    for (what, number) in counts {
                        *counted.waiting.entry(what).or_default() += number;
                    }
                }
            }
        }
    }

    async fn add(&self, day: &str, counts: &Counts) -> Result<(), Error> {
        let mut update = Write::update(&self.table, day);
        let mut end = self.clock.now();
        for ((hour, counter), number) in counts {
            update = update.add(&attribute(*hour, *counter), n(number));
            end = *hour;
        }
        let update = update.set("expires_at", n((end + KEPT_FOR).as_second()));
        update.attempt(&self.client).await.map(drop)
    }

    /// The last `number` hours, the oldest first; the last one is the current hour.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is.
    pub async fn last_hours(&self, number: u8) -> Result<Vec<Hour>, Error> {
        let last = hour_of(self.clock.now());
        let mut hours = Vec::with_capacity(number.into());
        let (mut day, mut item) = (String::new(), Item::new());
        for back in (0..i64::from(number)).rev() {
            let begins = last - SignedDuration::from_hours(back);
            if day != key(begins) {
                day = key(begins);
                item = self.day(&day).await?;
            }
            let counts = Counter::ALL.into_iter().filter_map(|counter| {
                let number = item.get(&attribute(begins, counter))?.as_n().ok()?.parse().ok()?;
                Some((counter, number))
            });
            hours.push(Hour { begins, counts: counts.collect() });
        }
        Ok(hours)
    }

    async fn day(&self, key: &str) -> Result<Item, Error> {
        let answer = self.client.get_item().table_name(&self.table).key("pk", s(key)).send().await;
        let answer = answer.map_err(|e| Error::sdk("dynamodb", "GetItem", &e))?;
        Ok(answer.item.unwrap_or_default())
    }
}

/// Whether `last` is at least `pause` ago; if so, sets it to `now`.
fn is_due(last: &mut Option<Timestamp>, pause: Duration, now: Timestamp) -> bool {
    let is_due = last.is_none_or(|last| now.duration_since(last).unsigned_abs() >= pause);
    if is_due {
        *last = Some(now);
    }
    is_due
}

fn hour_of(time: Timestamp) -> Timestamp {
    // The hour of a valid time begins at a valid time.
    Timestamp::from_second(time.as_second().div_euclid(3600) * 3600).unwrap_or(time)
}

fn key(hour: Timestamp) -> String {
    format!("tally#{}", hour.to_zoned(TimeZone::UTC).date())
}

fn attribute(hour: Timestamp, counter: Counter) -> String {
    format!("{:02}_{}", hour.to_zoned(TimeZone::UTC).hour(), counter.as_str())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_hour_is_an_attribute_of_its_day() {
        let hour = hour_of("2026-11-28T16:59:59.9Z".parse().unwrap());
        assert_eq!(hour.to_string(), "2026-11-28T16:00:00Z");
        assert_eq!(key(hour), "tally#2026-11-28");
        assert_eq!(attribute(hour, Counter::CallsFailed), "16_calls_failed");
    }

    #[test]
    fn every_counter_has_a_name_of_its_own() {
        let names: std::collections::HashSet<_> =
            Counter::ALL.iter().map(|counter| counter.as_str()).collect();
        assert_eq!(names.len(), Counter::ALL.len());
    }
}
