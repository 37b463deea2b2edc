//! `/connections`: list, read, delete.

use edge::caller::{Caller, Kind};
use edge::gateway::{Body, Request};
use edge::log::RequestLog;
use edge::parameters::Query;
use edge::problem::{Code, Problem};
use edge::respond;
use edge::wire::status_word;
use http::{Response, StatusCode};
use vault::connections::{Connection, Cursor, UserFilter};
use vault::events::{ConnectionDetail, Event};
use vault::ids::{ConnectionId, IntegrationId, UserId};

use crate::Manage;
use crate::api::wire::{ConnectionView, List, connection_id};

/// Entries of a page unless the caller says otherwise, and at most.
const PAGE: i32 = 50;
const LARGEST_PAGE: i32 = 200;
/// Entries that are looked at in one query where only some of them fit.
const LOOKED_AT: i32 = 100;
/// Queries for one page; where they did not fill it, the next page goes on.
const MOST_QUERIES: u32 = 50;
pub(crate) const STATUSES: [&str; 3] = ["pending", "active", "reauthorization_required"];

/// What a caller asked to be listed.
#[derive(Debug)]
pub(crate) struct Wish {
    pub(crate) integration: Option<IntegrationId>,
    pub(crate) user: WishedUser,
    pub(crate) status: Option<String>,
    pub(crate) cursor: Option<Cursor>,
    pub(crate) limit: i32,
}

/// Whose connections.
#[derive(Debug)]
pub(crate) enum WishedUser {
    Any,
    Exactly(UserId),
    StartingWith(String),
}

impl WishedUser {
    fn filter(&self) -> UserFilter<'_> {
        match self {
            Self::Any => UserFilter::Any,
            Self::Exactly(user) => UserFilter::Exactly(user),
            Self::StartingWith(prefix) => UserFilter::StartingWith(prefix),
        }
    }
}

impl Manage {
    pub(crate) async fn list_connections(
        &self,
        caller: &Caller,
        request: &Request,
    ) -> Result<Response<Body>, Problem> {
        let wish = wish(caller, &Query::of(request)?)?;
        let (found, cursor) = self.find_connections(caller, &wish).await?;
        let items = found.iter().map(ConnectionView::from).collect();
        let next_cursor = cursor.map(|cursor| cursor.encode());
        respond::json(StatusCode::OK, &List { items, next_cursor })
    }

    /// The connections that a caller may see and asked for, and where its next page begins.
    pub(crate) async fn find_connections(
        &self,
        caller: &Caller,
        wish: &Wish,
    ) -> Result<(Vec<Connection>, Option<Cursor>), Problem> {
        let mut items: Vec<Connection> = Vec::new();
        let mut cursor = wish.cursor.clone();
        let mut queries = 0;
        let wanted = usize::try_from(wish.limit).unwrap_or_default();
        let mut integrations = self.listed_integrations(caller, wish).await?.into_iter().peekable();
        while let Some(integration) = integrations.next() {
            loop {
                let room = wish.limit - i32::try_from(items.len()).unwrap_or(wish.limit);
                // Among many that do not fit, a page of what fits may be far.
                let limit = if wish.status.is_some() { room.max(LOOKED_AT) } else { room };
                let page = self
                    .connections
                    .list(&integration, wish.user.filter(), cursor.as_ref(), limit)
                    .await?;
                queries += 1;
                let fits = |c: &Connection| {
                    wish.status.as_deref().is_none_or(|s| s == status_word(c.status))
                };
                items.extend(page.connections.into_iter().filter(fits));
                cursor = page.next;
                if cursor.is_none() || items.len() >= wanted || queries >= MOST_QUERIES {
                    break;
                }
            }
            let is_cut = items.len() > wanted;
            let is_full_at_an_end =
                items.len() == wanted && cursor.is_none() && integrations.peek().is_some();
            items.truncate(wanted);
            if is_cut || is_full_at_an_end {
                cursor = items.last().map(Cursor::after);
            }
            if cursor.is_some() {
                break;
            }
        }
        Ok((items, cursor))
    }

    /// The integrations to list, from the cursor's on.
    async fn listed_integrations(
        &self,
        caller: &Caller,
        wish: &Wish,
    ) -> Result<Vec<IntegrationId>, Problem> {
        if let Some(id) = &wish.integration {
            return Ok(vec![self.visible_integration(caller, id).await?.id]);
        }
        let all = self.integrations.list().await?.into_iter().map(|integration| integration.id);
        let from = wish.cursor.as_ref().map(Cursor::integration);
        Ok(all
            .filter(|id| caller.sees_integration(id) && from.is_none_or(|from| id >= from))
            .collect())
    }

    pub(crate) async fn get_connection(
        &self,
        caller: &Caller,
        id: &str,
        log: &RequestLog,
    ) -> Result<Response<Body>, Problem> {
        let connection = self.visible_connection(caller, id, log).await?;
        respond::json(StatusCode::OK, &ConnectionView::from(&connection))
    }

    pub(crate) async fn delete_connection(
        &self,
        caller: &Caller,
        id: &str,
        log: &RequestLog,
    ) -> Result<Response<Body>, Problem> {
        let connection = self.visible_connection(caller, id, log).await?;
        self.forget(&connection.id).await?;
        Ok(respond::no_content())
    }

    /// Deletes a connection and says so; gone already is as good.
    pub(crate) async fn forget(&self, id: &ConnectionId) -> Result<(), Problem> {
        if let Some(deleted) = self.connections.delete(id).await? {
            let detail = ConnectionDetail {
                connection: &deleted.id,
                integration: &deleted.integration,
                user: &deleted.user,
                reason: None,
            };
            self.events.send(&Event::ConnectionDeleted(detail)).await;
        }
        Ok(())
    }

    /// The connection that a caller names, if it exists and the caller may see it.
    pub(crate) async fn visible_connection(
        &self,
        caller: &Caller,
        id: &str,
        log: &RequestLog,
    ) -> Result<Connection, Problem> {
        let id = connection_id(id)?;
        log.connection(&id);
        let connection = self.connections.get(&id).await?;
        connection
            .filter(|connection| caller.sees_connection(&connection.integration, &connection.user))
            .ok_or_else(|| Problem::new(Code::ConnectionNotFound))
    }
}

fn wish(caller: &Caller, query: &Query) -> Result<Wish, Problem> {
    query.only(&["integration", "user", "status", "cursor", "limit"])?;
    let invalid =
        |field: &'static str| move |e: vault::ids::InvalidId| Problem::field(field, e.to_string());
    let integration =
        query.get("integration").map(str::parse).transpose().map_err(invalid("integration"))?;
    let user: Option<UserId> =
        query.get("user").map(str::parse).transpose().map_err(invalid("user"))?;
    let status = query.get("status").map(str::to_owned);
    if status.as_deref().is_some_and(|status| !STATUSES.contains(&status)) {
        return Err(Problem::field("status", "pending, active or reauthorization_required"));
    }
    let cursor = query
        .get("cursor")
        .map(Cursor::decode)
        .transpose()
        .map_err(|e| Problem::field("cursor", e.to_string()))?;
    let limit = match query.get("limit").map(str::parse::<i32>) {
        None => PAGE,
        Some(Ok(limit)) if (1..=LARGEST_PAGE).contains(&limit) => limit,
        Some(_) => return Err(Problem::field("limit", "a number from 1 to 200")),
    };
    let (integration, user) = match &caller.kind {
        // A user sees only its own; asking for another's finds nothing, as if there were none.
        Kind::User { user: own } => {
            (integration, Some(own.clone()).filter(|own| user.as_ref().is_none_or(|u| u == own)))
        }
        Kind::Application { integration: Some(bound) } => {
            (integration.or_else(|| Some(bound.clone())), user)
        }
        _ => (integration, user),
    };
    if matches!(caller.kind, Kind::User { .. }) && user.is_none() {
        return Err(Problem::new(Code::UserMismatch));
    }
    if let (Some(cursor), Some(integration)) = (&cursor, &integration)
        && cursor.integration() != integration
    {
        return Err(Problem::field("cursor", "the cursor belongs to another list"));
    }
    let user = user.map_or(WishedUser::Any, WishedUser::Exactly);
    Ok(Wish { integration, user, status, cursor, limit })
}
