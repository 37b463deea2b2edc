//! The table of integrations.

use askama::Template;
use edge::gateway::Body;
use edge::problem::Problem;
use http::{Response, StatusCode};
use vault::integrations::{Integration, Organizations};

use super::Visit;
use super::frame::{Frame, Section, shown};
use super::shown::{self as words, Tag, When};
use crate::Manage;

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

impl Manage {
    pub(super) fn row(&self, integration: &Integration) -> Row {
        let (credential_state, credential_end) =
            words::credential_end(integration, self.clock.now());
        Row {
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

    pub(super) async fn integrations_page(
        &self,
        visit: &Visit<'_>,
    ) -> Result<Response<Body>, Problem> {
        let integrations = self.integrations.list().await?;
        let rows = integrations.iter().map(|integration| self.row(integration)).collect();
        let frame = Frame::new(visit, Section::Integrations, "Integrations");
        shown(StatusCode::OK, &IntegrationsPage { frame, rows })
    }
}
