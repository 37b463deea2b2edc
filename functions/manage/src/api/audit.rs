//! `/audit`: the audit trail, one JSON object a line.

use std::str::FromStr;

use edge::parameters::Query;
use edge::respond;
use jiff::Timestamp;
use url::form_urlencoded::Serializer;
use vault::audit::{Order, Span};

use super::{Call, limit};
use crate::HttpResult;
use crate::operations::audit::AuditFilter;

/// Entries of a page if the caller names no `limit`.
const PAGE: u16 = 200;
pub(super) const LARGEST_PAGE: u16 = 1000;
const PARAMETERS: [&str; 6] = ["since", "until", "connection", "key", "limit", CURSOR];
const CURSOR: &str = "cursor";

pub(super) async fn read(call: &Call<'_>) -> HttpResult {
    let query = Query::of(call.request)?;
    query.only(&PARAMETERS)?;
    let time = |name| query.parsed::<Time>(name).map(|time| time.map(|Time(time)| time));
    let span = Span { since: time("since")?, until: time("until")? };
    let (connection, key) = (query.parsed("connection")?, query.parsed("key")?);
    let filter = AuditFilter { connection, key, span, order: Order::OldestFirst };
    let limit = limit(&query, PAGE, LARGEST_PAGE)?;
    let page = call.operations.audit.page(&filter, query.get(CURSOR), limit).await?;
    let next = page.next.map(|cursor| call.operations.audit.address(&next_query(&query, &cursor)));
    respond::json_lines(&page.entries, next.as_ref())
}

/// Returns the query of the next page.
fn next_query(query: &Query, cursor: &str) -> String {
    let kept = PARAMETERS.into_iter().filter(|name| *name != CURSOR);
    let kept = kept.filter_map(|name| Some((name, query.get(name)?)));
    Serializer::new(String::new()).extend_pairs(kept).append_pair(CURSOR, cursor).finish()
}

/// A time in a query.
struct Time(Timestamp);

impl FromStr for Time {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self).map_err(|_| "a time of RFC 3339, such as 2026-11-30T00:00:00Z")
    }
}
