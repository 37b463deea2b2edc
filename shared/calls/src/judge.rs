//! Token, call and verdict: a rejected token is renewed once.

use devops::rejection::Rejection;
use edge::log::RequestLog;
use edge::problem::{Code, Problem};
use http::header::ACCEPT;
use vault::refresh::Cause;

use crate::send::{Call, send};
use crate::target::Target;
use crate::upstream::Upstream;
use crate::{Calls, refusal};

impl Calls {
    /// Sends a call with the connection's token. If Azure DevOps rejects the token, renews it and sends once more: a
    /// rejected token means that nothing was processed, so this is right for every method.
    pub(crate) async fn send_judged(
        &self,
        target: &Target,
        call: &Call,
        log: &RequestLog,
    ) -> Result<Upstream, Problem> {
        let (connection, integration) = (&target.connection, &target.integration);
        let until = call.deadlines.answer;
        let token = self.refresher.access_token(connection, integration, until).await;
        let token = token.map_err(refusal::of_refresh)?;
        log.refresh(if token.renewed { "renewed" } else { "not_needed" });
        let upstream = send(&self.devops, target, call, &token.bearer, &*self.clock).await?;
        log.upstream_status(upstream.status);
        let Some(rejected) = rejection(target, call, &upstream) else { return Ok(upstream) };

        let reconnect = || Problem::new(Code::ConnectionReauthorizationRequired);
        if connection.was_rejected(token.version, self.clock.now()) {
            return Err(reconnect());
        }
        let claims = rejected.challenge().and_then(entra::claims::challenge);
        let cause = Cause::Rejected { version: token.version, claims };
        let renewed = self.refresher.renew(connection.clone(), integration, cause, until).await;
        let renewed = renewed.map_err(refusal::of_refresh)?;
        log.refresh("renewed_after_rejection");
        let upstream = send(&self.devops, target, call, &renewed.bearer, &*self.clock).await?;
        log.upstream_status(upstream.status);
        if rejection(target, call, &upstream).is_some() {
            // The cause is not the token. Recorded for a while, so that not every call costs a refresh.
            let (connections, now) = (&self.stores.connections, self.clock.now());
            connections.record_rejection(connection, renewed.version, now).await?;
            return Err(reconnect());
        }
        Ok(upstream)
    }
}

fn rejection(target: &Target, call: &Call, upstream: &Upstream) -> Option<Rejection> {
    let accept = call.headers.get(ACCEPT).and_then(|accept| accept.to_str().ok());
    let wants_html = accept.is_some_and(|accept| accept.contains("text/html"));
    let (status, headers) = (upstream.status, &upstream.headers);
    Rejection::detect(&target.address, wants_html, status, headers, upstream.known_body())
}
