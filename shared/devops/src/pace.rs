//! The pace that Azure DevOps asks for
//! (<https://learn.microsoft.com/azure/devops/integrate/concepts/rate-limits>).

use std::time::Duration;

use ground::retry_after;
use http::HeaderMap;
use jiff::Timestamp;

/// The longest wait that is obeyed. Azure DevOps' limits look back five minutes.
pub const LONGEST_WAIT: Duration = Duration::from_mins(5);
/// The shortest wait for a limit that is used up, also if its reset is near or past.
const SHORTEST_RESET: Duration = Duration::from_secs(30);

/// Returns how long a refused call has to wait, or `None` if the answer is not about the pace. Azure DevOps also refuses
/// a caller beyond its limit as if the token were not good.
pub fn throttled(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
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
    #![allow(clippy::unwrap_used)]
    use super::*;

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
