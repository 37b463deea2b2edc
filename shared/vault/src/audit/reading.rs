//! Reading the trail, page by page.

use futures_util::future::try_join_all;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use serde::{Deserialize, Serialize};

use super::entry::{Entry, SHARDS, of_connection, of_day, of_key, position};
use super::{Audit, WHAT};
use crate::Error;
use crate::ids::{ApiKeyId, ConnectionId};
use crate::table::{from_item, s};

/// Days that are read for one page. A page that they do not fill ends early.
const MOST_DAYS: usize = 31;
/// How far the clock of another process may be ahead.
const SKEW: SignedDuration = SignedDuration::from_mins(1);

/// A part of the trail.
#[derive(Debug, Clone, Copy)]
pub enum Trail<'a> {
    /// All of it.
    Whole,
    /// The entries about a connection.
    OfConnection(&'a ConnectionId),
    /// The entries about an API key, and those of its bearer.
    OfKey(&'a ApiKeyId),
}

/// A period that includes `since` and excludes `until`. An absent end is that of the kept entries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Span {
    /// The first moment.
    pub since: Option<Timestamp>,
    /// The first moment after it.
    pub until: Option<Timestamp>,
}

/// The order of entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// For exports.
    OldestFirst,
    /// For people.
    NewestFirst,
}

/// The end of a page, between two entries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Position(String);

/// One page.
#[derive(Debug)]
pub struct Page {
    /// The entries.
    pub entries: Vec<Entry>,
    /// The end of this page, if there may be another.
    pub next: Option<Position>,
}

/// The positions left to read: those between `low` and `high`, both excluded.
struct Range {
    low: String,
    high: String,
}

impl Audit {
    /// Returns at most `limit` entries, at most a thousand, of a part of the trail after a position.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if DynamoDB is; [`Error::Corrupt`] for an unreadable item.
    pub async fn read(
        &self,
        trail: Trail<'_>,
        span: Span,
        order: Order,
        after: Option<&Position>,
        limit: u16,
    ) -> Result<Page, Error> {
        let now = self.clock.now();
        // DynamoDB deletes expired items late.
        let first = now - self.kept_for;
        let since = span.since.map_or(first, |since| since.max(first));
        let until = span.until.map_or(now + SKEW, |until| until.min(now + SKEW));
        let mut range = Range { low: position(since, ""), high: position(until, "") };
        match (order, after) {
            (Order::OldestFirst, Some(Position(after))) => {
                range.low = after.max(&range.low).clone();
            }
            (Order::NewestFirst, Some(Position(after))) => {
                range.high = after.min(&range.high).clone();
            }
            (_, None) => {}
        }
        let partition = match trail {
            Trail::Whole => return self.read_days(range, order, limit).await,
            Trail::OfConnection(id) => of_connection(id.as_str()),
            Trail::OfKey(id) => of_key(id.as_str()),
        };
        self.read_partitions(vec![partition], &range, order, limit).await
    }

    async fn read_days(&self, range: Range, order: Order, limit: u16) -> Result<Page, Error> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut days = days(&range, order);
        for day in days.by_ref().take(MOST_DAYS) {
            let room = limit - u16::try_from(entries.len()).unwrap_or(limit);
            let name = day.to_string();
            let shards = (0..SHARDS).map(|shard| of_day(&name, shard)).collect();
            let page = self.read_partitions(shards, &range, order, room).await?;
            entries.extend(page.entries);
            if page.next.is_some() {
                return Ok(Page { entries, next: page.next });
            }
        }
        // The rest begins with this day, or ends with it.
        let edge = days.next().and_then(|day| match order {
            Order::OldestFirst => Some(day),
            Order::NewestFirst => day.tomorrow().ok(),
        });
        let edge = edge.and_then(|day| day.to_zoned(TimeZone::UTC).ok());
        Ok(Page { entries, next: edge.map(|edge| Position(position(edge.timestamp(), ""))) })
    }

    /// Reads partitions side by side, and merges them.
    async fn read_partitions(
        &self,
        partitions: Vec<String>,
        range: &Range,
        order: Order,
        limit: u16,
    ) -> Result<Page, Error> {
        let pages = partitions.iter().map(|pk| self.query(pk, range, order, limit));
        let mut entries: Vec<Entry> = try_join_all(pages).await?.into_iter().flatten().collect();
        entries.sort_by_cached_key(Entry::position);
        if order == Order::NewestFirst {
            entries.reverse();
        }
        let is_cut = entries.len() > usize::from(limit);
        entries.truncate(limit.into());
        let end = || match (entries.last(), order) {
            (Some(last), _) => last.position(),
            // A limit of 0 leaves no entry to end with.
            (None, Order::OldestFirst) => range.low.clone(),
            (None, Order::NewestFirst) => range.high.clone(),
        };
        let next = is_cut.then(|| Position(end()));
        Ok(Page { entries, next })
    }

    /// Returns one entry more than `limit`, if there are so many.
    async fn query(
        &self,
        pk: &str,
        range: &Range,
        order: Order,
        limit: u16,
    ) -> Result<Vec<Entry>, Error> {
        if range.low >= range.high {
            return Ok(Vec::new());
        }
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("pk = :pk AND sk BETWEEN :low AND :high")
            .expression_attribute_values(":pk", s(pk))
            .expression_attribute_values(":low", s(&range.low))
            .expression_attribute_values(":high", s(&range.high))
            .scan_index_forward(order == Order::OldestFirst)
            // The ends are included, and may be entries.
            .limit(i32::from(limit) + 3)
            .send()
            .await
            .map_err(|e| Error::sdk("dynamodb", "Query", &e))?;
        let entries = answer.items.unwrap_or_default().into_iter();
        let entries: Vec<Entry> =
            entries.map(|item| from_item(WHAT, item)).collect::<Result<_, _>>()?;
        let is_within = |entry: &Entry| {
            let position = entry.position();
            position > range.low && position < range.high
        };
        Ok(entries.into_iter().filter(is_within).collect())
    }
}

/// The days of a range, in the order of reading.
fn days(range: &Range, order: Order) -> impl Iterator<Item = Date> + use<> {
    let ends = day_of(&range.low).zip(day_of(&range.high));
    ends.into_iter().flat_map(move |(first, last)| {
        let series = match order {
            Order::OldestFirst => first.series(1.day()),
            Order::NewestFirst => last.series(-1.day()),
        };
        series.take_while(move |day| (first..=last).contains(day))
    })
}

/// The day of a position.
fn day_of(position: &str) -> Option<Date> {
    position.get(..10)?.parse().ok()
}
