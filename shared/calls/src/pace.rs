//! The pace that Azure DevOps asks for.

use std::time::Duration;

use edge::problem::{Code, Problem};
use ground::clock::Clock;
use ground::retry_after;
use http::HeaderMap;
use jiff::{SignedDuration, Timestamp};
use vault::connections::Connection;

use crate::deadlines::Deadlines;

/// The longest wait that is obeyed. Azure DevOps' limits look back five minutes.
const LONGEST_WAIT: Duration = Duration::from_mins(5);
/// The shortest wait for a limit that is used up, also if its reset is near or past.
const SHORTEST_RESET: Duration = Duration::from_secs(30);
/// The longest wait inside a call; for a longer one the caller is sent away.
const LONGEST_PAUSE: Duration = Duration::from_secs(20);

/// Waits until Azure DevOps may be called for this user, if that is soon.
///
/// # Errors
/// [`Code::DevopsThrottled`] if it is not, or if no time would be left for the call.
pub(crate) async fn wait(
    connection: &Connection,
    deadlines: &Deadlines,
    clock: &dyn Clock,
) -> Result<(), Problem> {
    let Some(call_after) = connection.call_after else { return Ok(()) };
    let wait = call_after.duration_since(clock.now());
    let wait = Duration::try_from(wait).unwrap_or_default().min(LONGEST_WAIT);
    if wait > LONGEST_PAUSE || !deadlines.leave_room_after(wait) {
        return Err(Problem::new(Code::DevopsThrottled).retry_after(wait));
    }
    tokio::time::sleep(wait).await;
    Ok(())
}

/// Returns when Azure DevOps wants to be called next, if an answer names a time. Successful answers do, too.
pub(crate) fn call_after(headers: &HeaderMap, now: Timestamp) -> Option<Timestamp> {
    let wait = retry_after::of(headers, now)?.min(LONGEST_WAIT);
    let wait = SignedDuration::try_from(wait).unwrap_or_default();
    // Times are stored in whole seconds: rounded up, so that the next call is never too early.
    (!wait.is_zero()).then(|| now + wait + SignedDuration::from_millis(999))
}

/// Returns how long a refused call has to wait if the answer is about the pace: Azure DevOps also refuses a caller beyond
/// its limit as if the token were not good.
pub(crate) fn throttled(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<i64>().ok();
    let until_reset = || {
        let is_used_up = number("x-ratelimit-remaining")? <= 0;
        let left =
            number("x-ratelimit-reset").map_or(0, |reset| reset.saturating_sub(now.as_second()));
        is_used_up.then(|| Duration::from_secs(u64::try_from(left).unwrap_or_default()))
    };
    let asked = retry_after::of(headers, now).filter(|wait| !wait.is_zero());
    let wait = asked.or_else(|| until_reset().map(|wait| wait.max(SHORTEST_RESET)));
    wait.map(|wait| wait.min(LONGEST_WAIT))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(retry_after: &str) -> Option<SignedDuration> {
        let now = Timestamp::from_second(1_000).unwrap();
        let headers = [("retry-after".parse().unwrap(), retry_after.parse().unwrap())];
        call_after(&headers.into_iter().collect(), now).map(|after| after.duration_since(now))
    }

    #[test]
    fn a_wait_is_obeyed_up_to_five_minutes_and_rounded_up() {
        assert_eq!(asked("7"), Some(SignedDuration::from_millis(7_999)));
        assert_eq!(asked("3600"), Some(SignedDuration::from_millis(300_999)));
        assert_eq!(asked("0"), None);
        assert_eq!(asked("soon"), None);
    }

    #[test]
    fn a_refusal_is_about_the_pace_if_it_names_a_wait_or_a_limit_that_is_used_up() {
        let now = Timestamp::from_second(1_000).unwrap();
        let wait = |pairs: &[(&str, &str)]| {
            let pair = |(name, value): &(&str, &str)| {
                (name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap())
            };
            throttled(&pairs.iter().map(pair).collect(), now).map(|wait| wait.as_secs())
        };
        assert_eq!(wait(&[("retry-after", "7")]), Some(7));
        assert_eq!(wait(&[("retry-after", "3600")]), Some(300));
        let used_up = ("x-ratelimit-remaining", "0");
        assert_eq!(wait(&[used_up, ("x-ratelimit-reset", "1120")]), Some(120));
        assert_eq!(wait(&[used_up, ("x-ratelimit-reset", "900")]), Some(30));
        assert_eq!(wait(&[used_up]), Some(30));
        let left = ("x-ratelimit-remaining", "9");
        assert_eq!(wait(&[left, ("x-ratelimit-reset", "1120")]), None);
        assert_eq!(wait(&[("retry-after", "0")]), None);
        assert_eq!(wait(&[]), None);
    }
}
