//! The handle of tests to the stand-in: its requests, faults and state.

use std::fmt;
use std::io;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::net::TcpListener;
use uuid::Uuid;

use super::account_actions::AccountAction;
use super::accounts::Account;
use super::apps::{App, AppRegistration, AppStatus, ClientSecret};
use super::settings::EntraSettings;
use super::{State, keys};
use crate::faults::{Fault, FaultHandle};
use crate::marker;
use crate::server::{Emulator as _, Running};
use crate::traffic::RecordedRequest;

/// Start options of the Entra stand-in.
#[derive(Clone, Debug)]
pub struct EntraOptions {
    /// The origin for clients, without a trailing slash; `None`: `http://127.0.0.1:{port}`.
    pub base_url: Option<String>,
    /// Redirect URIs of the default app, compared exactly.
    pub redirect_uris: Vec<String>,
    /// Settings at the start.
    pub settings: EntraSettings,
}

impl Default for EntraOptions {
    fn default() -> Self {
        Self {
            base_url: None,
            redirect_uris: vec!["http://localhost:8080/integration-callback".to_owned()],
            settings: EntraSettings::default(),
        }
    }
}

impl EntraOptions {
    /// The defaults, with this redirect URI for the default app.
    pub fn redirecting_to(redirect_uri: &str) -> Self {
        Self { redirect_uris: vec![redirect_uri.to_owned()], ..Self::default() }
    }
}

/// An account or app that does not exist, or a certificate that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownName(pub String);

impl fmt::Display for UnknownName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the Entra stand-in cannot use {}", self.0)
    }
}

impl std::error::Error for UnknownName {}

/// A running Entra stand-in. Clones share it; it stops with the last one.
#[derive(Clone)]
pub struct Entra {
    pub(crate) state: Arc<State>,
    server: Arc<Running>,
}

impl Entra {
    /// Serves on `listener` in a task of the current Tokio runtime.
    ///
    /// # Errors
    ///
    /// If the listener has no local address.
    pub fn start(listener: TcpListener, options: EntraOptions) -> io::Result<Self> {
        let base_url = match &options.base_url {
            Some(base_url) => base_url.trim_end_matches('/').to_owned(),
            None => format!("http://127.0.0.1:{}", listener.local_addr()?.port()),
        };
        let state = Arc::new(State::new(base_url, options));
        tokio::task::spawn_blocking(keys::warm_up);
        let server = Arc::new(Running::start(listener, Arc::clone(&state)));
        Ok(Self { state, server })
    }

    /// Stops accepting and waits for open connections to end.
    pub async fn shutdown(&self) {
        self.state.faults().release_all();
        self.server.shutdown().await;
    }

    /// Returns the origin that takes the place of `https://login.microsoftonline.com`.
    pub fn base_url(&self) -> &str {
        &self.state.base_url
    }

    /// Returns the emulated time.
    pub fn now(&self) -> Timestamp {
        self.state.now()
    }

    /// Sets the emulated clock forward by `seconds`: codes, tokens and secrets age at once.
    pub fn advance_clock(&self, seconds: i64) {
        self.state.advance_clock(seconds);
    }

    /// Restores the state at the start: apps, accounts, grants, settings, clock.
    pub fn restore(&self) {
        self.state.restore();
    }

    // Requests.

    /// Returns every request since the start or the last [`reset_counts`](Self::reset_counts), oldest first.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.state.traffic().requests()
    }

    /// Counts requests of a route and of every route below it (`token` counts `token.refresh_token` too).
    pub fn count(&self, route: &str) -> u64 {
        self.state.traffic().count(route)
    }

    /// Returns the largest number of simultaneous requests of one exact route.
    pub fn peak(&self, route: &str) -> u64 {
        self.state.traffic().peak(route)
    }

    /// Waits until `count(route)` is at least `count`.
    pub async fn reached(&self, route: &str, count: u64) {
        self.state.traffic().reached(route, count).await;
    }

    /// Forgets requests and counts.
    pub fn reset_counts(&self) {
        self.state.traffic().reset();
    }

    // Faults.

    /// Adds a fault.
    pub fn inject(&self, fault: Fault) -> FaultHandle {
        self.state.faults().inject(fault)
    }

    /// Removes all faults; held requests go on.
    pub fn clear_faults(&self) {
        self.state.faults().clear();
    }

    /// The settings in force.
    pub fn settings(&self) -> EntraSettings {
        self.state.directory().settings.clone()
    }

    /// Changes settings.
    pub fn change_settings(&self, change: impl FnOnce(&mut EntraSettings)) {
        change(&mut self.state.directory().settings);
    }

    /// Sets the lifetime of new access tokens, in seconds.
    pub fn set_token_lifetime(&self, seconds: u64) {
        self.change_settings(|settings| settings.token_lifetime = seconds);
    }

    // Apps.

    /// Registers or replaces an app.
    ///
    /// # Errors
    ///
    /// If a certificate or public key cannot be read.
    pub fn register_app(&self, registration: AppRegistration) -> Result<(), UnknownName> {
        let app = App::new(registration).map_err(UnknownName)?;
        self.state.directory().add_app(app);
        Ok(())
    }

    /// Returns the registration of an app, or `None` if there is no such app.
    pub fn app(&self, client_id: Uuid) -> Option<AppRegistration> {
        let directory = self.state.directory();
        directory.apps.get(&client_id).map(|app| app.registration.clone())
    }

    /// Changes the registration of an app.
    ///
    /// # Errors
    ///
    /// If there is no such app, or a certificate cannot be read.
    pub fn change_app(
        &self,
        client_id: Uuid,
        change: impl FnOnce(&mut AppRegistration),
    ) -> Result<(), UnknownName> {
        let mut registration =
            self.app(client_id).ok_or_else(|| UnknownName(format!("the app {client_id}")))?;
        change(&mut registration);
        let mut app = App::new(registration).map_err(UnknownName)?;
        let mut directory = self.state.directory();
        if let Some(current) = directory.apps.get(&client_id) {
            app.status = current.status;
        }
        directory.add_app(app);
        Ok(())
    }

    /// Adds a given secret to those of the app.
    ///
    /// # Errors
    ///
    /// If there is no such app.
    pub fn add_secret(
        &self,
        client_id: Uuid,
        value: &str,
        expires_at: Option<Timestamp>,
    ) -> Result<(), UnknownName> {
        self.change_app(client_id, |app| {
            app.secrets.push(ClientSecret { expires_at, ..ClientSecret::new(value) });
        })
    }

    /// Adds a new secret that contains the marker. Returns it.
    ///
    /// # Errors
    ///
    /// If there is no such app.
    pub fn new_secret(&self, client_id: Uuid) -> Result<String, UnknownName> {
        let value = marker::opaque("adO8Q~", 15);
        self.add_secret(client_id, &value, None)?;
        Ok(value)
    }

    /// Removes a secret: AADSTS7000215 from now on.
    ///
    /// # Errors
    ///
    /// If there is no such app.
    pub fn remove_secret(&self, client_id: Uuid, value: &str) -> Result<(), UnknownName> {
        self.change_app(client_id, |app| app.secrets.retain(|secret| secret.value != value))
    }

    /// Makes every secret of the app expire now: AADSTS7000222.
    ///
    /// # Errors
    ///
    /// If there is no such app.
    pub fn expire_secrets(&self, client_id: Uuid) -> Result<(), UnknownName> {
        let now = self.now();
        self.change_app(client_id, |app| {
            for secret in &mut app.secrets {
                secret.expires_at = Some(now);
            }
        })
    }

    /// Adds a certificate (PEM) for client assertions.
    ///
    /// # Errors
    ///
    /// If there is no such app, or the certificate cannot be read.
    pub fn add_certificate(
        &self,
        client_id: Uuid,
        certificate_pem: &str,
    ) -> Result<(), UnknownName> {
        self.change_app(client_id, |app| app.certificates.push(certificate_pem.to_owned()))
    }

    /// Registers another redirect URI.
    ///
    /// # Errors
    ///
    /// If there is no such app.
    pub fn add_redirect_uri(&self, client_id: Uuid, redirect_uri: &str) -> Result<(), UnknownName> {
        self.change_app(client_id, |app| app.redirect_uris.push(redirect_uri.to_owned()))
    }

    /// Disables, deletes or restores an app.
    ///
    /// # Errors
    ///
    /// If there is no such app.
    pub fn set_app_status(&self, client_id: Uuid, status: AppStatus) -> Result<(), UnknownName> {
        match self.state.directory().apps.get_mut(&client_id) {
            Some(app) => {
                app.status = status;
                Ok(())
            }
            None => Err(UnknownName(format!("the app {client_id}"))),
        }
    }

    /// Makes an app active or disabled (AADSTS7000112) in one tenant, or removes its service principal there
    /// (AADSTS7000229) until a user of the tenant signs in.
    pub fn set_app_status_in(&self, client_id: Uuid, tenant: Uuid, status: AppStatus) {
        self.state.directory().set_app_status_in(client_id, tenant, status);
    }

    /// Hides a tenant, so that it is not found (AADSTS90002), or shows it again.
    pub fn set_tenant_found(&self, tenant: Uuid, found: bool) {
        self.state.directory().set_tenant_found(tenant, found);
    }

    // Keys.

    /// Signs with a new key from now on; old keys stay published. Returns the new key id.
    pub fn rotate_keys(&self) -> String {
        let mut directory = self.state.directory();
        directory.keys.rotate();
        directory.keys.current().map(|key| key.kid.clone()).unwrap_or_default()
    }

    /// Publishes only the current signing key.
    pub fn retire_old_keys(&self) {
        self.state.directory().keys.retire_old();
    }

    // Accounts.

    /// Returns the accounts that can sign in.
    pub fn accounts(&self) -> Vec<Account> {
        self.state.directory().accounts.clone()
    }

    /// Adds an account, or replaces the one with the same key.
    pub fn add_account(&self, account: Account) {
        let mut directory = self.state.directory();
        directory.accounts.retain(|known| known.key != account.key);
        directory.accounts.push(account);
    }

    /// Revokes the account's refresh tokens (AADSTS50173); access tokens stay valid until they expire.
    ///
    /// # Errors
    ///
    /// If there is no such account. The same holds for the methods below.
    pub fn revoke_grants(&self, account: &str) -> Result<(), UnknownName> {
        self.act(account, AccountAction::RevokeGrants)
    }

    /// Makes Azure DevOps refuse the account's present access tokens; its refresh tokens still work.
    #[expect(clippy::missing_errors_doc, reason = "as above")]
    pub fn revoke_access_tokens(&self, account: &str) -> Result<(), UnknownName> {
        self.act(account, AccountAction::RevokeAccessTokens)
    }

    /// Makes the account's refresh tokens too long idle (AADSTS700082).
    #[expect(clippy::missing_errors_doc, reason = "as above")]
    pub fn expire_refresh_tokens(&self, account: &str) -> Result<(), UnknownName> {
        self.act(account, AccountAction::ExpireRefreshTokens)
    }

    /// Makes the account's refresh tokens fail with this AADSTS number (`invalid_grant`).
    #[expect(clippy::missing_errors_doc, reason = "as above")]
    pub fn kill_refresh_tokens(&self, account: &str, code: u32) -> Result<(), UnknownName> {
        self.act(account, AccountAction::KillRefreshTokens(code))
    }

    /// Makes refreshes answer `interaction_required` (AADSTS50076) with these claims until a sign-in requests them.
    #[expect(clippy::missing_errors_doc, reason = "as above")]
    pub fn require_interaction(&self, account: &str, claims: &str) -> Result<(), UnknownName> {
        self.act(account, AccountAction::RequireInteraction(claims.to_owned()))
    }

    /// Makes Azure DevOps answer 401 `insufficient_claims` to the account's tokens (of clients that declared `cp1`)
    /// until they are renewed with these claims. `None`: the claims of a revocation event. Returns the claims.
    #[expect(clippy::missing_errors_doc, reason = "as above")]
    pub fn challenge(&self, account: &str, claims: Option<&str>) -> Result<String, UnknownName> {
        let claims = claims.map_or_else(
            || {
                let now = self.now().as_second();
                format!(r#"{{"access_token":{{"nbf":{{"essential":true,"value":"{now}"}}}}}}"#)
            },
            str::to_owned,
        );
        self.act(account, AccountAction::Challenge(claims.clone()))?;
        Ok(claims)
    }

    /// Removes the account's consent to an app (AADSTS65001) until it approves a sign-in again.
    #[expect(clippy::missing_errors_doc, reason = "as above")]
    pub fn remove_consent(&self, account: &str) -> Result<(), UnknownName> {
        self.act(account, AccountAction::RemoveConsent)
    }

    /// Blocks (AADSTS50057) or unblocks sign-in and refreshing.
    #[expect(clippy::missing_errors_doc, reason = "as above")]
    pub fn set_account_disabled(&self, account: &str, disabled: bool) -> Result<(), UnknownName> {
        self.act(account, AccountAction::SetDisabled(disabled))
    }

    pub(crate) fn act(&self, account: &str, action: AccountAction) -> Result<(), UnknownName> {
        self.state.act(account, action)
    }

    // Secrets.

    /// Returns every token, code and client secret that was issued or registered, literally.
    pub fn secrets_issued(&self) -> Vec<String> {
        self.state.directory().grants.issued.clone()
    }
}
