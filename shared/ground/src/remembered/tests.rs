use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::clock::StoppedClock;

const FRESH_FOR: SignedDuration = SignedDuration::from_secs(100);
const USABLE_FOR: SignedDuration = SignedDuration::from_secs(1000);
const ASK_AGAIN_AFTER: SignedDuration = SignedDuration::from_secs(10);

fn clock() -> Arc<StoppedClock> {
    StoppedClock::at(Timestamp::from_second(1_800_000_000).unwrap())
}

/// Another side that answers with the number of its requests so far, or fails.
#[derive(Default)]
struct Other {
    asked: AtomicU32,
}

impl Other {
    async fn answer(&self) -> Result<u32, AskError<&'static str>> {
        tokio::task::yield_now().await;
        Ok(self.asked.fetch_add(1, Ordering::SeqCst) + 1)
    }

    async fn fail(&self) -> Result<u32, AskError<&'static str>> {
        tokio::task::yield_now().await;
        self.asked.fetch_add(1, Ordering::SeqCst);
        Err(AskError::Unavailable("no answer"))
    }

    fn asked(&self) -> u32 {
        self.asked.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn an_answer_is_asked_for_once_while_it_is_fresh_and_again_afterwards() {
    let (clock, other) = (clock(), Other::default());
    let remembered = Remembered::new(clock.clone(), FRESH_FOR);
    assert_eq!(remembered.get(&"a", || other.answer()).await, Ok(1));
    clock.advance(99);
    assert_eq!(remembered.get(&"a", || other.answer()).await, Ok(1));
    clock.advance(1);
    assert_eq!(remembered.get(&"a", || other.answer()).await, Ok(2));
}

#[tokio::test]
async fn callers_that_wait_for_one_key_share_one_request() {
    let other = Other::default();
    let remembered = Remembered::new(clock(), FRESH_FOR);
    let get = || async { remembered.get(&"a", || other.answer()).await };
    assert_eq!(tokio::join!(get(), get(), get()), (Ok(1), Ok(1), Ok(1)));
}

#[tokio::test]
async fn a_key_that_hangs_delays_no_other_key() {
    let other = Other::default();
    let remembered = Remembered::<_, u32>::new(clock(), FRESH_FOR);
    let hanging = remembered.get(&"hanging", std::future::pending::<Result<_, AskError<&str>>>);
    tokio::select! {
        biased;
        _ = hanging => unreachable!(),
        answer = remembered.get(&"b", || other.answer()) => assert_eq!(answer, Ok(1)),
    }
}

#[tokio::test]
async fn the_caller_gets_a_failure_where_no_stale_answer_is_wanted() {
    let (clock, other) = (clock(), Other::default());
    let remembered = Remembered::new(clock.clone(), FRESH_FOR);
    assert_eq!(remembered.get(&"a", || other.answer()).await, Ok(1));
    clock.advance(100);
    assert_eq!(remembered.get(&"a", || other.fail()).await, Err("no answer"));
    assert_eq!(remembered.get(&"a", || other.answer()).await, Ok(3));
}

#[tokio::test]
async fn a_stale_answer_takes_the_place_of_a_new_one_while_asking_fails() {
    let (clock, other) = (clock(), Other::default());
    let remembered =
        Remembered::new(clock.clone(), FRESH_FOR).or_stale(USABLE_FOR, ASK_AGAIN_AFTER);
    assert_eq!(remembered.get(&"a", || other.fail()).await, Err("no answer"));
    assert_eq!(remembered.get(&"a", || other.answer()).await, Ok(2));
    clock.advance(100);
    assert_eq!(remembered.get(&"a", || other.fail()).await, Ok(2));
    clock.advance(9);
    assert_eq!(remembered.get(&"a", || other.fail()).await, Ok(2));
    assert_eq!(other.asked(), 3, "the other side is left alone for ten seconds");
    clock.advance(1);
    assert_eq!(remembered.get(&"a", || other.answer()).await, Ok(4));
}

#[tokio::test]
async fn a_stale_answer_is_not_used_for_ever() {
    let (clock, other) = (clock(), Other::default());
    let remembered =
        Remembered::new(clock.clone(), FRESH_FOR).or_stale(USABLE_FOR, ASK_AGAIN_AFTER);
    assert_eq!(remembered.get(&"a", || other.answer()).await, Ok(1));
    clock.advance(995);
    assert_eq!(remembered.get(&"a", || other.fail()).await, Ok(1));
    clock.advance(5);
    assert_eq!(remembered.get(&"a", || other.fail()).await, Err("no answer"));
}

#[tokio::test]
async fn a_final_failure_forgets_the_remembered_answer() {
    let (clock, other) = (clock(), Other::default());
    let remembered =
        Remembered::new(clock.clone(), FRESH_FOR).or_stale(USABLE_FOR, ASK_AGAIN_AFTER);
    assert_eq!(remembered.get(&"a", || other.answer()).await, Ok(1));
    clock.advance(100);
    let gone = remembered.get(&"a", || async { Err(AskError::Final("gone")) }).await;
    assert_eq!(gone, Err("gone"));
    assert_eq!(remembered.get(&"a", || other.fail()).await, Err("no answer"));
}

#[tokio::test]
async fn an_answer_that_was_put_is_known_until_it_is_forgotten_or_stale() {
    let clock = clock();
    let remembered = Remembered::new(clock.clone(), FRESH_FOR);
    assert_eq!(remembered.known(&"a").await, None);
    remembered.put(&"a", 7).await;
    assert_eq!(remembered.known(&"a").await, Some(7));
    clock.advance(100);
    assert_eq!(remembered.known(&"a").await, None);
    remembered.put(&"a", 8).await;
    remembered.forget(&"a").await;
    assert_eq!(remembered.known(&"a").await, None);
}

#[tokio::test]
async fn the_least_recently_used_key_is_dropped() {
    let remembered = Remembered::new(clock(), FRESH_FOR);
    for key in 0..MOST_KEYS {
        remembered.put(&key, key).await;
    }
    assert_eq!(remembered.known(&0).await, Some(0));
    remembered.put(&MOST_KEYS, 7).await;
    assert_eq!(remembered.known(&MOST_KEYS).await, Some(7));
    assert_eq!(remembered.known(&0).await, Some(0));
    assert_eq!(remembered.known(&2).await, Some(2));
    assert_eq!(remembered.known(&1).await, None);
}

#[tokio::test]
async fn a_clock_that_was_set_back_makes_no_answer_good_for_longer() {
    let (clock, other) = (clock(), Other::default());
    let remembered = Remembered::new(clock.clone(), FRESH_FOR);
    assert_eq!(remembered.get(&"a", || other.answer()).await, Ok(1));
    clock.advance(-100);
    assert_eq!(remembered.get(&"a", || other.answer()).await, Ok(2));
}
