//! The stand-in of Microsoft Entra ID.
//!
//! Tables of accounts, form fields and admin routes are in the crate documentation.

mod account_actions;
mod accounts;
mod admin_consent;
mod apps;
mod authorize;
mod certificates;
mod control;
mod errors;
mod grants;
mod graph;
mod handle;
mod inspection;
mod issue;
mod keys;
mod metadata;
mod pages;
mod scopes;
mod settings;
mod token;

#[cfg(test)]
pub(crate) mod tests;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::Method;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

pub use accounts::{Account, Membership, PERSONAL_TENANT, TENANT_A, TENANT_B, Tenant};
pub use apps::{
    AppRegistration, AppStatus, ClientSecret, DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET,
    FederatedCredential,
};
pub use certificates::TestCertificate;
pub use handle::{Entra, EntraOptions, UnknownName};
pub use settings::{EntraSettings, UserConsent};

pub(crate) use inspection::{Bearer, Inspection};

use crate::faults::{Fault, Faults, Page};
use crate::reply::Reply;
use crate::request::Received;
use crate::server::Emulator;
use crate::traffic::Traffic;
use accounts::Restrictions;
use apps::App;
use errors::{OAuthError, Trace, protocol_headers};
use grants::Grants;
use keys::SigningKeys;

/// The state that requests change.
pub(crate) struct Directory {
    pub settings: EntraSettings,
    pub tenants: Vec<Tenant>,
    /// Tenants that are not found for the time being.
    pub missing: HashSet<Uuid>,
    pub accounts: Vec<Account>,
    pub restrictions: HashMap<String, Restrictions>,
    pub apps: HashMap<Uuid, App>,
    pub keys: SigningKeys,
    pub grants: Grants,
}

impl Directory {
    fn new(options: &EntraOptions) -> Self {
        let mut directory = Self {
            settings: options.settings.clone(),
            tenants: accounts::default_tenants(),
            missing: HashSet::new(),
            accounts: accounts::default_accounts(),
            restrictions: HashMap::new(),
            apps: HashMap::new(),
            keys: SigningKeys::default(),
            grants: Grants::default(),
        };
        let mut registration = AppRegistration::new(DEFAULT_CLIENT_ID, "");
        registration.redirect_uris.clone_from(&options.redirect_uris);
        registration.secrets.push(ClientSecret::new(DEFAULT_CLIENT_SECRET));
        if let Ok(app) = App::new(registration) {
            directory.add_app(app);
        }
        directory
    }

    /// Registers an app; its secrets count as issued.
    pub fn add_app(&mut self, app: App) {
        let registration = &app.registration;
        for secret in &registration.secrets {
            self.grants.issued.push(secret.value.clone());
        }
        self.grants.present.insert((registration.client_id, registration.home_tenant));
        self.apps.insert(registration.client_id, app);
    }

    pub fn account(&self, key_or_username: &str) -> Option<&Account> {
        self.accounts.iter().find(|account| {
            account.key.eq_ignore_ascii_case(key_or_username)
                || account.username.eq_ignore_ascii_case(key_or_username)
        })
    }

    pub fn restrictions(&self, account: &str) -> Restrictions {
        self.restrictions.get(account).cloned().unwrap_or_default()
    }

    /// Returns the app with this client id, or a refusal if it may not be used.
    pub fn usable_app(&self, client_id: &str) -> Result<&App, OAuthError> {
        let app = Uuid::parse_str(client_id)
            .ok()
            .and_then(|id| self.apps.get(&id))
            .ok_or_else(|| apps::unknown_app(client_id))?;
        app.usable()?;
        Ok(app)
    }

    /// Returns a refusal if an administrator of the tenant has disabled the app or removed its service principal.
    pub fn check_app_in(&self, app: Uuid, tenant: Uuid) -> Result<(), OAuthError> {
        if self.grants.disabled.contains(&(app, tenant)) {
            return Err(OAuthError::new(
                "unauthorized_client",
                7_000_112,
                format!("The application '{app}' is disabled in the tenant '{tenant}'."),
            ));
        }
        if !self.grants.present.contains(&(app, tenant)) {
            return Err(OAuthError::new(
                "invalid_client",
                7_000_229,
                format!(
                    "The application '{app}' has no service principal in the tenant '{tenant}'."
                ),
            ));
        }
        Ok(())
    }

    /// Makes an app active, disabled or absent in one tenant.
    pub fn set_app_status_in(&mut self, app: Uuid, tenant: Uuid, status: AppStatus) {
        let place = (app, tenant);
        self.grants.disabled.remove(&place);
        self.grants.present.insert(place);
        match status {
            AppStatus::Active => {}
            AppStatus::Disabled => {
                self.grants.disabled.insert(place);
            }
            AppStatus::Deleted => {
                self.grants.present.remove(&place);
            }
        }
    }

    /// Hides a tenant, or shows it again.
    pub fn set_tenant_found(&mut self, tenant: Uuid, found: bool) {
        if found {
            self.missing.remove(&tenant);
        } else {
            self.missing.insert(tenant);
        }
    }

    /// Returns the tenant that a path segment names.
    pub fn authority(&self, segment: &str) -> Result<Authority, OAuthError> {
        match segment.to_ascii_lowercase().as_str() {
            "organizations" => return Ok(Authority::Organizations),
            "common" => return Ok(Authority::Common),
            "consumers" => return Ok(Authority::Consumers),
            _ => {}
        }
        let id = Uuid::parse_str(segment).ok();
        if id == Some(PERSONAL_TENANT) {
            return Ok(Authority::Consumers);
        }
        self.tenants
            .iter()
            .find(|tenant| Some(tenant.id) == id || tenant.domain.eq_ignore_ascii_case(segment))
            .filter(|tenant| !self.missing.contains(&tenant.id))
            .map(|tenant| Authority::Tenant(tenant.id))
            .ok_or_else(|| {
                OAuthError::new(
                    "invalid_request",
                    90002,
                    format!("Tenant '{segment}' not found. Check that this is the right tenant ID or domain."),
                )
            })
    }
}

/// The first path segment of a protocol URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Authority {
    Organizations,
    Common,
    Consumers,
    Tenant(Uuid),
}

impl Authority {
    /// Returns its form in URLs.
    pub fn segment(self) -> String {
        match self {
            Self::Organizations => "organizations".into(),
            Self::Common => "common".into(),
            Self::Consumers => PERSONAL_TENANT.to_string(),
            Self::Tenant(id) => id.to_string(),
        }
    }
}

/// The emulator behind the handle.
pub(crate) struct State {
    pub base_url: String,
    options: EntraOptions,
    traffic: Arc<Traffic>,
    faults: Faults,
    directory: Mutex<Directory>,
    /// Seconds by which the emulated clock is ahead of the real one.
    clock_offset: AtomicI64,
}

impl State {
    pub fn new(base_url: String, options: EntraOptions) -> Self {
        Self {
            base_url,
            traffic: Arc::new(Traffic::new()),
            faults: Faults::default(),
            directory: Mutex::new(Directory::new(&options)),
            clock_offset: AtomicI64::new(0),
            options,
        }
    }

    pub fn directory(&self) -> MutexGuard<'_, Directory> {
        self.directory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the emulated clock forward (back if the number is negative).
    pub fn advance_clock(&self, seconds: i64) {
        self.clock_offset.fetch_add(seconds, Ordering::SeqCst);
    }

    fn trace(&self, request: &Received) -> Trace {
        let form;
        let correlation = if let Some(id) = request.header("client-request-id") {
            Some(id)
        } else {
            // MSAL for Node puts it into the form.
            form = request.form();
            form.get("client-request-id")
        };
        Trace::new(self.now(), correlation)
    }
}

impl Emulator for State {
    fn traffic(&self) -> &Arc<Traffic> {
        &self.traffic
    }

    fn faults(&self) -> &Faults {
        &self.faults
    }

    fn now(&self) -> Timestamp {
        let offset = SignedDuration::from_secs(self.clock_offset.load(Ordering::SeqCst));
        Timestamp::now().saturating_add(offset).unwrap_or(Timestamp::MAX)
    }

    fn route(&self, request: &Received) -> String {
        let segments = request.segments();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let name = match segments.as_slice() {
            [_, "v2.0", ".well-known", "openid-configuration"] => "metadata",
            [_, "discovery", "v2.0", "keys"] => "keys",
            [_, "oauth2", "v2.0", "authorize"] => "authorize",
            [_, "oauth2", "v2.0", "authorize", "decision"] => "decision",
            [_, "oauth2", "v2.0", "token"] => {
                let form = request.form();
                return format!("token.{}", form.get("grant_type").unwrap_or("none"));
            }
            [_, "oauth2", "v2.0", "logout"] => "logout",
            ["v1.0", app, "addPassword"] if graph::app_id(app).is_some() => "graph.add_password",
            ["v1.0", app] if graph::app_id(app).is_some() => "graph.application",
            ["v1.0", app, "removePassword"] if graph::app_id(app).is_some() => {
                "graph.remove_password"
            }
            [_, "adminconsent"] | [_, "v2.0", "adminconsent"] => "adminconsent",
            [_, "adminconsent", "decision"] | [_, "v2.0", "adminconsent", "decision"] => {
                "adminconsent.decision"
            }
            _ => "unknown",
        };
        name.to_owned()
    }

    fn answer(&self, request: &Received, spoil: Option<&Fault>) -> Reply {
        let segments = request.segments();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        if let ["v1.0", app, action @ ..] = segments.as_slice()
            && let Some(app) = graph::app_id(app)
        {
            return graph::answer(self, request, app, action.first().copied());
        }
        match (&request.method, segments.as_slice()) {
            (&Method::GET, [tenant, "v2.0", ".well-known", "openid-configuration"]) => {
                metadata::configuration(self, request, tenant)
            }
            (&Method::GET, [tenant, "discovery", "v2.0", "keys"]) => {
                metadata::keys(self, request, tenant)
            }
            (&Method::GET | &Method::POST, [tenant, "oauth2", "v2.0", "authorize"]) => {
                authorize::page(self, request, tenant)
            }
            (&Method::POST, [tenant, "oauth2", "v2.0", "authorize", "decision"]) => {
                authorize::decision(self, request, tenant)
            }
            (_, [tenant, "oauth2", "v2.0", "token"]) => token::answer(self, request, tenant, spoil),
            (&Method::GET, [tenant, "adminconsent"] | [tenant, "v2.0", "adminconsent"]) => {
                admin_consent::page(self, request, tenant)
            }
            (
                &Method::POST,
                [tenant, "adminconsent", "decision"] | [tenant, "v2.0", "adminconsent", "decision"],
            ) => admin_consent::decision(self, request, tenant),
            (&Method::GET | &Method::POST, [_, "oauth2", "v2.0", "logout"]) => {
                pages::signed_out(&request.query())
            }
            (&Method::GET, []) => pages::start(&self.base_url),
            _ => pages::not_found(),
        }
    }

    fn faulty_answer(&self, request: &Received, fault: &Fault) -> Reply {
        let trace = self.trace(request);
        if let Some(error) = &fault.error {
            let code = fault.codes.first().copied().unwrap_or(90033);
            let mut answer = OAuthError::new(error, code, errors::text(code));
            if !fault.codes.is_empty() {
                answer.codes.clone_from(&fault.codes);
            }
            answer.suberror.clone_from(&fault.suberror);
            answer.claims.clone_from(&fault.claims);
            answer.status = fault.status.unwrap_or(answer.status);
            return answer.into_reply(&trace);
        }
        match fault.page {
            Some(Page::SignIn203) => Reply::html(203, pages::bare("Sign in to your account")),
            Some(Page::SignIn200) => Reply::html(200, pages::bare("Sign in to your account")),
            Some(Page::SignIn302) => Reply::redirect(&format!("{}/common/login", self.base_url)),
            Some(Page::Unauthorized401 | Page::Anonymous401) => {
                Reply::html(401, pages::bare("Unauthorized"))
            }
            Some(Page::Unavailable503) => {
                Reply::html(503, pages::bare("Our services aren't available right now"))
            }
            None => {
                let status = fault.status.unwrap_or(500);
                if (200..300).contains(&status) {
                    return Reply::json(status, &serde_json::json!({}));
                }
                protocol_headers(
                    Reply::html(status, pages::bare("We're unable to complete your request")),
                    &trace,
                )
            }
        }
    }

    fn control(&self, request: &Received, path: &str) -> Option<Reply> {
        control::answer(self, request, path)
    }

    fn restore(&self) {
        *self.directory() = Directory::new(&self.options);
        self.clock_offset.store(0, Ordering::SeqCst);
    }
}
