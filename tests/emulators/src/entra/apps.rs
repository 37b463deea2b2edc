//! App registrations, and the authentication of apps.

use std::collections::HashSet;

use aws_lc_rs::signature::{
    RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::{Uuid, uuid};

use super::accounts::TENANT_A;
use super::certificates::{Certificate, unwrap_pem};
use super::errors::OAuthError;
use crate::request::{Parameters, Received};

/// Client id of the app that is registered at the start.
pub const DEFAULT_CLIENT_ID: Uuid = uuid!("ad0c0de0-0000-4000-8000-000000000001");
/// Client secret of that app; it contains the marker.
pub const DEFAULT_CLIENT_SECRET: &str = "adO8Q~Y2FuYXJ5N2YzYTQy.emulated_secret-0";

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// Documented upper bound of a client assertion's life (10 minutes), and the clock difference allowed.
const ASSERTION_LIFETIME_SECONDS: i64 = 600;
const ASSERTION_SKEW_SECONDS: i64 = 300;

/// An app registration.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AppRegistration {
    /// Application (client) id.
    pub client_id: Uuid,
    /// Display name.
    #[serde(default = "AppRegistration::default_name")]
    pub name: String,
    /// Tenant of the registration.
    #[serde(default = "AppRegistration::default_tenant")]
    pub home_tenant: Uuid,
    /// Whether accounts of any tenant may sign in.
    #[serde(default = "AppRegistration::yes")]
    pub multitenant: bool,
    /// Redirect URIs, compared exactly.
    #[serde(default)]
    pub redirect_uris: Vec<String>,
    /// Client secrets; several may be valid at once.
    #[serde(default)]
    pub secrets: Vec<ClientSecret>,
    /// Certificates for client assertions, PEM.
    #[serde(default)]
    pub certificates: Vec<String>,
    /// Federated identity credentials.
    #[serde(default)]
    pub federated_credentials: Vec<FederatedCredential>,
    /// Whether it has `Application.ReadWrite.OwnedBy` and owns itself, so that it may renew its own secrets.
    #[serde(default)]
    pub owns_itself: bool,
    /// Azure DevOps permissions of the registration; `.default` grants these.
    #[serde(default = "AppRegistration::default_permissions")]
    pub permissions: Vec<String>,
}

impl AppRegistration {
    /// A multitenant app of tenant A with one redirect URI and no credential yet.
    pub fn new(client_id: Uuid, redirect_uri: &str) -> Self {
        Self {
            client_id,
            name: Self::default_name(),
            home_tenant: Self::default_tenant(),
            multitenant: true,
            redirect_uris: vec![redirect_uri.to_owned()],
            secrets: Vec::new(),
            certificates: Vec::new(),
            federated_credentials: Vec::new(),
            owns_itself: false,
            permissions: Self::default_permissions(),
        }
    }

    fn default_name() -> String {
        "ado-connect".to_owned()
    }

    fn default_tenant() -> Uuid {
        TENANT_A
    }

    fn yes() -> bool {
        true
    }

    fn default_permissions() -> Vec<String> {
        vec!["user_impersonation".to_owned()]
    }
}

/// A client secret.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ClientSecret {
    /// The secret itself.
    pub value: String,
    /// Expiry; `None`: it never expires.
    #[serde(default)]
    pub expires_at: Option<Timestamp>,
    /// Its `keyId` in Microsoft Graph (the *Secret ID* of the portal).
    #[serde(default = "Uuid::new_v4")]
    pub key_id: Uuid,
    /// Its description in the portal.
    #[serde(default)]
    pub display_name: Option<String>,
    /// Its `startDateTime` in Graph; `None`: a date long ago.
    #[serde(default)]
    pub starts_at: Option<Timestamp>,
}

impl ClientSecret {
    /// A secret with this value that never expires.
    pub fn new(value: impl Into<String>) -> Self {
        Self {
            value: value.into(),
            expires_at: None,
            key_id: Uuid::new_v4(),
            display_name: None,
            starts_at: None,
        }
    }
}

/// Trust in the tokens of another issuer instead of a secret.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FederatedCredential {
    /// `iss` of the foreign token.
    pub issuer: String,
    /// `sub`, compared exactly.
    pub subject: String,
    /// `aud`.
    #[serde(default = "FederatedCredential::default_audience")]
    pub audience: String,
    /// RSA public key of the issuer, PEM (`PUBLIC KEY`); stands in for the issuer's key set.
    pub public_key_pem: String,
}

impl FederatedCredential {
    fn default_audience() -> String {
        "api://AzureADTokenExchange".to_owned()
    }
}

/// Whether an app can be used.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum AppStatus {
    /// As registered.
    #[default]
    Active,
    /// Switched off by an administrator: AADSTS7000112.
    Disabled,
    /// Not in the directory: AADSTS700016.
    Deleted,
}

/// An app in force.
#[derive(Clone)]
pub(crate) struct App {
    pub registration: AppRegistration,
    pub status: AppStatus,
    certificates: Vec<Certificate>,
}

impl App {
    /// Reads the registration's certificates.
    ///
    /// # Errors
    ///
    /// A sentence, if a certificate or public key is not PEM of an RSA key.
    pub fn new(registration: AppRegistration) -> Result<Self, String> {
        let mut certificates = Vec::new();
        for pem in &registration.certificates {
            certificates.push(Certificate::from_pem(pem).ok_or("a certificate could not be read")?);
        }
        for federated in &registration.federated_credentials {
            unwrap_pem(&federated.public_key_pem, "PUBLIC KEY")
                .ok_or("a public key could not be read")?;
        }
        Ok(Self { registration, status: AppStatus::Active, certificates })
    }

    /// Returns a refusal if the app is disabled or deleted.
    pub fn usable(&self) -> Result<(), OAuthError> {
        match self.status {
            AppStatus::Active => Ok(()),
            AppStatus::Disabled => Err(OAuthError::new(
                "unauthorized_client",
                7_000_112,
                format!("Application '{}' is disabled.", self.registration.client_id),
            )),
            AppStatus::Deleted => Err(unknown_app(&self.registration.client_id.to_string())),
        }
    }

    fn check_secret(&self, secret: &str, now: Timestamp) -> Result<(), OAuthError> {
        let Some(known) = self.registration.secrets.iter().find(|known| known.value == secret)
        else {
            return Err(OAuthError::new(
                "invalid_client",
                7_000_215,
                "An invalid client secret was provided. Send the secret's value, not its id.",
            ));
        };
        if known.expires_at.is_some_and(|expiry| expiry <= now) {
            return Err(OAuthError::new(
                "invalid_client",
                7_000_222,
                "The client secret keys provided are expired. Create new keys for the app.",
            ));
        }
        Ok(())
    }
}

pub(crate) fn unknown_app(client_id: &str) -> OAuthError {
    OAuthError::new(
        "unauthorized_client",
        700_016,
        format!("Application with identifier '{client_id}' was not found in the directory."),
    )
}

/// Client id and credential as a token request carries them.
pub(crate) struct Presented {
    pub client_id: String,
    basic_secret: Option<String>,
}

impl Presented {
    /// From the form, or from HTTP Basic (RFC 6749 §2.3.1: both parts form-encoded).
    pub fn from_request(request: &Received, form: &Parameters) -> Option<Self> {
        let basic = request
            .header("authorization")
            .and_then(|value| value.strip_prefix("Basic "))
            .and_then(|encoded| STANDARD.decode(encoded).ok())
            .and_then(|decoded| String::from_utf8(decoded).ok());
        let basic = basic.as_deref().and_then(|pair| pair.split_once(':'));
        let decode = |text: &str| {
            percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
        };
        Some(Self {
            client_id: basic
                .map(|(id, _)| decode(id))
                .or_else(|| form.get("client_id").map(str::to_owned))?,
            basic_secret: basic.map(|(_, secret)| decode(secret)),
        })
    }
}

/// Facts for checking a client assertion, beside the request.
pub(crate) struct AssertionContext<'a> {
    pub now: Timestamp,
    /// Accepted audiences: the token endpoint called, and the issuer.
    pub audiences: &'a [String],
    /// `jti` values already used.
    pub used: &'a mut HashSet<String>,
    /// Whether a `jti` may be used twice.
    pub allow_replay: bool,
}

/// Checks the client credential of a token request.
pub(crate) fn authenticate(
    app: &App,
    presented: &Presented,
    form: &Parameters,
    context: &mut AssertionContext<'_>,
) -> Result<(), OAuthError> {
    if let Some(assertion) = form.get("client_assertion") {
        if form.get("client_assertion_type") != Some(ASSERTION_TYPE) {
            return Err(OAuthError::new(
                "invalid_request",
                900_144,
                "The request body must contain the following parameter: 'client_assertion_type'.",
            ));
        }
        return check_assertion(app, assertion, context);
    }
    match presented.basic_secret.as_deref().or_else(|| form.get("client_secret")) {
        Some(secret) => app.check_secret(secret, context.now),
        None => Err(OAuthError::new(
            "invalid_client",
            7_000_218,
            "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
        )),
    }
}

fn check_assertion(
    app: &App,
    assertion: &str,
    context: &mut AssertionContext<'_>,
) -> Result<(), OAuthError> {
    let malformed =
        || OAuthError::new("invalid_client", 50027, "The client assertion is not a valid JWT.");
    let mut parts = assertion.split('.');
    let (Some(header), Some(payload), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(malformed());
    };
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| malformed());
    let json =
        |part: &str| serde_json::from_slice::<Value>(&decode(part)?).map_err(|_| malformed());
    let (head, claims, signature_bytes) = (json(header)?, json(payload)?, decode(signature)?);
    let signed = format!("{header}.{payload}");
    let client_id = app.registration.client_id.to_string();
    let algorithm = head["alg"].as_str().unwrap_or_default();

    if claims["iss"].as_str() != Some(&client_id) {
        return check_federated(
            app,
            algorithm,
            &claims,
            signed.as_bytes(),
            &signature_bytes,
            context.now,
        );
    }
    if claims["sub"].as_str() != Some(&client_id) {
        return Err(OAuthError::new(
            "invalid_client",
            700_021,
            "The subject of the client assertion is not the application.",
        ));
    }
    let certificate = app.certificates.iter().find(|certificate| {
        head["x5t#S256"].as_str() == Some(&certificate.sha256)
            || (head["x5t#S256"].is_null() && head["x5t"].as_str() == Some(&certificate.sha1))
    });
    let refused = |reason: &str| {
        OAuthError::new(
            "invalid_client",
            700_027,
            format!("The client assertion failed signature validation: {reason}."),
        )
    };
    let certificate =
        certificate.ok_or_else(|| refused("the key was not found by its thumbprint"))?;
    if !verify(algorithm, &certificate.public_key, signed.as_bytes(), &signature_bytes) {
        return Err(refused("the signature does not fit the registered certificate"));
    }
    let audience = claims["aud"].as_str().unwrap_or_default();
    if !context.audiences.iter().any(|accepted| accepted == audience) {
        return Err(OAuthError::new(
            "invalid_client",
            50027,
            "The audience of the client assertion is not this token endpoint.",
        ));
    }
    check_times(&claims, context.now)?;
    let Some(id) = claims["jti"].as_str() else {
        return Err(malformed());
    };
    if !context.used.insert(format!("{client_id} {id}")) && !context.allow_replay {
        return Err(refused("it was used before"));
    }
    Ok(())
}

fn check_times(claims: &Value, now: Timestamp) -> Result<(), OAuthError> {
    let now = now.as_second();
    let expiry = claims["exp"].as_i64().unwrap_or_default();
    let start = claims["nbf"].as_i64().unwrap_or(now);
    let too_long = expiry - start.min(now) > ASSERTION_LIFETIME_SECONDS + ASSERTION_SKEW_SECONDS;
    if expiry + ASSERTION_SKEW_SECONDS < now || start > now + ASSERTION_SKEW_SECONDS || too_long {
        return Err(OAuthError::new(
            "invalid_client",
            700_024,
            "The client assertion is not within its valid time range.",
        ));
    }
    Ok(())
}

fn check_federated(
    app: &App,
    algorithm: &str,
    claims: &Value,
    signed: &[u8],
    signature: &[u8],
    now: Timestamp,
) -> Result<(), OAuthError> {
    let refused = |code: u32, what: &str| {
        OAuthError::new(
            "invalid_client",
            code,
            format!(
                "No matching federated identity record found for the presented assertion's {what}."
            ),
        )
    };
    let credentials = &app.registration.federated_credentials;
    let issuer = claims["iss"].as_str().unwrap_or_default();
    let subject = claims["sub"].as_str().unwrap_or_default();
    let mut of_issuer =
        credentials.iter().filter(|credential| credential.issuer == issuer).peekable();
    if of_issuer.peek().is_none() {
        return Err(refused(700_211, "issuer"));
    }
    let credential = of_issuer
        .find(|credential| credential.subject == subject)
        .ok_or_else(|| refused(700_213, "subject"))?;
    let audience = &claims["aud"];
    let fits = audience.as_str() == Some(&credential.audience)
        || audience.as_array().is_some_and(|list| {
            list.iter().any(|entry| entry.as_str() == Some(&credential.audience))
        });
    if !fits {
        return Err(refused(700_212, "audience"));
    }
    let key = unwrap_pem(&credential.public_key_pem, "PUBLIC KEY").unwrap_or_default();
    if algorithm != "RS256" || !verify(algorithm, &key, signed, signature) {
        return Err(refused(700_027, "signature"));
    }
    if claims["exp"].as_i64().unwrap_or_default() + ASSERTION_SKEW_SECONDS < now.as_second() {
        return Err(OAuthError::new(
            "invalid_client",
            700_024,
            "The client assertion is not within its valid time range.",
        ));
    }
    Ok(())
}

fn verify(algorithm: &str, public_key: &[u8], signed: &[u8], signature: &[u8]) -> bool {
    let algorithm = match algorithm {
        "PS256" => &RSA_PSS_2048_8192_SHA256,
        "RS256" => &RSA_PKCS1_2048_8192_SHA256,
        _ => return false,
    };
    UnparsedPublicKey::new(algorithm, public_key).verify(signed, signature).is_ok()
}
