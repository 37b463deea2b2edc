//! Connections: the table, one of them, disconnecting.

use askama::Template;
use edge::gateway::Body;
use edge::parameters::Query;
use edge::problem::Problem;
use http::{Response, StatusCode};
use jiff::Timestamp;
use url::form_urlencoded;
use vault::connections::{Connection, Cursor, Status};

use super::Visit;
use super::form;
use super::frame::{Frame, Notice, Question, Section, ask, go_on, shown};
use super::refusal::{Refusal, status_with};
use super::shown::{self as words, Tag, When};
use crate::Manage;
use crate::api::connections::{STATUSES, Wish, WishedUser};

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

/// What was asked for, as it stands in the address.
struct Filter {
    integration: String,
    user: String,
    status: String,
}

/// A connection in the table.
struct Row {
    id: String,
    integration: String,
    user: String,
    name: String,
    username: String,
    organization: String,
    status: Tag,
    expires: Option<When>,
    last_used: Option<When>,
    last_error: Option<String>,
}

impl Row {
    fn of(connection: &Connection, now: Timestamp) -> Self {
        Self {
            id: connection.id.to_string(),
            integration: connection.integration.to_string(),
            user: connection.user.to_string(),
            name: connection.account.name.clone().unwrap_or_default(),
            username: connection.account.username.clone().unwrap_or_default(),
            organization: connection
                .organization
                .as_ref()
                .map_or_else(|| "as the integration".to_owned(), ToString::to_string),
            status: words::connection_status(connection.status),
            expires: When::of(connection.token_expires_at, now),
            last_used: When::of(connection.last_used_at, now),
            last_error: words::last_error(connection),
        }
    }
}

#[derive(Template)]
#[template(path = "connection.html")]
struct ConnectionPage {
    frame: Frame,
    connection: Connection,
    row: Row,
    plans: Vec<(When, &'static str)>,
    history: Vec<(When, String)>,
    refusal: Option<Refusal>,
}

impl ConnectionPage {
    fn is_active(&self) -> bool {
        self.connection.status == Status::Active
    }
}

impl Manage {
    pub(super) async fn connections_page(
        &self,
        visit: &Visit<'_>,
    ) -> Result<Response<Body>, Problem> {
        let query = Query::of(visit.request)?;
        query.only(&["integration", "user", "status", "cursor", "notice"])?;
        let filter = Filter::of(&query);
        let wish = filter.wish(query.get("cursor"))?;
        let (found, next) = self.find_connections(&visit.operator.caller, &wish).await?;
        let now = self.clock.now();
        let integrations = self.integrations.list().await?;
        shown(
            StatusCode::OK,
            &ConnectionsPage {
                frame: Frame::new(visit, Section::Connections, "Connections"),
                integrations: integrations.iter().map(|one| one.id.to_string()).collect(),
                rows: found.iter().map(|connection| Row::of(connection, now)).collect(),
                is_first: wish.cursor.is_none(),
                next: next.map(|cursor| filter.address(&cursor)),
                filter,
            },
        )
    }

    pub(super) async fn connection_page(
        &self,
        visit: &Visit<'_>,
        id: &str,
    ) -> Result<Response<Body>, Problem> {
        let connection = self.connection_on(visit, id).await?;
        self.show_connection(visit, connection, None).await
    }

    pub(super) async fn show_connection(
        &self,
        visit: &Visit<'_>,
        connection: Connection,
        refusal: Option<Refusal>,
    ) -> Result<Response<Body>, Problem> {
        let now = self.clock.now();
        let history = self.connections.history(&connection).await?;
        let history = history
            .iter()
            .map(|entry| (When::new(entry.at, now), words::happening(&entry.what)))
            .collect();
        let status = status_with(refusal.as_ref());
        shown(
            status,
            &ConnectionPage {
                frame: Frame::new(visit, Section::Connections, connection.user.as_str()),
                row: Row::of(&connection, now),
                plans: plans(&connection, now),
                history,
                connection,
                refusal,
            },
        )
    }

    pub(super) async fn disconnect_page(
        &self,
        visit: &Visit<'_>,
        id: &str,
    ) -> Result<Response<Body>, Problem> {
        let connection = self.connection_on(visit, id).await?;
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

    pub(super) async fn disconnect(
        &self,
        visit: &Visit<'_>,
        id: &str,
    ) -> Result<Response<Body>, Problem> {
        let connection = self.connection_on(visit, id).await?;
        self.forget(&connection.id).await?;
        go_on("/portal/connections", Notice::Disconnected)
    }
}

impl Filter {
    fn of(query: &Query) -> Self {
        let text = |name: &str| query.get(name).unwrap_or_default().trim().to_owned();
        Self { integration: text("integration"), user: text("user"), status: text("status") }
    }

    fn wish(&self, cursor: Option<&str>) -> Result<Wish, Problem> {
        let cursor = cursor.map(Cursor::decode).transpose();
        Ok(Wish {
            integration: form::integration(&self.integration)?,
            user: match self.user.as_str() {
                "" => WishedUser::Any,
                prefix => WishedUser::StartingWith(prefix.to_owned()),
            },
            status: STATUSES.contains(&self.status.as_str()).then(|| self.status.clone()),
            cursor: cursor.map_err(|error| Problem::field("cursor", error.to_string()))?,
            limit: PAGE,
        })
    }

    /// What is set of it, with the names that the address has for it.
    fn fields(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let Self { integration, user, status } = self;
        let fields = [("integration", integration), ("user", user), ("status", status)];
        fields
            .map(|(name, value)| (name, value.as_str()))
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
    }

    fn is_set(&self) -> bool {
        self.fields().next().is_some()
    }

    /// The address of the page that begins after `cursor`.
    fn address(&self, cursor: &Cursor) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(self.fields());
        query.append_pair("cursor", &cursor.encode());
        format!("/portal/connections?{}", query.finish())
    }
}

/// What comes next for a connection, as far as the schedule knows, the soonest first.
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
