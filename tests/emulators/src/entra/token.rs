//! The token endpoint: three grants, and their refusals.

mod client_credentials;
mod code;
mod refresh;

use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::accounts::Account;
use super::apps::{AppRegistration, AssertionContext, Presented, authenticate};
use super::errors::{OAuthError, protocol_headers, text};
use super::grants::RefreshToken;
use super::issue::{self, Subject};
use super::metadata::issuer;
use super::scopes::{Resource, ResourceScopes, Scopes};
use super::{Authority, Directory, State};
use crate::faults::{Fault, IdTokenFault};
use crate::reply::Reply;
use crate::request::{Parameters, Received};
use crate::server::Emulator as _;

/// Lifetime of a token under continuous access evaluation, in seconds.
const CAE_SECONDS: u64 = 24 * 3600;

/// `POST /{tenant}/oauth2/v2.0/token`
pub(crate) fn answer(
    state: &State,
    received: &Received,
    tenant: &str,
    spoil: Option<&Fault>,
) -> Reply {
    let trace = state.trace(received);
    let result = if received.method == Method::POST {
        let mut directory = state.directory();
        let mut exchange = Exchange {
            base_url: &state.base_url,
            now: state.now(),
            form: received.form(),
            spoil: spoil.and_then(|fault| fault.id_token.as_ref()),
            authority: Authority::Organizations,
        };
        exchange.run(&mut directory, received, tenant)
    } else {
        Err(OAuthError::new(
            "invalid_request",
            900_561,
            "The endpoint only accepts POST requests. Received a GET request.",
        ))
    };
    match result {
        Ok(body) => protocol_headers(Reply::json(200, &body), &trace),
        Err(error) => error.into_reply(&trace),
    }
}

struct Exchange<'a> {
    base_url: &'a str,
    now: Timestamp,
    form: Parameters,
    spoil: Option<&'a IdTokenFault>,
    authority: Authority,
}

impl Exchange<'_> {
    fn run(
        &mut self,
        directory: &mut Directory,
        received: &Received,
        tenant: &str,
    ) -> Result<Value, OAuthError> {
        self.authority = directory.authority(tenant)?;
        if let Some(name) = self.form.duplicated() {
            return Err(OAuthError::new(
                "invalid_request",
                9_000_411,
                format!(
                    "The request is not properly formatted. The parameter '{name}' is duplicated."
                ),
            ));
        }
        let grant_type = self.required("grant_type")?.to_owned();
        if !matches!(
            grant_type.as_str(),
            "authorization_code" | "refresh_token" | "client_credentials"
        ) {
            return Err(OAuthError::new(
                "unsupported_grant_type",
                70003,
                format!("The app requested an unsupported grant type '{grant_type}'."),
            ));
        }
        let app = self.client(directory, received)?;
        match grant_type.as_str() {
            "authorization_code" => self.redeem_code(directory, &app),
            "refresh_token" => self.refresh(directory, &app),
            _ => self.client_credentials(directory, &app),
        }
    }

    fn required(&self, name: &str) -> Result<&str, OAuthError> {
        self.form.get(name).ok_or_else(|| missing(name))
    }

    /// Authenticates the app by its credential.
    fn client(
        &self,
        directory: &mut Directory,
        received: &Received,
    ) -> Result<AppRegistration, OAuthError> {
        let presented =
            Presented::from_request(received, &self.form).ok_or_else(|| missing("client_id"))?;
        let app = directory.usable_app(&presented.client_id)?.clone();
        // The token endpoint of every authority that names the same tenant, and the issuer.
        let segment = received.segments().first().cloned().unwrap_or_default();
        let audiences = [
            format!("{}/{segment}/oauth2/v2.0/token", self.base_url),
            format!("{}/{}/oauth2/v2.0/token", self.base_url, self.authority.segment()),
            issuer(self.base_url, self.authority),
        ];
        let allow_replay = directory.settings.allow_assertion_replay;
        let mut context = AssertionContext {
            now: self.now,
            audiences: &audiences,
            used: &mut directory.grants.assertions,
            allow_replay,
        };
        authenticate(&app, &presented, &self.form, &mut context)?;
        Ok(app.registration)
    }

    /// Parses the request's `scope`. Unlike at the authorize endpoint, an unknown one is `invalid_scope`.
    fn asked_scopes(&self, app: &AppRegistration) -> Result<Scopes, OAuthError> {
        let scope = self.form.get("scope").unwrap_or_default();
        Scopes::parse(scope, &app.name)
            .map_err(|error| OAuthError::new("invalid_scope", 70011, error.text))
    }

    /// Returns the scopes of the resource of a token request, if the account has consented to them.
    fn granted(
        &self,
        directory: &Directory,
        app: &AppRegistration,
        account: &Account,
        fallback: &Scopes,
    ) -> Result<ResourceScopes, OAuthError> {
        let asked = self.asked_scopes(app)?;
        if asked.resources.len() > 1 && self.form.get("grant_type") == Some("authorization_code") {
            return Err(OAuthError::new(
                "invalid_request",
                28000,
                "The scope is not valid because it contains more than one resource.",
            ));
        }
        let granted = asked.resources.first().cloned().unwrap_or_else(|| fallback.first());
        let consented = directory.grants.consents.get(&(app.client_id, account.key.clone()));
        let admin_consented =
            directory.grants.admin_consents.contains(&(app.client_id, account.home.tenant));
        let missing = granted.resource == Resource::AzureDevOps
            && granted.permissions(&app.permissions).iter().any(|permission| {
                !consented.is_some_and(|consented| consented.contains(permission))
            });
        if missing && !admin_consented {
            return Err(
                OAuthError::new("invalid_grant", 65001, text(65001)).suberror("consent_required")
            );
        }
        Ok(granted)
    }

    fn user_tokens(
        &self,
        directory: &mut Directory,
        app: &AppRegistration,
        subject: &Subject<'_>,
        (scopes, nonce): (&Scopes, Option<&str>),
        granted: &ResourceScopes,
    ) -> Value {
        let long_lived = directory.settings.continuous_access_evaluation && subject.capable;
        let lifetime = if long_lived { CAE_SECONDS } else { directory.settings.token_lifetime };
        let refresh_in = directory.settings.refresh_in.or(long_lived.then_some(CAE_SECONDS / 2));
        let mut permissions = granted.permissions(&app.permissions);
        permissions.retain(|name| !directory.settings.withheld_scopes.contains(name));
        let scope = scopes.granted(granted, &permissions);
        let access_token =
            issue::access_token(directory, subject, granted, permissions, lifetime, self.now);
        let mut body = json!({
            "token_type": "Bearer",
            "scope": scope,
            "expires_in": number(directory, lifetime),
            "ext_expires_in": number(directory, lifetime),
            "access_token": access_token,
        });
        if let Some(seconds) = refresh_in {
            body["refresh_in"] = number(directory, seconds);
        }
        if scopes.has("offline_access") && !directory.settings.omit_refresh_token {
            let record = RefreshToken {
                client_id: subject.client_id,
                account: subject.account.map(|account| account.key.clone()).unwrap_or_default(),
                scopes: scopes.clone(),
                capable: subject.capable,
                last_used_at: self.now,
                dead: None,
            };
            body["refresh_token"] = issue::refresh_token(directory, record).into();
        }
        if scopes.has("openid") {
            let id_token = issue::id_token(
                directory,
                self.base_url,
                subject,
                (scopes, nonce),
                self.spoil,
                self.now,
            );
            if let Some(id_token) = id_token {
                body["id_token"] = id_token.into();
            }
        }
        for (name, value) in &directory.settings.token_members {
            body[name] = value.clone();
        }
        if let Some(members) = body.as_object_mut() {
            members.retain(|name, _| !directory.settings.token_members_left_out.contains(name));
        }
        body
    }
}

fn account(directory: &Directory, key: &str) -> Result<Account, OAuthError> {
    let account = directory
        .account(key)
        .cloned()
        .ok_or_else(|| OAuthError::new("invalid_grant", 50034, text(50034)))?;
    if directory.restrictions(&account.key).disabled {
        return Err(OAuthError::new("invalid_grant", 50057, text(50057)));
    }
    Ok(account)
}

fn missing(name: &str) -> OAuthError {
    OAuthError::new(
        "invalid_request",
        900_144,
        format!("The request body must contain the following parameter: '{name}'."),
    )
}

fn number(directory: &Directory, seconds: u64) -> Value {
    if directory.settings.numbers_as_strings { seconds.to_string().into() } else { seconds.into() }
}
