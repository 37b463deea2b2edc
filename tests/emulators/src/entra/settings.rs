//! Settings that can be changed while the stand-in runs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Settings of the Entra stand-in; `POST /_emulator/settings` takes any subset of the fields as JSON.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "independent switches, set by name in JSON")]
pub struct EntraSettings {
    /// Lifetime of an access token in seconds (Entra: 60 to 90 minutes).
    pub token_lifetime: u64,
    /// `refresh_in` of token answers, seconds; `None`: the field is left out.
    pub refresh_in: Option<u64>,
    /// Seconds after which an unused refresh token is dead (Entra: 90 days).
    pub refresh_token_lifetime: u64,
    /// Lifetime of an authorization code in seconds.
    pub code_lifetime: u64,
    /// `expires_in` and similar numbers as JSON strings, as in some answers.
    pub numbers_as_strings: bool,
    /// Members of token answers to users in another spelling or of another value.
    pub token_members: BTreeMap<String, Value>,
    /// Members that token answers to users lack.
    pub token_members_left_out: Vec<String>,
    /// Tokens of clients that declare `cp1` live 24 h, with `refresh_in` at half of that.
    pub continuous_access_evaluation: bool,
    /// Refuse (AADSTS50196) more than this many refreshes of one client, account and scope within five minutes.
    pub loop_detection: Option<u32>,
    /// Accept personal Microsoft accounts, so that tests can see clients refuse them.
    pub allow_personal_accounts: bool,
    /// Whether users may consent for themselves.
    pub user_consent: UserConsent,
    /// Accept a client assertion's `jti` more than once.
    pub allow_assertion_replay: bool,
    /// Sign ID tokens with keys of the app, which only metadata that is asked for with `appid` leads to.
    pub app_signing_keys: bool,
    /// Leave the refresh token out of token answers.
    pub omit_refresh_token: bool,
    /// Permissions that are left out of token answers and tokens although they were asked for.
    pub withheld_scopes: Vec<String>,
    /// Keep every secret for `secrets_issued` (switch off for runs of millions).
    pub keep_issued: bool,
}

/// Who may consent to an app.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum UserConsent {
    /// Every user for themselves.
    #[default]
    Allowed,
    /// Only administrators, for the tenant; others get "Need admin approval" (AADSTS90094).
    AdministratorsOnly,
}

impl Default for EntraSettings {
    fn default() -> Self {
        Self {
            token_lifetime: 4199,
            refresh_in: None,
            refresh_token_lifetime: 90 * 24 * 3600,
            code_lifetime: 600,
            numbers_as_strings: false,
            token_members: BTreeMap::new(),
            token_members_left_out: Vec::new(),
            continuous_access_evaluation: false,
            loop_detection: None,
            allow_personal_accounts: false,
            user_consent: UserConsent::Allowed,
            allow_assertion_replay: false,
            app_signing_keys: false,
            omit_refresh_token: false,
            withheld_scopes: Vec::new(),
            keep_issued: true,
        }
    }
}
