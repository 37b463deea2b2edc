//! The active faults of one emulator, and the handles that watch and release them.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;

use super::Fault;
use crate::request::Received;

struct Entry {
    id: u64,
    fault: Fault,
    seen: AtomicU32,
    hits: watch::Sender<u32>,
    released: watch::Sender<bool>,
    removed: AtomicBool,
}

/// An injected fault: the number of requests that it met, and the gate of a `hold`.
#[derive(Clone)]
pub struct FaultHandle(Arc<Entry>);

impl FaultHandle {
    /// Returns the id for the admin routes.
    pub fn id(&self) -> u64 {
        self.0.id
    }

    /// Returns the number of requests that it has met.
    pub fn hits(&self) -> u32 {
        *self.0.hits.borrow()
    }

    /// Waits until it has met at least this many requests.
    pub async fn arrived(&self, requests: u32) {
        let mut hits = self.0.hits.subscribe();
        // It fails only after the fault is dropped, and `self` keeps it alive.
        drop(hits.wait_for(|hits| *hits >= requests).await);
    }

    /// Lets held requests go on; later ones are not held.
    pub fn release(&self) {
        self.0.released.send_replace(true);
    }

    /// Removes the fault; held requests go on.
    pub fn remove(&self) {
        self.0.removed.store(true, Ordering::SeqCst);
        self.release();
    }

    pub(crate) fn fault(&self) -> &Fault {
        &self.0.fault
    }

    /// The waiting part of the fault.
    pub(crate) async fn wait(&self) {
        if self.0.fault.delay_ms > 0 {
            tokio::time::sleep(Duration::from_millis(self.0.fault.delay_ms)).await;
        }
        if self.0.fault.hold {
            let mut released = self.0.released.subscribe();
            drop(released.wait_for(|released| *released).await);
        }
    }

    fn to_json(&self) -> Value {
        json!({"id": self.id(), "hits": self.hits(), "released": *self.0.released.borrow(), "fault": self.0.fault})
    }
}

/// The faults of one emulator, oldest first.
#[derive(Default)]
pub(crate) struct Faults {
    next_id: AtomicU64,
    entries: Mutex<Vec<FaultHandle>>,
}

impl Faults {
    fn entries(&self) -> MutexGuard<'_, Vec<FaultHandle>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn inject(&self, fault: Fault) -> FaultHandle {
        let handle = FaultHandle(Arc::new(Entry {
            id: self.next_id.fetch_add(1, Ordering::SeqCst) + 1,
            fault,
            seen: AtomicU32::new(0),
            hits: watch::Sender::new(0),
            released: watch::Sender::new(false),
            removed: AtomicBool::new(false),
        }));
        self.entries().push(handle.clone());
        handle
    }

    /// Returns the first fault that applies to this request, and counts the request.
    pub fn strike(&self, route: &str, request: &Received) -> Option<FaultHandle> {
        let entries = self.entries();
        entries.iter().find_map(|handle| {
            let entry = &handle.0;
            let spent = entry.fault.times != 0 && handle.hits() >= entry.fault.times;
            if spent || entry.removed.load(Ordering::SeqCst) || !entry.fault.matches(route, request)
            {
                return None;
            }
            if entry.seen.fetch_add(1, Ordering::SeqCst) < entry.fault.skip {
                return None;
            }
            entry.hits.send_modify(|hits| *hits += 1);
            Some(handle.clone())
        })
    }

    pub fn clear(&self) {
        for handle in self.entries().drain(..) {
            handle.remove();
        }
    }

    pub fn get(&self, id: u64) -> Option<FaultHandle> {
        self.entries().iter().find(|handle| handle.id() == id).cloned()
    }

    pub fn release_all(&self) {
        for handle in self.entries().iter() {
            handle.release();
        }
    }

    pub fn to_json(&self) -> Value {
        self.entries().iter().map(FaultHandle::to_json).collect()
    }
}
