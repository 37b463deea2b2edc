//! The rate-limit headers of Azure DevOps
//! (<https://learn.microsoft.com/azure/devops/integrate/concepts/rate-limits>). They come on a 200, too.

use std::time::Duration;

use http::HeaderMap;
use http::header::RETRY_AFTER;
use jiff::Timestamp;

/// What an answer says about limits.
#[derive(Debug, Clone, PartialEq)]
pub struct RateLimit {
    /// How long to wait before the next request.
    pub retry_after: Option<Duration>,
    /// The resource whose limit it is, in Microsoft's words.
    pub resource: Option<String>,
    /// By how many seconds this request was delayed.
    pub delay: Option<f64>,
    /// The limit, in TSTU.
    pub limit: Option<u64>,
    /// What is left, in TSTU.
    pub remaining: Option<u64>,
    /// When it is whole again, in seconds since 1970.
    pub reset: Option<i64>,
}

impl RateLimit {
    /// Reads the headers of an answer; what is absent or unreadable is absent. A date in `Retry-After`
    /// is counted from the answer's own `Date`.
    pub fn from_headers(headers: &HeaderMap) -> Self {
        let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
        Self {
            retry_after: text(RETRY_AFTER.as_str())
                .and_then(|value| retry_after(value, text("date"))),
            resource: text("x-ratelimit-resource").map(str::to_owned),
            delay: text("x-ratelimit-delay").and_then(|value| value.parse().ok()),
            limit: text("x-ratelimit-limit").and_then(|value| value.parse().ok()),
            remaining: text("x-ratelimit-remaining").and_then(|value| value.parse().ok()),
            reset: text("x-ratelimit-reset").and_then(|value| value.parse().ok()),
        }
    }
}

fn retry_after(value: &str, date: Option<&str>) -> Option<Duration> {
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let (until, now) = (http_date(value)?, http_date(date?)?);
    Some(Duration::try_from(until.duration_since(now)).unwrap_or_default())
}

fn http_date(text: &str) -> Option<Timestamp> {
    Some(jiff::fmt::rfc2822::parse(text).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn seconds_and_dates_are_understood() {
        let read = |pairs: &[(&str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap());
            }
            RateLimit::from_headers(&headers)
        };
        let limit = read(&[
            ("retry-after", "30"),
            ("x-ratelimit-resource", "Concurrency"),
            ("x-ratelimit-delay", "1.250"),
            ("x-ratelimit-limit", "200"),
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", "1800000000"),
        ]);
        assert_eq!(limit.retry_after, Some(Duration::from_secs(30)));
        assert_eq!(
            (limit.delay, limit.limit, limit.remaining, limit.reset),
            (Some(1.25), Some(200), Some(0), Some(1_800_000_000))
        );
        let date = [
            ("date", "Mon, 23 Nov 2026 10:00:00 GMT"),
            ("retry-after", "Mon, 23 Nov 2026 10:00:07 GMT"),
        ];
        assert_eq!(read(&date).retry_after, Some(Duration::from_secs(7)));
        assert_eq!(read(&[("retry-after", "soon")]).retry_after, None);
        assert_eq!(read(&[]).retry_after, None);
    }
}
