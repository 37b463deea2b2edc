//! The origins whose pages may call the API.

use std::str::FromStr;

use url::{Origin, Url};

/// Text that is no list of origins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be origins, with commas between them")]
pub struct NoOrigins;

/// The origins whose pages may call the API, as API Gateway takes them (`AllowOrigins` of an HTTP API): origins, `*`,
/// `https://*` or `http://*`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CorsOrigins(Vec<String>);

impl CorsOrigins {
    /// Whether pages of this origin may call the API.
    pub(crate) fn allow(&self, origin: &str) -> bool {
        // Sandboxed pages have the origin `null`.
        let is_address =
            Url::parse(origin).is_ok_and(|url| matches!(url.origin(), Origin::Tuple(..)));
        is_address
            && self.0.iter().any(|allowed| match allowed.strip_suffix('*') {
                Some(beginning) => origin.starts_with(beginning),
                None => allowed.eq_ignore_ascii_case(origin),
            })
    }
}

impl FromStr for CorsOrigins {
    type Err = NoOrigins;

    fn from_str(text: &str) -> Result<Self, NoOrigins> {
        let origins: Vec<String> = text.split(',').map(|origin| origin.trim().to_owned()).collect();
        let is_usable = |origin: &String| {
            let is_origin =
                Url::parse(origin).is_ok_and(|url| url.path() == "/" && url.query().is_none());
            ["*", "https://*", "http://*"].contains(&origin.as_str()) || is_origin
        };
        if origins.iter().all(is_usable) {
            // A slash at the end is no part of an origin.
            Ok(Self(origins.iter().map(|origin| origin.trim_end_matches('/').to_owned()).collect()))
        } else {
            Err(NoOrigins)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn text_that_is_no_origin_is_refused() {
        for bad in ["page", "https://a.example/path", "https://a.example?x", "https://a.example,,"]
        {
            assert_eq!(bad.parse::<CorsOrigins>(), Err(NoOrigins), "{bad}");
        }
    }

    #[test]
    fn a_star_within_a_host_lets_no_page_in() {
        let origins: CorsOrigins = "https://*.example".parse().unwrap();
        assert!(!origins.allow("https://b.example"));
    }
}
