//! The items that count, one per subject, in the table `sessions`, whose TTL sweeps those of the past.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use jiff::{SignedDuration, Timestamp};
use rand::RngCore;
use serde::Deserialize;

use super::{Exceeded, Limit, Standing, Subject};
use crate::Error;
use crate::table::{from_item, n, read, s, sent, updated};

const WHAT: &str = "limit";
/// Each try follows a change by somebody else, who got through.
const TRIES: u32 = 8;
/// How much longer than its content an item is kept.
const KEPT_FOR: SignedDuration = SignedDuration::from_hours(1);

/// What has been used of limits.
#[derive(Debug, Clone)]
pub struct LimitLedger {
    client: Client,
    table: String,
}

/// What became of a wish to call.
#[derive(Debug)]
pub enum Taken {
    /// The call may go on; the place is to be given back.
    Place(Place, Standing),
    /// It may not, now.
    Exceeded(Exceeded, Standing),
}

/// A call that counts.
#[derive(Debug, Clone)]
pub struct Place {
    key: String,
    /// Its name among the calls under way, if their number is limited.
    name: Option<String>,
    /// What it took from the bucket, in microseconds.
    cost: i64,
}

/// An item.
#[derive(Debug, Default, Deserialize)]
pub(super) struct State {
    /// When the bucket is full again, in microseconds since 1970.
    pub(super) full_at: i64,
    /// The calls under way, with the time by which each must have ended, in milliseconds since 1970.
    under_way: BTreeMap<String, i64>,
}

impl State {
    pub(super) fn busy(&self, now: Timestamp) -> u32 {
        let busy = self.under_way.values().filter(|until| **until > now.as_millisecond()).count();
        u32::try_from(busy).unwrap_or(u32::MAX)
    }

    fn overdue(&self, now: Timestamp) -> Vec<(&String, i64)> {
        let overdue = self.under_way.iter().filter(|(_, until)| **until <= now.as_millisecond());
        overdue.map(|(name, until)| (name, *until)).collect()
    }
}

/// What an item is believed to be like.
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

    /// Takes a place for a call that ends before `until`.
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
        let standing = |state: &State| Standing::new(subject.clone(), limit, state, now);
        let place = Place {
            key: subject.key(),
            name: limit.concurrent.map(|_| format!("{:016x}", rng.next_u64())),
            cost: limit.rate.map_or(0, super::Rate::cost),
        };
        let mut believed = if limit.rate.is_some() { Believed::InUse } else { Believed::Full };
        for _ in 0..TRIES {
            let state = match self.count(&place, limit, believed, until, now).await? {
                Ok(written) => return Ok(Taken::Place(place, standing(&written))),
                Err(None) => {
                    believed = Believed::Absent;
                    continue;
                }
                Err(Some(state)) => state,
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

    /// The call is over.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is; the place is then free when the call's time is over.
    pub async fn give_back(&self, place: &Place) -> Result<(), Error> {
        let Some(name) = &place.name else { return Ok(()) };
        let update = self
            .update(&place.key)
            .update_expression("REMOVE under_way.#name")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_names("#name", name);
        sent(update.send().await).map(drop)
    }

    /// The call did not take place at all.
    ///
    /// # Errors
    /// As [`Self::give_back`].
    pub async fn undo(&self, place: &Place) -> Result<(), Error> {
        let update = self
            .update(&place.key)
            .update_expression("SET full_at = full_at - :cost")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":cost", n(place.cost));
        sent(update.send().await)?;
        self.give_back(place).await
    }

    /// How it stands, without taking anything.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is; [`Error::Corrupt`] for an unreadable item.
    pub async fn look(
        &self,
        subject: &Subject,
        limit: Limit,
        now: Timestamp,
    ) -> Result<Standing, Error> {
        let state = read(&self.client, &self.table, subject.key(), WHAT).await?.unwrap_or_default();
        Ok(Standing::new(subject.clone(), limit, &state, now))
    }

    fn update(&self, key: &str) -> UpdateItemFluentBuilder {
        self.client.update_item().table_name(&self.table).key("pk", s(key))
    }

    /// One try: what was written, or the item that stood in the way.
    async fn count(
        &self,
        place: &Place,
        limit: Limit,
        believed: Believed,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Result<State, Option<State>>, Error> {
        let mut wish = Wish::new(until.max(now) + KEPT_FOR);
        wish.rate(place, limit, believed, now.as_microsecond());
        wish.concurrency(place, limit, believed, until.as_millisecond());
        let update = wish.apply(self.update(&place.key)).return_values(ReturnValue::AllNew);
        let state = |item| from_item::<State>(WHAT, item);
        Ok(match updated(update).await? {
            Ok(written) => Ok(state(written)?),
            Err(refused) => Err(refused.map(state).transpose()?),
        })
    }

    /// Frees the places of calls that must have ended, unless they changed meanwhile.
    async fn clear(&self, key: &str, overdue: &[(&String, i64)]) -> Result<(), Error> {
        for (name, until) in overdue {
            let update = self
                .update(key)
                .update_expression("REMOVE under_way.#name")
                .condition_expression("under_way.#name = :until")
                .expression_attribute_names("#name", *name)
                .expression_attribute_values(":until", n(until));
            sent(update.send().await)?;
        }
        Ok(())
    }
}

/// The update of one try.
struct Wish {
    set: Vec<&'static str>,
    conditions: Vec<&'static str>,
    values: Vec<(&'static str, AttributeValue)>,
    name: Option<String>,
}

impl Wish {
    fn new(expires_at: Timestamp) -> Self {
        Self {
            set: vec!["expires_at = :expires_at"],
            conditions: Vec::new(),
            values: vec![(":expires_at", n(expires_at.as_second()))],
            name: None,
        }
    }

    fn value(&mut self, name: &'static str, value: AttributeValue) {
        self.values.push((name, value));
    }

    fn rate(&mut self, place: &Place, limit: Limit, believed: Believed, now: i64) {
        if believed == Believed::Absent {
            self.conditions.push("attribute_not_exists(pk)");
        }
        match (limit.rate, believed) {
            (Some(rate), Believed::InUse) => {
                self.set.push("full_at = full_at + :cost");
                self.conditions.push("full_at >= :now AND full_at <= :latest");
                self.value(":cost", n(place.cost));
                self.value(":now", n(now));
                self.value(":latest", n(now + rate.capacity() - place.cost));
            }
            (Some(_), Believed::Full) => {
                self.set.push("full_at = :full_at");
                self.conditions.push("full_at < :now");
                self.value(":full_at", n(now + place.cost));
                self.value(":now", n(now));
            }
            (_, Believed::Absent) => {
                self.set.push("full_at = :full_at");
                self.value(":full_at", n(if limit.rate.is_some() { now + place.cost } else { 0 }));
            }
            (None, _) => self.conditions.push("attribute_exists(pk)"),
        }
    }

    fn concurrency(&mut self, place: &Place, limit: Limit, believed: Believed, until: i64) {
        let own = place.name.iter().map(|name| (name.clone(), n(until)));
        if believed == Believed::Absent {
            self.set.push("under_way = :under_way");
            self.value(":under_way", AttributeValue::M(own.collect()));
        } else if let (Some(name), Some(most)) = (&place.name, limit.concurrent) {
            self.set.push("under_way.#name = :until");
            self.conditions.push("size(under_way) < :most");
            self.value(":until", n(until));
            self.value(":most", n(most));
            self.name = Some(name.clone());
        }
    }

    fn apply(self, update: UpdateItemFluentBuilder) -> UpdateItemFluentBuilder {
        let mut update = update
            .update_expression(format!("SET {}", self.set.join(", ")))
            .condition_expression(self.conditions.join(" AND "));
        for (name, value) in self.values {
            update = update.expression_attribute_values(name, value);
        }
        match self.name {
            Some(name) => update.expression_attribute_names("#name", name),
            None => update,
        }
    }
}
