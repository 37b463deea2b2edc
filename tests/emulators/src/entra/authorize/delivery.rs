//! The redirect back to the application.

use super::request::Refusal;
use crate::entra::errors::{OAuthError, Trace};
use crate::entra::pages;
use crate::reply::Reply;

/// The response mode: how parameters are returned to the application.
#[derive(Clone, Copy, Debug)]
pub(super) enum ResponseMode {
    Query,
    Fragment,
    FormPost,
}

/// The destination of an answer, after client and redirect URI have been checked.
#[derive(Clone, Debug)]
pub(super) struct Destination {
    pub redirect_uri: String,
    pub mode: ResponseMode,
    pub state: Option<String>,
}

pub(super) fn refuse(refusal: Refusal, trace: &Trace) -> Reply {
    match refusal {
        Refusal::Page(error) => pages::error(400, &error, trace),
        Refusal::Redirect(destination, error) => send_back(&destination, &error, trace),
    }
}

pub(super) fn send_back(destination: &Destination, error: &OAuthError, trace: &Trace) -> Reply {
    let mut parameters = error.redirect_parameters(trace);
    if let Some(value) = &destination.state {
        parameters.push(("state".into(), value.clone()));
    }
    deliver(destination, &parameters)
}

pub(super) fn deliver(destination: &Destination, parameters: &[(String, String)]) -> Reply {
    let uri = &destination.redirect_uri;
    let encoded = encode(parameters);
    match destination.mode {
        ResponseMode::FormPost => pages::form_post(uri, parameters),
        ResponseMode::Fragment => Reply::redirect(&format!("{uri}#{encoded}")),
        ResponseMode::Query => {
            let separator = if uri.contains('?') { '&' } else { '?' };
            Reply::redirect(&format!("{uri}{separator}{encoded}"))
        }
    }
    .header("cache-control", "no-store, no-cache")
}

pub(crate) fn encode(parameters: &[(String, String)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish()
}
