//! The HTTP contract as one table, and the search for the row of a request.
//!
//! `openapi.json` is generated from it, and tests compare it with the template: that binds each row to
//! its function, except for `manage`, which answers every request that no other route takes.

mod table;

use http::Method;

use crate::gateway::Request;
use crate::problem::Code;
use crate::role::Role;

pub use table::{Operation, ROUTES};

/// One row of the contract.
#[derive(Debug)]
pub struct Route {
    /// The operation.
    pub operation: Operation,
    /// The method, or `None` for any.
    pub method: Option<Method>,
    /// The path with `{parameters}`; a last segment `{name+}` takes the rest, slashes included.
    pub path: &'static str,
    /// The roles that may call it; empty for a route without authentication.
    pub callers: &'static [Role],
    /// The readers of the answer.
    pub audience: Audience,
    /// The function behind it.
    pub function: Function,
    /// One line of documentation.
    pub summary: &'static str,
    /// The body of the request.
    pub body: RequestBody,
    /// The problems of this route in groups; see [`Route::problems`] for all.
    specific_problems: &'static [&'static [Code]],
}

/// The functions that answer HTTP requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Function {
    /// Starts authorization requests.
    Authorize,
    /// Completes them.
    Callback,
    /// Configuration and description.
    Manage,
    /// Tools for agents, which call Azure DevOps.
    Mcp,
    /// All uses of tokens on a caller's behalf.
    Proxy,
}

impl Function {
    /// The function's name, as in the template and in logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Authorize => "authorize",
            Self::Callback => "callback",
            Self::Manage => "manage",
            Self::Mcp => "mcp",
            Self::Proxy => "proxy",
        }
    }
}

/// The readers of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// A person's browser: problems are pages when it accepts them.
    Browser,
    /// A program.
    Api,
}

/// The body of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestBody {
    /// None, or one that is not ours to read.
    None,
    /// An object as described in `openapi.json`.
    Json,
}

/// The route of a request, with the parameters from its path. Every request that reaches a handler
/// has one: see [`matched`].
#[derive(Debug, Clone)]
pub struct Matched {
    /// The row of the table.
    pub route: &'static Route,
    /// Path parameters as sent, in order; not decoded.
    parameters: Vec<(&'static str, String)>,
}

impl Matched {
    /// The path parameter `name`, as sent. None of our ids needs percent-encoding, so an encoded one
    /// is not an id.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(n, _)| *n == name).map(|(_, value)| value.as_str())
    }
}

/// The result of a search by method and path.
#[derive(Debug, Clone)]
pub enum Found {
    /// A row of the table.
    Route(Matched),
    /// The path exists, with these methods only.
    OtherMethods(Vec<&'static Method>),
    /// No row has this path.
    Nothing,
}

/// The route of a request that has reached a handler.
pub fn matched(request: &Request) -> Option<&Matched> {
    request.extensions().get()
}

/// Finds the row for a method and a path of an event (`rawPath`).
pub fn find(method: &Method, path: &str) -> Found {
    let mut others = Vec::new();
    for route in ROUTES {
        let Some(parameters) = route.parameters_of(path) else { continue };
        match &route.method {
            Some(only) if only != method && !route.answers_head(method) => {
                others.push(only);
                others.extend(route.answers_head(&Method::HEAD).then_some(&Method::HEAD));
            }
            _ => return Found::Route(Matched { route, parameters }),
        }
    }
    if others.is_empty() { Found::Nothing } else { Found::OtherMethods(others) }
}

impl Route {
    /// The path as in API Gateway. We split a capture such as `{proxy+}` ourselves, because its parts must not be decoded
    /// twice.
    pub fn gateway_path(&self) -> &'static str {
        match self.operation {
            Operation::Proxy => "/proxy/{proxy+}",
            Operation::Mcp => "/mcp/{mcp+}",
            _ => self.path,
        }
    }

    /// The route's name in API Gateway and our logs, such as `GET /integrations/{integration}`.
    pub fn key(&self) -> String {
        format!("{} {}", self.method.as_ref().map_or("ANY", Method::as_str), self.gateway_path())
    }

    /// Whether a method is `HEAD`, and the route answers it as it answers `GET` (RFC 9110 §9.3.2). Only routes behind
    /// `$default` do: those of a sign-in change something, and API Gateway leads `HEAD` past their functions.
    fn answers_head(&self, method: &Method) -> bool {
        method == Method::HEAD
            && self.method == Some(Method::GET)
            && self.function == Function::Manage
    }

    /// Every problem that can be the answer of this route.
    pub fn problems(&self) -> Vec<Code> {
        let mut codes = vec![Code::InternalError, Code::ServiceUnavailable, Code::InvalidRequest];
        if !self.callers.is_empty() {
            codes.extend([
                Code::MissingCredentials,
                Code::InvalidCredentials,
                Code::RoleNotAllowed,
                Code::HeaderTooLarge,
                Code::WrongKeysLimited,
            ]);
            if !self.method.as_ref().is_some_and(Method::is_safe) {
                codes.push(Code::CrossSiteRequest);
            }
        }
        if self.body == RequestBody::Json {
            codes.extend([Code::MalformedJson, Code::UnsupportedMediaType, Code::RequestTooLarge]);
        }
        // API Gateway decodes a path before it is matched: a parameter with `%2F` or `%3F` makes it another address.
        if self.path.contains('{') {
            codes.extend([Code::NotFound, Code::MethodNotAllowed]);
        }
        codes.extend(self.specific_problems.concat());
        codes
    }

    /// Returns the parameters of a path of this route, or `None` if it is another's. None is empty, except that
    /// `/proxy/{connection}/{host}` and `/mcp/{connection}` are complete without anything behind them.
    fn parameters_of(&self, path: &str) -> Option<Vec<(&'static str, String)>> {
        let may_be_empty = |name| {
            [(Operation::Proxy, "path"), (Operation::Mcp, "narrowing")]
                .contains(&(self.operation, name))
        };
        let parameters = match_path(self.path, path)?;
        let is_complete =
            parameters.iter().all(|(name, value)| !value.is_empty() || may_be_empty(*name));
        is_complete.then_some(parameters)
    }
}

/// Returns the parameters of a template in a path, or `None` if it does not match. Parameters may be empty; the last one,
/// if it ends with `+`, takes the rest as it is, and may lack its slash, too.
fn match_path(template: &'static str, path: &str) -> Option<Vec<(&'static str, String)>> {
    let mut parameters = Vec::new();
    let mut rest = path.strip_prefix('/');
    for expected in template.strip_prefix('/')?.split('/') {
        let name = expected.strip_prefix('{').and_then(|segment| segment.strip_suffix('}'));
        if let Some(name) = name.and_then(|name| name.strip_suffix('+')) {
            parameters.push((name, rest.take().unwrap_or_default().to_owned()));
            continue;
        }
        let (segment, after) = match rest?.split_once('/') {
            Some((segment, after)) => (segment, Some(after)),
            None => (rest?, None),
        };
        match name {
            Some(name) => parameters.push((name, segment.to_owned())),
            None if segment == expected => {}
            None => return None,
        }
        rest = after;
    }
    rest.is_none().then_some(parameters)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::HashSet;

    use super::*;

    fn route(method: &Method, path: &str) -> Matched {
        match find(method, path) {
            Found::Route(matched) => matched,
            other => panic!("{method} {path}: {other:?}"),
        }
    }

    #[test]
    fn every_route_is_found_by_its_own_template() {
        for expected in ROUTES {
            let path = expected.path.replace(['{', '}', '+'], "");
            let method = expected.method.clone().unwrap_or(Method::PATCH);
            let found = route(&method, &path);
            assert_eq!(found.route.operation, expected.operation);
            assert_eq!(found.parameters.len(), expected.path.matches('{').count());
        }
    }

    #[test]
    fn operations_and_keys_are_distinct() {
        let operations: HashSet<_> = ROUTES.iter().map(|r| r.operation).collect();
        let keys: HashSet<_> = ROUTES.iter().map(Route::key).collect();
        assert_eq!((operations.len(), keys.len()), (ROUTES.len(), ROUTES.len()));
    }

    #[test]
    fn only_sign_ins_their_tokens_and_public_documents_need_no_caller() {
        let open: Vec<_> = ROUTES.iter().filter(|r| r.callers.is_empty()).map(Route::key).collect();
        assert_eq!(
            open,
            [
                "GET /authorize",
                "GET /integration-callback",
                "GET /.well-known/oauth-protected-resource/{resource+}",
                "GET /.well-known/oauth-authorization-server/{issuer+}",
                "GET /oauth/{integration}/authorize",
                "POST /oauth/{integration}/authorize",
                "POST /oauth/{integration}/register",
                "POST /oauth/{integration}/token",
                "POST /oauth/{integration}/revoke",
                "GET /health",
                "GET /openapi.json",
                "GET /",
                "GET /portal",
                "GET /portal/{page+}",
                "POST /portal/{page+}"
            ]
        );
    }

    #[test]
    fn only_three_routes_use_tokens() {
        let behind_proxy: Vec<_> =
            ROUTES.iter().filter(|r| r.function == Function::Proxy).map(Route::key).collect();
        assert_eq!(
            behind_proxy,
            [
                "POST /connections/{connection}/refresh",
                "POST /connections/{connection}/token",
                "ANY /proxy/{proxy+}"
            ]
        );
    }

    #[test]
    fn a_known_path_with_another_method_names_the_methods_it_takes() {
        let Found::OtherMethods(methods) = find(&Method::PATCH, "/integrations/fabrikam") else {
            panic!("expected other methods");
        };
        assert_eq!(methods, [Method::PUT, Method::GET, Method::HEAD, Method::DELETE]);
    }

    #[test]
    fn head_is_answered_where_get_only_reads() {
        let found = route(&Method::HEAD, "/connections/conn_1");
        assert_eq!(found.route.operation, Operation::GetConnection);
        assert_eq!(route(&Method::HEAD, "/health").route.operation, Operation::Health);
        for (path, expected) in [
            ("/authorize", vec![Method::GET]),
            ("/integration-callback", vec![Method::GET]),
            ("/connect-sessions", vec![Method::POST]),
        ] {
            let Found::OtherMethods(methods) = find(&Method::HEAD, path) else {
                panic!("{path} answers HEAD");
            };
            assert_eq!(methods.into_iter().cloned().collect::<Vec<_>>(), expected, "{path}");
        }
    }

    #[test]
    fn a_path_that_only_resembles_a_route_is_not_found() {
        for path in [
            "",
            "health",
            "//health",
            "/health/",
            "/Health",
            "/integrations//verify",
            "/proxy",
            "/integrations/",
            "/connections/a/b",
            "/integrations/a/verify/",
            "/proxy/conn_1",
            "/proxy//dev.azure.com/x",
        ] {
            assert!(matches!(find(&Method::GET, path), Found::Nothing), "{path}");
        }
    }

    #[test]
    fn the_proxied_path_is_kept_byte_for_byte() {
        let found = route(&Method::GET, "/proxy/conn_1/dev.azure.com/mycompany/a%2Fb//c/");
        assert_eq!(found.parameter("connection"), Some("conn_1"));
        assert_eq!(found.parameter("host"), Some("dev.azure.com"));
        assert_eq!(found.parameter("path"), Some("mycompany/a%2Fb//c/"));
        let bare = route(&Method::GET, "/proxy/conn_1/dev.azure.com");
        assert_eq!(bare.parameter("path"), Some(""));
    }

    #[test]
    fn an_mcp_endpoint_is_complete_without_a_narrowing() {
        for (path, connection, narrowing) in [
            ("/mcp/conn_1", "conn_1", ""),
            ("/mcp/azure-devops/", "azure-devops", ""),
            ("/mcp/conn_1/x/core/readonly", "conn_1", "x/core/readonly"),
        ] {
            let found = route(&Method::POST, path);
            assert_eq!(found.route.operation, Operation::Mcp);
            assert_eq!(found.parameter("connection"), Some(connection));
            assert_eq!(found.parameter("narrowing"), Some(narrowing));
        }
        assert!(matches!(find(&Method::POST, "/mcp"), Found::Nothing));
        assert!(matches!(find(&Method::POST, "/mcp/"), Found::Nothing));
    }

    #[test]
    fn every_code_is_reachable_somewhere() {
        let mut documented: HashSet<_> = ROUTES.iter().flat_map(Route::problems).collect();
        // The answers at addresses that are no route, and of API Gateway.
        documented.extend([Code::NotFound, Code::RequestRefused]);
        for code in Code::ALL {
            assert!(documented.contains(code), "{code:?} is not in the table");
        }
    }

    #[test]
    fn no_route_lists_a_problem_twice() {
        for route in ROUTES {
            let codes = route.problems();
            let distinct: HashSet<_> = codes.iter().collect();
            assert_eq!(distinct.len(), codes.len(), "{}", route.key());
        }
    }
}
