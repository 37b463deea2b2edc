//! The metadata of the resource and of its authorization server.

use edge::gateway::Body;
use edge::problem::{Code, Problem};
use edge::respond;
use http::header::CACHE_CONTROL;
use http::{HeaderValue, Response, StatusCode};
use serde::Serialize;

use super::Server;

/// Splits the path of a resource: an integration, and the suffixes that narrow its endpoint.
///
/// # Errors
/// [`Code::NotFound`] for a path that is no MCP endpoint's.
pub(super) fn target(path: &str) -> Result<(&str, &str), Problem> {
    let path = path.strip_prefix("mcp/").ok_or_else(|| Problem::new(Code::NotFound))?;
    Ok(path.split_once('/').unwrap_or((path, "")))
}

pub(super) fn protected_resource(server: &Server, below: &str) -> Result<Response<Body>, Problem> {
    let name = format!("{} Azure DevOps", server.title());
    public_json(&server.issuer.protected_resource(below, &name, server.widest))
}

pub(super) fn authorization_server(server: &Server) -> Result<Response<Body>, Problem> {
    public_json(&server.issuer.authorization_server(server.widest))
}

fn public_json(document: &impl Serialize) -> Result<Response<Body>, Problem> {
    let mut response = respond::json(StatusCode::OK, document)?;
    let briefly = HeaderValue::from_static("public, max-age=300");
    response.headers_mut().insert(CACHE_CONTROL, briefly);
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_an_integration_and_its_suffixes() {
        let read = |path| target(path).map_err(|problem| problem.code());
        assert_eq!(read("mcp/azure-devops"), Ok(("azure-devops", "")));
        assert_eq!(
            read("mcp/azure-devops/x/core/readonly"),
            Ok(("azure-devops", "x/core/readonly"))
        );
        for path in ["", "mcp", "proxy/azure-devops", "azure-devops"] {
            assert_eq!(read(path), Err(Code::NotFound), "{path}");
        }
    }
}
