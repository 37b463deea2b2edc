//! `who_am_i`: the user, the organizations, and the rules.

use serde_json::{Value, json};

use crate::engine::arguments::Arguments;
use crate::engine::failure::Failure;
use crate::engine::people;
use crate::engine::session::{Organizations, Session};
use crate::engine::show::Projection;

const USER: &str = "id name:providerDisplayName mail:properties.Account.$value";

/// Names the user as an organization knows it; where several are in reach, as it signed in.
pub(super) async fn who_am_i(
    session: &Session<'_>,
    arguments: &Arguments,
) -> Result<Value, Failure> {
    let account = &session.connection().account;
    let user = if session.choice_of_organizations() == Organizations::Several {
        json!({"name": account.name, "mail": account.username})
    } else {
        let user = people::who_am_i(session.organization(arguments)?, session).await?;
        let projection = Projection::parse(USER).map_err(Failure::broken_row)?;
        projection.of(&user).unwrap_or_default()
    };
    let settings = &session.integration().settings;
    let organizations: Vec<_> = session.organizations().iter().map(ToString::to_string).collect();
    let mut answer = json!({
        "user": user,
        "organizations": organizations,
        "access": if session.offer.may_write { "read and write" } else { "read" },
        "toolsets": session.offer.toolsets,
        "scopes": session.connection().scopes,
    });
    if !settings.allowed_calls.is_empty() {
        answer["calls"] = "Only those that the operator allows.".into();
    }
    Ok(answer)
}
