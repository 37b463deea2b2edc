//! Entra's token endpoint, as far as a refresh needs it: every refresh returns a new refresh token, and
//! the earlier ones stay valid.
//!
//! Tokens have the form `rt.<grant>.<serial>` and `at.<grant>.<serial>`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ground::transport::{Transport, TransportError};
use http::{Request, Response};
use serde_json::json;

use crate::faults::{Fate, Faults};

/// The endpoint, shared by all processes.
#[derive(Clone, Default)]
pub struct SimulatedEntra {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// The newest serial of each grant.
    grants: Vec<u64>,
    /// Number of exchanges under way, by grant.
    under_way: HashMap<usize, u32>,
    /// The largest number of simultaneous exchanges of one grant.
    most_under_way: u32,
    exchanges: u64,
    strangers: u64,
    mood: Mood,
    lifetime: Lifetime,
    /// The tenants that refuse the app.
    refusals: HashMap<String, TenantRefusal>,
    /// Requests about refusing tenants.
    refused: u64,
}

/// How a tenant refuses the app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TenantRefusal {
    /// OAuth's `error`.
    pub error: &'static str,
    /// The AADSTS number.
    pub code: u32,
    /// Whether the discovery document is refused already.
    pub at_discovery: bool,
}

/// Entra's behaviour; faults of the network come on top.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mood {
    /// It works.
    #[default]
    Good,
    /// It has an outage.
    Down,
    /// It throttles all clients, with the error of a dead grant.
    Throttling,
    /// It rejects the app's credential.
    RejectsCredential,
    /// It sometimes behaves as one of the others, by the randomness of the calling process.
    Changing,
}

/// Shortest and longest lifetime of access tokens, in seconds.
#[derive(Debug, Clone, Copy)]
pub struct Lifetime(pub u64, pub u64);

impl Default for Lifetime {
    fn default() -> Self {
        Self(3600, 5400)
    }
}

/// An exchange under way. It ends when this is dropped.
struct UnderWay {
    entra: SimulatedEntra,
    grant: usize,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if let Some(count) = self.entra.state().under_way.get_mut(&self.grant) {
            *count -= 1;
        }
    }
}

impl SimulatedEntra {
    /// Signs a user in. Returns the new grant, its first access token and its first refresh token.
    pub fn sign_in(&self) -> (usize, String, String) {
        let mut state = self.state();
        state.grants.push(1);
        let grant = state.grants.len() - 1;
        (grant, format!("at.{grant}.1"), format!("rt.{grant}.1"))
    }

    /// Changes the behaviour.
    pub fn set_mood(&self, mood: Mood) {
        self.state().mood = mood;
    }

    /// Changes the lifetime of new access tokens.
    pub fn set_lifetime(&self, lifetime: Lifetime) {
        self.state().lifetime = lifetime;
    }

    /// Makes a tenant refuse the app; `None`: it accepts it again.
    pub fn set_refusal(&self, tenant: &str, refusal: Option<TenantRefusal>) {
        let refusals = &mut self.state().refusals;
        match refusal {
            Some(refusal) => refusals.insert(tenant.to_owned(), refusal),
            None => refusals.remove(tenant),
        };
    }

    /// Returns the number of requests about refusing tenants.
    pub fn refused(&self) -> u64 {
        self.state().refused
    }

    /// Returns the number of refresh requests.
    pub fn exchanges(&self) -> u64 {
        self.state().exchanges
    }

    /// Returns the number of requests with an unknown refresh token.
    pub fn strangers(&self) -> u64 {
        self.state().strangers
    }

    /// Returns the largest number of simultaneous exchanges of one grant.
    pub fn most_under_way(&self) -> u32 {
        self.state().most_under_way
    }

    /// Returns the transport from one process to this endpoint.
    pub fn transport(&self, faults: Faults) -> Transport {
        let entra = self.clone();
        Transport::new(move |request, _| Box::pin(entra.clone().receive(request, faults.clone())))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn receive(
        self,
        request: Request<Vec<u8>>,
        faults: Faults,
    ) -> Result<Response<Vec<u8>>, TransportError> {
        let (fate, there, back) = faults.next();
        tokio::time::sleep(there).await;
        match fate {
            Fate::Lost => return Err(TransportError::NoAnswer),
            Fate::CrashBefore => return faults.end_process().await,
            Fate::Refused => return Ok(answer(503, &json!({"error": "temporarily_unavailable"}))),
            Fate::Served | Fate::Conflict | Fate::ReplyLost | Fate::CrashAfter | Fate::Doubled => {}
        }
        let tenant = request.uri().path().split('/').nth(1).unwrap_or_default().to_owned();
        let is_discovery = request.method() == http::Method::GET;
        let answered = match self.tenant_refusal(&tenant, is_discovery) {
            Some(refused) => refused,
            None if is_discovery => answer(200, &discovery(&tenant)),
            None => self.token(request.body(), &faults, back).await,
        };
        match fate {
            Fate::ReplyLost => Err(TransportError::NoAnswer),
            Fate::CrashAfter => faults.end_process().await,
            _ => Ok(answered),
        }
    }

    async fn token(&self, body: &[u8], faults: &Faults, takes: Duration) -> Response<Vec<u8>> {
        let form: HashMap<String, String> =
            url::form_urlencoded::parse(body).into_owned().collect();
        let presented = form.get("refresh_token").map(String::as_str).unwrap_or_default();
        let Some((grant, _)) = read_token("rt", presented).filter(|(g, s)| self.issued(*g, *s))
        else {
            self.state().strangers += 1;
            return answer(400, &json!({"error": "invalid_grant", "suberror": "bad_token"}));
        };
        let _under_way = self.begin(grant);
        tokio::time::sleep(takes + Duration::from_millis(faults.below(150))).await;
        if let Some(refusal) = self.refusal(faults) {
            return refusal;
        }
        let mut state = self.state();
        state.grants[grant] += 1;
        let serial = state.grants[grant];
        let Lifetime(least, most) = state.lifetime;
        drop(state);
        let expires_in = least + faults.below(most - least);
        answer(
            200,
            &json!({
                "token_type": "Bearer", "scope": "499b84ac-1321-427f-aa17-267ca6975798/.default",
                "expires_in": expires_in, "access_token": format!("at.{grant}.{serial}"),
                "refresh_token": format!("rt.{grant}.{serial}"),
            }),
        )
    }

    fn tenant_refusal(&self, tenant: &str, is_discovery: bool) -> Option<Response<Vec<u8>>> {
        let mut state = self.state();
        let refusal = *state.refusals.get(tenant)?;
        if is_discovery != refusal.at_discovery {
            return None;
        }
        state.refused += 1;
        let status = if refusal.error == "invalid_client" { 401 } else { 400 };
        Some(answer(
            status,
            &json!({
                "error": refusal.error, "error_codes": [refusal.code],
                "error_description": format!("AADSTS{}: Refused.\r\nTrace ID: 1\r\nCorrelation ID: 2", refusal.code),
            }),
        ))
    }

    fn issued(&self, grant: usize, serial: u64) -> bool {
        self.state().grants.get(grant).is_some_and(|newest| serial <= *newest)
    }

    fn begin(&self, grant: usize) -> UnderWay {
        let mut state = self.state();
        state.exchanges += 1;
        let now = state.under_way.entry(grant).or_default();
        *now += 1;
        let now = *now;
        state.most_under_way = state.most_under_way.max(now);
        UnderWay { entra: self.clone(), grant }
    }

    fn refusal(&self, faults: &Faults) -> Option<Response<Vec<u8>>> {
        let mood = match self.state().mood {
            Mood::Changing => match faults.below(20) {
                0 => Mood::Down,
                1 => Mood::Throttling,
                2 => Mood::RejectsCredential,
                _ => Mood::Good,
            },
            mood => mood,
        };
        match mood {
            Mood::Good | Mood::Changing => None,
            Mood::Down => Some(answer(503, &json!("down"))),
            Mood::Throttling => {
                Some(answer(400, &json!({"error": "invalid_grant", "error_codes": [50196]})))
            }
            Mood::RejectsCredential => {
                Some(answer(401, &json!({"error": "invalid_client", "error_codes": [7000222]})))
            }
        }
    }
}

/// Returns grant and serial of a token, or `None` if it is malformed.
pub(crate) fn read_token(kind: &str, token: &str) -> Option<(usize, u64)> {
    let (grant, serial) = token.strip_prefix(kind)?.strip_prefix('.')?.split_once('.')?;
    Some((grant.parse().ok()?, serial.parse().ok()?))
}

fn discovery(tenant: &str) -> serde_json::Value {
    let base = format!("https://login.microsoftonline.com/{tenant}");
    json!({
        "issuer": format!("{base}/v2.0"),
        "authorization_endpoint": format!("{base}/oauth2/v2.0/authorize"),
        "token_endpoint": format!("{base}/oauth2/v2.0/token"),
        "jwks_uri": format!("{base}/discovery/v2.0/keys"),
    })
}

fn answer(status: u16, body: &serde_json::Value) -> Response<Vec<u8>> {
    let mut response = Response::new(body.to_string().into_bytes());
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
    response
}
