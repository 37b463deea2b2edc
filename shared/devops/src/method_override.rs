//! Requests that name another method than their own. Azure DevOps obeys `X-HTTP-Method-Override` of a `POST`, so a rule
//! that allows the `POST` would allow a `PATCH`. Such a request is refused: without the override it would do something
//! that its sender did not mean.

use http::HeaderMap;
use http::header::CONTENT_TYPE;
use url::form_urlencoded;

/// The headers by which servers are told another method.
pub(crate) const HEADERS: [&str; 3] =
    ["x-http-method-override", "x-http-method", "x-method-override"];
/// In queries and forms, where frameworks read `_method`, too.
const PARAMETER: &str = "_method";

/// A request names another method than its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` names another method. Send the call with its own method.")]
pub struct MethodOverride(pub &'static str);

/// Looks for an override among headers.
///
/// # Errors
/// [`MethodOverride`] if there is one, whatever its value.
pub fn refuse_in_headers(headers: &HeaderMap) -> Result<(), MethodOverride> {
    headers.keys().try_for_each(|name| refuse_header(name.as_str()))
}

/// Looks for an override in a form. ASP.NET reads one there as if it were a header.
///
/// # Errors
/// [`MethodOverride`] if there is one.
pub fn refuse_in_form(headers: &HeaderMap, body: &[u8]) -> Result<(), MethodOverride> {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.to_ascii_lowercase();
    if kind.starts_with("application/x-www-form-urlencoded") {
        return refuse_parameters(body);
    }
    if kind.starts_with("multipart/form-data") {
        let body = body.to_ascii_lowercase();
        let is_in = |name: &&&str| body.windows(name.len()).any(|text| text == name.as_bytes());
        // The longest name contains the second one.
        return HEADERS.iter().find(is_in).map_or(Ok(()), |name| Err(MethodOverride(name)));
    }
    Ok(())
}

/// Looks for an override in a query.
pub(crate) fn refuse_in_query(query: &str) -> Result<(), MethodOverride> {
    refuse_parameters(query.as_bytes())
}

/// Looks at the name of one header.
pub(crate) fn refuse_header(name: &str) -> Result<(), MethodOverride> {
    let name = name.trim();
    let known = HEADERS.into_iter().find(|known| known.eq_ignore_ascii_case(name));
    known.map_or(Ok(()), |name| Err(MethodOverride(name)))
}

fn refuse_parameters(encoded: &[u8]) -> Result<(), MethodOverride> {
    form_urlencoded::parse(encoded).try_for_each(|(name, _)| {
        if name.trim().eq_ignore_ascii_case(PARAMETER) {
            return Err(MethodOverride(PARAMETER));
        }
        refuse_header(&name)
    })
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn of_type(kind: &'static str) -> HeaderMap {
        [(CONTENT_TYPE, HeaderValue::from_static(kind))].into_iter().collect()
    }

    #[test]
    fn an_override_is_found_in_every_place_that_servers_read() {
        for name in HEADERS {
            let named = HeaderName::from_static(name);
            let headers = [(named, HeaderValue::from_static("x"))].into_iter().collect();
            assert_eq!(refuse_in_headers(&headers), Err(MethodOverride(name)));
            for query in [
                format!("{name}=PATCH"),
                format!("api-version=7.1&{}", name.to_uppercase()),
                format!("a=b&%58{}=DELETE", &name[1..]),
                format!("+{name}+=PUT"),
            ] {
                assert_eq!(refuse_in_query(&query), Err(MethodOverride(name)), "{query}");
                let form = of_type("application/x-www-form-urlencoded; charset=utf-8");
                assert_eq!(refuse_in_form(&form, query.as_bytes()), Err(MethodOverride(name)));
            }
            let part =
                format!("--x\r\nContent-Disposition: form-data; name=\"{}\"", name.to_uppercase());
            assert_eq!(
                refuse_in_form(&of_type("Multipart/Form-Data; boundary=x"), part.as_bytes()),
                Err(MethodOverride(name))
            );
        }
        assert_eq!(refuse_in_query("_Method=put"), Err(MethodOverride("_method")));
    }

    #[test]
    fn names_that_only_resemble_one_pass() {
        for query in ["method=PATCH", "x=x-http-method-override", "searchCriteria.method=a", ""] {
            assert_eq!(refuse_in_query(query), Ok(()), "{query}");
        }
        let text = b"X-HTTP-Method-Override=PATCH";
        assert_eq!(refuse_in_form(&of_type("application/json"), text), Ok(()));
        assert_eq!(refuse_in_form(&HeaderMap::new(), text), Ok(()));
        assert_eq!(refuse_in_headers(&of_type("text/plain")), Ok(()));
    }
}
