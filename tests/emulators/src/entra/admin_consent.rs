//! The admin consent endpoint.

use super::authorize::encode;
use super::errors::{OAuthError, text};
use super::{Account, Authority, Directory, State, pages};
use crate::reply::Reply;
use crate::request::{Parameters, Received};

/// `GET /{tenant}/adminconsent` (and `/{tenant}/v2.0/adminconsent`)
pub(crate) fn page(state: &State, received: &Received, tenant: &str) -> Reply {
    let trace = state.trace(received);
    let directory = state.directory();
    let parameters = received.query();
    match check(&directory, &parameters, tenant) {
        Ok(consent) => {
            let administrators: Vec<&Account> = directory
                .accounts
                .iter()
                .filter(|account| may_consent(account, consent.authority))
                .collect();
            let action = format!("{}/decision?{}", received.path(), encode(parameters.pairs()));
            pages::admin_consent(&action, &consent.app_name, &administrators)
        }
        Err(error) => pages::error(400, &error, &trace),
    }
}

/// `POST /{tenant}/adminconsent/decision?{the same query}` with `account` and `action` (`approve` or `cancel`).
pub(crate) fn decision(state: &State, received: &Received, tenant: &str) -> Reply {
    let trace = state.trace(received);
    let mut directory = state.directory();
    let parameters = received.query();
    let consent = match check(&directory, &parameters, tenant) {
        Ok(consent) => consent,
        Err(error) => return pages::error(400, &error, &trace),
    };
    let form = received.form();
    let administrator = match form.get("account") {
        Some(name) => directory.account(name),
        None => directory.accounts.iter().find(|account| may_consent(account, consent.authority)),
    };
    let administrator = administrator.filter(|account| may_consent(account, consent.authority));
    let mut back = Vec::new();
    let approved = form.get("action").unwrap_or("approve") == "approve";
    if let Some(account) = administrator.filter(|_| approved) {
        let granted = account.home.tenant;
        directory.grants.admin_consents.insert((consent.client_id, granted));
        directory.grants.present.insert((consent.client_id, granted));
        back.push(("tenant".to_owned(), granted.to_string()));
        back.push(("admin_consent".to_owned(), "True".to_owned()));
    } else {
        let is_v2 = received.path().contains("/v2.0/");
        let error = if is_v2 { "consent_required" } else { "permission_denied" };
        let error = OAuthError::new(error, 65004, "The admin canceled the request.");
        back.push(("error".to_owned(), error.error.to_string()));
        back.push(("error_description".to_owned(), error.description(&trace)));
        if is_v2 {
            // Microsoft documents this flag in a refusal.
            back.push(("admin_consent".to_owned(), "True".to_owned()));
            back.push(("error_subcode".to_owned(), "cancel".to_owned()));
        }
    }
    if let Some(value) = parameters.get("state") {
        back.push(("state".to_owned(), value.to_owned()));
    }
    Reply::redirect(&format!("{}?{}", consent.redirect_uri, encode(&back)))
}

struct Consent {
    client_id: uuid::Uuid,
    app_name: String,
    authority: Authority,
    redirect_uri: String,
}

fn may_consent(account: &Account, authority: Authority) -> bool {
    account.administrator
        && match authority {
            Authority::Organizations | Authority::Common => true,
            Authority::Consumers => false,
            Authority::Tenant(id) => account.home.tenant == id,
        }
}

fn check(
    directory: &Directory,
    parameters: &Parameters,
    tenant: &str,
) -> Result<Consent, OAuthError> {
    let authority = directory.authority(tenant)?;
    let client_id = parameters
        .get("client_id")
        .ok_or_else(|| OAuthError::new("invalid_request", 900_144, text(900_144)))?;
    let registration = &directory.usable_app(client_id)?.registration;
    let redirect_uri = parameters
        .get("redirect_uri")
        .filter(|uri| registration.redirect_uris.iter().any(|known| known == uri))
        .ok_or_else(|| {
            OAuthError::new("invalid_request", 50011, "The redirect URI is not configured.")
        })?;
    Ok(Consent {
        client_id: registration.client_id,
        app_name: registration.name.clone(),
        authority,
        redirect_uri: redirect_uri.to_owned(),
    })
}
