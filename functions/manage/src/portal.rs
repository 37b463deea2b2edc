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
mod audit;
mod call_rules;
mod calls;
mod chart;
mod connect;
mod connections;
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

use edge::csrf;
use edge::gateway::Request;
use edge::log::RequestLog;
use edge::problem::{Code, Problem};
use edge::routes::{Matched, Operation};
use http::Method;
use vault::audit::{AuditEvent, What};
use vault::service::Status;

use crate::{HttpResult, Manage};
use form::Form;
use visit::Visit;

/// Answers a request for a page or from a form. The page's path is a parameter, or absent for the first page.
///
/// # Errors
/// [`Code::FormRefused`] for a form that is not the operator's own, and the problems of signing in. Problems of a page
/// become a page.
pub(crate) async fn answer(
    manage: &Manage,
    request: &Request,
    matched: &Matched,
    log: &RequestLog,
) -> HttpResult {
    if matched.route.operation == Operation::PortalAddress {
        return frame::to("/");
    }
    let path = matched.parameter("page").unwrap_or_default().trim_end_matches('/');
    let Manage { operations, portal_sessions: sessions, clock, .. } = manage;
    let is_action = *request.method() == Method::POST;
    if is_action {
        csrf::require_same_site(request.headers())?;
    }
    match (is_action, path) {
        (true, "sign-in") => return sessions.sign_in(request, log).await,
        (true, "sign-out") => return sessions.sign_out(request, log).await,
        (false, "sign-in") => return session::plain_sign_in(session::Reason::Asked),
        _ => {}
    }
    let Some(operator) = &sessions.operator(request).await? else {
        return session::sign_in_first(request);
    };
    operator.caller.note_in(log);
    let segments: Vec<&str> = path.split('/').collect();
    let (sessions, clock) = (&sessions.sessions, &**clock);
    let visit = Visit { operator, operations, sessions, request, log, clock };
    let answered = if is_action {
        let form = Form::of(request)?;
        operator.require_own_form(&form)?;
        act(&visit, &segments, &form).await
    } else {
        page(&visit, &segments).await
    };
    answered.or_else(|problem| frame::refused(&visit, &problem))
}

async fn page(visit: &Visit<'_>, segments: &[&str]) -> HttpResult {
    match segments {
        [""] => overview::page(visit).await,
        ["integrations"] => integrations::list(visit).await,
        ["integrations", "new"] => integration_edit::new_page(visit),
        ["integrations", id] => integration::page(visit, id).await,
        ["integrations", id, "edit"] => integration_edit::edit_page(visit, id).await,
        ["integrations", id, "delete"] => integration::delete_page(visit, id).await,
        ["connected"] => connect::finish_page(visit).await,
        ["connections"] => connections::list(visit).await,
        ["connections", id] => connections::page(visit, id).await,
        ["connections", id, "try"] => calls::try_page(visit, id).await,
        ["connections", id, "disconnect"] => connections::disconnect_page(visit, id).await,
        ["api-keys"] => api_keys::page(visit).await,
        ["api-keys", id, "revoke"] => api_keys::revoke_page(visit, id).await,
        ["audit"] => audit::page(visit).await,
        ["health"] => health::page(visit).await,
        ["service", "pause"] => overview::stop_page(visit),
        // An address that a form was sent to, opened again: on to the form's page.
        ["integrations", id, "verify" | "connect" | "pause" | "resume"] => {
            frame::to(&format!("/portal/integrations/{id}"))
        }
        ["connections", id, "connect" | "refresh" | "pause" | "resume"] => {
            frame::to(&format!("/portal/connections/{id}"))
        }
        ["connected", "refuse"] => frame::to("/portal/connections"),
        ["service", "resume"] | ["sign-out"] => frame::to("/"),
        _ => Err(Problem::new(Code::NotFound)),
    }
}

/// The answer to a form, in progress.
type Answering<'a> = Pin<Box<dyn Future<Output = HttpResult> + Send + 'a>>;

async fn act(visit: &Visit<'_>, segments: &[&str], form: &Form) -> HttpResult {
    // Each action with its name in the log.
    let (action, answering): (_, Answering<'_>) = match segments {
        ["integrations", "new"] => {
            ("create_integration", Box::pin(integration_edit::create(visit, form)))
        }
        ["integrations", id, "edit"] => {
            ("save_integration", Box::pin(integration_edit::save(visit, id, form)))
        }
        ["integrations", id, "verify"] => {
            ("verify_integration", Box::pin(integration::verify(visit, id)))
        }
        ["integrations", id, "pause"] => {
            ("pause_integration", Box::pin(integration::pause(visit, id)))
        }
        ["integrations", id, "resume"] => {
            ("resume_integration", Box::pin(integration::resume(visit, id)))
        }
        ["integrations", id, "delete"] => {
            ("delete_integration", Box::pin(integration::delete(visit, id)))
        }
        ["integrations", id, "connect"] => {
            ("create_connect_link", Box::pin(connect::connect(visit, id, form)))
        }
        ["connected"] => ("confirm_connection", Box::pin(connect::confirm(visit, form))),
        ["connected", "refuse"] => ("refuse_connection", Box::pin(connect::refuse(visit, form))),
        ["connections", id, "connect"] => {
            ("create_connect_link", Box::pin(connect::reconnect(visit, id)))
        }
        ["connections", id, "refresh"] => {
            ("refresh_connection", Box::pin(calls::refresh(visit, id)))
        }
        ["connections", id, "pause"] => {
            ("pause_connection", Box::pin(connections::pause(visit, id)))
        }
        ["connections", id, "resume"] => {
            ("resume_connection", Box::pin(connections::resume(visit, id)))
        }
        ["connections", id, "try"] => ("try_call", Box::pin(calls::try_call(visit, id, form))),
        ["connections", id, "disconnect"] => {
            ("delete_connection", Box::pin(connections::disconnect(visit, id)))
        }
        ["api-keys"] => ("create_api_key", Box::pin(api_keys::create(visit, form))),
        ["api-keys", id, "revoke"] => ("delete_api_key", Box::pin(api_keys::revoke(visit, id))),
        ["service", "pause"] => ("pause_service", Box::pin(overview::turn(visit, Status::Paused))),
        ["service", "resume"] => {
            ("resume_service", Box::pin(overview::turn(visit, Status::Running)))
        }
        _ => return Err(Problem::new(Code::NotFound)),
    };
    let event = AuditEvent::of_service(What::PortalAction { action });
    visit.operations.audit.record(&visit.log.actor(), &event).await;
    answering.await
}
