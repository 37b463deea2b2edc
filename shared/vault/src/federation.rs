//! Federated credentials: tokens signed by AWS that identify the app to Entra. There is no secret to keep, leak or renew.
//!
//! Source: "Outbound identity federation", AWS IAM user guide; "Workload identity federation", Microsoft Entra.

use std::sync::Arc;

use aws_sdk_sts::Client;
use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sts::operation::get_web_identity_token::GetWebIdentityTokenError;
use ground::clock::Clock;
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use tokio::sync::Mutex;

use crate::Error;

/// The requested lifetime of a token, in seconds; the role allows no more.
const LIFETIME_SECONDS: i32 = 300;
/// A token is not used this long before it expires: it must still be valid when it arrives.
const MARGIN: SignedDuration = SignedDuration::from_secs(60);
/// The only algorithm that Entra documents.
const ALGORITHM: &str = "RS256";

/// Fetches tokens from AWS, and caches one while it is valid.
#[derive(Clone)]
pub struct Federation {
    sts: Client,
    pub(crate) audience: &'static str,
    clock: Arc<dyn Clock>,
    held: Arc<Mutex<Option<Held>>>,
}

struct Held {
    token: SecretString,
    expires_at: Timestamp,
}

impl Federation {
    /// Tokens for this audience; `sts` must act as the role that Entra trusts.
    pub fn new(sts: Client, audience: &'static str, clock: Arc<dyn Clock>) -> Self {
        Self { sts, audience, clock, held: Arc::default() }
    }

    /// A token that is valid for at least another minute.
    ///
    /// # Errors
    /// [`Error::NotFederated`] when outbound web identity federation is off in the account, or the role lacks permission;
    /// [`Error::Unavailable`] when STS is.
    pub async fn assertion(&self) -> Result<SecretString, Error> {
        // Held during the request, so that concurrent callers share one.
        let mut held = self.held.lock().await;
        if let Some(held) = held.as_ref()
            && held.expires_at.duration_since(self.clock.now()) > MARGIN
        {
            return Ok(held.token.clone());
        }
        let answer = self
            .sts
            .get_web_identity_token()
            .audience(self.audience)
            .duration_seconds(LIFETIME_SECONDS)
            .signing_algorithm(ALGORITHM)
            .send()
            .await
            .map_err(|e| refused(&e))?;
        let incomplete = || Error::corrupt("token of AWS", "STS answered without one");
        let token = SecretString::from(answer.web_identity_token.ok_or_else(incomplete)?);
        let expiration = answer.expiration.ok_or_else(incomplete)?;
        let expires_at = Timestamp::from_second(expiration.secs())
            .map_err(|e| Error::corrupt("token of AWS", e))?;
        *held = Some(Held { token: token.clone(), expires_at });
        Ok(token)
    }
}

fn refused<R>(error: &SdkError<GetWebIdentityTokenError, R>) -> Error {
    let service = error.as_service_error();
    match service.and_then(ProvideErrorMetadata::code) {
        Some(code)
            if code.starts_with("OutboundWebIdentityFederationDisabled")
                || code == "AccessDenied" =>
        {
            Error::NotFederated { code: code.to_owned() }
        }
        _ => Error::sdk("sts", "GetWebIdentityToken", error),
    }
}
