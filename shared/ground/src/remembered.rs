//! Answers that stay fresh for a while, with one request per key for all concurrent callers.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;

use crate::clock::Clock;

/// The number of remembered keys. Beyond it the least recently used one is dropped.
const MOST_KEYS: usize = 1000;

/// The reasons why there is no new answer.
#[derive(Debug)]
pub enum AskError<E> {
    /// The other side did not answer. A stale answer may be used instead.
    Unavailable(E),
    /// The other side answered that there is none. The remembered answer is forgotten.
    Final(E),
}

impl<E> From<E> for AskError<E> {
    fn from(error: E) -> Self {
        Self::Unavailable(error)
    }
}

/// The use of a stale answer instead of a failure.
#[derive(Debug, Clone, Copy)]
struct Stale {
    usable_for: SignedDuration,
    ask_again_after: SignedDuration,
}

struct Slot<V> {
    value: Option<V>,
    /// When `value` was received.
    had_at: Timestamp,
    /// When the last request failed, if it did after `value` was received.
    failed_at: Option<Timestamp>,
}

impl<V> Default for Slot<V> {
    fn default() -> Self {
        Self { value: None, had_at: Timestamp::UNIX_EPOCH, failed_at: None }
    }
}

struct Used<V> {
    slot: Arc<Mutex<Slot<V>>>,
    /// The number of its last use, counted over all slots.
    last_use: u64,
}

struct Slots<K, V> {
    by_key: HashMap<K, Used<V>>,
    uses: u64,
}

impl<K: Eq + Hash, V> Slots<K, V> {
    /// Returns the slot of a key that has one, and notes the use.
    fn used(&mut self, key: &K) -> Option<Arc<Mutex<Slot<V>>>> {
        self.uses += 1;
        let used = self.by_key.get_mut(key)?;
        used.last_use = self.uses;
        Some(Arc::clone(&used.slot))
    }
}

/// Answers by key, each fresh for a time. Clones share them.
#[derive(Clone)]
pub struct Remembered<K, V> {
    clock: Arc<dyn Clock>,
    fresh_for: SignedDuration,
    stale: Option<Stale>,
    slots: Arc<Mutex<Slots<K, V>>>,
}

impl<K: Clone + Eq + Hash, V: Clone> Remembered<K, V> {
    /// Returns an empty cache whose answers are fresh for `fresh_for`. The caller gets each failure; at most 1,000 keys
    /// are remembered.
    pub fn new(clock: Arc<dyn Clock>, fresh_for: SignedDuration) -> Self {
        let slots = Slots { by_key: HashMap::new(), uses: 0 };
        Self { clock, fresh_for, stale: None, slots: Arc::new(Mutex::new(slots)) }
    }

    /// Uses a stale answer that is at most `usable_for` old while requests fail, and asks the other side again after
    /// `ask_again_after`.
    #[must_use]
    pub fn or_stale(mut self, usable_for: SignedDuration, ask_again_after: SignedDuration) -> Self {
        self.stale = Some(Stale { usable_for, ask_again_after });
        self
    }

    /// Returns the remembered answer if it is fresh, or the result of `ask` if not. Callers of one key wait for each
    /// other; callers of different keys do not.
    ///
    /// # Errors
    /// The error of `ask` if it fails and there is no stale answer to use.
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
                let age = since(now, slot.had_at);
                let is_usable = self.stale.is_some_and(|stale| age < stale.usable_for);
                slot.value.clone().filter(|_| is_usable).ok_or(error)
            }
        }
    }

    /// Returns the remembered answer, or `None` if there is no fresh one. Remembers nothing about other keys, so that
    /// questions about made-up ones displace no answer.
    pub async fn known(&self, key: &K) -> Option<V> {
        let slot = self.slots.lock().await.used(key)?;
        let slot = slot.lock().await;
        let is_fresh = since(self.clock.now(), slot.had_at) < self.fresh_for;
        slot.value.clone().filter(|_| is_fresh)
    }

    /// Remembers an answer that came from elsewhere.
    pub async fn put(&self, key: &K, value: V) {
        self.put_as_of(key, value, self.clock.now()).await;
    }

    /// Remembers an answer that came from elsewhere, and describes the time `had_at`.
    pub async fn put_as_of(&self, key: &K, value: V, had_at: Timestamp) {
        let slot = self.slot(key).await;
        *slot.lock().await = Slot { value: Some(value), had_at, failed_at: None };
    }

    /// Forgets an answer, so that the next caller asks.
    pub async fn forget(&self, key: &K) {
        let slot = self.slots.lock().await.used(key);
        if let Some(slot) = slot {
            *slot.lock().await = Slot::default();
        }
    }

    fn usable_unasked(&self, slot: &Slot<V>, now: Timestamp) -> Option<V> {
        let age = since(now, slot.had_at);
        let pauses = self.stale.zip(slot.failed_at).is_some_and(|(stale, failed_at)| {
            age < stale.usable_for && since(now, failed_at) < stale.ask_again_after
        });
        slot.value.clone().filter(|_| age < self.fresh_for || pauses)
    }

    async fn slot(&self, key: &K) -> Arc<Mutex<Slot<V>>> {
        let mut slots = self.slots.lock().await;
        if let Some(slot) = slots.used(key) {
            return slot;
        }
        let last_use = slots.uses;
        if slots.by_key.len() >= MOST_KEYS {
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

/// Returns the distance between two times, in either order: if the clock is set back, an answer must not stay fresh for
/// years.
fn since(now: Timestamp, then: Timestamp) -> SignedDuration {
    now.duration_since(then).abs()
}

#[cfg(test)]
mod tests;
