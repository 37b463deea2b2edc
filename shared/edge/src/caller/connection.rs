//! The connection that a caller names.

use vault::connections::{Connection, Connections};

use super::Caller;
use crate::log::RequestLog;
use crate::problem::{Code, Problem};

impl Caller {
    /// Returns the connection with this id, if the caller may know of it.
    ///
    /// # Errors
    /// [`Code::ConnectionNotFound`] for an unreadable id, an absent connection and another's alike;
    /// [`Code::ServiceUnavailable`] if DynamoDB does not answer.
    pub async fn connection(
        &self,
        connections: &Connections,
        id: &str,
        log: &RequestLog,
    ) -> Result<Connection, Problem> {
        let not_found = || Problem::new(Code::ConnectionNotFound);
        let id = id.parse().map_err(|_| not_found())?;
        log.connection(&id);
        let connection = connections.get(&id).await?;
        connection
            .filter(|connection| self.sees_connection(&connection.integration, &connection.user))
            .ok_or_else(not_found)
    }
}
