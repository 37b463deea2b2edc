//! From an event to an answer: what every HTTP function does around its handler.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use ground::clock::Clock;
use http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response};
use lambda_runtime::{
    Context, FunctionResponse, LambdaEvent, MetadataPrelude, StreamResponse, service_fn,
};
use tracing::Instrument as _;

use crate::config::{PublicUrl, ResponseMode};
use crate::gateway::{ANSWER_LIMIT, Answer, Body, Event, Request, UnusableEvent};
use crate::log::{self, Answered, RequestLog, Streamed};
use crate::problem::{Code, Format, Problem};
use crate::respond::PassedThrough;
use crate::routes::{self, Audience, Found, Function, Matched};
use crate::streaming::{self, Chunks, Content, Recorded};

/// Carries the id by which a request is found in the logs.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What is left of Lambda's time when we stop waiting for a handler and answer ourselves.
const RESERVE: Duration = Duration::from_millis(500);

/// Serves a function's routes until Lambda ends the process. Lambda sends one event at a time, so the
/// handler's future stays on this thread and need not be `Send`.
///
/// The handler gets requests that match one of the function's routes only (see
/// [`routes::matched`]). It is never asked to render an error: a [`Problem`] that it returns, a
/// panic and a missed deadline all become problem documents or pages here.
///
/// # Errors
/// When the Lambda runtime API cannot be reached.
pub async fn run<H, F, C>(server: Server<H>) -> Result<(), lambda_runtime::Error>
where
    H: Fn(Request, RequestLog) -> F + 'static,
    F: Future<Output = Result<Response<C>, Problem>>,
    C: Into<Content> + 'static,
{
    log::initialize();
    let server = Rc::new(server);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Event>| {
        let server = Rc::clone(&server);
        let answered: LocalBoxFuture<'static, _> = Box::pin(async move {
            let (outgoing, entry) = server.answer(event.payload, event.context).await;
            Ok::<_, Infallible>(match outgoing {
                Outgoing::Whole(answer) => {
                    entry.write(None);
                    FunctionResponse::BufferedResponse(answer)
                }
                Outgoing::Streamed { metadata_prelude, chunks } => {
                    let stream = Recorded::new(chunks, entry);
                    FunctionResponse::StreamingResponse(StreamResponse { metadata_prelude, stream })
                }
            })
        });
        answered
    }))
    .await
}

/// A function's handler with what surrounds it. [`run`] is the one user outside of tests, where
/// events can be answered without a Lambda runtime.
#[derive(Clone)]
pub struct Server<H> {
    /// Which function this is.
    pub function: Function,
    /// Where the service is reached.
    pub public_url: PublicUrl,
    /// How answers leave.
    pub response_mode: ResponseMode,
    /// Wall-clock time.
    pub clock: Arc<dyn Clock>,
    /// Answers the function's requests.
    pub handler: H,
}

/// An answer on its way out.
pub enum Outgoing {
    /// Whole.
    Whole(Answer),
    /// As it comes.
    Streamed {
        /// Status and headers.
        metadata_prelude: MetadataPrelude,
        /// The body.
        chunks: Chunks,
    },
}

/// What will be logged about a request when its answer has left.
#[derive(Debug)]
pub struct Entry {
    log: RequestLog,
    answered: Answered,
    started: Instant,
}

impl Entry {
    /// The line.
    fn line(mut self, stream: Option<Streamed>) -> String {
        self.answered.duration = self.started.elapsed();
        self.answered.stream = stream;
        self.log.line(&self.answered)
    }

    pub(crate) fn write(self, stream: Option<Streamed>) {
        log::write_line(&self.line(stream));
    }
}

impl<H, F, C> Server<H>
where
    H: Fn(Request, RequestLog) -> F,
    F: Future<Output = Result<Response<C>, Problem>>,
    C: Into<Content>,
{
    /// The answer to one event, and what to log about it.
    pub async fn answer(&self, event: Event, context: Context) -> (Outgoing, Entry) {
        let started = Instant::now();
        let request_id = request_id(&event, &context);
        let trace_id = context.xray_trace_id.clone();
        let log = RequestLog::new(&request_id);
        let method = event.method();
        let found = method.as_ref().map_or(Found::Nothing, |m| routes::find(m, event.path()));
        let route = match &found {
            Found::Route(matched) => matched.route.key(),
            Found::OtherMethods(_) | Found::Nothing => "$default".to_owned(),
        };
        let format = format(&found, &event);

        let span = tracing::info_span!("request", request_id);
        let result = self.handle(event, context, found, log.clone()).instrument(span).await;
        let result = result.map(|response| response.map(Into::into));
        let (outgoing, status, passed_through) = self.finish(result, format, &log);

        let answered = Answered {
            function: self.function.as_str(),
            route,
            method: method.map_or_else(String::new, |method| method.to_string()),
            status,
            passed_through,
            duration: Duration::ZERO,
            trace_id,
            now: self.clock.now(),
            stream: None,
        };
        (outgoing, Entry { log, answered, started })
    }

    async fn handle(
        &self,
        event: Event,
        context: Context,
        found: Found,
        log: RequestLog,
    ) -> Result<Response<C>, Problem> {
        let matched = match found {
            Found::Route(matched) if matched.route.function == self.function => matched,
            Found::Route(_) => {
                return Err(Problem::new(Code::NotFound).cause("routed to the wrong function"));
            }
            Found::OtherMethods(methods) => return Err(other_methods(&methods)),
            Found::Nothing if event.method().is_none() => return Err(UnusableEvent::Method.into()),
            Found::Nothing => return Err(Problem::new(Code::NotFound)),
        };
        let remaining = self.remaining(&context);
        let mut request = event.into_request()?;
        request.extensions_mut().insert::<Matched>(matched);
        request.extensions_mut().insert::<Context>(context);

        // The handler's call itself is inside, so that its panics are caught as well.
        // Boxed, because a handler's future with all that it awaits is large and deeply nested.
        let handled: LocalBoxFuture<'_, _> = Box::pin(async { (self.handler)(request, log).await });
        let handled = AssertUnwindSafe(handled).catch_unwind();
        let handled = match remaining {
            Some(remaining) => tokio::time::timeout(remaining, handled).await.map_err(|_| {
                Problem::new(Code::ServiceUnavailable).cause("the function ran out of time")
            })?,
            None => handled.await,
        };
        handled.unwrap_or_else(|_| Err(Problem::new(Code::InternalError).cause("panic")))
    }

    /// Returns how long the handler may take, or `None` if the context names no deadline or a past one.
    fn remaining(&self, context: &Context) -> Option<Duration> {
        Some(self.clock.left_until(context.deadline())?.saturating_sub(RESERVE))
    }

    /// What leaves, its status, and whether that is Azure DevOps'.
    fn finish(
        &self,
        result: Result<Response<Content>, Problem>,
        format: Format,
        log: &RequestLog,
    ) -> (Outgoing, u16, bool) {
        let response = match result {
            Ok(response) => self.dressed(response, log),
            Err(problem) => self.refusal(&problem, format, log).map(Content::from),
        };
        let passed_through = is_passed_through(&response);
        let (parts, content) = response.into_parts();
        let status = parts.status.as_u16();
        let problem = match (self.response_mode, content) {
            (ResponseMode::Streamed, content) => {
                let metadata_prelude = streaming::prelude(&parts);
                let chunks = content.into_chunks();
                return (Outgoing::Streamed { metadata_prelude, chunks }, status, passed_through);
            }
            (ResponseMode::Buffered, Content::Whole(body)) => {
                let answer = Answer::from(Response::from_parts(parts, body));
                if answer.size() <= ANSWER_LIMIT {
                    return (Outgoing::Whole(answer), status, passed_through);
                }
                Problem::new(Code::ResponseTooLarge)
            }
            (ResponseMode::Buffered, Content::Chunks(_)) => Problem::new(Code::InternalError)
                .cause("an answer that is streamed where answers are buffered"),
        };
        let refusal = self.refusal(&problem, format, log);
        let status = refusal.status().as_u16();
        (Outgoing::Whole(Answer::from(refusal)), status, false)
    }

    fn refusal(&self, problem: &Problem, format: Format, log: &RequestLog) -> Response<Body> {
        log.problem(problem);
        self.dressed(problem.response(format, &self.public_url, log.request_id()), log)
    }

    /// An answer with the headers that every one has.
    fn dressed<B>(&self, mut response: Response<B>, log: &RequestLog) -> Response<B> {
        let passed_through = is_passed_through(&response);
        let headers = response.headers_mut();
        if passed_through {
            confine(headers);
        } else {
            protect(headers, &self.public_url);
        }
        if let Ok(value) = HeaderValue::from_str(log.request_id()) {
            headers.insert(REQUEST_ID, value);
        }
        response
    }
}

fn is_passed_through<B>(response: &Response<B>) -> bool {
    response.extensions().get::<PassedThrough>().is_some()
}

impl From<UnusableEvent> for Problem {
    fn from(unusable: UnusableEvent) -> Self {
        Self::new(Code::InvalidRequest).detail(format!("This is no HTTP request: {unusable}."))
    }
}

fn request_id(event: &Event, context: &Context) -> String {
    let id = &event.request_context.request_id;
    if id.is_empty() { context.request_id.clone() } else { id.clone() }
}

fn other_methods(methods: &[&'static Method]) -> Problem {
    let names: Vec<_> = methods.iter().map(|method| method.as_str()).collect();
    Problem::new(Code::MethodNotAllowed).allow(&names.join(", "))
}

/// People get pages: on browser routes, and where there is no route, if they accept them.
fn format(found: &Found, event: &Event) -> Format {
    let audience = match found {
        Found::Route(matched) => matched.route.audience,
        Found::OtherMethods(_) | Found::Nothing => Audience::Browser,
    };
    let accept = event.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(ACCEPT.as_str()));
    match (audience, accept) {
        (Audience::Browser, Some((_, value))) if accepts_html(value) => Format::Html,
        _ => Format::Json,
    }
}

fn accepts_html(accept: &str) -> bool {
    accept.split(',').any(|range| {
        let mut parts = range.split(';').map(str::trim);
        parts.next().is_some_and(|media_type| media_type.eq_ignore_ascii_case("text/html"))
            && !parts.any(|parameter| {
                let weight = parameter.strip_prefix("q=").and_then(|q| q.parse::<f32>().ok());
                weight.is_some_and(|q| q <= 0.0)
            })
    })
}

/// Headers of every answer of ours: nothing of it is stored, sniffed, framed or leaked (S-08, S-40).
fn protect(headers: &mut HeaderMap, public_url: &PublicUrl) {
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    for (name, value) in [
        (CACHE_CONTROL, "no-store"),
        (REFERRER_POLICY, "no-referrer"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if public_url.is_https() {
        let year = HeaderValue::from_static("max-age=31536000");
        headers.insert(STRICT_TRANSPORT_SECURITY, year);
    }
}

/// Headers of passed-through answers: a file from someone's repository must not act as a page of
/// this origin when a browser is led to it. Programs do not look at these.
fn confine(headers: &mut HeaderMap) {
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("sandbox; default-src 'none'; frame-ancestors 'none'"),
    );
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

#[cfg(test)]
mod tests;
