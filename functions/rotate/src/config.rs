//! The function's own environment variables.

use std::num::NonZeroU32;

use edge::config::{Config, FromVariables, Reader, UpstreamUrl};
use entra::identifiers::Tenant;
use jiff::SignedDuration;
use url::Url;

/// The configuration of the function.
#[derive(Debug, Clone)]
pub struct RotateConfig {
    /// The configuration of every function.
    pub common: Config,
    /// `ROTATION_TENANT`: the tenant in which the Entra app is registered.
    pub tenant: Tenant,
    /// `ROTATION_VALID_DAYS`: the requested lifetime of a new client secret; 180 days unless set.
    pub valid_for: SignedDuration,
    /// `GRAPH_URL`: the address of a server that replaces Microsoft Graph.
    pub graph_url: Option<Url>,
}

const DEFAULT_VALID_DAYS: NonZeroU32 = NonZeroU32::MIN.saturating_add(179);

impl FromVariables for RotateConfig {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let common = Config::read(reader);
        let tenant = reader.required("ROTATION_TENANT").map(Tenant::Id);
        let valid_days = reader.optional("ROTATION_VALID_DAYS").unwrap_or(DEFAULT_VALID_DAYS);
        let valid_for = SignedDuration::from_hours(24 * i64::from(valid_days.get()));
        let graph_url = reader.optional::<UpstreamUrl>("GRAPH_URL").map(|url| url.0);
        Some(Self { common: common?, tenant: tenant?, valid_for, graph_url })
    }
}
