//! The portal: what operators do with a browser. Pages are drawn here, on the server, and work without scripts.
//!
//! ```text
//!  cookie ── session ──> operator ── page ──> one file a subject, one template a page
//!                │                     │
//!  form ──── csrf token, same site ────┘  the same code as the management API behind each button
//! ```
//!
//! Reading a page changes nothing; whatever changes something is a form with the session's token in it. Nothing here
//! opens an Azure DevOps token: where a page needs one, it calls the proxy as any application does.

mod api_keys;
mod call_rules;
mod calls;
mod chart;
mod connect;
mod connections;
mod form;
mod frame;
mod health;
mod integration;
mod integration_edit;
mod integration_form;
mod integrations;
mod kept;
mod overview;
mod refusal;
mod scopes;
mod session;
mod shown;

use std::pin::Pin;

use edge::gateway::{Body, Request};
use edge::log::RequestLog;
use edge::problem::{Code, Problem};
use http::{Method, Response};
use vault::connections::Connection;

use crate::Manage;
use form::Form;
use session::Operator;

/// What an operator asks of a page.
struct Visit<'a> {
    operator: &'a Operator,
    request: &'a Request,
    log: &'a RequestLog,
}

impl Manage {
    /// Answers for the page at `path`, without the leading `/portal/`; the first page's is empty.
    pub(crate) async fn portal(
        &self,
        request: &Request,
        path: &str,
        log: &RequestLog,
    ) -> Result<Response<Body>, Problem> {
        let path = path.trim_end_matches('/');
        let is_action = *request.method() == Method::POST;
        if is_action {
            session::of_this_site(request.headers())?;
        }
        match (is_action, path) {
            (true, "sign-in") => return self.sign_in(request, log).await,
            (true, "sign-out") => return self.sign_out(request).await,
            (false, "sign-in") => return session::plain_sign_in(session::Reason::Asked),
            _ => {}
        }
        let Some(operator) = self.operator(request).await? else {
            return session::sign_in_first(request);
        };
        log.caller(&operator.caller);
        let segments: Vec<&str> = path.split('/').collect();
        let visit = Visit { operator: &operator, request, log };
        let answered = if is_action {
            let form = Form::of(request)?;
            operator.require_token(&form)?;
            self.portal_action(&visit, &segments, &form).await
        } else {
            self.portal_page(&visit, &segments).await
        };
        answered.or_else(|problem| frame::refused(&visit, &problem))
    }

    /// The connection that a page is about.
    async fn connection_on(&self, visit: &Visit<'_>, id: &str) -> Result<Connection, Problem> {
        self.visible_connection(&visit.operator.caller, id, visit.log).await
    }

    async fn portal_page(
        &self,
        visit: &Visit<'_>,
        segments: &[&str],
    ) -> Result<Response<Body>, Problem> {
        match segments {
            [""] => self.overview_page(visit).await,
            ["integrations"] => self.integrations_page(visit).await,
            ["integrations", "new"] => self.new_integration_page(visit),
            ["integrations", id] => self.integration_page(visit, id).await,
            ["integrations", id, "edit"] => self.edit_integration_page(visit, id).await,
            ["integrations", id, "delete"] => self.delete_integration_page(visit, id).await,
            ["connected"] => self.connected_page(visit).await,
            ["connections"] => self.connections_page(visit).await,
            ["connections", id] => self.connection_page(visit, id).await,
            ["connections", id, "try"] => self.try_page(visit, id).await,
            ["api-keys"] => self.api_keys_page(visit).await,
            ["health"] => self.health_page(visit).await,
            ["connections", id, "disconnect"] => self.disconnect_page(visit, id).await,
            ["api-keys", id, "revoke"] => self.revoke_page(visit, id).await,
            ["service", "pause"] => overview::stop_page(visit),
            // Where a form was sent to, opened again: the page that it belongs to.
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

    async fn portal_action(
        &self,
        visit: &Visit<'_>,
        segments: &[&str],
        form: &Form,
    ) -> Result<Response<Body>, Problem> {
        // Each form with its name in the log.
        let (action, answering): (_, Answering<'_>) = match segments {
            ["integrations", "new"] => {
                ("create_integration", Box::pin(self.create_integration(visit, form)))
            }
            ["integrations", id, "edit"] => {
                ("save_integration", Box::pin(self.save_integration(visit, id, form)))
            }
            ["integrations", id, "verify"] => {
                ("verify_integration", Box::pin(self.verify_page(visit, id)))
            }
            ["integrations", id, "pause"] => {
                ("pause_integration", Box::pin(self.turn_integration(visit, id, Turn::Pause)))
            }
            ["integrations", id, "resume"] => {
                ("resume_integration", Box::pin(self.turn_integration(visit, id, Turn::Resume)))
            }
            ["integrations", id, "delete"] => {
                ("delete_integration", Box::pin(self.remove_integration(visit, id)))
            }
            ["integrations", id, "connect"] => {
                ("create_connect_link", Box::pin(self.connect_page(visit, id, form)))
            }
            ["connected"] => ("confirm_connection", Box::pin(self.finish_connecting(visit, form))),
            ["connected", "refuse"] => {
                ("refuse_connection", Box::pin(self.refuse_connecting(visit, form)))
            }
            ["connections", id, "connect"] => {
                ("create_connect_link", Box::pin(self.reconnect_page(visit, id)))
            }
            ["connections", id, "refresh"] => {
                ("refresh_connection", Box::pin(self.refresh_from_portal(visit, id)))
            }
            ["connections", id, "try"] => ("try_call", Box::pin(self.try_call(visit, id, form))),
            ["connections", id, "disconnect"] => {
                ("delete_connection", Box::pin(self.disconnect(visit, id)))
            }
            ["api-keys"] => ("create_api_key", Box::pin(self.create_key_page(visit, form))),
            ["api-keys", id, "revoke"] => ("delete_api_key", Box::pin(self.revoke_from_portal(id))),
            ["service", "pause"] => {
                ("pause_service", Box::pin(self.turn_service_from_portal(Turn::Pause)))
            }
            ["service", "resume"] => {
                ("resume_service", Box::pin(self.turn_service_from_portal(Turn::Resume)))
            }
            _ => return Err(Problem::new(Code::NotFound)),
        };
        let caller = &visit.operator.caller.id;
        tracing::info!(audit = "portal_action", %caller, action, "an operator sends a form");
        answering.await
    }
}

/// On to the first page.
pub(crate) fn first_page() -> Result<Response<Body>, Problem> {
    frame::to("/")
}

/// What a form does, under way.
type Answering<'a> = Pin<Box<dyn Future<Output = Result<Response<Body>, Problem>> + 'a>>;

/// Stop, or go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Pause,
    Resume,
}
