//! Checking an authorization request.

use uuid::Uuid;

use super::delivery::{Destination, ResponseMode};
use crate::entra::errors::OAuthError;
use crate::entra::grants::Challenge;
use crate::entra::scopes::Scopes;
use crate::entra::{Authority, Directory};
use crate::request::Parameters;

/// A checked authorization request.
pub(super) struct AuthorizationRequest {
    pub client_id: Uuid,
    pub app_name: String,
    pub authority: Authority,
    pub destination: Destination,
    pub scopes: Scopes,
    pub challenge: Option<Challenge>,
    pub nonce: Option<String>,
    pub claims: Option<String>,
    pub login_hint: Option<String>,
    pub silent: bool,
    pub client_info: bool,
}

/// The refusal of a request.
pub(super) enum Refusal {
    /// Shown to the user, because the redirect URI cannot be trusted.
    Page(OAuthError),
    /// Sent back to the application.
    Redirect(Box<Destination>, OAuthError),
}

/// Checks in Entra's order: first whether the redirect URI can be trusted.
pub(super) fn check(
    directory: &Directory,
    parameters: &Parameters,
    tenant: &str,
) -> Result<AuthorizationRequest, Refusal> {
    let authority = directory.authority(tenant).map_err(Refusal::Page)?;
    if let Some(name) = parameters.duplicated() {
        return Err(Refusal::Page(OAuthError::new(
            "invalid_request",
            9_000_411,
            format!("The request is not properly formatted. The parameter '{name}' is duplicated."),
        )));
    }
    let required = |name: &str| parameters.get(name).ok_or_else(|| missing(name));
    let app =
        required("client_id").and_then(|id| directory.usable_app(id)).map_err(Refusal::Page)?;
    let registration = &app.registration;
    if !registration.multitenant && authority != Authority::Tenant(registration.home_tenant) {
        return Err(Refusal::Page(OAuthError::new(
            "unauthorized_client",
            50194,
            "The application is not configured as a multitenant application.",
        )));
    }
    let Some(redirect_uri) = parameters.get("redirect_uri") else {
        return Err(Refusal::Page(OAuthError::new(
            "invalid_request",
            900_971,
            "No reply address provided.",
        )));
    };
    if !registration.redirect_uris.iter().any(|registered| registered == redirect_uri) {
        return Err(Refusal::Page(OAuthError::new(
            "invalid_request",
            50011,
            "The redirect URI specified in the request does not match the redirect URIs configured for the application.",
        )));
    }
    let (mode, mode_known) = match parameters.get("response_mode") {
        None | Some("query") => (ResponseMode::Query, true),
        Some("fragment") => (ResponseMode::Fragment, true),
        Some("form_post") => (ResponseMode::FormPost, true),
        Some(_) => (ResponseMode::Query, false),
    };
    let destination = Destination {
        redirect_uri: redirect_uri.to_owned(),
        mode,
        state: parameters.get("state").map(str::to_owned),
    };
    let back = |error: OAuthError| Refusal::Redirect(Box::new(destination.clone()), error);
    if !mode_known {
        return Err(back(OAuthError::new(
            "invalid_request",
            90023,
            "The response_mode is not supported.",
        )));
    }
    check_response_type(parameters).map_err(back)?;
    let scope = required("scope").map_err(back)?;
    let scopes = Scopes::parse(scope, &registration.name).map_err(back)?;
    let challenge = check_challenge(parameters).map_err(back)?;
    let silent = check_prompt(parameters).map_err(back)?;
    let claims = parameters.get("claims").map(str::to_owned);
    if claims
        .as_deref()
        .is_some_and(|claims| serde_json::from_str::<serde_json::Value>(claims).is_err())
    {
        return Err(back(OAuthError::new(
            "invalid_request",
            90023,
            "The claims parameter is not valid JSON.",
        )));
    }
    Ok(AuthorizationRequest {
        client_id: registration.client_id,
        app_name: registration.name.clone(),
        authority,
        scopes,
        challenge,
        nonce: parameters.get("nonce").map(str::to_owned),
        claims,
        login_hint: parameters.get("login_hint").map(str::to_owned),
        silent,
        client_info: parameters.get("client_info") == Some("1"),
        destination,
    })
}

fn missing(name: &str) -> OAuthError {
    OAuthError::new(
        "invalid_request",
        900_144,
        format!("The request body must contain the following parameter: '{name}'."),
    )
}

fn check_response_type(parameters: &Parameters) -> Result<(), OAuthError> {
    match parameters.get("response_type") {
        Some("code") => Ok(()),
        None => Err(missing("response_type")),
        Some(_) => Err(OAuthError::new(
            "unsupported_response_type",
            700_054,
            "The response_type is not enabled for the application.",
        )),
    }
}

/// Reads the PKCE challenge. One without a method counts as `plain`, as Entra documents it.
fn check_challenge(parameters: &Parameters) -> Result<Option<Challenge>, OAuthError> {
    let method = parameters.get("code_challenge_method");
    let Some(challenge) = parameters.get("code_challenge") else {
        return match method {
            Some(_) => Err(missing("code_challenge")),
            None => Ok(None),
        };
    };
    if !(43..=128).contains(&challenge.len()) {
        return Err(OAuthError::new(
            "invalid_request",
            501_491,
            "The code_challenge must be 43 to 128 characters long.",
        ));
    }
    match method {
        Some("S256") => Ok(Some(Challenge::S256(challenge.to_owned()))),
        None | Some("plain") => Ok(Some(Challenge::Plain(challenge.to_owned()))),
        Some(_) => Err(OAuthError::new(
            "invalid_request",
            50149,
            "The code_challenge_method must be S256 or plain.",
        )),
    }
}

/// Whether the user must not be asked (`prompt=none`).
fn check_prompt(parameters: &Parameters) -> Result<bool, OAuthError> {
    let prompt = parameters.get("prompt");
    if prompt == Some("select_account") && parameters.get("login_hint").is_some() {
        return Err(OAuthError::new(
            "invalid_request",
            90023,
            "prompt=select_account and login_hint can't be combined.",
        ));
    }
    match prompt {
        None | Some("login" | "consent" | "select_account") => Ok(false),
        Some("none") => Ok(true),
        Some(_) => {
            Err(OAuthError::new("invalid_request", 90023, "The prompt value is not supported."))
        }
    }
}
