//! The management API: the JSON of requests and answers, the call of one operation for each route, and the description
//! of all this.

mod api_keys;
mod connect_sessions;
mod connections;
mod integrations;
pub mod openapi;
pub(crate) mod service;
pub mod wire;

use edge::caller::Caller;
use edge::gateway::Request;
use edge::log::RequestLog;
use edge::problem::{Code, Problem};
use edge::routes::{Matched, Operation};
use vault::service::Status;

use crate::{HttpResult, Manage};

/// Answers an authenticated request.
///
/// # Errors
/// The route's problems.
pub(crate) async fn answer(
    manage: &Manage,
    caller: &Caller,
    matched: &Matched,
    request: &Request,
    log: &RequestLog,
) -> HttpResult {
    let id = |name| matched.parameter(name).unwrap_or_default();
    let Manage { integrations, connect_sessions, connections, api_keys, service, .. } = manage;
    match matched.route.operation {
        Operation::PutIntegration => {
            integrations::put(integrations, id("integration"), request, log).await
        }
        Operation::PutClientCredential => {
            integrations::put_client_credential(integrations, id("integration"), request, log).await
        }
        Operation::ListIntegrations => integrations::list(integrations).await,
        Operation::GetIntegration => integrations::get(integrations, id("integration"), log).await,
        Operation::DeleteIntegration => {
            integrations::delete(integrations, id("integration"), log).await
        }
        Operation::VerifyIntegration => {
            integrations::verify(integrations, &manage.verifier, id("integration"), log).await
        }
        Operation::PauseIntegration => {
            integrations::pause(integrations, id("integration"), log).await
        }
        Operation::ResumeIntegration => {
            integrations::resume(integrations, id("integration"), log).await
        }
        Operation::GetService => service::get(service).await,
        Operation::PauseService => service::turn(service, Status::Paused).await,
        Operation::ResumeService => service::turn(service, Status::Running).await,
        Operation::CreateConnectSession => {
            connect_sessions::create(connect_sessions, caller, request, log).await
        }
        Operation::ListConnections => connections::list(connections, caller, request).await,
        Operation::GetConnection => {
            connections::get(connections, caller, id("connection"), log).await
        }
        Operation::DeleteConnection => {
            connections::delete(connections, caller, id("connection"), log).await
        }
        Operation::ConfirmConnection => {
            connections::confirm(connections, caller, id("connection"), request, log).await
        }
        Operation::CreateApiKey => api_keys::create(api_keys, request).await,
        Operation::ListApiKeys => api_keys::list(api_keys).await,
        Operation::DeleteApiKey => api_keys::delete(api_keys, id("key")).await,
        _ => Err(Problem::new(Code::NotFound)),
    }
}
