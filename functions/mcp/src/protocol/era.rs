//! The two eras of the protocol. Versions up to 2025-11-25 begin with `initialize`; from 2026-07-28 on each request
//! carries its version, and its headers repeat what a router must know of the body.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::error::{ErrorCode, ProtocolError};
use super::message::Params;

/// The versions of which each request carries its own.
pub(crate) const MODERN: &[&str] = &["2026-07-28"];
/// The versions that begin with `initialize`, newest first.
pub(crate) const LEGACY: &[&str] = &["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];

const VERSION: &str = "mcp-protocol-version";
const METHOD: &str = "mcp-method";
const NAME: &str = "mcp-name";
const META_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const META_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
const META_CLIENT: &str = "io.modelcontextprotocol/clientInfo";

/// The era of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Era {
    /// Up to 2025-11-25.
    Legacy,
    /// From 2026-07-28 on.
    Modern,
}

impl Era {
    /// Finds the era of a request, and checks what its era demands of headers and `_meta`.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidParams`] for an incomplete `_meta`, [`ErrorCode::HeaderMismatch`], and
    /// [`ErrorCode::UnsupportedProtocolVersion`].
    pub(crate) fn of(
        headers: &HeaderMap,
        method: &str,
        params: &Params<'_>,
    ) -> Result<Self, ProtocolError> {
        let named = params.meta.as_ref().and_then(|meta| meta.get(META_VERSION));
        let header = text(headers, VERSION);
        match (named, header) {
            (Some(Value::String(version)), _) => {
                modern(headers, version, method, params)?;
                Ok(Self::Modern)
            }
            (Some(_), _) => Err(invalid_meta(META_VERSION)),
            (None, Some(header)) if MODERN.contains(&header) => Err(invalid_meta(META_VERSION)),
            (None, Some(header)) if !LEGACY.contains(&header) => Err(unsupported(header)),
            (None, _) => Ok(Self::Legacy),
        }
    }

    /// The status of the answer to an unknown method. To a legacy client, 404 would be the end of a session.
    pub(crate) const fn status_of_unknown_method(self) -> StatusCode {
        match self {
            Self::Modern => StatusCode::NOT_FOUND,
            Self::Legacy => StatusCode::OK,
        }
    }
}

/// Returns the name by which the client introduces itself, if it does.
pub(crate) fn client_name<'a>(params: &'a Params<'_>) -> Option<&'a str> {
    let in_meta = params.meta.as_ref().and_then(|meta| meta.get(META_CLIENT));
    in_meta.or(params.client_info.as_ref())?.get("name")?.as_str()
}

fn modern(
    headers: &HeaderMap,
    version: &str,
    method: &str,
    params: &Params<'_>,
) -> Result<(), ProtocolError> {
    require_same(headers, VERSION, version)?;
    if !MODERN.contains(&version) {
        return Err(unsupported(version));
    }
    let capabilities = params.meta.as_ref().and_then(|meta| meta.get(META_CAPABILITIES));
    if !capabilities.is_some_and(Value::is_object) {
        return Err(invalid_meta(META_CAPABILITIES));
    }
    require_same(headers, METHOD, method)?;
    let name = match method {
        "tools/call" | "prompts/get" => params.name.as_deref(),
        "resources/read" => params.uri.as_deref(),
        _ => None,
    };
    name.map_or(Ok(()), |name| require_same(headers, NAME, name))
}

fn require_same(headers: &HeaderMap, name: &str, expected: &str) -> Result<(), ProtocolError> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().and_then(|value| value.to_str().ok()).map(decoded);
    if value.flatten().as_deref() == Some(expected) && values.next().is_none() {
        return Ok(());
    }
    let message = format!("The header {name} must be there and be the same as in the body.");
    Err(ProtocolError::new(ErrorCode::HeaderMismatch, message))
}

/// Returns a header's value, decoded if it is `=?base64?…?=`, or `None` if that cannot be decoded.
fn decoded(value: &str) -> Option<String> {
    let value = value.trim();
    match value.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?=")) {
        Some(encoded) => String::from_utf8(STANDARD.decode(encoded).ok()?).ok(),
        None => Some(value.to_owned()),
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap_or_default().trim())
}

fn invalid_meta(member: &str) -> ProtocolError {
    let message = format!("params._meta must have {member}.");
    ProtocolError::new(ErrorCode::InvalidParams, message)
}

fn unsupported(requested: &str) -> ProtocolError {
    let message = format!(
        "This version is not served. Served are {}, and by initialize {}.",
        MODERN.join(", "),
        LEGACY.join(", ")
    );
    ProtocolError::new(ErrorCode::UnsupportedProtocolVersion, message)
        .with_data(json!({"supported": MODERN, "requested": requested}))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use http::HeaderValue;

    use super::*;

    fn headers(headers: &[(&'static str, &str)]) -> HeaderMap {
        let header = |(name, value): &(&'static str, &str)| {
            (name.parse::<http::HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap())
        };
        headers.iter().map(header).collect()
    }

    /// The era, or the code and the status of the error, of a request with this version in `_meta`.
    fn judged(
        method: &str,
        params: &Value,
        sent: &[(&'static str, &str)],
    ) -> Result<Era, (ErrorCode, u16)> {
        let text = params.to_string();
        let params = serde_json::from_str(&text).unwrap();
        Era::of(&headers(sent), method, &params)
            .map_err(|error| (error.code, error.status.as_u16()))
    }

    fn meta(version: &str) -> Value {
        json!({"_meta": {META_VERSION: version, META_CAPABILITIES: {}}})
    }

    const MODERN_VERSION: (&str, &str) = ("mcp-protocol-version", "2026-07-28");

    #[test]
    fn a_version_in_meta_decides_about_the_era() {
        let list = ("mcp-method", "tools/list");
        for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "1999-01-01"] {
            let sent = [("mcp-protocol-version", version), list];
            let unsupported = Err((ErrorCode::UnsupportedProtocolVersion, 400));
            assert_eq!(judged("tools/list", &meta(version), &sent), unsupported, "{version}");
        }
        let sent = [MODERN_VERSION, list];
        assert_eq!(judged("tools/list", &meta("2026-07-28"), &sent), Ok(Era::Modern));
    }

    #[test]
    fn without_meta_the_header_names_a_legacy_version_or_none() {
        assert_eq!(judged("tools/list", &json!({}), &[]), Ok(Era::Legacy));
        for version in LEGACY {
            let sent = [("mcp-protocol-version", *version)];
            assert_eq!(judged("ping", &json!({}), &sent), Ok(Era::Legacy), "{version}");
        }
        let unsupported = Err((ErrorCode::UnsupportedProtocolVersion, 400));
        assert_eq!(
            judged("ping", &json!({}), &[("mcp-protocol-version", "1999-01-01")]),
            unsupported
        );
    }

    #[test]
    fn a_modern_request_has_its_whole_meta() {
        let invalid = Err((ErrorCode::InvalidParams, 400));
        let sent = [MODERN_VERSION, ("mcp-method", "server/discover")];
        for params in [
            json!({}),
            json!({"_meta": {}}),
            json!({"_meta": {META_CAPABILITIES: {}}}),
            json!({"_meta": {META_VERSION: "2026-07-28"}}),
            json!({"_meta": {META_VERSION: 20260728, META_CAPABILITIES: {}}}),
            json!({"_meta": {META_VERSION: "2026-07-28", META_CAPABILITIES: []}}),
        ] {
            assert_eq!(judged("server/discover", &params, &sent), invalid, "{params}");
        }
    }

    #[test]
    fn headers_repeat_the_body() {
        let named = |name: &str| {
            let mut params = meta("2026-07-28");
            params["name"] = name.into();
            params
        };
        let (call, list) = (("mcp-method", "tools/call"), ("mcp-method", "tools/list"));
        for (method, params, sent, is_good) in [
            ("tools/list", named(""), &[MODERN_VERSION, list][..], true),
            ("tools/list", named(""), &[MODERN_VERSION], false),
            ("tools/list", named(""), &[list], false),
            ("tools/list", named(""), &[MODERN_VERSION, call], false),
            ("tools/list", named(""), &[MODERN_VERSION, ("mcp-method", "TOOLS/LIST")], false),
            ("tools/list", named(""), &[MODERN_VERSION, list, list], false),
            ("tools/list", named(""), &[("mcp-protocol-version", "2025-11-25"), list], false),
            ("tools/call", named("a"), &[MODERN_VERSION, call, ("mcp-name", "a")], true),
            ("tools/call", named("a"), &[MODERN_VERSION, call, ("mcp-name", "  a ")], true),
            (
                "tools/call",
                named("a"),
                &[MODERN_VERSION, call, ("mcp-name", "=?base64?YQ==?=")],
                true,
            ),
            (
                "tools/call",
                named("a"),
                &[MODERN_VERSION, call, ("mcp-name", "=?base64?YQ?=")],
                false,
            ),
            ("tools/call", named("a"), &[MODERN_VERSION, call, ("mcp-name", "b")], false),
            ("tools/call", named("a"), &[MODERN_VERSION, call], false),
        ] {
            let expected =
                if is_good { Ok(Era::Modern) } else { Err((ErrorCode::HeaderMismatch, 400)) };
            assert_eq!(judged(method, &params, sent), expected, "{method} {sent:?}");
        }
    }

    #[test]
    fn an_unsupported_version_names_those_that_are_served() {
        let text = meta("2030-01-01").to_string();
        let params = serde_json::from_str(&text).unwrap();
        let sent = headers(&[("mcp-protocol-version", "2030-01-01")]);
        let error = Era::of(&sent, "server/discover", &params).unwrap_err();
        let message = error.message(&json!(7));
        assert_eq!(message["id"], 7);
        assert_eq!(message["error"]["code"], -32022);
        let data = json!({"supported": ["2026-07-28"], "requested": "2030-01-01"});
        assert_eq!(message["error"]["data"], data);
    }

    #[test]
    fn a_client_introduces_itself_in_meta_or_in_initialize() {
        for text in [
            format!(r#"{{"_meta":{{"{META_CLIENT}":{{"name":"agent"}}}}}}"#),
            r#"{"clientInfo":{"name":"agent"}}"#.to_owned(),
        ] {
            assert_eq!(client_name(&serde_json::from_str(&text).unwrap()), Some("agent"));
        }
        assert_eq!(client_name(&Params::default()), None);
    }
}
