//! `/proxy/me/…`: the caller's own connection that reaches the address, so that a user's program needs no id.

use std::sync::Arc;

use edge::caller::Caller;
use edge::log::RequestLog;
use edge::problem::{Code, Problem};
use futures_util::future::try_join_all;
use ground::clock::Clock;
use ground::remembered::{AskError, Remembered};
use http::HeaderMap;
use jiff::SignedDuration;
use vault::connections::{self, Connection};
use vault::ids::{IntegrationId, UserId};
use vault::integrations::{Integration, Integrations};

use crate::Proxy;
use crate::connection::usable;
use crate::target::{Destination, ME, Target};

/// Picks an integration where several connections would do.
const INTEGRATION: &str = "x-ado-connect-integration";
/// How long the names of integrations are believed; what stands in them is always read.
const KNOWN_FOR: SignedDuration = SignedDuration::from_secs(60);

/// The names of all integrations, read now and then.
pub(crate) type KnownIntegrations = Remembered<(), Vec<IntegrationId>>;

/// Remembers no names yet.
pub(crate) fn known_integrations(clock: Arc<dyn Clock>) -> KnownIntegrations {
    Remembered::new(clock, KNOWN_FOR)
}

impl Proxy {
    /// The one connection of the calling user that may call the address.
    pub(crate) async fn own_target(
        &self,
        caller: &Caller,
        destination: &Destination<'_>,
        headers: &HeaderMap,
        log: &RequestLog,
    ) -> Result<Target, Problem> {
        let not_found = |detail: &str| Problem::new(Code::ConnectionNotFound).detail(detail);
        let user = caller
            .user()
            .ok_or_else(|| not_found("`me` is for callers with a user's own token."))?;
        let wanted = headers.get(INTEGRATION).and_then(|value| value.to_str().ok());
        let mut reaching = Vec::new();
        let mut refusal = None;
        for (connection, integration) in self.connections_of(user, wanted).await? {
            match destination.address(&connection, &integration) {
                Ok(address) => reaching.push((connection, integration, address)),
                Err(problem) => refusal = Some(problem),
            }
        }
        if reaching.iter().filter(|(connection, ..)| is_active(connection)).count() == 1 {
            reaching.retain(|(connection, ..)| is_active(connection));
        }
        let Some((connection, integration, address)) = reaching.pop() else {
            return Err(refusal.unwrap_or_else(|| not_found("You have no connection yet.")));
        };
        if let Some((_, other, _)) = reaching.first() {
            let (one, other) = (&integration.id, &other.id);
            let detail = format!("Among others, those under {other} and {one} reach it.");
            return Err(Problem::new(Code::ConnectionAmbiguous).detail(detail));
        }
        log.connection(&connection.id);
        log.integration(&connection.integration);
        usable(&connection, &integration)?;
        Ok(Target { connection, integration, address, named: ME.to_owned() })
    }

    /// A user's connections, under one integration or under all.
    async fn connections_of(
        &self,
        user: &UserId,
        integration: Option<&str>,
    ) -> Result<Vec<(Connection, Integration)>, Problem> {
        let (connections, integrations) = (&self.connections, &self.integrations);
        let names = match integration {
            Some(name) => name.parse().into_iter().collect(),
            None => self.known_integrations.get(&(), || names(integrations)).await?,
        };
        let found = names.iter().map(|name| async move {
            let Some(connection) = connections.find(name, user).await? else { return Ok(None) };
            let integration = integrations.get(name).await?;
            Ok::<_, vault::Error>(integration.map(|integration| (connection, integration)))
        });
        Ok(try_join_all(found).await?.into_iter().flatten().collect())
    }
}

async fn names(integrations: &Integrations) -> Result<Vec<IntegrationId>, AskError<vault::Error>> {
    Ok(integrations.list().await?.into_iter().map(|integration| integration.id).collect())
}

fn is_active(connection: &Connection) -> bool {
    connection.status == connections::Status::Active
}
