//! The audit trail: who did what, on what, from where. Ids and words of ours only: no secret, no name of a person, no text
//! from outside.
//!
//! ```text
//!  record ─┬─> a log line with the field `audit`
//!          └─> one transaction: an item of the day, and a copy for the connection and for each API key that it names
//!
//!  day#2026-11-30#2     ┐
//!  connection#conn_…    ├─ sorted by time; each is read in one way ──> a page of entries
//!  key#0a1b…            ┘
//! ```
//!
//! Items are only ever added: each has a key of its own and is put if there is none, no role may update or delete one, and
//! DynamoDB's time to live removes them in the end. There are copies instead of an index, because an
//! entry can belong to two keys, such as an operator's key that creates another, and an index has one place for each item.

mod entry;
mod event;
mod reading;

pub use entry::{Entry, On, Origin, Who};
pub use event::{Actor, ActorRole, AuditEvent, Ended, RenewalFailure, What};
pub use reading::{Order, Page, Position, Span, Trail};

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::TransactWriteItem;
use ground::clock::Clock;
use ground::random::Random;
use ground::remembered::{AskError, Remembered};
use jiff::SignedDuration;

use crate::Error;
use crate::ids::ApiKeyId;
use crate::table::{Condition, Item, Transaction, Write, n, s, to_item, transact};

const WHAT: &str = "audit entry";
/// The time limit for one record. A request waits for it, so it is shorter than the SDK's.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long a process remembers that it recorded the use of a key. The day is a part of what it remembers.
const A_DAY: SignedDuration = SignedDuration::from_hours(24);
/// The least time between two records of refused sign-ins from one source by a process. Anybody
/// can cause them, even without a key.
const BETWEEN_REFUSALS: SignedDuration = SignedDuration::from_mins(1);

/// Records events, and reads them. Clones share one count of lost records.
#[derive(Clone)]
pub struct Audit {
    client: Client,
    table: String,
    kept_for: SignedDuration,
    clock: Arc<dyn Clock>,
    random: Random,
    used_keys: Remembered<(ApiKeyId, String), ()>,
    refused_sources: Remembered<Option<IpAddr>, ()>,
    lost: Arc<AtomicU64>,
}

impl Audit {
    /// Records in the given table, whose items are kept for so many days.
    pub fn new(
        client: Client,
        table: String,
        days: u32,
        clock: Arc<dyn Clock>,
        random: Random,
    ) -> Self {
        Self {
            client,
            table,
            kept_for: SignedDuration::from_hours(24 * i64::from(days)),
            used_keys: Remembered::new(Arc::clone(&clock), A_DAY),
            refused_sources: Remembered::new(Arc::clone(&clock), BETWEEN_REFUSALS),
            clock,
            random,
            lost: Arc::default(),
        }
    }

    /// Records an event. A failure is logged and counted, and fails nothing else.
    pub async fn record(&self, actor: &Actor, event: &AuditEvent<'_>) {
        self.keep(actor, event, None).await;
    }

    /// Records that an actor's API key was used today, once a day for each key.
    pub async fn record_use_of_key(&self, actor: &Actor) {
        let Some(key) = &actor.key else { return };
        let today = entry::day(self.clock.now());
        let first = || async {
            let event = AuditEvent::of_key(What::ApiKeyUsed, key);
            self.keep(actor, &event, Some(format!("use#{key}#{today}"))).await;
            // A failure is counted. Tried again at each call, it would slow down all of them.
            Ok::<(), AskError<Error>>(())
        };
        let _ = self.used_keys.get(&(key.clone(), today.clone()), first).await;
    }

    /// Records that a sign-in was refused, unless that was recorded for its source within the last minute.
    pub async fn record_refused_sign_in(&self, actor: &Actor) {
        let first = || async {
            self.record(actor, &AuditEvent::of_service(What::PortalSignInRefused)).await;
            Ok::<(), AskError<Error>>(())
        };
        let _ = self.refused_sources.get(&actor.source, first).await;
    }

    /// Returns the number of records that were lost since the last call of this, and resets it.
    pub fn take_lost(&self) -> u64 {
        self.lost.swap(0, Ordering::Relaxed)
    }

    /// Logs an event, and stores it. With a name, stores nothing if an item of that name exists.
    async fn keep(&self, actor: &Actor, event: &AuditEvent<'_>, once: Option<String>) {
        let entry = Entry::new(actor, event, self.clock.now(), &mut self.random.clone());
        entry.log();
        let stored = self.put(&entry, actor.key.as_ref(), once);
        let kept = tokio::time::timeout(PATIENCE, stored).await;
        let cause = match kept {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(late) => late.to_string(),
        };
        self.lost.fetch_add(1, Ordering::Relaxed);
        tracing::error!(
            what = entry.what,
            id = entry.id,
            "an audit entry is in the log only: {cause}"
        );
    }

    /// Puts an entry and its copies. With the name of an item that may exist only once, puts nothing if it exists.
    async fn put(
        &self,
        entry: &Entry,
        acting: Option<&ApiKeyId>,
        once: Option<String>,
    ) -> Result<(), Error> {
        let is_once = once.is_some();
        let marker = once.map(|name| self.item(name, "once".to_owned(), Item::new(), entry));
        let content = to_item(WHAT, entry)?;
        let copies = entry.partitions(acting);
        let copies =
            copies.into_iter().map(|pk| self.item(pk, entry.position(), content.clone(), entry));
        let writes: Result<Vec<TransactWriteItem>, Error> = marker
            .into_iter()
            .chain(copies)
            .map(|item| {
                Write::put(&self.table, item).when("pk", Condition::Absent).in_transaction()
            })
            .collect();
        match transact(&self.client, writes?).await? {
            Transaction::Done => Ok(()),
            // Another process was first.
            Transaction::Refused { .. } if is_once => Ok(()),
            Transaction::Refused { .. } => Err(Error::Contended { what: WHAT }),
        }
    }

    fn item(&self, pk: String, sk: String, mut content: Item, entry: &Entry) -> Item {
        content.insert("pk".to_owned(), s(pk));
        content.insert("sk".to_owned(), s(sk));
        content.insert("expires_at".to_owned(), n((entry.time + self.kept_for).as_second()));
        content
    }
}
