//! Reading the audit trail.

use edge::config::PublicUrl;
use edge::problem::Problem;
use url::Url;
use vault::audit::{Actor, Audit, AuditEvent, Entry, Order, Span, Trail};
use vault::cursor;
use vault::ids::{ApiKeyId, ConnectionId};

/// Reads the audit trail for operators, and records what they do.
pub(crate) struct AuditOperations {
    pub(crate) audit: Audit,
    pub(crate) public_url: PublicUrl,
}

/// Which entries are listed.
#[derive(Debug)]
pub(crate) struct AuditFilter {
    pub(crate) connection: Option<ConnectionId>,
    pub(crate) key: Option<ApiKeyId>,
    pub(crate) span: Span,
    pub(crate) order: Order,
}

/// A page of entries.
pub(crate) struct AuditPage {
    pub(crate) entries: Vec<Entry>,
    /// The cursor of the next page, if there may be one.
    pub(crate) next: Option<String>,
}

impl AuditFilter {
    /// # Errors
    /// [`edge::problem::Code::InvalidRequest`] for a filter by both.
    fn trail(&self) -> Result<Trail<'_>, Problem> {
        match (&self.connection, &self.key) {
            (None, None) => Ok(Trail::Whole),
            (Some(connection), None) => Ok(Trail::OfConnection(connection)),
            (None, Some(key)) => Ok(Trail::OfKey(key)),
            (Some(_), Some(_)) => Err(Problem::field("key", "either a connection or a key")),
        }
    }
}

impl AuditOperations {
    /// Records an event.
    pub(crate) async fn record(&self, actor: &Actor, event: &AuditEvent<'_>) {
        self.audit.record(actor, event).await;
    }

    /// Returns a page of at most `limit` entries after a cursor.
    ///
    /// # Errors
    /// [`edge::problem::Code::InvalidRequest`] for a filter by connection and key, and for a cursor of another list or a made-up one.
    pub(crate) async fn page(
        &self,
        filter: &AuditFilter,
        cursor: Option<&str>,
        limit: u16,
    ) -> Result<AuditPage, Problem> {
        let trail = filter.trail()?;
        let described = format!("audit {filter:?}");
        let after = cursor.map(|text| cursor::decode(text, &described)).transpose();
        let after = after.map_err(|error| Problem::field("cursor", error.to_string()))?;
        let page = self.audit.read(trail, filter.span, filter.order, after.as_ref(), limit).await?;
        let next = page.next.map(|position| cursor::encode(&position, &described));
        Ok(AuditPage { entries: page.entries, next })
    }

    /// Returns the address of a page of `GET /audit`.
    pub(crate) fn address(&self, query: &str) -> Url {
        let mut url = self.public_url.to_url();
        url.set_path("/audit");
        url.set_query(Some(query));
        url
    }
}
