//! One request of a client: its connection, its tools, and its calls of Azure DevOps.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use calls::deadlines::Deadlines;
use calls::{Body, Call, Calls, Destination, Named, Reading};
use devops::host::Family;
use devops::organization::OrganizationName;
use edge::config::PublicUrl;
use edge::log::RequestLog;
use edge::problem::{Code, Problem};
use ground::random::Random;
use ground::remembered::Remembered;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, Method, StatusCode};
use serde_json::Value;
use vault::connections::Connection;
use vault::ids::ConnectionId;
use vault::integrations::Integration;

use super::arguments::Arguments;
use super::budget;
use super::failure::Failure;
use crate::caller::Found;
use crate::tools::parameter::ORGANIZATION;

/// The time that is kept for the end of steps.
const KEPT: Duration = Duration::from_secs(10);
const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// The longest message of Azure DevOps in a failure, in bytes.
const LONGEST_MESSAGE: usize = 1_000;

/// The number of organizations, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Organizations {
    /// One, or none.
    One,
    /// Several: each call of a tool about one names it.
    Several,
}

/// The ids of users in organizations.
pub(crate) type KnownIds = Remembered<(ConnectionId, OrganizationName), String>;

/// What the caller may do with its tools.
#[derive(Debug)]
pub(crate) struct Offer {
    /// Whether tools that write may be among them.
    pub(crate) may_write: bool,
    /// The names of the sets that they are from.
    pub(crate) toolsets: BTreeSet<&'static str>,
}

/// The parts of the process that every request uses.
#[derive(Clone, Copy)]
pub(crate) struct Process<'a> {
    pub(crate) calls: &'a Calls,
    pub(crate) known_ids: &'a KnownIds,
    pub(crate) public_url: &'a PublicUrl,
    pub(crate) random: &'a Random,
}

/// One request of a client.
pub struct Session<'a> {
    process: Process<'a>,
    found: Found,
    organizations: Vec<OrganizationName>,
    deadlines: Deadlines,
    /// Whether a call was refused because the connection needs its user.
    needs_user: AtomicBool,
    pub(crate) offer: Offer,
    pub(crate) log: &'a RequestLog,
}

/// A call of Azure DevOps.
#[derive(Debug)]
pub struct Outgoing<'a> {
    /// The organization.
    pub organization: &'a OrganizationName,
    /// The host.
    pub host: Family,
    /// The method.
    pub method: Method,
    /// The path below the organization, percent-encoded.
    pub path: &'a str,
    /// The query, percent-encoded.
    pub query: &'a str,
    /// The body.
    pub body: Option<&'a Value>,
}

/// An answer of Azure DevOps with a status of success.
#[derive(Debug)]
pub struct Answer {
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body; `null` without one.
    pub body: Value,
}

impl Answer {
    /// Reads an answer.
    ///
    /// # Errors
    /// [`Failure::Other`] if it is not JSON.
    pub(crate) fn read(raw: Raw) -> Result<Self, Failure> {
        Ok(Self { body: json(&raw.body)?, headers: raw.headers })
    }
}

/// An answer of Azure DevOps with a status of success, as it came.
#[derive(Debug)]
pub(crate) struct Raw {
    /// Its headers.
    pub(crate) headers: HeaderMap,
    /// Its body.
    pub(crate) body: Bytes,
}

impl<'a> Session<'a> {
    /// A request of a caller, who has these tools.
    pub(crate) fn new(
        process: Process<'a>,
        found: Found,
        offer: Offer,
        deadlines: Deadlines,
        log: &'a RequestLog,
    ) -> Self {
        let settings = &found.integration.settings;
        let organizations =
            settings.organizations.reachable(found.connection.organization.as_ref());
        let needs_user = AtomicBool::new(false);
        Self { process, found, organizations, deadlines, needs_user, offer, log }
    }

    /// The caller's connection.
    pub(crate) fn connection(&self) -> &Connection {
        &self.found.connection
    }

    /// The integration of the connection.
    pub(crate) fn integration(&self) -> &Integration {
        &self.found.integration
    }

    /// The ids of users that this process has asked for.
    pub(crate) fn known_ids(&self) -> &'a KnownIds {
        self.process.known_ids
    }

    /// The source of randomness.
    pub(crate) fn random(&self) -> &'a Random {
        self.process.random
    }

    /// Returns whether steps have time for more calls: half of the request's time, so that an answer surely leaves.
    pub(crate) fn has_time(&self) -> bool {
        self.deadlines.leave_room_after(KEPT)
    }

    /// The name of the application, or of its integration.
    pub(crate) fn title(&self) -> &str {
        let integration = self.integration();
        let brand = integration.settings.branding.name.as_ref();
        brand.map_or(integration.id.as_str(), |name| name.as_str())
    }

    /// The organizations that the connection reaches.
    pub(crate) fn organizations(&self) -> &[OrganizationName] {
        &self.organizations
    }

    pub(crate) fn choice_of_organizations(&self) -> Organizations {
        match self.organizations.len() {
            0 | 1 => Organizations::One,
            _ => Organizations::Several,
        }
    }

    /// Returns the organization that the arguments name, or the only one.
    ///
    /// # Errors
    /// [`Failure::Arguments`] if they name another, or none of several; [`Code::OrganizationNotAllowed`] if the connection
    /// reaches none.
    pub fn organization(&self, arguments: &Arguments) -> Result<&OrganizationName, Failure> {
        let named = arguments.text(ORGANIZATION.name);
        match (named, self.organizations.as_slice()) {
            (_, []) => Err(Problem::new(Code::OrganizationNotAllowed).into()),
            (None, [only]) => Ok(only),
            (named, all) => {
                let named = named.unwrap_or_default();
                let found = all.iter().find(|one| one.as_str().eq_ignore_ascii_case(named));
                found.ok_or_else(|| {
                    let reached: Vec<_> = all.iter().map(OrganizationName::as_str).collect();
                    let fault = format!("must be one of {}", reached.join(", "));
                    Failure::argument(ORGANIZATION.name, fault)
                })
            }
        }
    }

    /// Calls Azure DevOps under the integration's rules, as the proxy does.
    ///
    /// # Errors
    /// [`Failure::Problem`] for every refusal of ours, and [`Failure::Refused`] for one of Azure DevOps.
    pub async fn call(&self, outgoing: &Outgoing<'_>) -> Result<Answer, Failure> {
        let mut headers = HeaderMap::from_iter([(ACCEPT, JSON)]);
        let body = match outgoing.body {
            Some(body) => {
                headers.insert(CONTENT_TYPE, JSON);
                Bytes::from(body.to_string())
            }
            None => Bytes::new(),
        };
        let raw = self.exchange(outgoing, headers, body).await?;
        Answer::read(raw)
    }

    /// Calls Azure DevOps with these headers and this body in place of JSON. Returns the answer as it came.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub(crate) async fn exchange(
        &self,
        outgoing: &Outgoing<'_>,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Raw, Failure> {
        let path = format!("/{}{}", outgoing.organization, outgoing.path);
        let connection = self.connection().id.to_string();
        let destination = Destination {
            connection: Named::Id(&connection),
            method: &outgoing.method,
            host: outgoing.host.host(),
            path: &path,
            query: (!outgoing.query.is_empty()).then_some(outgoing.query),
        };
        let calls = self.process.calls;
        let target = calls.target(self.found.admitted.clone(), &destination, self.log).await;
        let target = target.map_err(|problem| self.heeded(problem))?;
        let call = Call { headers, body, deadlines: self.deadlines, reading: Reading::Whole };
        let upstream = calls.send(&target, &call, self.log).await;
        let upstream = upstream.map_err(|problem| self.heeded(problem))?;
        let body = match upstream.body {
            Body::Whole(body) => body,
            Body::Chunks(..) => Bytes::new(),
        };
        if upstream.status.is_success() {
            Ok(Raw { headers: upstream.headers, body })
        } else {
            Err(refused(upstream.status, &upstream.headers, &body))
        }
    }

    fn heeded(&self, problem: Problem) -> Problem {
        if problem.code() == Code::ConnectionReauthorizationRequired {
            self.needs_user.store(true, Ordering::Relaxed);
        }
        problem
    }

    /// Whether the caller is a client that can let the user sign in, and the connection needs that.
    pub(crate) fn needs_sign_in(&self) -> bool {
        self.found.pass.is_some() && self.needs_user.load(Ordering::Relaxed)
    }

    /// Returns the sentences of a failure: what happened, and what to do.
    pub(crate) fn sentence_of(&self, failure: &Failure) -> String {
        let Failure::Problem(problem) = failure else { return failure.to_string() };
        let document = problem.document(self.process.public_url, self.log.request_id());
        let mut sentences = vec![format!("{} ({}).", document.title, document.code)];
        sentences.extend(document.detail.map(str::to_owned));
        sentences.extend(
            document.errors.iter().map(|error| format!("{}: {}.", error.field, error.message)),
        );
        sentences.push(document.advice.to_owned());
        if let Some(url) = document.reconnect_url {
            sentences.push(format!("The user signs in again at {url}."));
        }
        let headers = problem.headers();
        if let Some(seconds) = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()) {
            sentences.push(format!("Retry-After: {seconds} seconds."));
        }
        sentences.push(format!("Request id: {}.", document.request_id));
        sentences.join(" ")
    }
}

fn json(body: &[u8]) -> Result<Value, Failure> {
    if body.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(body).map_err(|_| {
        Failure::Other("Azure DevOps answered with something else than JSON.".to_owned())
    })
}

fn refused(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Failure {
    let body: Option<Value> = serde_json::from_slice(body).ok();
    let message = body.as_ref().and_then(|body| body.get("message")?.as_str());
    let mut message = message.map_or_else(
        || "it gives no reason.".to_owned(),
        |message| budget::shortened(message, LONGEST_MESSAGE),
    );
    if let Some(seconds) = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()) {
        message = format!("{message} Retry-After: {seconds}.");
    }
    Failure::Refused { status, message }
}
