//! Connections: the table of all, the page of one, and the forms that pause, resume and disconnect it.

use askama::Template;
use edge::parameters::Query;
use edge::problem::Problem;
use http::StatusCode;
use jiff::Timestamp;
use vault::connections::{Connection, Status};

use super::audit;
use super::form::{self, Refusal, status_with};
use super::frame::{Frame, Notice, Question, Section, ask, go_on, shown};
use super::shown::{self as words, Tag, When};
use super::visit::Visit;
use crate::HttpResult;
use crate::operations::connections::{List, ListFilter, ListedUser};
use crate::operations::from_word;

/// Rows of a page.
const PAGE: i32 = 25;

#[derive(Template)]
#[template(path = "connections.html")]
struct ConnectionsPage {
    frame: Frame,
    filter: Filter,
    integrations: Vec<String>,
    rows: Vec<Row>,
    is_first: bool,
    next: Option<String>,
}

/// The filter, as text of the address.
struct Filter {
    integration: String,
    user: String,
    status: String,
}

/// A connection in the table.
struct Row {
    connection: Connection,
    organization: String,
    status: Tag,
    expires: Option<When>,
    last_used: Option<When>,
    last_error: Option<String>,
}

impl Row {
    fn of(connection: Connection, now: Timestamp) -> Self {
        let organization = connection.organization.as_ref().map(ToString::to_string);
        Self {
            organization: organization.unwrap_or_else(|| "as the integration".to_owned()),
            status: words::connection_state(&connection),
            expires: When::of(connection.token_expires_at, now),
            last_used: When::of(connection.last_used_at, now),
            last_error: words::last_error(&connection),
            connection,
        }
    }

    fn name(&self) -> &str {
        self.connection.account.name.as_deref().unwrap_or_default()
    }

    fn username(&self) -> &str {
        self.connection.account.username.as_deref().unwrap_or_default()
    }
}

#[derive(Template)]
#[template(path = "connection.html")]
struct ConnectionPage {
    frame: Frame,
    row: Row,
    plans: Vec<(When, &'static str)>,
    history: Vec<(When, String)>,
    audit: Vec<audit::Row>,
    refusal: Option<Refusal>,
}

impl ConnectionPage {
    fn is_paused(&self) -> bool {
        self.row.connection.paused_at.is_some()
    }

    fn is_usable(&self) -> bool {
        self.row.connection.status == Status::Active && !self.is_paused()
    }
}

/// Shows the table.
pub(super) async fn list(visit: &Visit<'_>) -> HttpResult {
    let query = Query::of(visit.request)?;
    query.only(&["integration", "user", "status", "cursor", "notice"])?;
    let filter = Filter::of(&query);
    let cursor = query.get("cursor");
    let (connections, caller) = (&visit.operations.connections, &visit.operator.caller);
    let parsed = filter.parsed()?.after(List::Portal, caller, cursor)?;
    let found = connections.list(caller, &parsed).await?;
    let now = visit.now();
    let integrations = visit.operations.integrations.list().await?;
    shown(
        StatusCode::OK,
        &ConnectionsPage {
            frame: Frame::new(visit, Section::Connections, "Connections"),
            integrations: integrations.iter().map(|one| one.id.to_string()).collect(),
            rows: found.connections.into_iter().map(|one| Row::of(one, now)).collect(),
            is_first: cursor.is_none(),
            next: found
                .next
                .map(|cursor| filter.address(&parsed.encode(List::Portal, caller, &cursor))),
            filter,
        },
    )
}

/// Shows the connection with this id.
pub(super) async fn page(visit: &Visit<'_>, id: &str) -> HttpResult {
    let connection = visit.connection(id).await?;
    show(visit, connection, None).await
}

/// Shows a connection, with the refusal of a form on its page.
pub(super) async fn show(
    visit: &Visit<'_>,
    connection: Connection,
    refusal: Option<Refusal>,
) -> HttpResult {
    let history = visit.operations.connections.history(&connection).await?;
    let audit = audit::latest(visit, &connection.id).await?;
    let now = visit.now();
    shown(
        status_with(refusal.as_ref()),
        &ConnectionPage {
            frame: Frame::new(visit, Section::Connections, connection.user.as_str()),
            plans: plans(&connection, now),
            history: history
                .iter()
                .map(|entry| (When::new(entry.at, now), words::happening(&entry.what)))
                .collect(),
            audit,
            row: Row::of(connection, now),
            refusal,
        },
    )
}

/// Pauses a connection.
pub(super) async fn pause(visit: &Visit<'_>, id: &str) -> HttpResult {
    let (connections, caller) = (&visit.operations.connections, &visit.operator.caller);
    let id = connections.pause(caller, id, visit.log).await?.id;
    go_on(&format!("/portal/connections/{id}"), Notice::ConnectionPaused)
}

/// Lets a paused connection go on.
pub(super) async fn resume(visit: &Visit<'_>, id: &str) -> HttpResult {
    let (connections, caller) = (&visit.operations.connections, &visit.operator.caller);
    let id = connections.resume(caller, id, visit.log).await?.id;
    go_on(&format!("/portal/connections/{id}"), Notice::ConnectionResumed)
}

/// Asks whether an operator is certain that a connection is to be deleted.
pub(super) async fn disconnect_page(visit: &Visit<'_>, id: &str) -> HttpResult {
    let connection = visit.connection(id).await?;
    let question = Question {
        title: format!("Disconnect {}", connection.user),
        consequence: "The tokens and the history of this connection are erased at once. The user can connect again.",
        action: format!("/portal/connections/{}/disconnect", connection.id),
        button: "Disconnect",
        back: format!("/portal/connections/{}", connection.id),
        is_unfinished: false,
    };
    ask(visit, Section::Connections, &question)
}

/// Deletes a connection.
pub(super) async fn disconnect(visit: &Visit<'_>, id: &str) -> HttpResult {
    let id = visit.connection(id).await?.id;
    visit.operations.connections.delete(&id, visit.log).await?;
    go_on("/portal/connections", Notice::Disconnected)
}

impl Filter {
    fn of(query: &Query) -> Self {
        let text = |name: &str| query.get(name).unwrap_or_default().trim().to_owned();
        Self { integration: text("integration"), user: text("user"), status: text("status") }
    }

    fn parsed(&self) -> Result<ListFilter, Problem> {
        Ok(ListFilter {
            integration: form::id("integration", &self.integration)?,
            user: match self.user.as_str() {
                "" => ListedUser::Any,
                prefix => ListedUser::StartingWith(prefix.to_owned()),
            },
            status: from_word(&self.status),
            cursor: None,
            limit: PAGE,
        })
    }

    /// Returns names and values of the fields that are set.
    fn fields(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let Self { integration, user, status } = self;
        form::filled_in([("integration", integration), ("user", user), ("status", status)])
    }

    fn is_set(&self) -> bool {
        self.fields().next().is_some()
    }

    /// Returns the address of the page that begins after `cursor`.
    fn address(&self, cursor: &str) -> String {
        form::page_after("/portal/connections", self.fields(), cursor)
    }
}

/// Returns the scheduled events of a connection, the next one first.
fn plans(connection: &Connection, now: Timestamp) -> Vec<(When, &'static str)> {
    let unconfirmed_until = connection.pending.as_ref().map(|pending| pending.expires_at);
    let mut plans: Vec<(Timestamp, &'static str)> = [
        (connection.due_at, "The schedule looks at it."),
        (connection.retry_at, "Its renewal is tried again."),
        (connection.token_expires_at, "Its access token expires."),
        (unconfirmed_until, "A sign-in that nobody confirms is erased."),
    ]
    .into_iter()
    .filter_map(|(time, text)| Some((time.filter(|time| *time > now)?, text)))
    .collect();
    plans.sort_by_key(|(time, _)| *time);
    plans.into_iter().map(|(time, text)| (When::new(time, now), text)).collect()
}
