//! Something is done, and at any step of it the wire stops.

use tap::{Stop, Tap, When};

/// Does something again and again, and lets something else happen at each step of it, which is before and after each
/// request through the tap; then the step goes on or gets lost. Returns how many requests there are.
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
    unreachable!("everything has an end")
}
