//! The audit trail: the search, and the table of entries.

use askama::Template;
use edge::parameters::Query;
use edge::problem::Problem;
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use vault::audit::{Entry, Order, Span};
use vault::ids::ConnectionId;

use super::form;
use super::frame::{Frame, Section, shown};
use super::shown::When;
use super::visit::Visit;
use crate::HttpResult;
use crate::operations::audit::AuditFilter;

/// Rows of a page.
const PAGE: u16 = 25;
/// Rows on the page of a connection.
const LATEST: u16 = 10;

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage {
    frame: Frame,
    filter: Filter,
    rows: Vec<Row>,
    is_first: bool,
    next: Option<String>,
}

/// An entry in a table.
pub(super) struct Row {
    pub(super) when: When,
    pub(super) what: String,
    pub(super) detail: String,
    pub(super) who: String,
    pub(super) role: String,
    /// Address and text of each thing that it happened to.
    pub(super) on: Vec<(String, String)>,
    pub(super) source: String,
    pub(super) request_id: String,
}

impl Row {
    fn of(entry: Entry, now: Timestamp) -> Self {
        let detail = entry.detail.iter().map(|(name, value)| format!("{name}: {value}"));
        let on = [
            (entry.on.connection, "/portal/connections/"),
            (entry.on.integration, "/portal/integrations/"),
            (entry.on.key, "/portal/audit?key="),
        ];
        Self {
            when: When::new(entry.time, now),
            what: entry.what.replace('_', " "),
            detail: detail.collect::<Vec<_>>().join(", "),
            who: entry.who.id,
            role: entry.who.role,
            on: on
                .into_iter()
                .filter_map(|(id, to)| id.map(|id| (format!("{to}{id}"), id)))
                .collect(),
            source: entry.from.source.unwrap_or_else(|| "–".to_owned()),
            request_id: entry.from.request_id.unwrap_or_default(),
        }
    }
}

/// The search, as text of the address.
struct Filter {
    connection: String,
    key: String,
    until: String,
}

impl Filter {
    fn of(query: &Query) -> Self {
        let text = |name: &str| query.get(name).unwrap_or_default().trim().to_owned();
        Self { connection: text("connection"), key: text("key"), until: text("until") }
    }

    fn parsed(&self) -> Result<AuditFilter, Problem> {
        let until = form::day(&self.until).map_err(|expected| Problem::field("until", expected))?;
        Ok(AuditFilter {
            connection: form::id("connection", &self.connection)?,
            key: form::id("key", &self.key)?,
            span: Span { since: None, until: until.map(|day| day + A_DAY) },
            order: Order::NewestFirst,
        })
    }

    /// Returns names and values of the fields that are set.
    fn fields(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let Self { connection, key, until } = self;
        form::filled_in([("connection", connection), ("key", key), ("until", until)])
    }

    fn is_set(&self) -> bool {
        self.fields().next().is_some()
    }

    /// Returns the address of the page that begins after `cursor`.
    fn address(&self, cursor: &str) -> String {
        form::page_after("/portal/audit", self.fields(), cursor)
    }
}

const A_DAY: SignedDuration = SignedDuration::from_hours(24);

/// Shows the entries that a search finds, the latest first.
pub(super) async fn page(visit: &Visit<'_>) -> HttpResult {
    let query = Query::of(visit.request)?;
    query.only(&["connection", "key", "until", "cursor", "notice"])?;
    let (filter, cursor) = (Filter::of(&query), query.get("cursor"));
    let found = visit.operations.audit.page(&filter.parsed()?, cursor, PAGE).await?;
    let now = visit.now();
    shown(
        StatusCode::OK,
        &AuditPage {
            frame: Frame::new(visit, Section::Audit, "Audit"),
            rows: found.entries.into_iter().map(|entry| Row::of(entry, now)).collect(),
            is_first: cursor.is_none(),
            next: found.next.map(|cursor| filter.address(&cursor)),
            filter,
        },
    )
}

/// Returns the latest entries about a connection.
pub(super) async fn latest(visit: &Visit<'_>, id: &ConnectionId) -> Result<Vec<Row>, Problem> {
    let filter = AuditFilter {
        connection: Some(id.clone()),
        key: None,
        span: Span::default(),
        order: Order::NewestFirst,
    };
    let found = visit.operations.audit.page(&filter, None, LATEST).await?;
    let now = visit.now();
    Ok(found.entries.into_iter().map(|entry| Row::of(entry, now)).collect())
}
