//! The table of integrations.

use askama::Template;
use http::StatusCode;
use jiff::Timestamp;
use vault::integrations::{Integration, Organizations};

use super::frame::{Frame, Section, shown};
use super::shown::{self as words, Tag, When};
use super::visit::Visit;
use crate::HttpResult;

#[derive(Template)]
#[template(path = "integrations.html")]
struct IntegrationsPage {
    frame: Frame,
    rows: Vec<Row>,
}

/// An integration in the table.
pub(super) struct Row {
    pub(super) id: String,
    pub(super) organizations: String,
    pub(super) status: Tag,
    pub(super) credential: &'static str,
    pub(super) credential_state: Tag,
    pub(super) credential_end: Option<When>,
}

impl Row {
    pub(super) fn of(integration: &Integration, now: Timestamp) -> Self {
        let (credential_state, credential_end) = words::credential_end(integration, now);
        Self {
            id: integration.id.to_string(),
            organizations: match &integration.settings.organizations {
                Organizations::Any => "any".to_owned(),
                Organizations::Named(names) => {
                    names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
                }
            },
            status: words::integration_status(integration.status),
            credential: words::credential_kind(integration.credential.kind),
            credential_state,
            credential_end,
        }
    }
}

/// Shows the table.
pub(super) async fn list(visit: &Visit<'_>) -> HttpResult {
    let now = visit.now();
    let integrations = visit.operations.integrations.list().await?;
    let rows = integrations.iter().map(|integration| Row::of(integration, now)).collect();
    let frame = Frame::new(visit, Section::Integrations, "Integrations");
    shown(StatusCode::OK, &IntegrationsPage { frame, rows })
}
