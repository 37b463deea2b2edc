//! The `Retry-After` header (RFC 9110 section 10.2.3) of Entra ID and Azure DevOps.

use std::time::Duration;

use http::HeaderMap;
use http::header::RETRY_AFTER;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;

use crate::seconds;

/// The longest accepted wait, as in MSAL. A longer one is a mistake: the limits of Azure DevOps look back five minutes.
const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// Returns how long an answer that is received `now` asks to wait, rounded up to whole seconds and at most
/// an hour; `None` if it names no readable time. Successful answers may ask, too.
pub fn of(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let mut values = headers.get_all(RETRY_AFTER).iter().filter_map(|value| value.to_str().ok());
    values.find_map(|value| read(value.trim(), now))
}

fn read(value: &str, now: Timestamp) -> Option<Duration> {
    let wait = match seconds::parse(value) {
        Some(wait) => wait,
        // By our clock: a time that is past is no wait.
        None => Duration::try_from(date(value)?.duration_since(now)).unwrap_or_default(),
    };
    let wait = wait.min(LONGEST_WAIT);
    Some(Duration::from_secs(wait.as_secs() + u64::from(wait.subsec_nanos() > 0)))
}

/// Reads a date in any of the three forms of RFC 9110 section 5.6.7, or in their modern relatives of RFC 5322 and
/// RFC 3339.
fn date(value: &str) -> Option<Timestamp> {
    if let Ok(date) = httpdate::parse_http_date(value) {
        return Timestamp::try_from(date).ok();
    }
    let relaxed = DateTimeParser::new().relaxed_weekday(true);
    relaxed.parse_timestamp(value).ok().or_else(|| value.parse().ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn now() -> Timestamp {
        "1994-11-06T08:49:30Z".parse().unwrap()
    }

    fn wait(values: &[&str]) -> Option<u64> {
        let named = |value: &&str| (RETRY_AFTER, value.parse().unwrap());
        of(&values.iter().map(named).collect(), now()).map(|wait| wait.as_secs())
    }

    #[test]
    fn a_wait_is_given_in_seconds() {
        for (value, seconds) in [
            ("0", 0),
            (" 7 ", 7),
            ("1.2", 2),
            ("0,941641", 1),
            ("-5", 0),
            ("3600", 3600),
            ("99999", 3600),
            ("18446744073709551616", 3600),
            ("1e300", 3600),
        ] {
            assert_eq!(wait(&[value]), Some(seconds), "{value}");
        }
    }

    #[test]
    fn a_wait_is_given_as_a_date_in_each_form_of_http() {
        for (value, seconds) in [
            ("Sun, 06 Nov 1994 08:49:37 GMT", 7),
            ("Sunday, 06-Nov-94 08:49:37 GMT", 7),
            ("Sun Nov  6 08:49:37 1994", 7),
            ("Sun, 06 Nov 1994 08:49:37 +0000", 7),
            ("Mon, 06 Nov 1994 08:49:37 GMT", 7),
            ("6 Nov 1994 08:49:37 GMT", 7),
            ("1994-11-06T08:49:37Z", 7),
            ("Sun, 06 Nov 1994 08:49:30 GMT", 0),
            ("Sun, 06 Nov 1994 07:49:37 GMT", 0),
            ("Fri, 06 Nov 2099 08:49:37 GMT", 3600),
        ] {
            assert_eq!(wait(&[value]), Some(seconds), "{value}");
        }
    }

    #[test]
    fn an_unreadable_wait_is_absent() {
        assert_eq!(wait(&[]), None);
        for value in ["soon", "", "NaN", "inf", "1 s", "Sun, 06 Foo 1994 08:49:37 GMT"] {
            assert_eq!(wait(&[value]), None, "{value}");
        }
        assert_eq!(wait(&["soon", "7"]), Some(7), "the first readable one counts");
    }

    proptest! {
        #[test]
        fn any_wait_is_read_without_panic_and_is_at_most_an_hour(value in "[ -~]*", at in 0_i64..253_402_207_200) {
            let now = Timestamp::from_second(at).unwrap();
            let read = of(&[(RETRY_AFTER, value.parse().unwrap())].into_iter().collect(), now);
            prop_assert!(read.is_none_or(|wait| wait <= LONGEST_WAIT));
        }
    }
}
