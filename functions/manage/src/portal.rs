//! The portal: operators' pages. They are rendered on the server and work without scripts.
//!
//! ```text
//!  session cookie ──> operator ──> page or action ──> one file a subject, one template a page
//!                        │              │
//!  form ──> csrf token ──┘              └──> the operations behind the management API
//! ```
//!
//! A GET changes nothing; every change is a form with the session's token. Nothing here opens an Azure DevOps token: a
//! page that needs one calls the proxy as an application does. Users' pages are in `edge::page`.

mod api_keys;
mod call_rules;
mod calls;
mod chart;
mod connect;
mod connections;
mod csrf;
mod draft;
mod form;
mod frame;
mod health;
mod integration;
mod integration_edit;
mod integration_form;
mod integrations;
mod overview;
mod scopes;
pub(crate) mod session;
mod shown;
mod visit;

use std::pin::Pin;

use edge::gateway::Request;
use edge::log::RequestLog;
use edge::problem::{Code, Problem};
use http::Method;
use vault::service::Status;

use crate::{HttpResult, Manage};
use form::Form;
use visit::Visit;

/// Answers for the page at `path`, without the leading `/portal/`; the first page's is empty.
///
/// # Errors
/// [`Code::FormRefused`] for a form that is not the operator's own, and the problems of signing in. Problems of a page
/// become a page.
pub(crate) async fn answer(
    manage: &Manage,
    request: &Request,
    path: &str,
    log: &RequestLog,
) -> HttpResult {
    let path = path.trim_end_matches('/');
    let sessions = &manage.portal_sessions;
    let is_action = *request.method() == Method::POST;
    if is_action {
        csrf::require_same_site(request.headers())?;
    }
    match (is_action, path) {
        (true, "sign-in") => return sessions.sign_in(request, log).await,
        (true, "sign-out") => return sessions.sign_out(request).await,
        (false, "sign-in") => return session::plain_sign_in(session::Reason::Asked),
        _ => {}
    }
    let Some(operator) = sessions.operator(request).await? else {
        return session::sign_in_first(request);
    };
    log.caller(&operator.caller.id);
    let segments: Vec<&str> = path.split('/').collect();
    let visit = Visit { operator: &operator, request, log, clock: &*manage.clock };
    let answered = if is_action {
        let form = Form::of(request)?;
        operator.require_own_form(&form)?;
        act(manage, &visit, &segments, &form).await
    } else {
        page(manage, &visit, &segments).await
    };
    answered.or_else(|problem| frame::refused(&visit, &problem))
}

async fn page(manage: &Manage, visit: &Visit<'_>, segments: &[&str]) -> HttpResult {
    let Manage { integrations, connections, api_keys, service, .. } = manage;
    match segments {
        [""] => overview::page(visit, integrations, connections, api_keys, service).await,
        ["integrations"] => integrations::list(visit, integrations).await,
        ["integrations", "new"] => integration_edit::new_page(visit, integrations),
        ["integrations", id] => integration::page(visit, integrations, id).await,
        ["integrations", id, "edit"] => integration_edit::edit_page(visit, integrations, id).await,
        ["integrations", id, "delete"] => integration::delete_page(visit, integrations, id).await,
        ["connected"] => connect::finish_page(visit, connections).await,
        ["connections"] => connections::list(visit, connections, integrations).await,
        ["connections", id] => connections::page(visit, connections, id).await,
        ["connections", id, "try"] => calls::try_page(visit, connections, integrations, id).await,
        ["connections", id, "disconnect"] => {
            connections::disconnect_page(visit, connections, id).await
        }
        ["api-keys"] => api_keys::page(visit, api_keys, integrations).await,
        ["api-keys", id, "revoke"] => api_keys::revoke_page(visit, api_keys, id).await,
        ["health"] => {
            let (tallies, shards) = (&manage.tallies, manage.refresh_shards);
            health::page(visit, service, tallies, integrations, connections, shards).await
        }
        ["service", "pause"] => overview::stop_page(visit),
        // An address that a form was sent to, opened again: on to the form's page.
        ["integrations", id, "verify" | "connect" | "pause" | "resume"] => {
            frame::to(&format!("/portal/integrations/{id}"))
        }
        ["connections", id, "connect" | "refresh"] => {
            frame::to(&format!("/portal/connections/{id}"))
        }
        ["connected", "refuse"] => frame::to("/portal/connections"),
        ["service", "resume"] | ["sign-out"] => frame::to("/"),
        _ => Err(Problem::new(Code::NotFound)),
    }
}

/// The answer to a form, in progress.
type Answering<'a> = Pin<Box<dyn Future<Output = HttpResult> + 'a>>;

async fn act(manage: &Manage, visit: &Visit<'_>, segments: &[&str], form: &Form) -> HttpResult {
    let Manage { integrations, connect_sessions, connections, api_keys, service, gateway, .. } =
        manage;
    let sessions = &manage.portal_sessions;
    // Each action with its name in the log.
    let (action, answering): (_, Answering<'_>) = match segments {
        ["integrations", "new"] => {
            let created = integration_edit::create(visit, integrations, sessions, form);
            ("create_integration", Box::pin(created))
        }
        ["integrations", id, "edit"] => {
            let saved = integration_edit::save(visit, integrations, sessions, id, form);
            ("save_integration", Box::pin(saved))
        }
        ["integrations", id, "verify"] => {
            let verifier = &manage.verifier;
            let findings = integration::verify(visit, integrations, verifier, id);
            ("verify_integration", Box::pin(findings))
        }
        ["integrations", id, "pause"] => {
            ("pause_integration", Box::pin(integration::pause(visit, integrations, id)))
        }
        ["integrations", id, "resume"] => {
            ("resume_integration", Box::pin(integration::resume(visit, integrations, id)))
        }
        ["integrations", id, "delete"] => {
            ("delete_integration", Box::pin(integration::delete(visit, integrations, id)))
        }
        ["integrations", id, "connect"] => {
            let link = connect::connect(visit, integrations, connect_sessions, id, form);
            ("create_connect_link", Box::pin(link))
        }
        ["connected"] => {
            ("confirm_connection", Box::pin(connect::confirm(visit, connections, form)))
        }
        ["connected", "refuse"] => {
            ("refuse_connection", Box::pin(connect::refuse(visit, connections, form)))
        }
        ["connections", id, "connect"] => {
            let link = connect::reconnect(visit, connections, integrations, connect_sessions, id);
            ("create_connect_link", Box::pin(link))
        }
        ["connections", id, "refresh"] => {
            ("refresh_connection", Box::pin(calls::refresh(visit, connections, gateway, id)))
        }
        ["connections", id, "try"] => {
            ("try_call", Box::pin(calls::try_call(visit, connections, gateway, id, form)))
        }
        ["connections", id, "disconnect"] => {
            ("delete_connection", Box::pin(connections::disconnect(visit, connections, id)))
        }
        ["api-keys"] => {
            let created = api_keys::create(visit, api_keys, integrations, form);
            ("create_api_key", Box::pin(created))
        }
        ["api-keys", id, "revoke"] => ("delete_api_key", Box::pin(api_keys::revoke(api_keys, id))),
        ["service", "pause"] => {
            ("pause_service", Box::pin(overview::turn(service, Status::Paused)))
        }
        ["service", "resume"] => {
            ("resume_service", Box::pin(overview::turn(service, Status::Running)))
        }
        _ => return Err(Problem::new(Code::NotFound)),
    };
    let caller = &visit.operator.caller.id;
    tracing::info!(audit = "portal_action", %caller, action, "an operator sends a form");
    answering.await
}

/// Redirects to the first page.
pub(crate) fn first_page() -> HttpResult {
    frame::to("/")
}
