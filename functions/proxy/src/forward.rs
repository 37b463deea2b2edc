//! A proxied call: names and headers of the request up, status, headers and body of the answer down.

use std::sync::Arc;

use bytes::Bytes;
use calls::deadlines::Deadlines;
use calls::target::Target;
use calls::{Admitted, Body, Call, Calls, Destination, Named, Reading, Upstream, refusal};
use devops::headers;
use devops::method_override::refuse_in_headers;
use devops::rewrite::{Gateway, NextLinks, is_analytics, is_discovery};
use edge::config::{BaseUrl, ResponseMode};
use edge::deployment::Deployment;
use edge::gateway::Request;
use edge::log::RequestLog;
use edge::problem::{Code, Problem};
use edge::respond;
use edge::routes::Matched;
use edge::serve::INTEGRATION;
use edge::streaming::{Chunks, Content};
use futures_util::future::ready;
use futures_util::{StreamExt as _, stream};
use ground::clock::Clock;
use http::header::{ACCEPT_ENCODING, HeaderValue};
use http::{HeaderMap, Response};
use lambda_runtime::Context;

use crate::dry;

/// The name of a user's own connection in an address.
const ME: &str = "me";
/// Lambda streams no more for one invocation.
const TOO_LARGE_TO_STREAM: &str = "At most 200 MB are streamed. Ask for parts with the header Range, or with Git for a \
    shallow or partial clone (--depth, --filter=blob:none).";

pub(crate) struct Forwarder {
    calls: Arc<Calls>,
    response_mode: ResponseMode,
    /// Where answers are streamed.
    streaming_url: Option<BaseUrl>,
    /// Where this proxy is reached; addresses in answers point back there.
    base_url: String,
    clock: Arc<dyn Clock>,
}

impl Forwarder {
    pub(crate) fn new(deployment: &Deployment, calls: Arc<Calls>) -> Self {
        let config = &deployment.config;
        let base_url = match (&config.streaming_url, config.response_mode) {
            (Some(own), ResponseMode::Streamed) => own.as_str(),
            _ => config.public_url.as_str(),
        };
        Self {
            calls,
            response_mode: config.response_mode,
            streaming_url: config.streaming_url.clone(),
            base_url: base_url.to_owned(),
            clock: Arc::clone(&deployment.clock),
        }
    }

    pub(crate) async fn forward(
        &self,
        admitted: Admitted,
        matched: &Matched,
        request: Request,
        log: &RequestLog,
    ) -> Result<Response<Content>, Problem> {
        let deadlines = self.deadlines(&request);
        let connection = matched.parameter("connection").unwrap_or_default();
        let destination = Destination {
            connection: named(connection, request.headers()),
            method: request.method(),
            host: matched.parameter("host").unwrap_or_default(),
            path: &format!("/{}", matched.parameter("path").unwrap_or_default()),
            query: request.uri().query(),
        };
        let target = self.calls.target(admitted, &destination, log).await?;
        refuse_in_headers(request.headers()).map_err(refusal::of_override)?;
        let is_dry = dry::is_wanted(request.headers())?;
        let call = self.call(&target, request, deadlines);
        if is_dry {
            let described = dry::describe(&self.calls, &target, &call, self.clock.now()).await;
            return described.map(|response| response.map(Content::from));
        }
        match self.calls.send(&target, &call, log).await {
            Ok(upstream) => {
                let organizations = &target.integration.settings.organizations;
                let reachable = organizations.reachable(target.connection.organization.as_ref());
                let gateway = Gateway::new(&self.base_url, connection);
                let gateway = gateway.answering(&target.address, reachable);
                Ok(downstream(upstream, &target, &gateway))
            }
            Err(problem) => Err(self.with_next_step(problem, &target, connection)),
        }
    }

    fn deadlines(&self, request: &Request) -> Deadlines {
        let end = request.extensions().get().map(Context::deadline);
        Deadlines::new(self.response_mode, end.and_then(|end| self.clock.left_until(end)))
    }

    fn call(&self, target: &Target, request: Request, deadlines: Deadlines) -> Call {
        let mut headers = headers::upstream_request(request.headers());
        let is_discovery = is_discovery(&target.address);
        // An answer is rewritten only if it comes uncompressed.
        if is_discovery || is_analytics(&target.address) {
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        let reading = match self.response_mode {
            ResponseMode::Streamed if !is_discovery => Reading::AsItComes,
            ResponseMode::Streamed | ResponseMode::Buffered => Reading::Whole,
        };
        Call { headers, body: request.into_body(), deadlines, reading }
    }

    /// Names the next step where an answer is too large: the same address of the streaming front, if there is one, or
    /// the ways to ask it for less.
    fn with_next_step(&self, problem: Problem, target: &Target, connection: &str) -> Problem {
        let (Some(streaming_url), Code::ResponseTooLarge) = (&self.streaming_url, problem.code())
        else {
            return problem;
        };
        if self.response_mode == ResponseMode::Streamed {
            return problem.detail(TOO_LARGE_TO_STREAM);
        }
        let (host, path) = (target.address.host(), target.address.path());
        let gateway = Gateway::new(streaming_url.as_str(), connection);
        let there = gateway.address(&format!("https://{host}{path}"));
        let there = there.as_deref().unwrap_or(streaming_url.as_str());
        problem.detail(format!("Answers of up to 200 MB are streamed at {there}."))
    }
}

fn named<'a>(connection: &'a str, headers: &'a HeaderMap) -> Named<'a> {
    if connection == ME {
        let integration = headers.get(INTEGRATION).and_then(|value| value.to_str().ok());
        return Named::Own { integration };
    }
    Named::Id(connection)
}

/// Returns the answer as it came, without the headers that must not pass, and with addresses that point back here.
fn downstream(upstream: Upstream, target: &Target, gateway: &Gateway) -> Response<Content> {
    let mut headers = headers::downstream_response(&upstream.headers);
    gateway.rewrite_headers(&mut headers);
    for (name, value) in upstream.rate_limit_headers() {
        headers.insert(name, value);
    }
    let content = match upstream.body {
        Body::Whole(body) => {
            Content::Whole(gateway.rewrite_body(&target.address, &upstream.headers, body))
        }
        Body::Chunks(chunks, withdrawal) => {
            let links = gateway.next_links(&target.address, &upstream.headers);
            let chunks = match links {
                Some(links) => rewritten(chunks, links),
                None => chunks,
            };
            Content::Chunks(chunks, withdrawal)
        }
    };
    let mut response = Response::new(content);
    *response.status_mut() = upstream.status;
    *response.headers_mut() = headers;
    respond::passed_through(response)
}

/// Rewrites links in a body as it comes. Bytes that are held back leave at the body's end; if the body breaks off, they are
/// dropped.
fn rewritten(chunks: Chunks, links: NextLinks) -> Chunks {
    let rewriting = stream::unfold(Some((chunks, links)), |state| async move {
        let (mut chunks, mut links) = state?;
        match chunks.next().await {
            Some(Ok(chunk)) => Some((Ok(links.push(&chunk)), Some((chunks, links)))),
            Some(Err(broken_off)) => Some((Err(broken_off), None)),
            None => Some((Ok(links.end()), None)),
        }
    });
    // An empty chunk could end the answer.
    let is_something = |chunk: &Result<Bytes, _>| ready(!chunk.as_ref().is_ok_and(Bytes::is_empty));
    rewriting.filter(is_something).boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn me_is_the_caller_s_own_connection_and_a_header_picks_its_integration() {
        let mut headers = HeaderMap::new();
        assert_eq!(named("conn_1", &headers), Named::Id("conn_1"));
        assert_eq!(named("me", &headers), Named::Own { integration: None });
        headers.insert(INTEGRATION, HeaderValue::from_static("azure-devops"));
        assert_eq!(named("me", &headers), Named::Own { integration: Some("azure-devops") });
        assert_eq!(named("conn_1", &headers), Named::Id("conn_1"));
    }
}
