//! From an event to an answer: the same for every HTTP function, around its handler.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use ground::clock::Clock;
use http::header::{
    ACCEPT, ACCESS_CONTROL_REQUEST_METHOD, CACHE_CONTROL, CONTENT_SECURITY_POLICY, ORIGIN,
    REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response};
use lambda_runtime::{
    Context, FunctionResponse, LambdaEvent, MetadataPrelude, StreamResponse, service_fn,
};
use tracing::Instrument as _;
use vault::audit::Audit;

use crate::config::{Config, FromVariables as _, PublicUrl, ResponseMode};
use crate::deployment::Deployment;
use crate::gateway::{ANSWER_LIMIT, Body, Event, GatewayResponse, Request, UnusableEvent};
use crate::log::{Answered, Entry, RequestLog};
use crate::metrics::{AUDIT_LOST, Unit};
use crate::problem::{Code, Problem};
use crate::refusal::{self, Format};
use crate::respond::{self, PassedThrough};
use crate::routes::{self, Audience, Found, Function, Matched};
use crate::streaming::{self, Chunks, Content, Recorded, Withdrawal};

mod confine;

/// The header with the id of a request in the logs.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The header of a call for `me` that names an integration.
pub const INTEGRATION: HeaderName = HeaderName::from_static("x-ado-connect-integration");

/// Repeats `WWW-Authenticate`. API Gateway may rename that header of a function's answer; the template maps this one back
/// to it (`ResponseParameters`).
pub const CHALLENGE: HeaderName = HeaderName::from_static("x-ado-connect-challenge");

/// The environment variable in which Lambda says how many events a process gets at a time, where that is more than one
/// (Lambda Managed Instances).
const MAX_CONCURRENCY: &str = "AWS_LAMBDA_MAX_CONCURRENCY";

/// The part of Lambda's time that is kept for an answer of our own when a handler does not return.
const RESERVE: Duration = Duration::from_millis(500);

/// A function that answers HTTP requests.
pub trait HttpFunction: Send + Sync + 'static {
    /// The body of its answers.
    type Content: Into<Content> + Send;

    /// Answers a request that matches one of the function's routes (see [`routes::matched`]). Errors, panics and
    /// missed deadlines become problem documents or pages outside.
    fn handle(
        &self,
        request: Request,
        log: RequestLog,
    ) -> impl Future<Output = Result<Response<Self::Content>, Problem>> + Send;
}

/// A function, and everything around its handler.
struct Server<T> {
    handler: T,
    /// Its name in the table of routes.
    function: Function,
    public_url: PublicUrl,
    clock: Arc<dyn Clock>,
    /// The audit trail, whose losses are metrics. Only tests have none.
    audit: Option<Audit>,
    response_mode: ResponseMode,
}

/// Makes a function for the deployment that the environment describes, and serves its routes until Lambda ends the process:
/// one event after the other, or as many at a time as [`MAX_CONCURRENCY`] says.
///
/// # Errors
/// If the environment lacks something, and the error names everything that is missing; if the TLS back end cannot be set
/// up, or Lambda's Runtime API cannot be reached.
pub fn run<T: HttpFunction>(
    function: Function,
    make: impl AsyncFnOnce(Deployment) -> T,
) -> Result<(), lambda_runtime::Error> {
    runtime()?.block_on(async {
        let deployment = Deployment::new(Config::from_environment()?).await?;
        let (public_url, response_mode) =
            (deployment.config.public_url.clone(), deployment.config.response_mode);
        let (clock, audit) = (Arc::clone(&deployment.clock), Some(deployment.audit.clone()));
        let handler = make(deployment).await;
        serve(Arc::new(Server { handler, function, public_url, clock, audit, response_mode })).await
    })
}

/// One event at a time costs least on one thread. Several at a time may use all processors.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    let mut builder = if std::env::var_os(MAX_CONCURRENCY).is_some() {
        tokio::runtime::Builder::new_multi_thread()
    } else {
        tokio::runtime::Builder::new_current_thread()
    };
    builder.enable_all().build()
}

async fn serve<T: HttpFunction>(server: Arc<Server<T>>) -> Result<(), lambda_runtime::Error> {
    let response_mode = server.response_mode;
    let service = service_fn(move |event: LambdaEvent<Event>| {
        let server = Arc::clone(&server);
        let answered: BoxFuture<'static, _> = Box::pin(async move {
            let (outgoing, entry) = answer(&server, event.payload, event.context).await;
            Ok::<_, Infallible>(match outgoing {
                Outgoing::Whole(response) => {
                    entry.write(None);
                    FunctionResponse::BufferedResponse(response)
                }
                Outgoing::Streamed { metadata_prelude, chunks, withdrawal } => {
                    let stream = Recorded::new(chunks, withdrawal, entry);
                    FunctionResponse::StreamingResponse(StreamResponse { metadata_prelude, stream })
                }
            })
        });
        answered
    });
    match response_mode {
        ResponseMode::Buffered => lambda_runtime::run_concurrent(service).await,
        // One at a time, because a stream that breaks off ends the process.
        ResponseMode::Streamed => lambda_runtime::run(service).await,
    }
}

/// An answer on its way out.
enum Outgoing {
    Whole(GatewayResponse),
    Streamed { metadata_prelude: MetadataPrelude, chunks: Chunks, withdrawal: Withdrawal },
}

/// Returns the answer to one event, and its line in the log.
async fn answer<T: HttpFunction>(
    server: &Server<T>,
    event: Event,
    context: Context,
) -> (Outgoing, Entry) {
    let started = Instant::now();
    let request_id = request_id(&event, &context);
    let trace_id = context.xray_trace_id.clone();
    let log = RequestLog::new(&request_id).from_source(event.source());
    let method = event.method();
    let preflight = preflighted_method(&event);
    let wanted = preflight.as_ref().or(method.as_ref());
    let found = wanted.map_or(Found::Nothing, |method| routes::find(method, event.path()));
    let route = match &found {
        Found::Route(matched) => matched.route.key(),
        Found::OtherMethods(_) | Found::Nothing => "$default".to_owned(),
    };
    let format = format(&found, &event);

    let result = if preflight.is_some() {
        Ok(respond::no_content().map(Content::from))
    } else {
        let span = tracing::info_span!("request", request_id);
        let handled = handle(server, event, context, found, log.clone()).instrument(span).await;
        handled.map(|response| response.map(Into::into))
    };
    let (outgoing, status, passed_through) = finish(server, result, format, &log);
    if let Some(lost) = server.audit.as_ref().map(Audit::take_lost).filter(|lost| *lost > 0) {
        log.metric(AUDIT_LOST, Unit::Count, lost);
    }
    let outgoing = if method == Some(Method::HEAD) { outgoing.without_body() } else { outgoing };

    let answered = Answered {
        function: server.function.as_str(),
        route,
        method: method.map_or_else(String::new, |method| method.to_string()),
        status,
        passed_through,
        duration: Duration::ZERO,
        trace_id,
        now: server.clock.now(),
        stream: None,
    };
    (outgoing, Entry::new(log, answered, started))
}

impl Outgoing {
    /// The same status and headers, for `HEAD` (RFC 9110 §9.3.2).
    fn without_body(self) -> Self {
        match self {
            Self::Whole(response) => Self::Whole(GatewayResponse {
                body: String::new(),
                is_base64_encoded: false,
                ..response
            }),
            Self::Streamed { metadata_prelude, .. } => {
                let (chunks, withdrawal) = Content::from(Body::new()).into_chunks();
                Self::Streamed { metadata_prelude, chunks, withdrawal }
            }
        }
    }
}

/// Returns the method that a browser asks permission for, if the request is a CORS preflight (Fetch standard). A preflight
/// has no credentials and never more than this effect, so every address answers it; API Gateway adds the permission, for
/// the configured origins only. Other requests with `OPTIONS`, such as those of Azure DevOps' clients, have no `Origin`.
fn preflighted_method(event: &Event) -> Option<Method> {
    let wanted = header(event, &ACCESS_CONTROL_REQUEST_METHOD)?.parse().ok()?;
    (event.method()? == Method::OPTIONS && header(event, &ORIGIN).is_some()).then_some(wanted)
}

fn header<'a>(event: &'a Event, name: &HeaderName) -> Option<&'a str> {
    let mut headers = event.headers.iter();
    let (_, value) = headers.find(|(known, _)| known.eq_ignore_ascii_case(name.as_str()))?;
    Some(value)
}

async fn handle<T: HttpFunction>(
    server: &Server<T>,
    event: Event,
    context: Context,
    found: Found,
    log: RequestLog,
) -> Result<Response<T::Content>, Problem> {
    let matched = match found {
        Found::Route(matched) if matched.route.function == server.function => matched,
        Found::Route(_) => {
            return Err(Problem::new(Code::NotFound).cause("routed to the wrong function"));
        }
        Found::OtherMethods(methods) => return Err(other_methods(&methods)),
        Found::Nothing if event.method().is_none() => return Err(UnusableEvent::Method.into()),
        Found::Nothing => return Err(Problem::new(Code::NotFound)),
    };
    let remaining = remaining(&*server.clock, &context);
    let mut request = event.into_request()?;
    request.extensions_mut().insert::<Matched>(matched);
    request.extensions_mut().insert::<Context>(context);

    // The handler's call itself is inside, so that its panics are caught as well.
    // Boxed, because a handler's future is large and so deeply nested that the compiler gives up on its layout.
    let handled: BoxFuture<'_, _> =
        Box::pin(async { Box::pin(server.handler.handle(request, log)).await });
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
fn remaining(clock: &dyn Clock, context: &Context) -> Option<Duration> {
    Some(clock.left_until(context.deadline())?.saturating_sub(RESERVE))
}

/// Returns the answer, its status, and whether the status comes from Azure DevOps.
fn finish<T>(
    server: &Server<T>,
    result: Result<Response<Content>, Problem>,
    format: Format,
    log: &RequestLog,
) -> (Outgoing, u16, bool) {
    let public_url = &server.public_url;
    let response = match result {
        Ok(response) => with_security_headers(response, public_url, log.request_id()),
        Err(problem) => refused(&problem, format, public_url, log).map(Content::from),
    };
    let passed_through = is_passed_through(&response);
    let (parts, content) = response.into_parts();
    let status = parts.status.as_u16();
    let problem = match (server.response_mode, content) {
        (ResponseMode::Streamed, content) => {
            let metadata_prelude = streaming::prelude(&parts);
            let (chunks, withdrawal) = content.into_chunks();
            let streamed = Outgoing::Streamed { metadata_prelude, chunks, withdrawal };
            return (streamed, status, passed_through);
        }
        (ResponseMode::Buffered, Content::Whole(body)) => {
            let response = GatewayResponse::from(Response::from_parts(parts, body));
            if response.size() <= ANSWER_LIMIT {
                return (Outgoing::Whole(response), status, passed_through);
            }
            Problem::new(Code::ResponseTooLarge)
        }
        (ResponseMode::Buffered, Content::Chunks(..)) => {
            Problem::new(Code::InternalError).cause("a streamed answer where answers are buffered")
        }
    };
    let refused = refused(&problem, format, public_url, log);
    let status = refused.status().as_u16();
    (Outgoing::Whole(GatewayResponse::from(refused)), status, false)
}

fn refused(
    problem: &Problem,
    format: Format,
    public_url: &PublicUrl,
    log: &RequestLog,
) -> Response<Body> {
    log.problem(problem);
    let id = log.request_id();
    with_security_headers(refusal::response(problem, format, public_url, id), public_url, id)
}

/// The answer with the headers that all answers have.
fn with_security_headers<B>(
    mut response: Response<B>,
    public_url: &PublicUrl,
    request_id: &str,
) -> Response<B> {
    let passed_through = is_passed_through(&response);
    let headers = response.headers_mut();
    if passed_through {
        confine::confine(headers);
    } else {
        protect(headers, public_url);
    }
    if let Ok(value) = HeaderValue::from_str(request_id) {
        headers.insert(REQUEST_ID, value);
    }
    repeat_challenges(headers);
    response
}

/// Sets [`CHALLENGE`] to the answer's challenges, and to nothing else.
fn repeat_challenges(headers: &mut HeaderMap) {
    headers.remove(CHALLENGE);
    let challenges: Vec<_> = headers.get_all(WWW_AUTHENTICATE).iter().cloned().collect();
    for challenge in challenges {
        headers.append(CHALLENGE, challenge);
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

/// A page on browser routes, and where there is no route, if the client accepts one.
fn format(found: &Found, event: &Event) -> Format {
    let audience = match found {
        Found::Route(matched) => matched.route.audience,
        Found::OtherMethods(_) | Found::Nothing => Audience::Browser,
    };
    match (audience, header(event, &ACCEPT)) {
        (Audience::Browser, Some(accept)) if accepts_html(accept) => Format::Html,
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

/// Headers of our own answers: no answer is stored, sniffed, framed or leaked (S-08, S-40).
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

#[cfg(test)]
mod tests;
