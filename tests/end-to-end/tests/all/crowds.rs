//! Crowds of calls that API Gateway or Lambda refuses before a function sees them.

use std::time::Duration;

use end_to_end::{Answer, Caller, PROJECTS, World};
use futures_util::future::join_all;
use tokio::time::Instant;

/// Not a wait: a service that does not recover is given up.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(20);
/// Requests that a front takes at a time; starting a world and connecting an account need fewer.
const BURST: usize = 16;

/// Sends twice the burst at a time, at a rate of one a second. Returns the number that passed, and the refusals.
async fn exceed(send: impl AsyncFn() -> Answer) -> (usize, Vec<Answer>) {
    let begun = Instant::now();
    let answers = join_all((0..2 * BURST).map(|_| send())).await;
    let (passed, refused): (Vec<_>, Vec<_>) =
        answers.into_iter().partition(|answer| answer.status == 200);
    let flowed_in = usize::try_from(begun.elapsed().as_secs()).unwrap() + 1;
    assert!((1..=BURST + flowed_in).contains(&passed.len()), "{} passed", passed.len());
    (passed.len(), refused)
}

async fn is_served_again(send: impl AsyncFn() -> Answer) {
    let deadline = Instant::now() + GIVEN_UP_AFTER;
    while send().await.status != 200 {
        assert!(Instant::now() < deadline, "a caller that waits is not served again");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_beyond_the_throttle_of_a_stage_are_refused_and_reach_no_function() {
    let burst = BURST.to_string();
    let parameters = [("ThrottleRate", "1"), ("ThrottleBurst", burst.as_str())];
    let world = World::deployed_with(&parameters).await;
    let connection = world.connect("ada", "ada").await;

    let health = async || world.get(&Caller::Nobody, "/health").await;
    let (_, refused) = exceed(health).await;
    for answer in refused {
        answer.expect_message(429, "Too Many Requests");
    }
    // The other front is another stage.
    let streamed = async || world.streamed(&connection, PROJECTS).await;
    let (passed, refused) = exceed(streamed).await;
    assert!(passed >= BURST, "{passed} passed");
    assert_eq!(world.devops().count("projects.list"), u64::try_from(passed).unwrap());
    for answer in refused {
        let answer = answer.expect_problem(429, "rate_limited");
        assert_eq!(answer.header("retry-after"), Some("2"));
    }
    is_served_again(health).await;
    is_served_again(streamed).await;
}
