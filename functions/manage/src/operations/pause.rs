//! Stopping and going on: one integration, or the whole service.

use edge::gateway::Body;
use edge::log::RequestLog;
use edge::problem::{Code, Problem};
use edge::respond;
use http::{Response, StatusCode};
use vault::service::Status;

use crate::Manage;
use crate::api::wire::ServiceView;

impl Manage {
    pub(crate) async fn pause_integration(
        &self,
        id: &str,
        log: &RequestLog,
    ) -> Result<Response<Body>, Problem> {
        let id = self.named_integration(id, log).await?.id;
        if !self.integrations.pause(&id).await? {
            return Err(Problem::new(Code::IntegrationNotFound));
        }
        self.get_integration(id.as_str(), log).await
    }

    /// Resuming what is not paused changes nothing.
    pub(crate) async fn resume_integration(
        &self,
        id: &str,
        log: &RequestLog,
    ) -> Result<Response<Body>, Problem> {
        let id = self.named_integration(id, log).await?.id;
        self.integrations.resume(&id).await?;
        self.get_integration(id.as_str(), log).await
    }

    pub(crate) async fn get_service(&self) -> Result<Response<Body>, Problem> {
        let settings = self.service.settings().await?;
        respond::json(StatusCode::OK, &ServiceView::from(settings.status))
    }

    pub(crate) async fn turn_service(&self, status: Status) -> Result<Response<Body>, Problem> {
        self.service.turn(status).await?;
        tracing::warn!(?status, "the operator turned the kill switch");
        respond::json(StatusCode::OK, &ServiceView::from(status))
    }
}
