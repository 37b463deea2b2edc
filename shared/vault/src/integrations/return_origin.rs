//! Origins of an application to which browsers may be sent, and the addresses under them.

use ground::http::is_trustworthy;
use serde::{Deserialize, Serialize};
use url::{Origin, Url};

/// Longest return address, in bytes: it travels through a query string later.
const LONGEST_ADDRESS: usize = 2048;

/// An origin of the application, compared exactly after WHATWG parsing (RFC 9700 section 4.11).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ReturnOrigin(Origin);

impl ReturnOrigin {
    /// Whether `url` lies under this origin and carries no user name or password.
    pub fn covers(&self, url: &Url) -> bool {
        // A `blob:` address has the origin of what it wraps, so the scheme is looked at, too.
        matches!(url.scheme(), "https" | "http")
            && url.username().is_empty()
            && url.password().is_none()
            && url.origin() == self.0
    }
}

/// Returns the address that a text names, or `None` if its origin is none of these (RFC 9700 section 4.11) or readers could
/// take it for different addresses.
pub fn return_address(origins: &[ReturnOrigin], text: &str) -> Option<Url> {
    // Characters that the WHATWG parser drops or rewrites; without `://` it invents a host.
    let is_rewritten = |c: char| c.is_control() || c.is_whitespace() || c == '\\';
    if text.len() > LONGEST_ADDRESS || text.contains(is_rewritten) || !text.contains("://") {
        return None;
    }
    let url = Url::parse(text).ok()?;
    covered(origins, &url).then_some(url)
}

/// Returns whether the origin of an address is one of these.
pub(super) fn covered(origins: &[ReturnOrigin], url: &Url) -> bool {
    origins.iter().any(|origin| origin.covers(url))
}

impl TryFrom<String> for ReturnOrigin {
    type Error = InvalidOrigin;

    fn try_from(text: String) -> Result<Self, InvalidOrigin> {
        let url = Url::parse(&text).map_err(|_| InvalidOrigin)?;
        let nothing_else = matches!(url.path(), "" | "/")
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        if is_trustworthy(&url) && nothing_else {
            Ok(Self(url.origin()))
        } else {
            Err(InvalidOrigin)
        }
    }
}

impl From<ReturnOrigin> for String {
    fn from(origin: ReturnOrigin) -> Self {
        origin.0.ascii_serialization()
    }
}

/// Text that is not an origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "an origin is https://host or https://host:port and nothing more (http for localhost only)"
)]
pub struct InvalidOrigin;

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(text: &str) -> Result<ReturnOrigin, InvalidOrigin> {
        text.to_owned().try_into()
    }

    #[test]
    fn an_origin_covers_exactly_itself() {
        let app = origin("https://app.example").unwrap();
        for good in
            ["https://app.example/back?x=1", "https://APP.example:443/", "https://app.example"]
        {
            assert!(app.covers(&Url::parse(good).unwrap()), "{good}");
        }
        for bad in [
            "http://app.example/",
            "https://app.example:8443/",
            "https://app.example.evil.example/",
            "https://evil-app.example/",
            "https://app.example@evil.example/",
            "https://user@app.example/",
            "https://sub.app.example/",
            "blob:https://app.example/x",
        ] {
            assert!(!app.covers(&Url::parse(bad).unwrap()), "{bad}");
        }
    }

    #[test]
    fn a_return_address_is_one_that_every_reader_reads_alike() {
        let origins = ["https://app.example", "http://localhost:8083"].map(|o| origin(o).unwrap());
        for good in
            ["https://app.example/back?x=1#y", "http://localhost:8083", "HTTPS://App.example"]
        {
            assert_eq!(return_address(&origins, good), Url::parse(good).ok(), "{good}");
        }
        let long = format!("https://app.example/{}", "a".repeat(2048));
        for bad in [
            "https:app.example",
            "https:\\\\app.example",
            "https://app.example\\@evil.example",
            "https://app.example/a b",
            "https://app.example/\n",
            " https://app.example",
            "https://evil.example/",
            "//app.example",
            &long,
            "",
        ] {
            assert_eq!(return_address(&origins, bad), None, "{bad}");
        }
    }

    #[test]
    fn an_origin_is_nothing_but_an_origin() {
        for bad in [
            "app.example",
            "https://",
            "https://app.example/path",
            "https://app.example/?q",
            "https://app.example/#f",
            "https://u@app.example",
            "http://app.example",
            "javascript:alert(1)",
            "data:text/html,x",
            "null",
        ] {
            assert!(origin(bad).is_err(), "{bad}");
        }
        assert!(origin("http://localhost:8083").is_ok());
    }
}
