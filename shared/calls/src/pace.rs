//! The pace that Azure DevOps asks for.

use std::time::Duration;

use devops::pace::LONGEST_WAIT;
use edge::problem::{Code, Problem};
use ground::clock::Clock;
use ground::retry_after;
use http::HeaderMap;
use jiff::{SignedDuration, Timestamp};
use vault::connections::Connection;

use crate::deadlines::Deadlines;
use crate::repetition::LONGEST_PAUSE;

/// Returns the time until Azure DevOps may be called for this user, if that is soon.
///
/// # Errors
/// [`Code::DevopsThrottled`] if it is not, or if no time would be left for the call.
pub(crate) fn wait(
    connection: &Connection,
    deadlines: &Deadlines,
    clock: &dyn Clock,
) -> Result<Duration, Problem> {
    let Some(call_after) = connection.call_after else { return Ok(Duration::ZERO) };
    let wait = call_after.duration_since(clock.now());
    let wait = Duration::try_from(wait).unwrap_or_default().min(LONGEST_WAIT);
    if wait > LONGEST_PAUSE || !deadlines.leave_room_after(wait) {
        return Err(Problem::new(Code::DevopsThrottled).retry_after(wait));
    }
    Ok(wait)
}

/// Returns when Azure DevOps wants to be called next, if an answer names a time. Successful answers do, too.
pub(crate) fn call_after(headers: &HeaderMap, now: Timestamp) -> Option<Timestamp> {
    let wait = retry_after::of(headers, now)?.min(LONGEST_WAIT);
    let wait = SignedDuration::try_from(wait).unwrap_or_default();
    // Times are stored in whole seconds: rounded up, so that the next call is never too early.
    (!wait.is_zero()).then(|| now + wait + SignedDuration::from_millis(999))
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
}
