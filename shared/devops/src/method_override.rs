//! Requests that name another method than their own. Azure DevOps obeys `X-HTTP-Method-Override` of a `POST`, so a rule
//! that allows the `POST` would allow a `PATCH`. Such a request is refused rather than sent without the override, because
//! its sender did not mean that.

use http::HeaderMap;
use http::header::{CONTENT_TYPE, HeaderValue};
use url::form_urlencoded;

/// The headers that name another method.
pub(crate) const HEADERS: [&str; 3] =
    ["x-http-method-override", "x-http-method", "x-method-override"];
/// The parameter of queries and forms that names another method to some frameworks.
const PARAMETER: &str = "_method";

/// The header or parameter by which a request names another method than its own.
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
    // Compared as bytes: a media type stays one, whatever its parameters contain.
    let is_sent_as = |form: &str| {
        let mut kinds = headers.get_all(CONTENT_TYPE).iter().map(HeaderValue::as_bytes);
        kinds.any(|kind| begins_with(kind.trim_ascii_start(), form))
    };
    if is_sent_as("application/x-www-form-urlencoded") {
        refuse_parameters(body)?;
    }
    if is_sent_as("multipart/form-data") {
        let is_in = |name: &&str| (0..body.len()).any(|at| begins_with(&body[at..], name));
        // The first name contains the second, and is tried before it.
        return HEADERS.into_iter().find(is_in).map_or(Ok(()), |name| Err(MethodOverride(name)));
    }
    Ok(())
}

fn begins_with(bytes: &[u8], text: &str) -> bool {
    bytes.get(..text.len()).is_some_and(|start| start.eq_ignore_ascii_case(text.as_bytes()))
}

/// Looks for an override in a query.
pub(crate) fn refuse_in_query(query: &str) -> Result<(), MethodOverride> {
    refuse_parameters(query.as_bytes())
}

/// Refuses a header by its name.
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
    use http::HeaderName;

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
    fn a_form_is_one_whatever_else_its_content_type_contains() {
        let body = b"X-HTTP-Method-Override=PATCH";
        let overridden = Err(MethodOverride(HEADERS[0]));
        let unreadable = b"application/x-www-form-urlencoded; x=\xe9";
        let value = HeaderValue::from_bytes(unreadable).unwrap();
        let headers = [(CONTENT_TYPE, value)].into_iter().collect();
        assert_eq!(refuse_in_form(&headers, body), overridden);
        let mut two = of_type("application/json");
        two.append(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        assert_eq!(refuse_in_form(&two, body), overridden);
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
