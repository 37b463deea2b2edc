//! `POST /connections/{connection}/confirm`: the application states who finished in the browser.

use edge::caller::Caller;
use edge::gateway::{Body, Request};
use edge::log::RequestLog;
use edge::parameters::{JSON_LIMIT, json_body};
use edge::problem::{Code, Problem};
use edge::respond;
use http::{Response, StatusCode};
use secrecy::SecretString;
use vault::connections::{Confirmed, Connection};
use vault::events::{ConnectionDetail, Event};
use vault::ids::{ConnectionId, UserId};

use crate::Manage;
use crate::api::connect_sessions::acting_user;
use crate::api::wire::{ConfirmConnection, ConnectionView, connection_id};

impl Manage {
    pub(crate) async fn confirm_connection(
        &self,
        caller: &Caller,
        id: &str,
        request: &Request,
        log: &RequestLog,
    ) -> Result<Response<Body>, Problem> {
        let id = connection_id(id)?;
        log.connection(&id);
        let body: ConfirmConnection = json_body(request, JSON_LIMIT)?;
        let user = acting_user(caller, body.user)?;
        let connection = self.confirm(caller, &id, &body.confirmation, &user).await?;
        respond::json(StatusCode::OK, &ConnectionView::from(&connection))
    }

    /// Makes a connection usable, because the user who finished in the browser is the one it was started for.
    pub(crate) async fn confirm(
        &self,
        caller: &Caller,
        id: &ConnectionId,
        confirmation: &SecretString,
        user: &UserId,
    ) -> Result<Connection, Problem> {
        // Whoever confirms as the wrong user must get as far as the comparison that erases the tokens,
        // so only the integration decides here what is visible.
        let connection = self.connections.get(id).await?;
        let visible = connection.filter(|c| caller.sees_integration(&c.integration));
        if visible.is_none() {
            return Err(Problem::new(Code::ConnectionNotFound));
        }
        let now = self.clock.now();
        let confirmed =
            self.connections.confirm(id, confirmation, user, now, &mut self.random.clone()).await?;
        let connection = match confirmed {
            Confirmed::Active(connection) => connection,
            Confirmed::Unknown => return Err(Problem::new(Code::ConnectionNotFound)),
            Confirmed::Invalid => return Err(Problem::new(Code::ConfirmationInvalid)),
            Confirmed::Expired => return Err(Problem::new(Code::ConfirmationExpired)),
            Confirmed::OtherUser => return Err(Problem::new(Code::ConfirmationUserMismatch)),
        };
        let detail = ConnectionDetail {
            connection: &connection.id,
            integration: &connection.integration,
            user: &connection.user,
            reason: None,
        };
        self.events.send(&Event::ConnectionCreated(detail)).await;
        Ok(*connection)
    }
}
