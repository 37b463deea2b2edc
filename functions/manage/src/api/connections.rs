//! `/connections`: list, read, confirm, pause, resume, delete.

use edge::caller::{Caller, Kind};
use edge::parameters::Query;
use edge::problem::{Code, Problem};
use edge::respond;
use http::StatusCode;
use vault::connections::{Connection, Status};
use vault::ids::{ConnectionId, UserId};

use super::wire::{ConfirmConnection, ConnectionView, List, PassView};
use super::{Call, limit};
use crate::HttpResult;
use crate::operations::connect_sessions::is_named;
use crate::operations::connections::{List as ListKind, ListFilter, ListedUser};
use crate::operations::from_word;

/// Entries of a page if the caller names no `limit`.
const PAGE: u16 = 50;
pub(super) const LARGEST_PAGE: u16 = 200;

pub(super) async fn list(call: &Call<'_>) -> HttpResult {
    let filter = filter(call.caller, &Query::of(call.request)?)?;
    let page = call.operations.connections.list(call.caller, &filter).await?;
    let items = page.connections.iter().map(ConnectionView::from).collect();
    let next_cursor = page.next.map(|cursor| filter.encode(ListKind::Api, call.caller, &cursor));
    respond::json(StatusCode::OK, &List { items, next_cursor })
}

pub(super) async fn get(call: &Call<'_>) -> HttpResult {
    respond_with(&call.connection().await?)
}

/// `POST /connections/{connection}/confirm`: the application states who finished in the browser.
pub(super) async fn confirm(call: &Call<'_>) -> HttpResult {
    let id: Result<ConnectionId, _> = call.parameter("connection").parse();
    let id = id.map_err(|_| Problem::new(Code::ConnectionNotFound))?;
    call.log.connection(&id);
    let body: ConfirmConnection = call.body()?;
    let connections = &call.operations.connections;
    let (caller, confirmation) = (call.caller, &body.confirmation);
    respond_with(&connections.confirm(caller, &id, confirmation, body.user, call.log).await?)
}

pub(super) async fn pause(call: &Call<'_>) -> HttpResult {
    let connections = &call.operations.connections;
    respond_with(&connections.pause(call.caller, call.parameter("connection"), call.log).await?)
}

pub(super) async fn resume(call: &Call<'_>) -> HttpResult {
    let connections = &call.operations.connections;
    respond_with(&connections.resume(call.caller, call.parameter("connection"), call.log).await?)
}

pub(super) async fn delete(call: &Call<'_>) -> HttpResult {
    let id = call.connection().await?.id;
    call.operations.connections.delete(&id, call.log).await?;
    Ok(respond::no_content())
}

/// `GET /connections/{connection}/passes`: the MCP clients that the user has let in.
pub(super) async fn list_passes(call: &Call<'_>) -> HttpResult {
    let connection = call.connection().await?;
    let passes = call.operations.connections.passes(&connection).await?;
    let items = passes.into_iter().map(PassView::from).collect();
    respond::json(StatusCode::OK, &List { items, next_cursor: None })
}

pub(super) async fn delete_pass(call: &Call<'_>) -> HttpResult {
    let connection = call.connection().await?;
    let pass = call.parameter("pass");
    call.operations.connections.delete_pass(&connection, pass, call.log).await?;
    Ok(respond::no_content())
}

fn respond_with(connection: &Connection) -> HttpResult {
    respond::json(StatusCode::OK, &ConnectionView::from(connection))
}

/// Returns the filter of the query, narrowed to the connections that the caller may see.
fn filter(caller: &Caller, query: &Query) -> Result<ListFilter, Problem> {
    query.only(&["integration", "user", "status", "cursor", "limit"])?;
    let integration = query.parsed("integration")?;
    let user: Option<UserId> = query.parsed("user")?;
    let unknown = || Problem::field("status", "pending, active or reauthorization_required");
    let named = |word| from_word(word).filter(|status| *status != Status::Unknown);
    let status = query.get("status").map(|word| named(word).ok_or_else(unknown)).transpose()?;
    let limit = limit(query, PAGE, LARGEST_PAGE)?.into();
    let (integration, user) = match &caller.kind {
        // A user sees only its own connections, and `None` where it names another user.
        Kind::User { user: own } => {
            let is_own = user.as_ref().is_none_or(|user| is_named(own, user));
            (integration, is_own.then(|| own.clone()))
        }
        Kind::Application { integration: Some(bound) } => {
            (integration.or_else(|| Some(bound.id.clone())), user)
        }
        _ => (integration, user),
    };
    if matches!(caller.kind, Kind::User { .. }) && user.is_none() {
        return Err(Problem::new(Code::UserMismatch));
    }
    let user = user.map_or(ListedUser::Any, ListedUser::Exactly);
    let filter = ListFilter { integration, user, status, cursor: None, limit };
    filter.after(ListKind::Api, caller, query.get("cursor"))
}
