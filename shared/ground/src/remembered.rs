//! Answers that stay good for a while: one request per key however many callers wait for it.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;

use crate::clock::Clock;

/// Keys that are remembered unless [`Remembered::at_most`] says otherwise.
const MOST_KEYS: usize = 1000;

/// Why there is no new answer.
#[derive(Debug)]
pub enum AskError<E> {
    /// The other side did not answer. A stale answer may take the place of a new one.
    Unavailable(E),
    /// The other side answered that there is none: what was remembered is forgotten.
    Final(E),
}

impl<E> From<E> for AskError<E> {
    fn from(error: E) -> Self {
        Self::Unavailable(error)
    }
}

/// What a failure to ask comes to.
#[derive(Debug, Clone, Copy)]
enum WhenFailing {
    /// The caller gets the failure.
    Fail,
    /// The caller gets the stale answer if it is not older than `usable_for`. The other side is left alone for
    /// `ask_again_after`.
    Stale { usable_for: SignedDuration, ask_again_after: SignedDuration },
}

struct Slot<V> {
    value: Option<V>,
    /// When `value` was had.
    had_at: Timestamp,
    /// When asking failed, if it has since.
    failed_at: Option<Timestamp>,
}

impl<V> Default for Slot<V> {
    fn default() -> Self {
        Self { value: None, had_at: Timestamp::UNIX_EPOCH, failed_at: None }
    }
}

struct Used<V> {
    slot: Arc<Mutex<Slot<V>>>,
    /// The number of its last use, of all uses of all slots.
    last_use: u64,
}

struct Slots<K, V> {
    by_key: HashMap<K, Used<V>>,
    uses: u64,
}

/// Answers by key, each good for a time. Clones share what they remember.
#[derive(Clone)]
pub struct Remembered<K, V> {
    clock: Arc<dyn Clock>,
    fresh_for: SignedDuration,
    when_failing: WhenFailing,
    most: usize,
    slots: Arc<Mutex<Slots<K, V>>>,
}

impl<K: Clone + Eq + Hash, V: Clone> Remembered<K, V> {
    /// Remembers answers for `fresh_for`, and nothing yet. Failures are the caller's; at most 1,000 keys are
    /// remembered.
    pub fn new(clock: Arc<dyn Clock>, fresh_for: SignedDuration) -> Self {
        let slots = Slots { by_key: HashMap::new(), uses: 0 };
        Self {
            clock,
            fresh_for,
            when_failing: WhenFailing::Fail,
            most: MOST_KEYS,
            slots: Arc::new(Mutex::new(slots)),
        }
    }

    /// While asking fails, an answer that is at most `usable_for` old takes the place of a new one, and the other side is
    /// asked again after `ask_again_after`.
    #[must_use]
    pub fn or_stale(mut self, usable_for: SignedDuration, ask_again_after: SignedDuration) -> Self {
        self.when_failing = WhenFailing::Stale { usable_for, ask_again_after };
        self
    }

    /// Remembers at most so many keys: the one whose last use is longest ago makes room.
    #[must_use]
    pub fn at_most(mut self, most: usize) -> Self {
        self.most = most;
        self
    }

    /// Returns the remembered answer while it is fresh, else what `ask` comes to. `ask` is called only if it is needed;
    /// callers of one key wait for each other, callers of different keys do not.
    ///
    /// # Errors
    /// The failure of `ask`, unless a stale answer may take its place.
    pub async fn get<E, Asked>(&self, key: &K, ask: impl FnOnce() -> Asked) -> Result<V, E>
    where
        Asked: Future<Output = Result<V, AskError<E>>>,
    {
        let slot = self.slot(key).await;
        // Held while asking: concurrent callers of one key share one request.
        let mut slot = slot.lock().await;
        let now = self.clock.now();
        if let Some(value) = self.usable_unasked(&slot, now) {
            return Ok(value);
        }
        // Boxed, because it is seldom needed and can be large.
        match Box::pin(ask()).await {
            Ok(value) => {
                *slot = Slot { value: Some(value.clone()), had_at: now, failed_at: None };
                Ok(value)
            }
            Err(AskError::Final(error)) => {
                *slot = Slot::default();
                Err(error)
            }
            Err(AskError::Unavailable(error)) => {
                slot.failed_at = Some(now);
                match (self.when_failing, &slot.value) {
                    (WhenFailing::Stale { usable_for, .. }, Some(value))
                        if since(now, slot.had_at) < usable_for =>
                    {
                        Ok(value.clone())
                    }
                    _ => Err(error),
                }
            }
        }
    }

    /// Returns the remembered answer, or `None` if there is none or it is no longer fresh.
    pub async fn known(&self, key: &K) -> Option<V> {
        let slot = self.slot(key).await;
        let slot = slot.lock().await;
        let is_fresh = since(self.clock.now(), slot.had_at) < self.fresh_for;
        slot.value.clone().filter(|_| is_fresh)
    }

    /// Remembers an answer that was had otherwise.
    pub async fn put(&self, key: &K, value: V) {
        let slot = self.slot(key).await;
        *slot.lock().await = Slot { value: Some(value), had_at: self.clock.now(), failed_at: None };
    }

    /// Forgets an answer. The next caller asks.
    pub async fn forget(&self, key: &K) {
        let slot = self.slot(key).await;
        *slot.lock().await = Slot::default();
    }

    fn usable_unasked(&self, slot: &Slot<V>, now: Timestamp) -> Option<V> {
        let age = since(now, slot.had_at);
        let pauses = match (self.when_failing, slot.failed_at) {
            (WhenFailing::Stale { usable_for, ask_again_after }, Some(failed_at)) => {
                age < usable_for && since(now, failed_at) < ask_again_after
            }
            _ => false,
        };
        slot.value.clone().filter(|_| age < self.fresh_for || pauses)
    }

    async fn slot(&self, key: &K) -> Arc<Mutex<Slot<V>>> {
        let mut slots = self.slots.lock().await;
        slots.uses += 1;
        let last_use = slots.uses;
        if let Some(used) = slots.by_key.get_mut(key) {
            used.last_use = last_use;
            return Arc::clone(&used.slot);
        }
        if slots.by_key.len() >= self.most {
            let oldest = slots.by_key.iter().min_by_key(|(_, used)| used.last_use);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                slots.by_key.remove(&oldest);
            }
        }
        let slot = Arc::default();
        slots.by_key.insert(key.clone(), Used { slot: Arc::clone(&slot), last_use });
        slot
    }
}

/// How far two moments lie apart, whichever is earlier: a clock that was set back must not make an answer good for years.
fn since(now: Timestamp, then: Timestamp) -> SignedDuration {
    now.duration_since(then).abs()
}

#[cfg(test)]
mod tests;
