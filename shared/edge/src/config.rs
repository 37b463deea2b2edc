//! A function's configuration: environment variables, read once at start.
//!
//! All functions read [`Config`], so that the template sets these variables in one place. A function with
//! variables of its own adds a type that implements [`FromVariables`]. Everything that is missing or malformed
//! is reported at once, by name and never by value.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use entra::cloud::{Authority, Cloud};
use ground::fields::{Fault, Fields, Variables};
use ground::http::is_trustworthy;
use url::Url;
use vault::aws::TableNames;
use vault::ids::UserId;

use crate::cors_origins::CorsOrigins;

/// The configuration of every function.
#[derive(Debug, Clone)]
pub struct Config {
    /// `PUBLIC_URL`: the address of the gateway.
    pub public_url: PublicUrl,
    /// `INTEGRATIONS_TABLE`, `SESSIONS_TABLE`, `CONNECTIONS_TABLE`, `TOKENS_TABLE`, `AUDIT_TABLE`, `PASSES_TABLE`.
    pub tables: TableNames,
    /// `AUDIT_DAYS`: how long the audit trail is kept; 400 unless set.
    pub audit_days: NonZeroU32,
    /// `TOKENS_KEY_ID`: the KMS key that seals tokens, by id, ARN or alias.
    pub tokens_key_id: String,
    /// `FORMER_TOKENS_KEY_ID`: the KMS key that sealed tokens before `TOKENS_KEY_ID` replaced it.
    pub former_tokens_key_id: Option<String>,
    /// `SECRETS_PREFIX`: begins the names of all secrets, such as `ado-connect/`.
    pub secrets_prefix: String,
    /// `OPERATOR_KEY_SECRET`: the name of the secret that is the first operator key.
    pub operator_key_secret: String,
    /// `EVENT_BUS`: the EventBridge bus for events; there are none without it.
    pub event_bus: Option<String>,
    /// `METRICS_NAMESPACE`: the `CloudWatch` namespace of our metrics; `ado-connect` unless set.
    pub metrics_namespace: Option<String>,
    /// `REFRESH_SHARDS`: number of parts of the refresh schedule; 4 unless set.
    pub refresh_shards: NonZeroU32,
    /// `ENTRA_CLOUD`: Microsoft's cloud, `public` unless set.
    pub cloud: Cloud,
    /// `ENTRA_URL`: takes the place of the cloud's authority.
    pub authority: Authority,
    /// `FEDERATION_ROLE_ARN`: the role that a federated credential names; there are none without it.
    pub federation_role_arn: Option<String>,
    /// `PORTAL`: whether operators can sign in with a browser; `on` unless set to `off`.
    pub portal: Portal,
    /// `DEVOPS_URL`: takes the place of every Azure DevOps host.
    pub devops_url: Option<Url>,
    /// `JWT_ISSUER`, `JWT_AUDIENCE`, `JWT_USER_CLAIM`: the application's own identity provider.
    pub jwt: Option<JwtConfig>,
    /// `CORS_ORIGINS`: the origins whose pages may call the API; none unless set.
    pub cors_origins: CorsOrigins,
    /// `RESPONSE_MODE`: how answers leave the function, `buffered` unless set.
    pub response_mode: ResponseMode,
    /// `EXECUTIONS`: the executions at a time that the function can have; 1000 unless set, AWS' default quota.
    pub executions: u32,
    /// `TRUST_SECONDS`: the time for which a process believes the items of a call that it has read; 0 unless set.
    pub trust: TrustSeconds,
    /// `STREAMING_URL`: the address of the streaming proxy; required where `RESPONSE_MODE` is `streamed`.
    pub streaming_url: Option<BaseUrl>,
}

/// Whether operators can sign in with a browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Portal {
    /// Operators can sign in.
    #[default]
    On,
    /// There is no portal.
    Off,
}

impl FromStr for Portal {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        match text {
            "on" => Ok(Self::On),
            "off" => Ok(Self::Off),
            _ => Err(InvalidValue("must be on or off")),
        }
    }
}

/// How answers leave a function. The front door decides it, and an event does not show which one that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ResponseMode {
    /// Whole, in one JSON document of at most 6 MB: HTTP APIs.
    #[default]
    Buffered,
    /// As they come: REST APIs in `STREAM` mode.
    Streamed,
}

impl FromStr for ResponseMode {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        match text {
            "buffered" => Ok(Self::Buffered),
            "streamed" => Ok(Self::Streamed),
            _ => Err(InvalidValue("must be buffered or streamed")),
        }
    }
}

/// A time of 0 to 60 seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TrustSeconds(u8);

impl FromStr for TrustSeconds {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let seconds = text.parse().ok().filter(|seconds| *seconds <= 60);
        seconds.map(Self).ok_or(InvalidValue("must be a number of seconds from 0 to 60"))
    }
}

impl From<TrustSeconds> for Duration {
    fn from(TrustSeconds(seconds): TrustSeconds) -> Self {
        Self::from_secs(seconds.into())
    }
}

/// The JSON Web Tokens that name users of the application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JwtConfig {
    /// The exact `iss`; its discovery document names the keys.
    pub issuer: String,
    /// The `aud` of tokens for this service.
    pub audience: String,
    /// The claim with the user; `sub` unless set.
    pub user_claim: String,
}

/// Every fault of the environment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the configuration is not usable: {}", .faults.join("; "))]
pub struct ConfigError {
    /// One sentence for each variable at fault.
    pub faults: Vec<String>,
}

/// A configuration that is read from variables.
pub trait FromVariables: Sized {
    /// Reads all variables, also after a fault, so that every fault is found. Returns `None` if a required
    /// one is at fault.
    fn read(reader: &mut Reader<'_>) -> Option<Self>;

    /// Reads the process environment.
    ///
    /// # Errors
    /// [`ConfigError`] with every fault.
    fn from_environment() -> Result<Self, ConfigError> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    /// Reads variables from anywhere. An empty value counts as none.
    ///
    /// # Errors
    /// [`ConfigError`] with every fault.
    fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut reader = Fields::new(Variables(&variable));
        let config = Self::read(&mut reader);
        let faults = |faults: Vec<Fault>| faults.iter().map(Fault::to_string).collect();
        reader.all(config).map_err(|found| ConfigError { faults: faults(found) })
    }
}

impl FromVariables for Config {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let public_url = reader.required("PUBLIC_URL");
        let integrations = reader.required("INTEGRATIONS_TABLE");
        let sessions = reader.required("SESSIONS_TABLE");
        let connections = reader.required("CONNECTIONS_TABLE");
        let tokens = reader.required("TOKENS_TABLE");
        let audit = reader.required("AUDIT_TABLE");
        let passes = reader.required("PASSES_TABLE");
        let audit_days = reader.optional("AUDIT_DAYS").unwrap_or(DEFAULT_AUDIT_DAYS);
        let tokens_key_id = reader.required("TOKENS_KEY_ID");
        let former_tokens_key_id = reader.optional("FORMER_TOKENS_KEY_ID");
        let secrets_prefix = reader.required("SECRETS_PREFIX");
        let operator_key_secret = reader.required("OPERATOR_KEY_SECRET");
        let event_bus = reader.optional("EVENT_BUS");
        let metrics_namespace = reader.optional("METRICS_NAMESPACE");
        let refresh_shards = reader.optional("REFRESH_SHARDS").unwrap_or(DEFAULT_REFRESH_SHARDS);
        let cloud = reader.optional("ENTRA_CLOUD").unwrap_or(Cloud::Public);
        let authority = authority(reader, cloud);
        let federation_role_arn = reader.optional("FEDERATION_ROLE_ARN");
        let portal = reader.optional("PORTAL").unwrap_or_default();
        let devops_url = reader.optional::<UpstreamUrl>("DEVOPS_URL").map(|url| url.0);
        let jwt = jwt(reader);
        let cors_origins = reader.optional("CORS_ORIGINS").unwrap_or_default();
        let response_mode = reader.optional("RESPONSE_MODE").unwrap_or_default();
        let executions = reader.optional("EXECUTIONS").unwrap_or(DEFAULT_EXECUTIONS);
        let trust = reader.optional("TRUST_SECONDS").unwrap_or_default();
        let streaming_url = match response_mode {
            ResponseMode::Buffered => reader.optional("STREAMING_URL"),
            ResponseMode::Streamed => reader.required("STREAMING_URL"),
        };
        Some(Self {
            public_url: public_url?,
            tables: TableNames {
                integrations: integrations?,
                sessions: sessions?,
                connections: connections?,
                tokens: tokens?,
                audit: audit?,
                passes: passes?,
            },
            audit_days,
            tokens_key_id: tokens_key_id?,
            former_tokens_key_id,
            secrets_prefix: secrets_prefix?,
            operator_key_secret: operator_key_secret?,
            event_bus,
            metrics_namespace,
            refresh_shards,
            cloud,
            authority: authority?,
            federation_role_arn,
            portal,
            devops_url,
            jwt,
            cors_origins,
            response_mode,
            executions,
            trust,
            streaming_url,
        })
    }
}

const DEFAULT_REFRESH_SHARDS: NonZeroU32 = NonZeroU32::MIN.saturating_add(3);
const DEFAULT_EXECUTIONS: u32 = 1000;
const DEFAULT_AUDIT_DAYS: NonZeroU32 = NonZeroU32::MIN.saturating_add(399);

/// The variables that are read, and their faults.
pub type Reader<'a> = Fields<Variables<'a>>;

fn authority(reader: &mut Reader<'_>, cloud: Cloud) -> Option<Authority> {
    match reader.optional("ENTRA_URL") {
        None => Some(Authority::from(cloud)),
        Some(url) => reader.checked("ENTRA_URL", Authority::from_override(url)),
    }
}

fn jwt(reader: &mut Reader<'_>) -> Option<JwtConfig> {
    let issuer: Option<String> = reader.optional("JWT_ISSUER");
    let audience = reader.optional("JWT_AUDIENCE");
    let user_claim = reader.optional("JWT_USER_CLAIM").unwrap_or_else(|| "sub".to_owned());
    match (issuer, audience) {
        (None, None) => None,
        (Some(issuer), Some(audience)) => {
            // Kept as text: `iss` is compared exactly, and parsing a URL can change its spelling.
            reader.optional::<UpstreamUrl>("JWT_ISSUER")?;
            // With an issuer that no user id can hold, every token would be refused.
            if UserId::of_issuer(&issuer, "user").is_err() {
                let fault = "must be an address of at most 256 bytes without `|`, with its scheme in small letters";
                reader.refuse("JWT_ISSUER", fault);
                return None;
            }
            Some(JwtConfig { issuer, audience, user_claim })
        }
        (Some(_), None) => {
            reader.refuse("JWT_AUDIENCE", "is missing, because JWT_ISSUER is set");
            None
        }
        (None, Some(_)) => {
            reader.refuse("JWT_ISSUER", "is missing, because JWT_AUDIENCE is set");
            None
        }
    }
}

/// The fault of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidValue(&'static str);

/// The address of the gateway: an origin, `https` or on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    url: Url,
    text: String,
}

impl PublicUrl {
    /// The origin as text, without a slash at the end.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The address of one of our paths; `path` begins with a slash.
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.text)
    }

    /// The redirect URI: byte for byte as it is registered in Entra.
    pub fn redirect_uri(&self) -> Url {
        let mut url = self.url.clone();
        url.set_path("/integration-callback");
        url
    }

    /// The origin as a URL.
    pub fn to_url(&self) -> Url {
        self.url.clone()
    }

    /// Whether browsers use TLS.
    pub fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }
}

impl AsRef<str> for PublicUrl {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for PublicUrl {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let UpstreamUrl(url) = text.parse()?;
        if url.path() != "/" || url.query().is_some() {
            return Err(InvalidValue("must be an origin, without a path"));
        }
        let text = url.as_str().trim_end_matches('/').to_owned();
        Ok(Self { url, text })
    }
}

/// The address of a front door: an origin, with a path if it is a REST API's stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl(String);

impl BaseUrl {
    /// As text, without a slash at the end.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for BaseUrl {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let UpstreamUrl(url) = text.parse()?;
        if url.query().is_some() {
            return Err(InvalidValue("must have no query"));
        }
        Ok(Self(url.as_str().trim_end_matches('/').to_owned()))
    }
}

/// A URL for requests and secrets: `https`, or `http` on this machine.
pub struct UpstreamUrl(pub Url);

impl FromStr for UpstreamUrl {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let url = Url::parse(text).map_err(|_| InvalidValue("is not a URL"))?;
        if !is_trustworthy(&url) {
            return Err(InvalidValue("must be https, or http on this machine"));
        }
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err(InvalidValue("must have neither credentials nor a fragment"));
        }
        Ok(Self(url))
    }
}

#[cfg(test)]
mod tests;
