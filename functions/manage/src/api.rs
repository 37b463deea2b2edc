//! The management API: the JSON of requests and answers, the call of one operation for each route, and the description
//! of all this.

mod api_keys;
mod audit;
mod connect_sessions;
mod connections;
mod integrations;
pub mod openapi;
pub(crate) mod service;
pub mod wire;

use edge::caller::Caller;
use edge::gateway::Request;
use edge::log::RequestLog;
use edge::parameters::{JSON_LIMIT, Query, json_body};
use edge::problem::{Code, Problem};
use edge::routes::{Matched, Operation};
use serde::Deserialize;
use vault::connections::Connection;
use vault::integrations::Integration;
use vault::service::Status;

use crate::HttpResult;
use crate::operations::Operations;

/// An authenticated request, and the operations that answer it.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) operations: &'a Operations,
    pub(crate) caller: &'a Caller,
    pub(crate) matched: &'a Matched,
    pub(crate) request: &'a Request,
    pub(crate) log: &'a RequestLog,
}

impl<'a> Call<'a> {
    /// Returns a path parameter.
    fn parameter(&self, name: &str) -> &'a str {
        self.matched.parameter(name).unwrap_or_default()
    }

    /// Reads the body.
    ///
    /// # Errors
    /// As [`json_body`].
    fn body<T: Deserialize<'a>>(&self) -> Result<T, Problem> {
        json_body(self.request, JSON_LIMIT)
    }

    /// Returns the integration in the path.
    ///
    /// # Errors
    /// [`Code::IntegrationNotFound`].
    async fn integration(&self) -> Result<Integration, Problem> {
        self.operations.integrations.get(self.parameter("integration"), self.log).await
    }

    /// Returns the connection in the path.
    ///
    /// # Errors
    /// [`Code::ConnectionNotFound`] if there is none, or the caller may not see it.
    async fn connection(&self) -> Result<Connection, Problem> {
        let id = self.parameter("connection");
        self.operations.connections.get(self.caller, id, self.log).await
    }
}

/// Returns the number of entries of a page, from 1 to `largest`.
///
/// # Errors
/// [`Code::InvalidRequest`] naming the parameter.
fn limit(query: &Query, unless_given: u16, largest: u16) -> Result<u16, Problem> {
    match query.get("limit").map(str::parse::<u16>) {
        None => Ok(unless_given),
        Some(Ok(limit)) if (1..=largest).contains(&limit) => Ok(limit),
        Some(_) => Err(Problem::field("limit", format!("a number from 1 to {largest}"))),
    }
}

/// Answers an authenticated request.
///
/// # Errors
/// The route's problems.
pub(crate) async fn answer(call: &Call<'_>) -> HttpResult {
    match call.matched.route.operation {
        Operation::PutIntegration => integrations::put(call).await,
        Operation::PutClientCredential => integrations::put_client_credential(call).await,
        Operation::ListIntegrations => integrations::list(call).await,
        Operation::GetIntegration => integrations::get(call).await,
        Operation::DeleteIntegration => integrations::delete(call).await,
        Operation::VerifyIntegration => integrations::verify(call).await,
        Operation::PauseIntegration => integrations::pause(call).await,
        Operation::ResumeIntegration => integrations::resume(call).await,
        Operation::ReadAudit => audit::read(call).await,
        Operation::GetService => service::get(call).await,
        Operation::PauseService => service::turn(call, Status::Paused).await,
        Operation::ResumeService => service::turn(call, Status::Running).await,
        Operation::CreateConnectSession => connect_sessions::create(call).await,
        Operation::ListConnections => connections::list(call).await,
        Operation::GetConnection => connections::get(call).await,
        Operation::DeleteConnection => connections::delete(call).await,
        Operation::ConfirmConnection => connections::confirm(call).await,
        Operation::PauseConnection => connections::pause(call).await,
        Operation::ResumeConnection => connections::resume(call).await,
        Operation::ListPasses => connections::list_passes(call).await,
        Operation::DeletePass => connections::delete_pass(call).await,
        Operation::CreateApiKey => api_keys::create(call).await,
        Operation::ListApiKeys => api_keys::list(call).await,
        Operation::DeleteApiKey => api_keys::delete(call).await,
        _ => Err(Problem::new(Code::NotFound)),
    }
}
