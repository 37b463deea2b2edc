//! Settings that can be changed while the stand-in runs.

use serde::{Deserialize, Serialize};

/// Settings of the Azure DevOps stand-in; `POST /_emulator/settings` takes any subset of the fields as JSON.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(default, deny_unknown_fields)]
pub struct AzureDevOpsSettings {
    /// Answer to a bad token if the request has no `X-TFS-FedAuthRedirect: Suppress`.
    pub sign_in: SignIn,
    /// Rate-limit headers on every answer.
    pub rate_limit: Option<RateLimit>,
    /// Limits by usage: delays, then refusals.
    pub throttling: Option<Throttling>,
    /// Status for valid tokens of people outside the organization: 401 (TF400813), 403 or 404.
    pub non_member_status: u16,
    /// Status if the token's scopes do not allow the call; a 401 has no body.
    pub missing_scope_status: u16,
    /// Answer 403 VS403463 to every call, as an IP policy does.
    pub conditional_access_blocks: bool,
    /// Send `X-VSS-ResourceTenant` twice, the id of no tenant first.
    pub nil_resource_tenant_first: bool,
    /// Claims challenges in the second `WWW-Authenticate`, in the URL-safe alphabet, without padding and quotes.
    pub plain_challenge: bool,
    /// Largest page of a list.
    pub page_size: usize,
}

/// The way to the sign-in page.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum SignIn {
    /// 203 with the page itself.
    #[default]
    Page203,
    /// 302 to it.
    Redirect302,
}

/// Values of the `X-RateLimit-…` headers.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(default, deny_unknown_fields)]
pub struct RateLimit {
    /// `X-RateLimit-Resource`
    pub resource: String,
    /// `X-RateLimit-Limit`
    pub limit: u64,
    /// `X-RateLimit-Remaining`
    pub remaining: u64,
    /// Seconds from now for `X-RateLimit-Reset`.
    pub reset_in: u64,
    /// `X-RateLimit-Delay`, seconds with three decimals.
    pub delay: Option<String>,
    /// `Retry-After`, seconds.
    pub retry_after: Option<u64>,
}

/// Each account's budget of requests in a window of time, in TSTU, the unit of Azure DevOps.
///
/// From half of the budget on, answers carry the `X-RateLimit-…` headers. Beyond it they are delayed, with
/// `X-RateLimit-Delay` and `Retry-After` on an otherwise good answer, and at last refused: 429 TF400733.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(default, deny_unknown_fields)]
pub struct Throttling {
    /// `X-RateLimit-Resource`, and the resource that the refusal names.
    pub resource: String,
    /// TSTU in a window.
    pub limit: u64,
    /// TSTU beyond the limit that are delayed and not refused.
    pub delayed: u64,
    /// TSTU that a request costs.
    pub cost: u64,
    /// Length of the window in seconds of the emulated clock.
    pub window_seconds: u64,
    /// Delay of each request beyond the limit, in real milliseconds.
    pub delay_ms: u64,
    /// `Retry-After` in seconds; `None`: the time to the end of the window.
    pub retry_after: Option<u64>,
}

impl Default for Throttling {
    fn default() -> Self {
        Self {
            resource: "Concurrency".to_owned(),
            limit: 200,
            delayed: 50,
            cost: 1,
            window_seconds: 300,
            delay_ms: 100,
            retry_after: None,
        }
    }
}

impl Default for RateLimit {
    fn default() -> Self {
        Self {
            resource: "core requests".to_owned(),
            limit: 200,
            remaining: 150,
            reset_in: 300,
            delay: None,
            retry_after: None,
        }
    }
}

impl Default for AzureDevOpsSettings {
    fn default() -> Self {
        Self {
            sign_in: SignIn::Page203,
            rate_limit: None,
            throttling: None,
            non_member_status: 401,
            missing_scope_status: 401,
            conditional_access_blocks: false,
            nil_resource_tenant_first: false,
            plain_challenge: false,
            page_size: 100,
        }
    }
}
