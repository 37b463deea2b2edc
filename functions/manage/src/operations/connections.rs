//! Connections: finding, confirming, pausing and deleting them.

use std::sync::Arc;
use std::time::Instant;

use edge::caller::{Caller, Kind};
use edge::log::RequestLog;
use edge::problem::{Code, Problem};
use ground::clock::Clock;
use ground::random::Random;
use ground::remembered::{AskError, Remembered};
use jiff::{SignedDuration, Timestamp};
use oauth::pass::PassId;
use secrecy::SecretString;
use vault::audit::{Audit, AuditEvent, What};
use vault::connections::{
    Confirmed, Connection, Connections, Cursor, HistoryEntry, Page, Status, UserFilter,
};
use vault::cursor;
use vault::events::{ConnectionDetail, Event, Events};
use vault::ids::{ConnectionId, IntegrationId, UserId};
use vault::integrations::{Integration, Integrations};
use vault::passes::{Pass, Passes};

use super::connect_sessions::{acting_user, require_naming};
use super::visible::visible_integration;

/// Entries read in one query if only some of them match.
const READ_AT_ONCE: i32 = 100;
/// Queries for one page. A page that they do not fill ends early, with a cursor.
const MOST_QUERIES: u32 = 50;
/// How long a process remembers the integrations. Lists over several of them would otherwise scan the table each time.
const INTEGRATIONS_KNOWN_FOR: SignedDuration = SignedDuration::from_secs(5);
/// Due connections counted in one shard.
const COUNTED_DUE: i32 = 1000;

/// Finds, confirms, pauses and deletes connections.
#[derive(Clone)]
pub(crate) struct ConnectionOperations {
    pub(crate) connections: Connections,
    pub(crate) passes: Passes,
    pub(crate) integrations: Integrations,
    pub(crate) known_integrations: KnownIntegrations,
    pub(crate) events: Events,
    pub(crate) audit: Audit,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Random,
}

/// All integrations, as of a few seconds ago.
type KnownIntegrations = Remembered<(), Arc<Vec<Integration>>>;

/// Returns an empty memory of the integrations.
pub(crate) fn known_integrations(clock: Arc<dyn Clock>) -> KnownIntegrations {
    Remembered::new(clock, INTEGRATIONS_KNOWN_FOR)
}

/// Which connections are listed.
#[derive(Debug)]
pub(crate) struct ListFilter {
    pub(crate) integration: Option<IntegrationId>,
    pub(crate) user: ListedUser,
    pub(crate) status: Option<Status>,
    pub(crate) cursor: Option<Cursor>,
    /// Entries of a page.
    pub(crate) limit: i32,
}

/// The lists of connections. A cursor is valid in one of them only.
#[derive(Debug, Clone, Copy)]
pub(crate) enum List {
    /// `GET /connections`.
    Api,
    /// The table of the portal.
    Portal,
}

impl ListFilter {
    /// Continues the list after a cursor that it returned, if there is one.
    ///
    /// # Errors
    /// [`Code::InvalidRequest`] for a cursor of another list, filter or kind of caller, and for a made-up one.
    pub(crate) fn after(
        mut self,
        list: List,
        caller: &Caller,
        cursor: Option<&str>,
    ) -> Result<Self, Problem> {
        let described = self.described(list, caller);
        let cursor = cursor.map(|text| cursor::decode(text, &described)).transpose();
        self.cursor = cursor.map_err(|error| Problem::field("cursor", error.to_string()))?;
        Ok(self)
    }

    /// Returns a cursor as text for this list.
    pub(crate) fn encode(&self, list: List, caller: &Caller, cursor: &Cursor) -> String {
        cursor::encode(cursor, &self.described(list, caller))
    }

    /// Returns the text that binds a cursor to its list: the filter without the size of its pages, and the kind of caller.
    /// Keys that see the same connections have the same text.
    fn described(&self, list: List, caller: &Caller) -> String {
        let Self { integration, user, status, .. } = self;
        format!("{list:?} {integration:?} {user:?} {status:?} {:?}", caller.kind)
    }
}

/// Whose connections are listed.
#[derive(Debug)]
pub(crate) enum ListedUser {
    Any,
    Exactly(UserId),
    StartingWith(String),
}

impl ListedUser {
    fn filter(&self) -> UserFilter<'_> {
        match self {
            Self::Any => UserFilter::Any,
            Self::Exactly(user) => UserFilter::Exactly(user),
            Self::StartingWith(prefix) => UserFilter::StartingWith(prefix),
        }
    }
}

/// The connections that are due to be renewed.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    pub(crate) count: usize,
    /// Whether there are more than were counted.
    pub(crate) is_more: bool,
    /// When the longest overdue one became due.
    pub(crate) oldest: Option<Timestamp>,
}

impl ConnectionOperations {
    /// Returns a page of the connections that match the filter and are visible to the caller.
    ///
    /// # Errors
    /// [`Code::IntegrationNotFound`] if the filter names an integration that the caller does not see.
    pub(crate) async fn list(&self, caller: &Caller, filter: &ListFilter) -> Result<Page, Problem> {
        let mut found: Vec<Connection> = Vec::new();
        let mut cursor = filter.cursor.clone();
        let mut queries = 0;
        let wanted = usize::try_from(filter.limit).unwrap_or_default();
        let mut integrations =
            self.listed_integrations(caller, filter).await?.into_iter().peekable();
        while let Some(integration) = integrations.next() {
            loop {
                let room = filter.limit - i32::try_from(found.len()).unwrap_or(filter.limit);
                let limit = if filter.status.is_some() { room.max(READ_AT_ONCE) } else { room };
                let user = filter.user.filter();
                let page =
                    self.connections.list(&integration, user, cursor.as_ref(), limit).await?;
                queries += 1;
                let matches =
                    |connection: &Connection| filter.status.is_none_or(|s| s == connection.status);
                found.extend(page.connections.into_iter().filter(matches));
                cursor = page.next;
                if cursor.is_none() || found.len() >= wanted || queries >= MOST_QUERIES {
                    break;
                }
            }
            let is_cut = found.len() > wanted;
            let is_full_at_an_end =
                found.len() == wanted && cursor.is_none() && integrations.peek().is_some();
            found.truncate(wanted);
            if is_cut || is_full_at_an_end {
                cursor = found.last().map(Cursor::after);
            }
            if cursor.is_some() {
                break;
            }
        }
        Ok(Page { connections: found, next: cursor })
    }

    /// Returns the integrations to list, beginning with the cursor's.
    async fn listed_integrations(
        &self,
        caller: &Caller,
        filter: &ListFilter,
    ) -> Result<Vec<IntegrationId>, Problem> {
        if let Some(id) = &filter.integration {
            return Ok(vec![visible_integration(&self.integrations, caller, id).await?.id]);
        }
        let read =
            || async { Ok::<_, AskError<vault::Error>>(Arc::new(self.integrations.list().await?)) };
        let all = self.known_integrations.get(&(), read).await?;
        let from = filter.cursor.as_ref().map(Cursor::integration);
        let visible = all.iter().filter(|integration| caller.sees_integration(integration));
        let ids = visible.map(|integration| integration.id.clone());
        Ok(ids.filter(|id| from.is_none_or(|from| id >= from)).collect())
    }

    /// Returns the connection that a caller names.
    ///
    /// # Errors
    /// [`Code::ConnectionNotFound`] if there is none, or the caller may not see it.
    pub(crate) async fn get(
        &self,
        caller: &Caller,
        id: &str,
        log: &RequestLog,
    ) -> Result<Connection, Problem> {
        let stores = (&self.connections, &self.integrations);
        Ok(caller.connection(stores, id, log).await?.0)
    }

    /// Returns a connection's change history.
    pub(crate) async fn history(
        &self,
        connection: &Connection,
    ) -> Result<Vec<HistoryEntry>, Problem> {
        Ok(self.connections.history(connection).await?)
    }

    /// Returns whether any of these integrations has a connection.
    pub(crate) async fn exist_for(&self, integrations: &[Integration]) -> Result<bool, Problem> {
        for integration in integrations {
            let page = self.connections.list(&integration.id, UserFilter::Any, None, 1).await?;
            if !page.connections.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Counts the connections that are due now in so many shards of the refresh schedule.
    pub(crate) async fn backlog(&self, shards: u32) -> Result<Backlog, Problem> {
        let now = self.clock.now();
        let mut backlog = Backlog::default();
        for shard in 0..shards {
            let page = self.connections.due_in_shard(shard, now, None, COUNTED_DUE).await?;
            backlog.count += page.rows.len();
            backlog.is_more |= page.next.is_some();
            // The longest overdue comes first.
            let first = page.rows.first().map(|row| row.due_at);
            backlog.oldest = backlog.oldest.into_iter().chain(first).min();
        }
        Ok(backlog)
    }

    /// Makes a connection usable, if the user whom the caller names is the one that it was started for.
    ///
    /// # Errors
    /// [`Code::UserMismatch`], [`Code::CallerNotAllowed`], [`Code::ConnectionNotFound`], [`Code::ConfirmationInvalid`],
    /// [`Code::ConfirmationExpired`], [`Code::ConfirmationUserMismatch`]. A user with a wrong code for somebody else's
    /// connection gets [`Code::ConnectionNotFound`], as for an absent connection.
    pub(crate) async fn confirm(
        &self,
        caller: &Caller,
        id: &ConnectionId,
        confirmation: &SecretString,
        named: Option<UserId>,
        by: &RequestLog,
    ) -> Result<Connection, Problem> {
        let not_found = || Problem::new(Code::ConnectionNotFound);
        let user = &acting_user(caller, named)?;
        // A caller with the wrong user must reach the comparison that erases the tokens, so only the integration
        // decides about visibility.
        let known = self.connections.get(id).await?.ok_or_else(not_found)?;
        let integration = self.integrations.get(&known.integration).await?;
        let integration = integration.filter(|one| caller.sees_integration(one));
        require_naming(caller, user, &integration.ok_or_else(not_found)?)?;
        let (now, mut random) = (self.clock.now(), self.random.clone());
        let confirmed = self.connections.confirm(id, confirmation, user, now, &mut random).await?;
        let connection = match confirmed {
            Confirmed::Active(connection) => connection,
            Confirmed::Unknown => return Err(not_found()),
            Confirmed::Invalid if is_of_another_user(caller, &known) => return Err(not_found()),
            Confirmed::Invalid => return Err(Problem::new(Code::ConfirmationInvalid)),
            Confirmed::Expired => return Err(Problem::new(Code::ConfirmationExpired)),
            Confirmed::OtherUser => {
                self.record(What::ConnectionRefused, &known, by).await;
                return Err(Problem::new(Code::ConfirmationUserMismatch));
            }
        };
        self.events.send(&Event::ConnectionCreated(detail(&connection))).await;
        self.record(What::ConnectionConfirmed, &connection, by).await;
        Ok(*connection)
    }

    /// Erases the tokens of a sign-in by somebody else than the connection's user.
    ///
    /// # Errors
    /// [`Code::ConfirmationInvalid`] if the sign-in with this confirmation no longer waits.
    pub(crate) async fn refuse(
        &self,
        connection: &Connection,
        confirmation: &SecretString,
        by: &RequestLog,
    ) -> Result<(), Problem> {
        let pending = connection.pending.as_ref();
        let is_meant = pending.is_some_and(|pending| pending.confirmation.matches(confirmation));
        if is_meant && self.connections.erase_pending(connection, self.clock.now()).await? {
            self.record(What::ConnectionRefused, connection, by).await;
            return Ok(());
        }
        Err(Problem::new(Code::ConfirmationInvalid))
    }

    /// Pauses a connection, and returns it.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(crate) async fn pause(
        &self,
        caller: &Caller,
        id: &str,
        log: &RequestLog,
    ) -> Result<Connection, Problem> {
        let connection = self.get(caller, id, log).await?;
        self.connections.pause(&connection, self.clock.now()).await?;
        self.changed(What::ConnectionPaused, &connection, log).await
    }

    /// Lets a connection go on if it is paused, and returns it.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(crate) async fn resume(
        &self,
        caller: &Caller,
        id: &str,
        log: &RequestLog,
    ) -> Result<Connection, Problem> {
        let connection = self.get(caller, id, log).await?;
        self.connections.resume(&connection, self.clock.now()).await?;
        self.changed(What::ConnectionResumed, &connection, log).await
    }

    async fn record(&self, what: What, connection: &Connection, by: &RequestLog) {
        self.audit.record(&by.actor(), &AuditEvent::about(what, connection)).await;
    }

    /// Records an operator's change of a connection, and returns the changed connection.
    async fn changed(
        &self,
        what: What,
        connection: &Connection,
        by: &RequestLog,
    ) -> Result<Connection, Problem> {
        self.record(what, connection, by).await;
        let changed = self.connections.get(&connection.id).await?;
        changed.ok_or_else(|| Problem::new(Code::ConnectionNotFound))
    }

    /// Deletes a connection, if it still exists, and sends the event.
    pub(crate) async fn delete(&self, id: &ConnectionId, by: &RequestLog) -> Result<(), Problem> {
        if let Some(deleted) = self.connections.delete(id).await? {
            // A pass without its connection is refused, so the answer does not depend on this.
            if let Err(error) = self.passes.delete_of(id).await {
                tracing::warn!(connection = %id, "its passes are left to expire: {error}");
            }
            self.events.send(&Event::ConnectionDeleted(detail(&deleted))).await;
            self.record(What::ConnectionDisconnected, &deleted, by).await;
        }
        Ok(())
    }

    /// Returns the passes of MCP clients for a connection, oldest first.
    pub(crate) async fn passes(&self, connection: &Connection) -> Result<Vec<Pass>, Problem> {
        Ok(self.passes.of_connection(&connection.id, self.clock.now()).await?)
    }

    /// Ends the access of an MCP client, at once.
    ///
    /// # Errors
    /// [`Code::PassNotFound`] if the connection has no such pass.
    pub(crate) async fn delete_pass(
        &self,
        connection: &Connection,
        pass: &str,
        by: &RequestLog,
    ) -> Result<(), Problem> {
        let none = || Problem::new(Code::PassNotFound);
        let pass: PassId = pass.parse().map_err(|_| none())?;
        if !self.passes.delete_from(&connection.id, &pass).await? {
            return Err(none());
        }
        self.record(What::PassDeleted, connection, by).await;
        Ok(())
    }

    /// Deletes an integration's connections until `deadline`. Returns whether all are deleted.
    pub(super) async fn delete_of(
        &self,
        integration: &IntegrationId,
        deadline: Instant,
        by: &RequestLog,
    ) -> Result<bool, Problem> {
        loop {
            let page = self.connections.list(integration, UserFilter::Any, None, 100).await?;
            if page.connections.is_empty() && page.next.is_none() {
                return Ok(true);
            }
            for connection in &page.connections {
                self.delete(&connection.id, by).await?;
            }
            if Instant::now() > deadline {
                return Ok(false);
            }
        }
    }
}

/// Whether the caller is a user, and the connection somebody else's.
fn is_of_another_user(caller: &Caller, connection: &Connection) -> bool {
    matches!(&caller.kind, Kind::User { user } if *user != connection.user)
}

fn detail(connection: &Connection) -> ConnectionDetail<'_> {
    ConnectionDetail {
        connection: &connection.id,
        integration: &connection.integration,
        user: &connection.user,
        reason: None,
    }
}
