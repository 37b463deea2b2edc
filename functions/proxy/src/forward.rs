//! The proxied call, step by step.

use devops::headers;
use devops::policy::METHODS;
use devops::rejection::Rejection;
use devops::rewrite::Gateway;
use edge::caller::Caller;
use edge::gateway::Request;
use edge::log::RequestLog;
use edge::problem::{Code, Problem};
use edge::respond;
use edge::routes::Matched;
use edge::streaming::Content;
use futures_util::future::ready;
use futures_util::{StreamExt as _, stream};
use http::header::{ACCEPT, ACCEPT_ENCODING, HeaderValue};
use http::{HeaderMap, Method, Response};
use vault::connections::Connection;
use vault::integrations::Integration;
use vault::refresh::{AccessToken, Cause};

use crate::connection::reconnecting;
use crate::deadlines::Deadlines;
use crate::pace::Places;
use crate::send::{Answer, AnswerBody, Call, chunks};
use crate::target::Target;
use crate::{Proxy, dry, refusal};

impl Proxy {
    pub(crate) async fn forward(
        &self,
        caller: &Caller,
        matched: &Matched,
        request: Request,
        log: &RequestLog,
    ) -> Result<Response<Content>, Problem> {
        let deadlines = Deadlines::of(&request, self.response_mode, &*self.clock);
        let target = self.target(caller, matched, &request, log).await?;
        log.host(target.address.host());
        forwardable(request.method())?;
        if dry::is_wanted(request.headers())? {
            let described = self.describe_call(&target, request.method()).await;
            return described.map(|response| response.map(Content::from));
        }
        if !target.integration.settings.allowed_calls.allows(request.method(), &target.address) {
            return Err(Problem::new(Code::CallNotAllowed));
        }
        self.wait_for_devops(&target.connection, &deadlines).await?;
        let places = self.take_places(&target, &deadlines).await?;
        let answered = self.answered(&target, request, deadlines, log).await;
        let mut response = match answered {
            Ok(response) => response,
            Err(problem) => {
                places.give_back().await;
                let problem = self.naming_the_stream(problem, &target);
                return Err(reconnecting(problem, &target.connection, &target.integration));
            }
        };
        places.describe(response.headers_mut());
        Ok(giving_back(response, places).await)
    }

    /// Azure DevOps' answer to one call with the connection's token.
    async fn answered(
        &self,
        target: &Target,
        request: Request,
        deadlines: Deadlines,
        log: &RequestLog,
    ) -> Result<Response<Content>, Problem> {
        let Target { connection, integration, address, named } = target;
        let mut upstream_headers = headers::upstream_request(request.headers());
        if devops::rewrite::is_discovery(address) {
            upstream_headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        let call = Call {
            method: request.method().clone(),
            headers: upstream_headers,
            address: address.clone(),
            body: request.into_body(),
            deadlines,
            response_mode: self.response_mode,
        };
        let token = self
            .refresher
            .access_token(connection, integration, deadlines.answer)
            .await
            .map_err(refusal::of_refresh)?;
        log.refresh(if token.renewed { "renewed" } else { "not_needed" });
        let answer = self.send_judged(&call, connection, integration, token, log).await?;
        self.heed(connection, &answer.headers).await;
        let now = self.clock.now();
        let used = &self.connections;
        if let Err(error) = used.record_use(connection, now, &mut self.random.clone()).await {
            tracing::warn!(connection = %connection.id, "the use could not be recorded: {error}");
        }
        let gateway = Gateway::new(&self.base_url, named).relative_to(address);
        Ok(passed_through(answer, &call, &gateway))
    }

    /// Sends; if Azure DevOps rejects the token, renews it once and sends once more. A rejected token
    /// means that nothing was processed, so this holds for every method.
    async fn send_judged(
        &self,
        call: &Call,
        connection: &Connection,
        integration: &Integration,
        token: AccessToken,
        log: &RequestLog,
    ) -> Result<Answer, Problem> {
        let answer = call.send(&self.devops, &token.bearer).await?;
        log.upstream_status(answer.status);
        let Some(rejected) = rejection(call, &answer) else { return Ok(answer) };
        let reconnect = || Problem::new(Code::ConnectionReauthorizationRequired);
        if connection.was_rejected(token.version, self.clock.now()) {
            return Err(reconnect());
        }
        let claims = rejected.challenge().and_then(entra::claims::challenge);
        let cause = Cause::Rejected { version: token.version, claims };
        let renewed = self
            .refresher
            .renew(connection.clone(), integration, cause, call.deadlines.answer)
            .await
            .map_err(refusal::of_refresh)?;
        log.refresh("renewed_after_rejection");
        let answer = call.send(&self.devops, &renewed.bearer).await?;
        log.upstream_status(answer.status);
        if rejection(call, &answer).is_some() {
            // Not a matter of tokens: remembered for a while, so that each call does not cost a refresh.
            let now = self.clock.now();
            self.connections.record_rejection(connection, renewed.version, now).await?;
            return Err(reconnect());
        }
        Ok(answer)
    }

    /// What is too large for this way is not too large for the other, if there is one.
    fn naming_the_stream(&self, problem: Problem, target: &Target) -> Problem {
        let (Some(streaming_url), Code::ResponseTooLarge) = (&self.streaming_url, problem.code())
        else {
            return problem;
        };
        let (host, path) = (target.address.host(), target.address.path());
        let there = Gateway::new(streaming_url.as_str(), &target.named);
        let there = there.address(&format!("https://{host}{path}"));
        let there = there.as_deref().unwrap_or(streaming_url.as_str());
        problem.detail(format!("Answers of any size are streamed at {there}."))
    }
}

/// The answer; the call's places are free when all of it has left.
async fn giving_back(response: Response<Content>, places: Places) -> Response<Content> {
    let (parts, content) = response.into_parts();
    let content = match content {
        Content::Whole(body) => {
            places.give_back().await;
            Content::Whole(body)
        }
        Content::Chunks(chunks) => {
            let end = stream::once(async move { places.give_back().await });
            Content::Chunks(chunks.chain(end.filter_map(|()| ready(None))).boxed())
        }
    };
    Response::from_parts(parts, content)
}

fn rejection(call: &Call, answer: &Answer) -> Option<Rejection> {
    let wants_html = call
        .headers
        .get(ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"));
    Rejection::detect(
        &call.address,
        wants_html,
        answer.status,
        &answer.headers,
        answer.known_body(),
    )
}

/// The methods of Azure DevOps' API (SECURITY S-36).
fn forwardable(method: &Method) -> Result<(), Problem> {
    if METHODS.contains(method) {
        return Ok(());
    }
    let names: Vec<_> = METHODS.iter().map(Method::as_str).collect();
    Err(Problem::new(Code::MethodNotAllowed).allow(&names.join(", ")))
}

/// The answer as it came, but for what must not pass and the addresses that point back at the proxy.
fn passed_through(answer: Answer, call: &Call, gateway: &Gateway) -> Response<Content> {
    let mut headers: HeaderMap = headers::downstream_response(&answer.headers);
    gateway.rewrite_headers(&mut headers);
    let content = match answer.body {
        AnswerBody::Whole(body) => {
            let body = gateway.rewrite_body(&call.address, &answer.headers, body);
            Content::Whole(body)
        }
        AnswerBody::Coming(response) => Content::Chunks(chunks(response, call.deadlines.body)),
    };
    let mut response = Response::new(content);
    *response.status_mut() = answer.status;
    *response.headers_mut() = headers;
    respond::passed_through(response)
}
