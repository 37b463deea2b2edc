//! The authorize endpoint: checks, the sign-in page, and the redirect back to the application.

mod delivery;
mod request;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::accounts::Account;
use super::errors::{OAuthError, Trace, text};
use super::grants::{AuthorizationCode, satisfies};
use super::settings::UserConsent;
use super::{Authority, Directory, PERSONAL_TENANT, State, pages};
use crate::marker;
use crate::reply::Reply;
use crate::request::{Parameters, Received};
use crate::server::Emulator as _;

pub(crate) use delivery::encode;
use delivery::{deliver, refuse, send_back};
use request::{AuthorizationRequest, check};

/// `GET` (or `POST`) `/{tenant}/oauth2/v2.0/authorize`
pub(crate) fn page(state: &State, received: &Received, tenant: &str) -> Reply {
    let parameters =
        if received.method == http::Method::POST { received.form() } else { received.query() };
    let trace = state.trace(received);
    let mut directory = state.directory();
    let request = match check(&directory, &parameters, tenant) {
        Ok(request) => request,
        Err(refusal) => return refuse(refusal, &trace),
    };
    let hinted = request.login_hint.as_deref().and_then(|hint| directory.account(hint)).cloned();
    if request.silent {
        return match hinted {
            Some(account) => approve(state, &mut directory, &request, &account, &trace, ""),
            None => send_back(
                &request.destination,
                &OAuthError::new("login_required", 50058, text(50058)),
                &trace,
            ),
        };
    }
    let accounts: Vec<&Account> = directory.accounts.iter().collect();
    let query = encode(parameters.pairs());
    let action = format!("/{tenant}/oauth2/v2.0/authorize/decision?{query}");
    pages::sign_in(&action, &request.app_name, &accounts, hinted.as_ref())
}

/// `POST /{tenant}/oauth2/v2.0/authorize/decision?{the authorize request's own query}` with `account` and `action`.
pub(crate) fn decision(state: &State, received: &Received, tenant: &str) -> Reply {
    let trace = state.trace(received);
    let mut directory = state.directory();
    let parameters = received.query();
    let request = match check(&directory, &parameters, tenant) {
        Ok(request) => request,
        Err(refusal) => return refuse(refusal, &trace),
    };
    let form = received.form();
    let action = form.get("action").unwrap_or("approve");
    if action != "approve" {
        return match outcome(action, &form, state.now()) {
            Some(error) => send_back(&request.destination, &error, &trace),
            None => Reply::html(400, pages::bare("The sign-in form has no such action")),
        };
    }
    let name = form.get("account").or(request.login_hint.as_deref()).unwrap_or_default();
    let Some(account) = directory.account(name).cloned() else {
        let error = OAuthError::new("invalid_request", 50034, text(50034));
        return pages::error(400, &error, &trace);
    };
    let action_url = format!("{}?{}", received.path(), encode(parameters.pairs()));
    approve(state, &mut directory, &request, &account, &trace, &action_url)
}

/// Returns the error of the sign-in form's `action`; `error` takes its fields from the form.
fn outcome(action: &str, form: &Parameters, now: Timestamp) -> Option<OAuthError> {
    let named = |error: &str, code: u32| OAuthError::new(error, code, text(code));
    let challenge = form.get("claims").map_or_else(
        || {
            format!(
                r#"{{"access_token":{{"polids":{{"essential":true,"values":["{}"]}}}}}}"#,
                now.as_second()
            )
        },
        str::to_owned,
    );
    Some(match action {
        "cancel" => named("access_denied", 65004).suberror("cancel"),
        "consent_required" => named("consent_required", 65001),
        "admin_approval_required" => named("access_denied", 90094),
        "admin_approval_pending" => named("access_denied", 90095),
        "interaction_required" => named("interaction_required", 50076).claims(&challenge),
        "login_required" => named("login_required", 50058),
        "not_assigned" => named("access_denied", 50105),
        "blocked" => named("access_denied", 53003).claims(&challenge),
        "server_error" => named("server_error", 90033),
        "temporarily_unavailable" => named("temporarily_unavailable", 90033),
        "error" => {
            let code = form.get("code").and_then(|code| code.parse().ok()).unwrap_or(90014);
            let mut error = named(form.get("error").unwrap_or("invalid_request"), code);
            error.suberror = form.get("suberror").map(str::to_owned);
            error.claims = form.get("claims").map(str::to_owned);
            error
        }
        _ => return None,
    })
}

/// Returns the tenant in which the account signs in, or the AADSTS number of the refusal.
pub(crate) fn sign_in_tenant(
    directory: &Directory,
    account: &Account,
    authority: Authority,
) -> Result<Uuid, OAuthError> {
    let refused = |code: u32| OAuthError::new("access_denied", code, text(code));
    if directory.restrictions(&account.key).disabled {
        return Err(refused(50057));
    }
    if account.is_personal() {
        let allowed = directory.settings.allow_personal_accounts
            && !matches!(authority, Authority::Tenant(_));
        return if allowed {
            Ok(PERSONAL_TENANT)
        } else {
            Err(OAuthError::new(
                "access_denied",
                500_200,
                "The user account is a personal Microsoft account. Personal Microsoft accounts are not supported for this application.",
            ))
        };
    }
    match authority {
        Authority::Organizations | Authority::Common => Ok(account.home.tenant),
        Authority::Consumers => Err(refused(50020)),
        Authority::Tenant(id) => account.membership(id).map(|_| id).ok_or_else(|| refused(50020)),
    }
}

fn approve(
    state: &State,
    directory: &mut Directory,
    request: &AuthorizationRequest,
    account: &Account,
    trace: &Trace,
    action_url: &str,
) -> Reply {
    let tenant = match sign_in_tenant(directory, account, request.authority) {
        Ok(tenant) => tenant,
        Err(error) => return pages::error(400, &error, trace),
    };
    if directory.grants.disabled.contains(&(request.client_id, tenant))
        && let Err(error) = directory.check_app_in(request.client_id, tenant)
    {
        return pages::error(400, &error, trace);
    }
    let administrator = account.administrator && account.home.tenant == tenant;
    let consented = directory.grants.admin_consents.contains(&(request.client_id, tenant));
    if directory.settings.user_consent == UserConsent::AdministratorsOnly
        && !administrator
        && !consented
    {
        return if request.silent {
            let error = OAuthError::new("consent_required", 65001, text(65001));
            send_back(&request.destination, &error, trace)
        } else {
            pages::need_admin_approval(action_url, &request.app_name)
        };
    }
    satisfy_restrictions(directory, request, account);
    let code = issue_code(state, directory, request, account, tenant);
    let mut parameters = vec![("code".to_owned(), code)];
    if let Some(value) = &request.destination.state {
        parameters.push(("state".into(), value.clone()));
    }
    parameters.push(("session_state".into(), Uuid::new_v4().to_string()));
    deliver(&request.destination, &parameters)
}

/// Ends the required interaction if the sign-in has the requested claims.
fn satisfy_restrictions(
    directory: &mut Directory,
    request: &AuthorizationRequest,
    account: &Account,
) {
    if let Some(restrictions) = directory.restrictions.get_mut(&account.key)
        && let Some(asked) = &restrictions.interaction
        && satisfies(request.claims.as_deref(), asked)
    {
        restrictions.interaction = None;
    }
}

fn issue_code(
    state: &State,
    directory: &mut Directory,
    request: &AuthorizationRequest,
    account: &Account,
    tenant: Uuid,
) -> String {
    let registered = directory
        .apps
        .get(&request.client_id)
        .map(|app| app.registration.permissions.clone())
        .unwrap_or_default();
    let consented =
        directory.grants.consents.entry((request.client_id, account.key.clone())).or_default();
    for scopes in &request.scopes.resources {
        consented.extend(scopes.permissions(&registered));
    }
    directory.grants.present.insert((request.client_id, tenant));
    let code = marker::opaque("1.AX", 300);
    let lifetime =
        SignedDuration::from_secs(i64::try_from(directory.settings.code_lifetime).unwrap_or(600));
    if directory.settings.keep_issued {
        directory.grants.issued.push(code.clone());
    }
    directory.grants.codes.insert(
        code.clone(),
        AuthorizationCode {
            client_id: request.client_id,
            redirect_uri: request.destination.redirect_uri.clone(),
            account: account.key.clone(),
            tenant,
            scopes: request.scopes.clone(),
            nonce: request.nonce.clone(),
            challenge: request.challenge.clone(),
            claims: request.claims.clone(),
            client_info: request.client_info,
            expires_at: state.now().saturating_add(lifetime).unwrap_or(Timestamp::MAX),
            redeemed: false,
        },
    );
    code
}
