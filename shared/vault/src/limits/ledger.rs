//! The items that count calls, one for each subject, in the table `sessions`, whose TTL deletes unused ones.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::{SignedDuration, Timestamp};
use rand::RngCore;
use serde::Deserialize;

use super::{Exceeded, Limit, Standing, Subject, microseconds};
use crate::Error;
use crate::table::{Condition, Updated, Write, from_item, n, read};

const WHAT: &str = "limit";
/// Attempts of one call. Each failed one means that another call got through.
const ATTEMPTS: u32 = 8;
/// How long an item outlives its last call.
const KEPT_FOR: SignedDuration = SignedDuration::from_hours(1);

/// The usage of all limits.
#[derive(Debug, Clone)]
pub struct LimitLedger {
    client: Client,
    table: String,
}

/// The result of asking for a place.
#[derive(Debug)]
pub enum Taken {
    /// The call may proceed; afterwards its place is to be given back.
    Place(Place, Standing),
    /// A limit is reached.
    Exceeded(Exceeded, Standing),
}

/// The place of one call within its limit.
#[derive(Debug, Clone)]
pub struct Place {
    key: String,
    /// Its name among the calls under way, if their number is limited.
    name: Option<String>,
    /// Its token's worth, in microseconds.
    cost: i64,
}

#[derive(Debug, Default, Deserialize)]
struct State {
    /// When the bucket is full again, in microseconds since 1970.
    full_at: i64,
    /// The calls under way, with the time by which each must have ended, in milliseconds since 1970.
    under_way: BTreeMap<String, i64>,
}

impl State {
    fn standing(&self, subject: &Subject, limit: Limit, now: Timestamp) -> Standing {
        let at = now.as_microsecond();
        Standing {
            subject: subject.clone(),
            limit,
            remaining: limit.rate.map(|rate| rate.remaining(self.full_at, at)),
            full_in: limit.rate.map_or(Duration::ZERO, |_| microseconds(self.full_at - at)),
            busy: limit.concurrent.map(|_| self.busy(now)),
        }
    }

    fn busy(&self, now: Timestamp) -> u32 {
        let busy = self.under_way.values().filter(|until| **until > now.as_millisecond()).count();
        u32::try_from(busy).unwrap_or(u32::MAX)
    }

    fn overdue(&self, now: Timestamp) -> Vec<(&String, i64)> {
        let overdue = self.under_way.iter().filter(|(_, until)| **until <= now.as_millisecond());
        overdue.map(|(name, until)| (name, *until)).collect()
    }
}

/// The presumed state of an item, which the update is conditional on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Believed {
    Absent,
    /// The bucket is not full.
    InUse,
    /// The bucket is full, or calls are not counted.
    Full,
}

impl LimitLedger {
    /// Limits, counted in the table of the given name.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Takes a place for a call that ends by `until`.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is; [`Error::Contended`] when the item keeps changing.
    pub async fn take(
        &self,
        subject: &Subject,
        limit: Limit,
        until: Timestamp,
        now: Timestamp,
        rng: &mut (impl RngCore + ?Sized),
    ) -> Result<Taken, Error> {
        let standing = |state: &State| state.standing(subject, limit, now);
        let place = Place {
            key: subject.key(),
            name: limit.concurrent.map(|_| format!("{:016x}", rng.next_u64())),
            cost: limit.rate.map_or(0, super::Rate::cost),
        };
        let mut believed = if limit.rate.is_some() { Believed::InUse } else { Believed::Full };
        for _ in 0..ATTEMPTS {
            let state: State = match self.count(&place, limit, believed, until, now).await? {
                Updated::Written(item) => {
                    return Ok(Taken::Place(place, standing(&from_item(WHAT, item)?)));
                }
                Updated::Refused(item) => from_item(WHAT, item)?,
                Updated::Absent => {
                    believed = Believed::Absent;
                    continue;
                }
            };
            self.clear(&place.key, &state.overdue(now)).await?;
            if limit.concurrent.is_some_and(|most| state.busy(now) >= most.get()) {
                return Ok(Taken::Exceeded(Exceeded::Concurrency, standing(&state)));
            }
            let at = now.as_microsecond();
            if let Some(rate) = limit.rate {
                let retry_after = rate.wait(state.full_at, at);
                if !retry_after.is_zero() {
                    return Ok(Taken::Exceeded(Exceeded::Rate { retry_after }, standing(&state)));
                }
            }
            let in_use = limit.rate.is_some() && state.full_at >= at;
            believed = if in_use { Believed::InUse } else { Believed::Full };
        }
        Err(Error::Contended { what: WHAT })
    }

    /// Gives the place of a finished call back.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is; the place then becomes free at the call's `until`.
    pub async fn release(&self, place: &Place) -> Result<(), Error> {
        let Some(name) = &place.name else { return Ok(()) };
        let update = Write::update(&self.table, &place.key)
            .when("pk", Condition::Exists)
            .remove(&format!("under_way.{name}"));
        update.attempt(&self.client).await.map(drop)
    }

    /// Gives everything back, because the call was not made.
    ///
    /// # Errors
    /// As [`Self::release`].
    pub async fn undo(&self, place: &Place) -> Result<(), Error> {
        let update = Write::update(&self.table, &place.key)
            .when("pk", Condition::Exists)
            .add("full_at", n(-place.cost));
        update.attempt(&self.client).await?;
        self.release(place).await
    }

    /// The state of a limit, without taking anything.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is; [`Error::Corrupt`] for an unreadable item.
    pub async fn standing(
        &self,
        subject: &Subject,
        limit: Limit,
        now: Timestamp,
    ) -> Result<Standing, Error> {
        let state: Option<State> = read(&self.client, &self.table, subject.key(), WHAT).await?;
        Ok(state.unwrap_or_default().standing(subject, limit, now))
    }

    /// Tries to count a call, if the item is as believed.
    async fn count(
        &self,
        place: &Place,
        limit: Limit,
        believed: Believed,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Updated, Error> {
        let update = Write::update(&self.table, &place.key)
            .set("expires_at", n((until.max(now) + KEPT_FOR).as_second()));
        let update = with_rate(update, place, limit, believed, now.as_microsecond());
        with_concurrency(update, place, limit, believed, until.as_millisecond())
            .send(&self.client)
            .await
    }

    /// Frees the places of calls that must have ended, unless they were changed.
    async fn clear(&self, key: &str, overdue: &[(&String, i64)]) -> Result<(), Error> {
        for (name, until) in overdue {
            let path = format!("under_way.{name}");
            let update =
                Write::update(&self.table, key).when(&path, Condition::Is(n(until))).remove(&path);
            update.attempt(&self.client).await?;
        }
        Ok(())
    }
}

/// Takes a token from the bucket, if there is one.
fn with_rate(update: Write, place: &Place, limit: Limit, believed: Believed, now: i64) -> Write {
    match (believed, limit.rate) {
        (Believed::InUse, Some(rate)) => update
            .when("full_at", Condition::AtLeast(n(now)))
            .when("full_at", Condition::AtMost(n(now + rate.capacity() - place.cost)))
            .add("full_at", n(place.cost)),
        (Believed::Full, Some(_)) => {
            update.when("full_at", Condition::Below(n(now))).set("full_at", n(now + place.cost))
        }
        (Believed::Absent, rate) => update
            .when("pk", Condition::Absent)
            .set("full_at", n(rate.map_or(0, |_| now + place.cost))),
        (_, None) => update.when("pk", Condition::Exists),
    }
}

/// Adds the call to those under way, if there is room.
fn with_concurrency(
    update: Write,
    place: &Place,
    limit: Limit,
    believed: Believed,
    until: i64,
) -> Write {
    if believed == Believed::Absent {
        let own = place.name.iter().map(|name| (name.clone(), n(until)));
        return update.set("under_way", AttributeValue::M(own.collect()));
    }
    match (&place.name, limit.concurrent) {
        (Some(name), Some(most)) => update
            .when("under_way", Condition::SizeBelow(n(most)))
            .set(&format!("under_way.{name}"), n(until)),
        _ => update,
    }
}
