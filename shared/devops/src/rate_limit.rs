//! The rate-limit headers of Azure DevOps (<https://learn.microsoft.com/azure/devops/integrate/concepts/rate-limits>).
//! A 200 has them, too.

use std::time::Duration;

use http::HeaderMap;
use http::header::RETRY_AFTER;
use jiff::Timestamp;

/// The longest accepted wait. Azure DevOps' limits look back five minutes, so a longer one is a mistake, and no sum of
/// times may overflow because of it.
pub const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// The limits in an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct RateLimit {
    /// The wait before the next request, at most [`LONGEST_WAIT`].
    pub retry_after: Option<Duration>,
    /// The resource of the limit, in Microsoft's words.
    pub resource: Option<String>,
    /// The delay of this request, in seconds.
    pub delay: Option<f64>,
    /// The limit, in TSTU.
    pub limit: Option<u64>,
    /// The rest of the limit, in TSTU.
    pub remaining: Option<u64>,
    /// The time at which the limit is whole again, in seconds since 1970.
    pub reset: Option<i64>,
}

impl RateLimit {
    /// Reads the headers of an answer. Absent and unreadable ones are `None`. A date in `Retry-After` is counted from
    /// the answer's own `Date`.
    pub fn from_headers(headers: &HeaderMap) -> Self {
        let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
        Self {
            retry_after: text(RETRY_AFTER.as_str())
                .and_then(|value| retry_after(value, text("date"))),
            resource: text("x-ratelimit-resource").map(str::to_owned),
            delay: text("x-ratelimit-delay").and_then(not_negative),
            limit: text("x-ratelimit-limit").and_then(|value| value.parse().ok()),
            remaining: text("x-ratelimit-remaining").and_then(|value| value.parse().ok()),
            reset: text("x-ratelimit-reset").and_then(|value| value.parse().ok()),
        }
    }
}

fn retry_after(value: &str, date: Option<&str>) -> Option<Duration> {
    // RFC 9110 requires whole seconds; Azure DevOps' other headers have decimals.
    let wait = if let Some(seconds) = not_negative(value) {
        Duration::try_from_secs_f64(seconds.ceil()).unwrap_or(LONGEST_WAIT)
    } else {
        let (until, now) = (http_date(value)?, http_date(date?)?);
        Duration::try_from(until.duration_since(now)).unwrap_or_default()
    };
    Some(wait.min(LONGEST_WAIT))
}

fn not_negative(value: &str) -> Option<f64> {
    value.parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0)
}

fn http_date(text: &str) -> Option<Timestamp> {
    Some(jiff::fmt::rfc2822::parse(text).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> RateLimit {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap());
        }
        RateLimit::from_headers(&headers)
    }

    #[test]
    fn every_header_is_read() {
        let limit = read(&[
            ("retry-after", "30"),
            ("x-ratelimit-resource", "Concurrency"),
            ("x-ratelimit-delay", "1.250"),
            ("x-ratelimit-limit", "200"),
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", "1800000000"),
        ]);
        let expected = RateLimit {
            retry_after: Some(Duration::from_secs(30)),
            resource: Some("Concurrency".to_owned()),
            delay: Some(1.25),
            limit: Some(200),
            remaining: Some(0),
            reset: Some(1_800_000_000),
        };
        assert_eq!(limit, expected);
    }

    #[test]
    fn a_wait_is_given_in_seconds_or_as_a_date() {
        let date = ("date", "Mon, 23 Nov 2026 10:00:00 GMT");
        for (value, seconds) in [
            ("0", 0),
            (" 7 ", 7),
            ("1.2", 2),
            ("Mon, 23 Nov 2026 10:00:07 GMT", 7),
            ("Mon, 23 Nov 2026 09:00:00 GMT", 0),
            ("99999", 3600),
            ("18446744073709551616", 3600),
            ("1e300", 3600),
            ("Mon, 23 Nov 2099 10:00:00 GMT", 3600),
        ] {
            let wait = read(&[date, ("retry-after", value)]).retry_after;
            assert_eq!(wait, Some(Duration::from_secs(seconds)), "{value}");
        }
    }

    #[test]
    fn unreadable_headers_are_absent() {
        let absent = read(&[]);
        assert_eq!(absent.retry_after, None);
        for value in ["soon", "", "-1", "NaN", "inf", "1 s", "Mon, 23 Nov 2026 10:00:07 GMT"] {
            let limit = read(&[
                ("retry-after", value),
                ("x-ratelimit-delay", value),
                ("x-ratelimit-limit", value),
                ("x-ratelimit-remaining", value),
                ("x-ratelimit-reset", "later"),
            ]);
            assert_eq!(limit, absent, "{value}");
        }
    }
}
