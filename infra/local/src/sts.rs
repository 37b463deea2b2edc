//! The two operations of STS behind a federated credential: a function assumes the federation role, and the role asks
//! for a token of AWS. Answers are in STS's XML; the token is signed with a key of this process.
//!
//! No token outlives the session that asks for it: `SessionDurationEscalation`, as on AWS.

use std::sync::{LazyLock, Mutex, PoisonError};

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use axum::body::Body;
use axum::http::{HeaderMap, Response, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;
use uuid::Uuid;

use crate::aws_request::Needed;
use crate::front::text_response;
use crate::names::FEDERATION_ROLE_ARN;
use crate::permissions::{FEDERATION, Permissions};

/// The account's issuer.
pub const ISSUER: &str = "https://00000000-0000-4000-8000-000000000000.tokens.sts.global.api.aws";

const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// One key for all stacks of a process, because generating one takes a tenth of a second.
static KEY: LazyLock<Result<(EncodingKey, String), String>> = LazyLock::new(|| {
    let pair = KeyPair::generate(KeySize::Rsa2048).map_err(|e| e.to_string())?;
    let public: PublicKeyX509Der<'_> = pair.public_key().as_der().map_err(|e| e.to_string())?;
    let private: Pkcs8V1Der<'_> = pair.as_der().map_err(|e| e.to_string())?;
    let pem = |label: &str, der: &[u8]| {
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
    };
    let key = EncodingKey::from_rsa_pem(pem("PRIVATE KEY", private.as_ref()).as_bytes())
        .map_err(|e| e.to_string())?;
    Ok((key, pem("PUBLIC KEY", public.as_ref())))
});

/// The account's public key in PEM, as it would be in the issuer's key set.
///
/// # Panics
/// When no key can be generated.
pub fn public_key_pem() -> &'static str {
    match &*KEY {
        Ok((_, pem)) => pem,
        Err(error) => panic!("no key can be generated: {error}"),
    }
}

/// The service.
#[derive(Default)]
pub struct Sts(Mutex<Settings>);

/// The service's behaviour, which tests change.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The lifetime of a session with the role.
    pub session: SignedDuration,
    /// The lifetime of a token in the answer; as requested unless set.
    pub token: Option<SignedDuration>,
    /// The time by which the service's clock is ahead.
    pub ahead: SignedDuration,
    /// The error in place of a token.
    pub refusal: Option<&'static str>,
}

impl Default for Settings {
    fn default() -> Self {
        let session = SignedDuration::from_hours(1);
        Self { session, token: None, ahead: SignedDuration::ZERO, refusal: None }
    }
}

impl Sts {
    /// Changes the service's behaviour.
    pub fn set(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn settings(&self) -> Settings {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Answers a request in the AWS query protocol, whose body is a form, if the caller's role allows it.
    pub(crate) fn answer(
        &self,
        permissions: &Permissions,
        caller: &str,
        headers: &HeaderMap,
        form: &[u8],
    ) -> Response<Body> {
        let fields: Vec<(String, String)> =
            url::form_urlencoded::parse(form).into_owned().collect();
        let field = |name: &str| {
            fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
        };
        let settings = self.settings();
        let now = Timestamp::now() + settings.ahead;
        let action = field("Action").unwrap_or_default();
        match action {
            "AssumeRole" => {
                let role = field("RoleArn").unwrap_or_default();
                let may = permissions.allow(caller, &Needed::new("sts:AssumeRole", role));
                if !may || !permissions.trusts(FEDERATION, caller) {
                    return denied(caller, action, role);
                }
                respond(action, &credentials(now + settings.session))
            }
            "GetWebIdentityToken" => {
                let audience = field("Audience.member.1").unwrap_or_default();
                let seconds = field("DurationSeconds").and_then(|text| text.parse().ok());
                let seconds: i64 = seconds.unwrap_or(300);
                let needed = Needed::new("sts:GetWebIdentityToken", "*")
                    .with("sts:IdentityTokenAudience", audience)
                    .with("sts:DurationSeconds", &seconds.to_string())
                    .with("sts:SigningAlgorithm", field("SigningAlgorithm").unwrap_or_default());
                if !permissions.allow(caller, &needed) {
                    return denied(caller, action, "*");
                }
                if let Some(refusal) = settings.refusal {
                    return bad_request(refusal, "this account issues no tokens");
                }
                let expires_at = now + SignedDuration::from_secs(seconds);
                if session_end(headers).is_none_or(|end| end < expires_at) {
                    let message = "the token would outlive the session";
                    return bad_request("SessionDurationEscalation", message);
                }
                let expiration = settings.token.map_or(expires_at, |token| now + token);
                match token(FEDERATION_ROLE_ARN, audience, expires_at) {
                    Ok(token) => {
                        let result = format!(
                            "<WebIdentityToken>{token}</WebIdentityToken><Expiration>{expiration:.0}</Expiration>"
                        );
                        respond(action, &result)
                    }
                    Err(error) => {
                        fault(StatusCode::INTERNAL_SERVER_ERROR, "InternalFailure", &error)
                    }
                }
            }
            _ => bad_request("InvalidAction", "this is not embedded"),
        }
    }
}

/// The end of the caller's session: session tokens here are that time.
fn session_end(headers: &HeaderMap) -> Option<Timestamp> {
    headers.get("x-amz-security-token")?.to_str().ok()?.parse().ok()
}

fn credentials(ends_at: Timestamp) -> String {
    format!(
        "<Credentials><AccessKeyId>{FEDERATION}</AccessKeyId><SecretAccessKey>local</SecretAccessKey><SessionToken>{ends_at:.0}</SessionToken><Expiration>{ends_at:.0}</Expiration></Credentials><AssumedRoleUser><AssumedRoleId>AROALOCAL:ado-connect</AssumedRoleId><Arn>arn:aws:sts::000000000000:assumed-role/ado-connect-federation/ado-connect</Arn></AssumedRoleUser>"
    )
}

/// A token of AWS. The subject is the ARN of a role, not of its session.
///
/// # Errors
/// When no key can be generated.
pub fn token(subject: &str, audience: &str, expires_at: Timestamp) -> Result<String, String> {
    let (key, _) = KEY.as_ref().map_err(Clone::clone)?;
    let claims = json!({
        "iss": ISSUER,
        "aud": audience,
        "sub": subject,
        "iat": Timestamp::now().as_second(),
        "exp": expires_at.as_second(),
        "jti": Uuid::new_v4(),
        "https://sts.amazonaws.com/": {"aws_account": "000000000000", "source_region": "us-east-1"},
    });
    jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, key).map_err(|e| e.to_string())
}

fn respond(action: &str, result: &str) -> Response<Body> {
    let request_id = Uuid::new_v4();
    let text = format!(
        "<{action}Response xmlns=\"{NAMESPACE}\"><{action}Result>{result}</{action}Result><ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{action}Response>"
    );
    text_response(StatusCode::OK, "text/xml", text)
}

fn denied(caller: &str, action: &str, resource: &str) -> Response<Body> {
    let message = format!(
        "User: {caller} is not authorized to perform: sts:{action} on resource: {resource}"
    );
    eprintln!("{message}");
    fault(StatusCode::FORBIDDEN, "AccessDenied", &message)
}

fn bad_request(code: &str, message: &str) -> Response<Body> {
    fault(StatusCode::BAD_REQUEST, code, message)
}

fn fault(status: StatusCode, code: &str, message: &str) -> Response<Body> {
    let request_id = Uuid::new_v4();
    let text = format!(
        "<ErrorResponse xmlns=\"{NAMESPACE}\"><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>"
    );
    text_response(status, "text/xml", text)
}
