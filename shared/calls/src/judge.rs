//! Token, call and verdict: a rejected token is renewed once.
//!
//! ```text
//!  send ─> accepted ─────────────────────────────────────────────> the answer
//!    └──> rejected ─> renew, send again ─> accepted ─────────────> the answer
//!                                    └──> rejected ─> probe ─┬──> rejected too:      the user signs in again
//!                                                            └──> accepted elsewhere: a scope is lacking
//! ```
//!
//! The outcome of the probe is recorded. While a scope is lacking, the next rejection of such a call leads to the probe
//! and not to Entra. A probe without an outcome decides nothing: for a time, the next rejection of that version leads to
//! the probe, too.
//!
//! A write that was answered with a successful status is never sent again. The probe takes the place of its second call,
//! and every error after it becomes one problem that no client repeats by itself.

use std::time::Duration;

use devops::client::ConnectionDataError;
use devops::pace::throttled;
use devops::rejection::{Asked, Rejection, is_about_scopes};
use devops::scopes::needed;
use edge::log::RequestLog;
use edge::problem::{Code, Problem};
use ground::bearer_token::BearerToken;
use http::header::ACCEPT;
use http::{Method, StatusCode};
use jiff::SignedDuration;
use vault::refresh::{AccessToken, Cause};

use crate::scopes::{covered, lacking};
use crate::send::Call;
use crate::target::Target;
use crate::upstream::Upstream;
use crate::{Calls, refusal};

/// Whether Azure DevOps learned from the token who calls.
enum Verdict {
    Accepted(Upstream),
    Rejected(Rejection, Upstream),
}

/// The result of presenting the token elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Elsewhere {
    /// Azure DevOps learns from it who calls.
    Accepted,
    /// Azure DevOps learns from it who calls, and the caller has no access to the organization, for this reason: the
    /// refusal is about rights.
    NoAccess(Code),
    Rejected,
}

impl Elsewhere {
    fn is_accepted(self) -> bool {
        matches!(self, Self::Accepted | Self::NoAccess(_))
    }
}

impl Calls {
    /// Sends a call with the connection's token. If Azure DevOps rejects the token, renews it and sends once more, unless the
    /// call may have had its effect.
    ///
    /// # Errors
    /// A [`Problem`] without an answer for the caller: that of [`unconfirmed`] if the call may have had its effect.
    pub(crate) async fn send_judged(
        &self,
        target: &Target,
        call: &Call,
        log: &RequestLog,
    ) -> Result<Upstream, Problem> {
        let until = call.deadlines.answer;
        let Target { actor, connection, integration, .. } = target;
        let token = self.refresher.access_token(actor, connection, integration, until).await;
        let token = token.map_err(refusal::of_refresh)?;
        if token.renewed {
            self.distrust(&connection.id).await;
        }
        log.refresh(if token.renewed { "renewed" } else { "not_needed" });
        let upstream = self.send_repeating(target, call, &token.bearer, log).await?;
        log.upstream_status(upstream.status);
        match self.verdict(target, call, upstream).await? {
            Verdict::Accepted(upstream) => Ok(upstream),
            Verdict::Rejected(rejected, upstream) => {
                let judged =
                    self.judge_rejected(target, call, &token, &rejected, upstream, log).await;
                judged.map_err(|problem| of_rejected(&rejected, problem))
            }
        }
    }

    /// Judges a call whose token is rejected. Renews the token and sends once more if that can help and do no harm.
    async fn judge_rejected(
        &self,
        target: &Target,
        call: &Call,
        token: &AccessToken,
        rejected: &Rejection,
        upstream: Upstream,
        log: &RequestLog,
    ) -> Result<Upstream, Problem> {
        let (connection, integration) = (&target.connection, &target.integration);
        let claims = claims(rejected);
        let was_rejected = connection.was_rejected(token.version, self.clock.now());
        match connection.accepted_elsewhere {
            Some(false) if was_rejected => return Err(reconnect()),
            // The token is a renewed one.
            None if was_rejected && claims.is_none() => {
                return self.judge_renewed(target, call, token, rejected, upstream).await;
            }
            _ => {}
        }
        if claims.is_none() && is_probably_lacking_scope(target, token.version) {
            // The known scopes of the call decide without the probe only if the answer itself has no word.
            let is_known = was_rejected && rejected.is_silent() && lacks_known_scope(target);
            let elsewhere = if is_known {
                Elsewhere::Accepted
            } else {
                self.elsewhere(target, call, &token.bearer).await?
            };
            if elsewhere.is_accepted() {
                return refused_here(target, elsewhere, rejected, upstream);
            }
        }
        let cause = Cause::Rejected { version: token.version, claims };
        let until = call.deadlines.answer;
        let renewed =
            self.refresher.renew(&target.actor, connection.clone(), integration, cause, until);
        let renewed = renewed.await;
        self.distrust(&connection.id).await;
        let renewed = renewed.map_err(refusal::of_refresh)?;
        log.refresh("renewed_after_rejection");
        if rejected.may_be_processed() {
            return self.judge_renewed(target, call, &renewed, rejected, upstream).await;
        }
        let upstream = self.send_repeating(target, call, &renewed.bearer, log).await?;
        log.upstream_status(upstream.status);
        match self.verdict(target, call, upstream).await? {
            Verdict::Accepted(upstream) => Ok(upstream),
            Verdict::Rejected(rejected, upstream) => {
                let judged = self.judge_renewed(target, call, &renewed, &rejected, upstream).await;
                judged.map_err(|problem| of_rejected(&rejected, problem))
            }
        }
    }

    /// Judges an answer.
    ///
    /// # Errors
    /// [`Code::InsufficientScope`] if the answer is about a lacking scope, [`Code::DevopsThrottled`] if it is about the pace.
    async fn verdict(
        &self,
        target: &Target,
        call: &Call,
        upstream: Upstream,
    ) -> Result<Verdict, Problem> {
        let (status, headers, now) = (upstream.status, &upstream.headers, self.clock.now());
        let throttled = throttled(headers, now);
        let Some(rejected) = rejection(target, call, &upstream) else {
            let may_lack_scope = target.method != Method::HEAD && throttled.is_none();
            if may_lack_scope && is_about_scopes(status, headers, upstream.known_body()) {
                return Err(lacking(target));
            }
            return Ok(Verdict::Accepted(upstream));
        };
        match throttled.filter(|_| claims(&rejected).is_none()) {
            None => Ok(Verdict::Rejected(rejected, upstream)),
            Some(_) if status == StatusCode::OK && !rejected.is_certain() => {
                Ok(Verdict::Accepted(upstream))
            }
            Some(wait) => Err(of_rejected(&rejected, self.throttled(target, wait).await)),
        }
    }

    /// Records when to call next, and returns the problem of a refusal that is about the pace.
    async fn throttled(&self, target: &Target, wait: Duration) -> Problem {
        let call_after = self.clock.now() + SignedDuration::try_from(wait).unwrap_or_default();
        let recorded =
            self.stores.connections.record_call_after(&target.connection, call_after).await;
        self.distrust(&target.connection.id).await;
        match recorded {
            Ok(()) => Problem::new(Code::DevopsThrottled).retry_after(wait),
            Err(error) => error.into(),
        }
    }

    /// Judges a call whose renewed token is rejected, too, or which is not sent again. The rejection is recorded, so that not
    /// every call costs a refresh; without an outcome of the probe only once, so that a renewal is tried again in time.
    async fn judge_renewed(
        &self,
        target: &Target,
        call: &Call,
        renewed: &AccessToken,
        rejected: &Rejection,
        upstream: Upstream,
    ) -> Result<Upstream, Problem> {
        let is_challenged_again = claims(rejected).is_some() && !rejected.may_be_processed();
        let elsewhere = if is_challenged_again {
            // Only a sign-in can help, wherever the token is accepted.
            Ok(Elsewhere::Rejected)
        } else {
            self.elsewhere(target, call, &renewed.bearer).await
        };
        let (connections, now) = (&self.stores.connections, self.clock.now());
        let (connection, version) = (&target.connection, renewed.version);
        let is_accepted = elsewhere.as_ref().ok().map(|elsewhere| elsewhere.is_accepted());
        if is_accepted.is_some() || !connection.was_rejected(version, now) {
            connections.record_rejection(connection, version, is_accepted, now).await?;
            self.distrust(&connection.id).await;
        }
        refused_here(target, elsewhere?, rejected, upstream)
    }

    /// Presents the token where every scope suffices: in the organization of the call, or above the organizations.
    ///
    /// # Errors
    /// [`Code::DevopsThrottled`], [`Code::DevopsUnavailable`] or [`Code::DevopsTimeout`] if that has no outcome.
    async fn elsewhere(
        &self,
        target: &Target,
        call: &Call,
        token: &BearerToken,
    ) -> Result<Elsewhere, Problem> {
        let organization = target.address.organization();
        let asked = self.devops.connection_data(organization, token, self.clock.now());
        let asked = tokio::time::timeout_at(call.deadlines.answer, asked).await;
        let asked = asked.map_err(|late| Problem::new(Code::DevopsTimeout).cause(late))?;
        let Err(error) = asked else { return Ok(Elsewhere::Accepted) };
        match error {
            // No organization is named, so no access to one is refused.
            ConnectionDataError::NotAMember if organization.is_none() => {
                Err(Problem::new(Code::DevopsUnavailable).cause(error))
            }
            ConnectionDataError::NotAMember => {
                Ok(Elsewhere::NoAccess(Code::OrganizationAccessDenied))
            }
            ConnectionDataError::PolicyBlocked => Ok(Elsewhere::NoAccess(Code::PolicyBlocked)),
            ConnectionDataError::Unauthorized => Ok(Elsewhere::Rejected),
            ConnectionDataError::Throttled { retry_after: Some(wait) } => {
                Err(self.throttled(target, wait).await)
            }
            ConnectionDataError::Throttled { retry_after: None } => {
                Err(Problem::new(Code::DevopsThrottled))
            }
            ConnectionDataError::Unavailable => {
                Err(Problem::new(Code::DevopsUnavailable).cause(error))
            }
        }
    }
}

fn claims(rejected: &Rejection) -> Option<String> {
    rejected.challenge().and_then(entra::claims::challenge)
}

fn reconnect() -> Problem {
    Problem::new(Code::ConnectionReauthorizationRequired)
}

/// Returns the outcome of a call that Azure DevOps rejects with a token that it does or does not accept elsewhere.
fn refused_here(
    target: &Target,
    elsewhere: Elsewhere,
    rejected: &Rejection,
    upstream: Upstream,
) -> Result<Upstream, Problem> {
    match elsewhere {
        Elsewhere::Rejected => Err(reconnect()),
        // A page in place of data, after all the resource.
        Elsewhere::Accepted | Elsewhere::NoAccess(_) if !rejected.is_certain() => Ok(upstream),
        // A program must not take a sign-in page for the answer to its call.
        Elsewhere::NoAccess(code) if rejected.is_sign_in() => Err(Problem::new(code)),
        Elsewhere::NoAccess(_) => Ok(upstream),
        Elsewhere::Accepted => Err(lacking(target)),
    }
}

/// Returns the problem of a rejected call. An invitation to call later would double a call that has had its effect.
fn of_rejected(rejected: &Rejection, problem: Problem) -> Problem {
    if rejected.may_be_processed() { unconfirmed().cause(problem) } else { problem }
}

/// Returns the problem of a write that is answered with a sign-in page and a successful status.
fn unconfirmed() -> Problem {
    Problem::new(Code::DevopsUnavailable).detail(
        "Azure DevOps answered this call with its sign-in page. Probably nothing was changed, but the call may have had its \
         effect, so it was not sent again: check, and repeat it if need be.",
    )
}

/// Returns whether the rejection is probably like an earlier one that no renewal could help.
fn is_probably_lacking_scope(target: &Target, version: u64) -> bool {
    let connection = &target.connection;
    let is_covered =
        || covered(&connection.scopes, needed(&target.method, &target.address)).is_some();
    connection.accepted_elsewhere == Some(true)
        && (connection.rejected_version == Some(version) || !is_covered())
}

/// Returns whether the call needs a scope that the connection does not have.
fn lacks_known_scope(target: &Target) -> bool {
    let needed = needed(&target.method, &target.address);
    !needed.is_empty() && covered(&target.connection.scopes, needed).is_none()
}

fn rejection(target: &Target, call: &Call, upstream: &Upstream) -> Option<Rejection> {
    let accept = call.headers.get(ACCEPT).and_then(|accept| accept.to_str().ok());
    let wants_html = accept.is_some_and(|accept| accept.contains("text/html"));
    let asked = Asked { method: &target.method, address: &target.address, wants_html };
    Rejection::detect(&asked, upstream.status, &upstream.headers, upstream.known_body())
}
