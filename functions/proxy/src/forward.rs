//! The proxied call, step by step.

use devops::address::Address;
use devops::headers;
use devops::rejection::Rejection;
use devops::rewrite::Gateway;
use edge::caller::Caller;
use edge::log::RequestLog;
use edge::problem::{Code, Problem};
use edge::respond;
use edge::routes::Matched;
use edge::streaming::Content;
use http::header::{ACCEPT, ACCEPT_ENCODING, HeaderValue};
use http::{HeaderMap, Method, Response};
use lambda_http::{Body, Request};
use vault::connections::Connection;
use vault::integrations::Integration;
use vault::refresh::{AccessToken, Cause};

use crate::connection::usable;
use crate::limits::Deadlines;
use crate::send::{Answer, AnswerBody, Call, chunks};
use crate::{Proxy, refusal};

impl Proxy {
    pub(crate) async fn forward(
        &self,
        caller: &Caller,
        matched: &Matched,
        request: Request,
        log: &RequestLog,
    ) -> Result<Response<Content>, Problem> {
        let deadlines = Deadlines::of(&request, self.response_mode);
        let id = matched.parameter("connection").unwrap_or_default();
        let (connection, integration) = self.visible(caller, id, log).await?;
        usable(&connection, &integration)?;
        let address = address(matched, &request, &connection, &integration)?;
        log.host(address.host());
        forwardable(request.method())?;
        let gateway = Gateway::new(&self.base_url, connection.id.as_str()).relative_to(&address);
        let mut upstream_headers = headers::upstream_request(request.headers());
        if devops::rewrite::is_discovery(&address) {
            upstream_headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        let call = Call {
            method: request.method().clone(),
            headers: upstream_headers,
            address,
            body: body_bytes(request.into_body()),
            deadlines,
            response_mode: self.response_mode,
        };
        let token = self
            .refresher
            .access_token(&connection, &integration, deadlines.answer)
            .await
            .map_err(refusal::of_refresh)?;
        log.refresh(if token.renewed { "renewed" } else { "not_needed" });
        let sent = self.send_judged(&call, &connection, &integration, token, log).await;
        let answer = sent.map_err(|problem| self.naming_the_stream(problem, &call, matched))?;
        let now = self.clock.now();
        if let Err(error) = self
            .refresher
            .connections
            .record_use(&connection, now, &mut vault::random::system())
            .await
        {
            tracing::warn!(connection = %connection.id, "the use could not be recorded: {error}");
        }
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
        let answer = call.send(&self.devops, &token.secret).await?;
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
        let answer = call.send(&self.devops, &renewed.secret).await?;
        log.upstream_status(answer.status);
        if rejection(call, &answer).is_some() {
            // Not a matter of tokens: remembered for a while, so that each call does not cost a refresh.
            let now = self.clock.now();
            self.refresher.connections.record_rejection(connection, renewed.version, now).await?;
            return Err(reconnect());
        }
        Ok(answer)
    }
}

impl Proxy {
    /// What is too large for this way is not too large for the other, if there is one.
    fn naming_the_stream(&self, problem: Problem, call: &Call, matched: &Matched) -> Problem {
        match (&self.streaming_url, problem.code()) {
            (Some(streaming_url), Code::ResponseTooLarge) => {
                let named = matched.parameter("connection").unwrap_or_default();
                let there = Gateway::new(streaming_url.as_str(), named);
                let there = there.address(&format!(
                    "https://{}{}",
                    call.address.host(),
                    call.address.path()
                ));
                problem.detail(format!(
                    "Answers of any size are streamed at {}.",
                    there.as_deref().unwrap_or(streaming_url.as_str())
                ))
            }
            _ => problem,
        }
    }
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

fn address(
    matched: &Matched,
    request: &Request,
    connection: &Connection,
    integration: &Integration,
) -> Result<Address, Problem> {
    let allowed = integration.organizations.reachable(connection.organization.as_ref());
    let host = matched.parameter("host").unwrap_or_default();
    // Exactly as it came: the address is parsed once, and what was parsed is what is sent.
    let path = format!("/{}", matched.parameter("path").unwrap_or_default());
    Address::parse(host, &path, request.uri().query(), &allowed)
        .map_err(|e| refusal::of_address(&e))
}

/// The methods of Azure DevOps' API (SECURITY S-36).
fn forwardable(method: &Method) -> Result<(), Problem> {
    const METHODS: [Method; 7] = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::OPTIONS,
    ];
    if METHODS.contains(method) {
        Ok(())
    } else {
        Err(Problem::new(Code::MethodNotAllowed)
            .allow("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"))
    }
}

fn body_bytes(body: Body) -> bytes::Bytes {
    match body {
        Body::Text(text) => text.into(),
        Body::Binary(bytes) => bytes.into(),
        _ => bytes::Bytes::new(),
    }
}

/// The answer as it came, but for what must not pass and the addresses that point back at the proxy.
fn passed_through(answer: Answer, call: &Call, gateway: &Gateway) -> Response<Content> {
    let mut headers: HeaderMap = headers::downstream_response(&answer.headers);
    gateway.rewrite_headers(&mut headers);
    let content = match answer.body {
        AnswerBody::Whole(body) => {
            let body = gateway.rewrite_body(&call.address, &answer.headers, body);
            Content::Whole(Body::from(body.to_vec()))
        }
        AnswerBody::Coming(response) => Content::Chunks(chunks(response, call.deadlines.body)),
    };
    let mut response = Response::new(content);
    *response.status_mut() = answer.status;
    *response.headers_mut() = headers;
    respond::passed_through(response)
}
