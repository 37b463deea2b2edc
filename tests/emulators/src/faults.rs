//! Faults of an emulator: the kind, the number, and the requests.

mod queue;

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use queue::FaultHandle;
pub(crate) use queue::Faults;

use crate::reply::Reply;
use crate::request::Received;
use crate::traffic::covers;

/// One fault. As JSON (`POST /_emulator/faults`) the fields have the same names; all are optional.
///
/// ```
/// use emulators::Fault;
/// let fault = Fault::on("token").times(2).error("temporarily_unavailable").code(90033).retry_after(7);
/// ```
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent parts of a fault, and members of its JSON"
)]
pub struct Fault {
    /// Route name, or the part of it before a dot (`git` means every `git.…`); empty or `*`: every route.
    pub route: String,
    /// Number of matching requests that get the fault; 0: all until it is removed.
    pub times: u32,
    /// Number of matching requests that pass before the first fault.
    pub skip: u32,
    /// Only requests whose host, target, headers or body contain this text.
    pub containing: Option<String>,
    /// Do the real work before the fault: the state changes and only the answer is lost or replaced.
    pub after: bool,
    /// Wait this long, in milliseconds.
    pub delay_ms: u64,
    /// Wait until released through the handle or `POST /_emulator/faults/{id}/release`.
    pub hold: bool,
    /// Break the connection (TCP reset) instead of answering.
    pub reset: bool,
    /// Send only this many bytes of the body, then break the connection.
    pub truncate: Option<usize>,
    /// Whether the answer comes without `Content-Length`.
    pub without_length: bool,
    /// Answer with this status.
    pub status: Option<u16>,
    /// Headers to add to the answer.
    pub headers: BTreeMap<String, String>,
    /// Body of the answer; `None`: the service's usual body for the status.
    pub body: Option<String>,
    /// Body of the answer in base64, for bytes that are not text.
    pub body_base64: Option<String>,
    /// Entra: `error` of an OAuth error answer; status 400 (`invalid_client`: 401) unless `status` is set.
    pub error: Option<String>,
    /// Entra: `suberror`.
    pub suberror: Option<String>,
    /// Entra: AADSTS numbers, the first one also in the description.
    pub codes: Vec<u32>,
    /// Entra: the `claims` challenge, JSON text.
    pub claims: Option<String>,
    /// `Retry-After`, seconds.
    pub retry_after: Option<u64>,
    /// One of the services' HTML pages instead of the answer.
    pub page: Option<Page>,
    /// Entra: the fault of the ID token in a token answer.
    pub id_token: Option<IdTokenFault>,
}

/// HTML pages instead of expected JSON.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Page {
    /// 203 with the sign-in page: Azure DevOps on a bad token.
    SignIn203,
    /// 200 with the sign-in page.
    SignIn200,
    /// 302 to the sign-in page.
    SignIn302,
    /// 401 with an HTML page.
    Unauthorized401,
    /// 401 that refuses the anonymous identity, as for a token from which nobody can be read.
    Anonymous401,
    /// 503 with an HTML page, as a load balancer sends it.
    Unavailable503,
}

/// A spoilt ID token.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct IdTokenFault {
    /// Claims to set; `null` removes the claim.
    pub claims: BTreeMap<String, Value>,
    /// Header members to set; `null` removes one.
    pub header: BTreeMap<String, Value>,
    /// Its signature.
    pub signature: IdTokenSignature,
    /// Leave the ID token out.
    pub omit: bool,
}

/// The signature of a spoilt ID token.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum IdTokenSignature {
    /// Valid for the spoilt content.
    #[default]
    Valid,
    /// Invalid bytes.
    Broken,
    /// None: the part after the second dot is empty.
    Missing,
    /// By a key that is not in the key set, under the `kid` of one that is.
    ForeignKey,
}

impl Default for Fault {
    fn default() -> Self {
        Self {
            route: String::new(),
            times: 1,
            skip: 0,
            containing: None,
            after: false,
            delay_ms: 0,
            hold: false,
            reset: false,
            truncate: None,
            without_length: false,
            status: None,
            headers: BTreeMap::new(),
            body: None,
            body_base64: None,
            error: None,
            suberror: None,
            codes: Vec::new(),
            claims: None,
            retry_after: None,
            page: None,
            id_token: None,
        }
    }
}

impl Fault {
    /// A fault for the next request of this route. Its kind is still to be set.
    pub fn on(route: &str) -> Self {
        Self { route: route.to_owned(), ..Self::default() }
    }

    /// Applies to this many requests; 0: all until it is removed.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }

    /// Lets this many matching requests pass first.
    #[must_use]
    pub fn skip(mut self, skip: u32) -> Self {
        self.skip = skip;
        self
    }

    /// Applies only to requests that contain this text.
    #[must_use]
    pub fn containing(mut self, text: &str) -> Self {
        self.containing = Some(text.to_owned());
        self
    }

    /// Applies after the real work, to the answer only.
    #[must_use]
    pub fn after_handling(mut self) -> Self {
        self.after = true;
        self
    }

    /// Waits before answering.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        self
    }

    /// Waits until [`FaultHandle::release`].
    #[must_use]
    pub fn hold(mut self) -> Self {
        self.hold = true;
        self
    }

    /// Breaks the connection.
    #[must_use]
    pub fn reset(mut self) -> Self {
        self.reset = true;
        self
    }

    /// Breaks the answer off after this many bytes of its body.
    #[must_use]
    pub fn truncate(mut self, bytes: usize) -> Self {
        self.truncate = Some(bytes);
        self
    }

    /// Leaves the length of the answer out.
    #[must_use]
    pub fn without_length(mut self) -> Self {
        self.without_length = true;
        self
    }

    /// Answers with this status.
    #[must_use]
    pub fn status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// Adds a header to the answer.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Sets the body of the answer.
    #[must_use]
    pub fn body(mut self, body: &str) -> Self {
        self.body = Some(body.to_owned());
        self
    }

    /// Sets the body of the answer to any bytes.
    #[must_use]
    pub fn body_bytes(mut self, body: &[u8]) -> Self {
        self.body_base64 = Some(STANDARD.encode(body));
        self
    }

    /// Answers with an OAuth error of Entra.
    #[must_use]
    pub fn error(mut self, error: &str) -> Self {
        self.error = Some(error.to_owned());
        self
    }

    /// Sets the `suberror` of the error.
    #[must_use]
    pub fn suberror(mut self, suberror: &str) -> Self {
        self.suberror = Some(suberror.to_owned());
        self
    }

    /// Adds an AADSTS number to the error.
    #[must_use]
    pub fn code(mut self, code: u32) -> Self {
        self.codes.push(code);
        self
    }

    /// Sets the claims challenge of the error.
    #[must_use]
    pub fn claims(mut self, claims: &str) -> Self {
        self.claims = Some(claims.to_owned());
        self
    }

    /// Sets `Retry-After`, in seconds.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// Answers with an HTML page.
    #[must_use]
    pub fn page(mut self, page: Page) -> Self {
        self.page = Some(page);
        self
    }

    /// Spoils the ID token.
    #[must_use]
    pub fn id_token(mut self, id_token: IdTokenFault) -> Self {
        self.id_token = Some(id_token);
        self
    }

    /// Whether the fault replaces the real answer.
    pub(crate) fn replaces_answer(&self) -> bool {
        self.status.is_some() || self.error.is_some() || self.page.is_some() || self.has_body()
    }

    fn has_body(&self) -> bool {
        self.body.is_some() || self.body_base64.is_some()
    }

    /// Applies headers, body and truncation of the fault to an answer.
    pub(crate) fn decorate(&self, mut reply: Reply) -> Reply {
        if let Some(body) = &self.body {
            reply = reply.body(body.clone());
        }
        if let Some(body) = self.body_base64.as_ref().and_then(|body| STANDARD.decode(body).ok()) {
            reply = reply.body(body);
        }
        if let Some(seconds) = self.retry_after {
            reply = reply.header("retry-after", seconds);
        }
        for (name, value) in &self.headers {
            reply = reply.header(name, value);
        }
        reply.truncate = self.truncate;
        reply.chunked |= self.without_length;
        reply
    }

    fn matches(&self, route: &str, request: &Received) -> bool {
        covers(&self.route, route)
            && self.containing.as_ref().is_none_or(|text| contains(request, text))
    }
}

fn contains(request: &Received, text: &str) -> bool {
    let in_bytes = |bytes: &[u8]| {
        !text.is_empty() && bytes.windows(text.len()).any(|window| window == text.as_bytes())
    };
    request.host().contains(text)
        || request.target().contains(text)
        || in_bytes(&request.body)
        || request.headers.values().any(|value| in_bytes(value.as_bytes()))
}
