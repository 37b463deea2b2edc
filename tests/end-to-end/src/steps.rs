//! Stops an action at each of its requests.

use tap::{Stop, Tap, When};

/// Repeats `act`, and stops each run at one step later: before and after each request through the tap.
///
/// ```text
///   act ──request 0──request 1──…
///        ↑         ↑ each run stops at one step: `meanwhile` runs and lets it go on or cuts it; `then` gets the result
/// ```
///
/// Returns the number of requests.
pub async fn at_every_step<T>(
    tap: &Tap,
    act: impl AsyncFn() -> T,
    meanwhile: impl AsyncFn(&Stop),
    then: impl AsyncFn(T),
) -> u64 {
    for number in 0.. {
        for when in [When::Before, When::After] {
            let stop = tap.stop_at(number, when);
            let mut acting = std::pin::pin!(act());
            let is_held = tokio::select! {
                _ = &mut acting => false,
                () = stop.reached() => true,
            };
            if !is_held {
                stop.go_on();
                return number;
            }
            meanwhile(&stop).await;
            then(acting.await).await;
        }
    }
    unreachable!("an action has an end")
}
