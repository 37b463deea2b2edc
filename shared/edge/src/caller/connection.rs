//! The connection that a caller names.

use vault::connections::{Connection, Connections};
use vault::integrations::{Integration, Integrations};

use super::Caller;
use crate::log::RequestLog;
use crate::problem::{Code, Problem};

impl Caller {
    /// Returns the connection with this id and its integration, if the caller may know of them.
    ///
    /// # Errors
    /// [`Code::ConnectionNotFound`] for an unreadable id, an absent connection, another's, and one whose integration is
    /// deleted alike; [`Code::ServiceUnavailable`] if DynamoDB does not answer.
    pub async fn connection(
        &self,
        (connections, integrations): (&Connections, &Integrations),
        id: &str,
        log: &RequestLog,
    ) -> Result<(Connection, Integration), Problem> {
        let not_found = || Problem::new(Code::ConnectionNotFound);
        let id = id.parse().map_err(|_| not_found())?;
        log.connection(&id);
        let connection = connections.get(&id).await?.ok_or_else(not_found)?;
        let integration = integrations.get(&connection.integration).await?;
        self.visible(Some(connection), integration)
    }

    /// Returns the given connection and its integration, if both exist and the caller may know of them.
    ///
    /// # Errors
    /// [`Code::ConnectionNotFound`].
    pub fn visible(
        &self,
        connection: Option<Connection>,
        integration: Option<Integration>,
    ) -> Result<(Connection, Integration), Problem> {
        let both = connection.zip(integration);
        let visible =
            both.filter(|(connection, integration)| self.sees_connection(connection, integration));
        visible.ok_or_else(|| Problem::new(Code::ConnectionNotFound))
    }
}
