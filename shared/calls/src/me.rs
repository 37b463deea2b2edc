//! `me`: the calling user's own connection that reaches an address, so that a user's program needs no id.

use edge::caller::Caller;
use edge::problem::{Code, Problem};
use futures_util::future::try_join_all;
use ground::remembered::{AskError, Remembered};
use jiff::SignedDuration;
use vault::connections::{self, Connection};
use vault::ids::IntegrationId;
use vault::integrations::{Integration, Integrations, Users};

use crate::destination::Destination;
use crate::{Calls, Stores};

/// How long the ids of integrations are remembered. The integrations themselves are read for each call.
pub(crate) const KNOWN_FOR: SignedDuration = SignedDuration::from_secs(60);

/// The ids of the integrations whose users name themselves, read once a minute.
pub(crate) type KnownIntegrations = Remembered<(), Vec<IntegrationId>>;

impl Calls {
    /// Returns the calling user's connections, under one integration or under all.
    pub(crate) async fn own_connections(
        &self,
        caller: &Caller,
        integration: Option<&str>,
    ) -> Result<Vec<(Connection, Integration)>, Problem> {
        let not_a_user = || not_found("`me` is for callers with a user's own token.");
        let user = caller.user().ok_or_else(not_a_user)?;
        let Stores { connections, integrations, .. } = &*self.stores;
        let ids = match integration {
            Some(id) => id.parse().into_iter().collect(),
            None => self.known_integrations.get(&(), || ids(integrations)).await?,
        };
        // Two batches, however many integrations there are; then one read for each connection of the user.
        let found = connections.find_all(&ids, user).await?.into_iter().map(|connection| async {
            let integration = integrations.get(&connection.integration).await?;
            Ok::<_, vault::Error>(integration.map(|integration| (connection, integration)))
        });
        let found = try_join_all(found).await?.into_iter().flatten();
        let is_visible = |(connection, integration): &(Connection, Integration)| {
            caller.sees_connection(connection, integration)
        };
        Ok(found.filter(is_visible).collect())
    }
}

/// Returns the ids of the integrations that users with tokens of their own can see.
async fn ids(integrations: &Integrations) -> Result<Vec<IntegrationId>, AskError<vault::Error>> {
    let of_users = |integration: &Integration| integration.settings.users == Users::Jwt;
    let all = integrations.list().await?.into_iter();
    Ok(all.filter(of_users).map(|integration| integration.id).collect())
}

/// Picks the one connection that may call the address; of several, the only active one.
pub(crate) fn pick(
    connections: Vec<(Connection, Integration)>,
    destination: &Destination<'_>,
) -> Result<(Connection, Integration), Problem> {
    let mut reaching = Vec::new();
    let mut refusal = None;
    for (connection, integration) in connections {
        match destination.address(&connection, &integration) {
            Ok(_) => reaching.push((connection, integration)),
            Err(problem) => refusal = Some(problem),
        }
    }
    if reaching.iter().filter(|(connection, _)| is_active(connection)).count() == 1 {
        reaching.retain(|(connection, _)| is_active(connection));
    }
    let Some(picked) = reaching.pop() else {
        return Err(refusal.unwrap_or_else(|| not_found("You have no connection yet.")));
    };
    if let Some((_, other)) = reaching.first() {
        let (one, other) = (&picked.1.id, &other.id);
        let detail = format!("Among others, those under {other} and {one} reach it.");
        return Err(Problem::new(Code::ConnectionAmbiguous).detail(detail));
    }
    Ok(picked)
}

fn not_found(detail: &str) -> Problem {
    Problem::new(Code::ConnectionNotFound).detail(detail)
}

fn is_active(connection: &Connection) -> bool {
    connection.status == connections::Status::Active
}
