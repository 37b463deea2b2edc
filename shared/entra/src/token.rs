//! The token endpoint: code, refresh token and client credentials grants.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::header::{HeaderName, HeaderValue};
use jiff::Timestamp;
use oauth2::basic::{
    BasicRevocationErrorResponse, BasicTokenIntrospectionResponse, BasicTokenType,
};
use oauth2::{
    AccessToken, AuthType, AuthorizationCode, ClientSecret, EndpointNotSet, EndpointSet,
    HttpRequest, HttpResponse, PkceCodeVerifier, RedirectUrl, RefreshToken, RequestTokenError,
    Scope, StandardRevocableToken, TokenUrl,
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::HashMap;
use url::Url;
use uuid::Uuid;

use crate::authorization::IDENTITY_SCOPES;
use crate::claims;
use crate::credential::{ASSERTION_TYPE, ClientCredential};
use crate::error_class::{
    ErrorBody, ErrorClass, Leg, NO_FEDERATED_CREDENTIAL, Party, aadsts, classify,
};
use crate::identifiers::ClientId;
use crate::metadata::{Metadata, MetadataError};
use ground::bearer_token::BearerToken;
use ground::clock::Clock;
use ground::transport::Transport;
use ground::{retry_after, seconds};

/// The time for one exchange: connect, send, wait, read. A lease lasts longer: 30 s.
const DEADLINE: Duration = Duration::from_secs(8);
const LARGEST_ANSWER: usize = 1_000_000;
/// The longest error code or id in a refusal, in bytes; Entra's have less than 40.
const LONGEST_CODE: usize = 128;
/// U+FEFF in UTF-8, which some servers put before JSON.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// The lifetime of an access token whose answer names none: the shortest of Entra's own
/// (<https://learn.microsoft.com/entra/identity-platform/access-tokens#token-lifetime>). If the token dies earlier, Azure
/// DevOps rejects it and it is renewed then.
const UNNAMED_LIFETIME: Duration = Duration::from_hours(1);

/// Redeems a code.
pub struct CodeRequest<'a> {
    /// The Application (client) ID.
    pub client_id: &'a ClientId,
    /// The app's credential.
    pub credential: &'a ClientCredential,
    /// The code that the callback received.
    pub code: &'a SecretString,
    /// The `redirect_uri` of the authorization request.
    pub redirect_uri: &'a Url,
    /// The `code_verifier` (RFC 7636).
    pub code_verifier: &'a SecretString,
    /// The resource's scopes, with its prefix.
    pub scopes: &'a [String],
}

/// Renews tokens.
pub struct RefreshRequest<'a> {
    /// The Application (client) ID.
    pub client_id: &'a ClientId,
    /// The app's credential.
    pub credential: &'a ClientCredential,
    /// The newest refresh token.
    pub refresh_token: &'a SecretString,
    /// The resource's scopes, with its prefix.
    pub scopes: &'a [String],
    /// A claims challenge to satisfy, JSON.
    pub claims: Option<&'a str>,
}

/// Asks for a token of the app itself, to verify its credential.
pub struct ClientCredentialsRequest<'a> {
    /// The Application (client) ID.
    pub client_id: &'a ClientId,
    /// The app's credential.
    pub credential: &'a ClientCredential,
    /// The resource's `/.default`.
    pub scope: &'a str,
}

/// The tokens of a token response. None of them can be printed.
#[derive(Debug)]
pub struct TokenResponse {
    /// The access token for Azure DevOps; opaque to us.
    pub access_token: BearerToken,
    /// The refresh token, with `offline_access`.
    pub refresh_token: Option<SecretString>,
    /// The ID token, with `openid`.
    pub id_token: Option<SecretString>,
    /// The lifetime of the access token.
    pub expires_in: Duration,
    /// The time after which Entra wants the token renewed, counted from the response.
    pub refresh_in: Option<Duration>,
    /// The granted scopes, in Entra's spelling; the requested ones if the response names none (RFC 6749 section 5.1).
    pub scopes: Vec<String>,
    /// The time of the response, by our clock.
    pub received_at: Timestamp,
}

/// The reasons why there are no tokens. Entra's description is left out, because it may name people.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the token request failed: {class:?} {}", self.reason())]
pub struct TokenError {
    /// The class of the failure.
    pub class: ErrorClass,
    /// The error code (RFC 6749 section 5.2).
    pub error: Option<String>,
    /// Entra's refinement.
    pub suberror: Option<String>,
    /// AADSTS numbers.
    pub codes: Vec<u32>,
    /// A claims challenge for the next authorize URL, JSON.
    pub claims: Option<String>,
    /// The wait that Entra asks for.
    pub retry_after: Option<Duration>,
    /// For Microsoft's support.
    pub correlation_id: Option<String>,
    /// For Microsoft's support.
    pub trace_id: Option<String>,
}

impl TokenError {
    /// Returns the error of a request without a usable answer before the deadline.
    pub fn no_answer() -> Self {
        Self {
            class: ErrorClass::Transient,
            error: None,
            suberror: None,
            codes: Vec::new(),
            claims: None,
            retry_after: None,
            correlation_id: None,
            trace_id: None,
        }
    }

    /// Returns the error in an answer that is not what was asked for.
    fn in_answer(leg: Leg, answer: &HttpResponse, retry_after: Option<Duration>) -> Self {
        let members = serde_json::from_slice::<Members>(without_mark(answer.body())).ok();
        let body = members.and_then(|members| members.error());
        let class = classify(leg, Some(answer.status().as_u16()), body.as_ref(), retry_after);
        let body = body.unwrap_or_default();
        Self {
            class,
            error: Some(body.error).filter(|error| !error.is_empty()),
            suberror: body.suberror,
            codes: body.error_codes,
            // They are kept for the next sign-in.
            claims: body.claims.and_then(claims::usable),
            retry_after,
            correlation_id: body.correlation_id,
            trace_id: body.trace_id,
        }
    }

    /// Returns whether no federated credential matches the token. Entra also answers so for some minutes after one was
    /// added.
    pub fn misses_federated_credential(&self) -> bool {
        self.codes.iter().any(|code| NO_FEDERATED_CREDENTIAL.contains(code))
    }

    /// Returns whether another live credential could be accepted where this one was refused: Entra rejects this
    /// credential, or answers `invalid_client` without a known reason.
    pub fn may_be_about_the_credential(&self) -> bool {
        let is_vague =
            self.class == ErrorClass::BadRequest && self.error.as_deref() == Some("invalid_client");
        self.class.party() == Party::Integration || is_vague
    }

    /// Returns the error in a few words that administrators can look up, such as `invalid_grant (AADSTS700082)`.
    pub fn reason(&self) -> String {
        let error = self.error.as_deref().unwrap_or("no_answer");
        match self.codes.first() {
            Some(code) => format!("{error} (AADSTS{code})"),
            None => error.to_owned(),
        }
    }
}

impl From<MetadataError> for TokenError {
    /// The error of a request that cannot be sent for lack of the metadata: the tenant's fault if Entra does not find the
    /// tenant, an outage otherwise.
    fn from(error: MetadataError) -> Self {
        match error {
            MetadataError::Refused(answer) => {
                let refusal = Self::in_answer(Leg::Refresh, &answer, None);
                let is_about_tenant = refusal.class.party() == Party::Tenant;
                if is_about_tenant { refusal } else { Self::no_answer() }
            }
            MetadataError::Fetch(_) | MetadataError::UnsafeEndpoint => Self::no_answer(),
        }
    }
}

/// A client of the token endpoint. Never retries and never follows a redirect: the holder of the lease decides on both.
#[derive(Clone)]
pub struct TokenClient {
    transport: Transport,
    clock: Arc<dyn Clock>,
}

type OauthClient = oauth2::Client<
    OauthError,
    Answer,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

impl TokenClient {
    /// Returns a client that uses the process's HTTP client.
    pub fn new(transport: impl Into<Transport>, clock: Arc<dyn Clock>) -> Self {
        Self { transport: transport.into(), clock }
    }

    /// Redeems a code (RFC 6749 section 4.1.3).
    ///
    /// # Errors
    /// [`TokenError`] if Entra does not return tokens.
    pub async fn exchange_code(
        &self,
        metadata: &Metadata,
        request: CodeRequest<'_>,
    ) -> Result<TokenResponse, TokenError> {
        let client = client(metadata, request.client_id, request.credential);
        let mut exchange = client
            .exchange_code(AuthorizationCode::new(request.code.expose_secret().to_owned()))
            .set_pkce_verifier(PkceCodeVerifier::new(
                request.code_verifier.expose_secret().to_owned(),
            ))
            .set_redirect_uri(Cow::Owned(RedirectUrl::from_url(request.redirect_uri.clone())))
            .add_extra_param("scope", scope_parameter(request.scopes))
            .add_extra_param("claims", claims::with_capability(None));
        for (name, value) in self.assertion(metadata, request.client_id, request.credential)? {
            exchange = exchange.add_extra_param(name, value);
        }
        self.finish(exchange.request_async(&self.transport(Leg::Code)).await, request.scopes)
    }

    /// Renews tokens (RFC 6749 section 6).
    ///
    /// # Errors
    /// [`TokenError`] if Entra does not return tokens.
    pub async fn refresh(
        &self,
        metadata: &Metadata,
        request: RefreshRequest<'_>,
    ) -> Result<TokenResponse, TokenError> {
        let client = client(metadata, request.client_id, request.credential);
        let refresh_token = RefreshToken::new(request.refresh_token.expose_secret().to_owned());
        let identity = IDENTITY_SCOPES.iter().map(|scope| Scope::new((*scope).to_owned()));
        let resource = request.scopes.iter().map(|scope| Scope::new(scope.clone()));
        let mut exchange = client
            .exchange_refresh_token(&refresh_token)
            .add_scopes(identity.chain(resource))
            .add_extra_param("claims", claims::with_capability(request.claims));
        for (name, value) in self.assertion(metadata, request.client_id, request.credential)? {
            exchange = exchange.add_extra_param(name, value);
        }
        self.finish(exchange.request_async(&self.transport(Leg::Refresh)).await, request.scopes)
    }

    /// Requests a token of the app itself (RFC 6749 section 4.4).
    ///
    /// # Errors
    /// [`TokenError`] if Entra does not return a token.
    pub async fn client_credentials(
        &self,
        metadata: &Metadata,
        request: ClientCredentialsRequest<'_>,
    ) -> Result<TokenResponse, TokenError> {
        let client = client(metadata, request.client_id, request.credential);
        let mut exchange =
            client.exchange_client_credentials().add_scope(Scope::new(request.scope.to_owned()));
        for (name, value) in self.assertion(metadata, request.client_id, request.credential)? {
            exchange = exchange.add_extra_param(name, value);
        }
        let scopes = [request.scope.to_owned()];
        let transport = self.transport(Leg::ClientCredentials);
        self.finish(exchange.request_async(&transport).await, &scopes)
    }

    fn assertion(
        &self,
        metadata: &Metadata,
        client_id: &ClientId,
        credential: &ClientCredential,
    ) -> Result<Vec<(&'static str, String)>, TokenError> {
        let assertion = match credential {
            ClientCredential::Secret(_) => return Ok(Vec::new()),
            ClientCredential::Assertion(assertion) => assertion.clone(),
            ClientCredential::Certificate(certificate) => certificate
                .assertion(client_id, metadata.token_endpoint.as_str(), self.clock.now())
                .map_err(|_| TokenError {
                    class: ErrorClass::CredentialRejected,
                    error: Some("unsigned_assertion".to_owned()),
                    ..TokenError::no_answer()
                })?,
        };
        Ok(vec![
            ("client_assertion_type", ASSERTION_TYPE.to_owned()),
            ("client_assertion", assertion.expose_secret().to_owned()),
        ])
    }

    /// Returns the HTTP client in the form that `oauth2` takes. It owns its fields, so that its futures are `Send`.
    fn transport(&self, leg: Leg) -> impl Fn(HttpRequest) -> Exchanging + use<> {
        let (transport, clock) = (self.transport.clone(), Arc::clone(&self.clock));
        move |request| Box::pin(send(transport.clone(), Arc::clone(&clock), leg, request))
    }

    fn finish(
        &self,
        answer: Result<Answer, RequestTokenError<TokenError, OauthError>>,
        requested: &[String],
    ) -> Result<TokenResponse, TokenError> {
        match answer {
            Ok(answer) => Ok(TokenResponse {
                access_token: BearerToken::try_from(secret(answer.access_token.secret()))
                    .map_err(|_| TokenError::no_answer())?,
                refresh_token: answer.refresh_token.as_ref().map(|token| secret(token.secret())),
                id_token: answer.id_token.as_ref().map(|token| secret(token.secret())),
                expires_in: answer.expires_in.unwrap_or(UNNAMED_LIFETIME),
                refresh_in: answer.refresh_in,
                scopes: answer.scopes.unwrap_or_else(|| requested.to_vec()),
                received_at: self.clock.now(),
            }),
            Err(RequestTokenError::Request(error)) => Err(error),
            // A 200 that is not a token response.
            Err(_) => Err(TokenError::no_answer()),
        }
    }
}

type Exchanging = Pin<Box<dyn Future<Output = Result<HttpResponse, TokenError>> + Send>>;

/// Sends a request of `oauth2`. Every status but 200 is an error here, so that status, `Retry-After` and body can be
/// classified together.
async fn send(
    transport: Transport,
    clock: Arc<dyn Clock>,
    leg: Leg,
    mut request: HttpRequest,
) -> Result<HttpResponse, TokenError> {
    let id = Uuid::new_v4().to_string();
    for (name, value) in [
        ("x-ms-lib-capability", "retry-after, h429"),
        ("client-request-id", &id),
        ("return-client-request-id", "true"),
    ] {
        let value = HeaderValue::from_str(value).map_err(|_| TokenError::no_answer())?;
        request.headers_mut().insert(HeaderName::from_static(name), value);
    }
    let answered = tokio::time::timeout(DEADLINE, transport.send(request, LARGEST_ANSWER)).await;
    match answered.ok().and_then(Result::ok) {
        Some(answer) if answer.status() == http::StatusCode::OK => {
            let mut body = answer.into_body();
            if body.starts_with(BYTE_ORDER_MARK) {
                body.drain(..BYTE_ORDER_MARK.len());
            }
            Ok(HttpResponse::new(body))
        }
        Some(answer) => {
            let retry_after = retry_after::of(answer.headers(), clock.now());
            Err(TokenError::in_answer(leg, &answer, retry_after))
        }
        None => Err(TokenError::no_answer()),
    }
}

fn without_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body)
}

fn client(metadata: &Metadata, client_id: &ClientId, credential: &ClientCredential) -> OauthClient {
    let client = oauth2::Client::new(oauth2::ClientId::new(client_id.to_string()))
        .set_token_uri(TokenUrl::from_url(metadata.token_endpoint.clone()))
        .set_auth_type(AuthType::RequestBody);
    match credential {
        ClientCredential::Secret(secret) => {
            client.set_client_secret(ClientSecret::new(secret.expose_secret().to_owned()))
        }
        ClientCredential::Certificate(_) | ClientCredential::Assertion(_) => client,
    }
}

fn scope_parameter(scopes: &[String]) -> String {
    let identity = IDENTITY_SCOPES.iter().copied();
    identity.chain(scopes.iter().map(String::as_str)).collect::<Vec<_>>().join(" ")
}

fn secret(text: &str) -> SecretString {
    SecretString::from(text)
}

/// A token response (RFC 6749 section 5.1), with Entra's additions. Only the access token is required, so that no odd
/// spelling of another member loses a rotated refresh token. `token_type` is not read: we ask for nothing but bearer
/// tokens.
#[derive(Debug, Serialize, Deserialize)]
#[serde(try_from = "Members")]
struct Answer {
    access_token: AccessToken,
    expires_in: Option<Duration>,
    refresh_in: Option<Duration>,
    refresh_token: Option<RefreshToken>,
    // Not an access token: the type hides it, because an ID token must not be printed either.
    id_token: Option<AccessToken>,
    scopes: Option<Vec<String>>,
}

/// The members of a JSON object. If one comes twice, the last one counts.
#[derive(Deserialize)]
#[serde(transparent)]
struct Members(HashMap<String, Box<RawValue>>);

impl Members {
    /// Returns a member that is a text and not blank.
    fn text(&self, name: &str) -> Option<String> {
        let text: String = serde_json::from_str(self.0.get(name)?.get()).ok()?;
        Some(text).filter(|text| !text.trim().is_empty())
    }

    /// Returns a short text of visible characters, as RFC 6749 section 5.2 has for errors: it is stored and shown.
    fn code(&self, name: &str) -> Option<String> {
        let is_visible = |byte| matches!(byte, b' '..=b'~');
        self.text(name).filter(|text| text.len() <= LONGEST_CODE && text.bytes().all(is_visible))
    }

    fn seconds(&self, name: &str) -> Option<Duration> {
        seconds::from_json(self.0.get(name)?)
    }

    /// Returns the error of a refusal, whose optional members are spelled in several ways, too.
    fn error(&self) -> Option<ErrorBody> {
        let mut error_codes = self.numbers("error_codes");
        if error_codes.is_empty() {
            error_codes
                .extend(self.text("error_description").as_deref().map(aadsts).unwrap_or_default());
        }
        Some(ErrorBody {
            error: self.code("error")?,
            suberror: self.code("suberror"),
            error_codes,
            claims: self.text("claims").or_else(|| self.object("claims")),
            correlation_id: self.code("correlation_id"),
            trace_id: self.code("trace_id"),
        })
    }

    /// Returns the numbers of a list, or one number alone; each may be a text.
    fn numbers(&self, name: &str) -> Vec<u32> {
        let value = self.0.get(name).and_then(|value| serde_json::from_str(value.get()).ok());
        let values = match value {
            Some(Value::Array(values)) => values,
            value => value.into_iter().collect(),
        };
        let number = |value: &Value| match value {
            Value::String(text) => text.trim().trim_start_matches("AADSTS").parse().ok(),
            value => value.as_u64().and_then(|number| number.try_into().ok()),
        };
        values.iter().filter_map(number).collect()
    }

    /// Returns a member that is an object, as JSON.
    fn object(&self, name: &str) -> Option<String> {
        Some(self.0.get(name)?.get()).filter(|json| json.starts_with('{')).map(str::to_owned)
    }

    fn scopes(&self) -> Option<Vec<String>> {
        let scopes = self.text("scope")?;
        Some(scopes.split_whitespace().map(str::to_owned).collect())
    }
}

impl TryFrom<Members> for Answer {
    type Error = &'static str;

    fn try_from(members: Members) -> Result<Self, Self::Error> {
        Ok(Self {
            access_token: AccessToken::new(members.text("access_token").ok_or("no access token")?),
            expires_in: members.seconds("expires_in"),
            refresh_in: members.seconds("refresh_in"),
            refresh_token: members.text("refresh_token").map(RefreshToken::new),
            id_token: members.text("id_token").map(AccessToken::new),
            scopes: members.scopes(),
        })
    }
}

impl oauth2::TokenResponse for Answer {
    type TokenType = BasicTokenType;

    fn access_token(&self) -> &AccessToken {
        &self.access_token
    }

    fn token_type(&self) -> &BasicTokenType {
        &BasicTokenType::Bearer
    }

    fn expires_in(&self) -> Option<Duration> {
        self.expires_in
    }

    fn refresh_token(&self) -> Option<&RefreshToken> {
        self.refresh_token.as_ref()
    }

    fn scopes(&self) -> Option<&Vec<Scope>> {
        None
    }
}

/// Never parsed: [`send`] classifies every error itself.
#[derive(Debug, thiserror::Error, Serialize, Deserialize)]
#[error("an error of the token endpoint")]
struct OauthError {}

impl oauth2::ErrorResponse for OauthError {}

#[cfg(test)]
mod tests;
