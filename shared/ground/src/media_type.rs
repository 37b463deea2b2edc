//! The media type of a body (RFC 9110 section 8.3).

use http::HeaderMap;
use http::header::CONTENT_TYPE;

/// Splits a media type into `type/subtype`, in lower case, and its parameters, unread.
pub fn split(text: &str) -> (String, &str) {
    let (essence, parameters) = text.split_once(';').unwrap_or((text, ""));
    (essence.trim().to_ascii_lowercase(), parameters)
}

/// Returns `type/subtype` of a body, in lower case, or an empty text if the headers contain none that can be read.
pub fn of(headers: &HeaderMap) -> String {
    let text = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    split(text).0
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_media_type_is_read_without_its_parameters_and_case() {
        assert_eq!(split("Text/HTML ; charset=utf-8"), ("text/html".to_owned(), " charset=utf-8"));
        assert_eq!(split("image/svg+xml"), ("image/svg+xml".to_owned(), ""));
        let sent_as = |value: HeaderValue| of(&[(CONTENT_TYPE, value)].into_iter().collect());
        assert_eq!(sent_as(HeaderValue::from_static(" TEXT/html;x")), "text/html");
        assert_eq!(sent_as(HeaderValue::from_bytes(b"text/html; x=\xe9").unwrap()), "");
        assert_eq!(of(&HeaderMap::new()), "");
    }
}
