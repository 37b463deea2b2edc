//! Checks the invariants after every write.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_dynamodb::types::AttributeValue;
use local::names;
use secrecy::ExposeSecret as _;
use vault::aws::Clients;
use vault::ids::{ConnectionId, GrantId, IntegrationId};
use vault::sealing::Sealer;
use vault::tokens::{Owner, TokenStore};

use crate::clock::SimulatedClock;
use crate::cloud::Cloud;
use crate::entra::read_token;
use crate::faults::Faults;
use crate::wire::{Sabotage, Wire};

type Item = std::collections::HashMap<String, AttributeValue>;

/// Reads the tables and keeps the first violation that it finds.
pub struct Audit {
    aws: Clients,
    tokens: TokenStore,
    /// Number of checks that have begun.
    begun: AtomicU64,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// The latest check, by its number, whose items were compared.
    compared: u64,
    /// For each item of tokens: its version, and the grant and serial of its access token.
    tokens: BTreeMap<String, (u64, usize, u64)>,
    /// Items that have been deleted.
    gone: BTreeSet<String>,
    violation: Option<String>,
}

impl Audit {
    /// An audit of these services, over a wire without faults.
    pub fn new(cloud: Cloud, clock: SimulatedClock) -> Self {
        let wire = Wire::new(cloud, Faults::none(), Sabotage::None, None);
        let aws = Clients::new(&wire.sdk_config());
        let sealer = Sealer::new(aws.kms(), names::KEY.to_owned(), Arc::new(clock));
        let tokens = TokenStore::new(aws.dynamodb.clone(), names::TOKENS.to_owned(), sealer);
        Self { aws, tokens, begun: AtomicU64::new(0), seen: Mutex::default() }
    }

    /// Returns the first violation, or `None` if there was none.
    pub fn violation(&self) -> Option<String> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).violation.clone()
    }

    /// Returns every item of a table.
    pub async fn items(&self, table: &str) -> Vec<Item> {
        let scanned = self.aws.dynamodb.scan().table_name(table).send().await;
        scanned.ok().and_then(|answer| answer.items).unwrap_or_default()
    }

    /// Checks all items.
    pub(crate) async fn look(&self) {
        let number = self.begun.fetch_add(1, Ordering::Relaxed) + 1;
        let (connections, tokens) =
            (self.items(names::CONNECTIONS).await, self.items(names::TOKENS).await);
        let mut there = BTreeMap::new();
        for item in &tokens {
            if let (Some(pk), Some(seen)) = (text(item, "pk"), self.read(item, &connections).await)
            {
                there.insert(pk.to_owned(), seen);
            }
        }
        let ids = connections.iter().filter_map(|item| text(item, "pk")).map(str::to_owned);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        // Checks overlap. Items that were read before those of another check would look like a return to the past.
        if number < seen.compared {
            return;
        }
        seen.compared = number;
        let found = seen.compare(&connections, &there);
        seen.remember(
            &ids.chain(tokens.iter().filter_map(|i| text(i, "pk")).map(str::to_owned)).collect(),
            there,
        );
        if seen.violation.is_none() {
            seen.violation = found;
        }
    }

    /// Returns version, grant and serial, or `None` if the item's connection is deleted.
    async fn read(&self, item: &Item, connections: &[Item]) -> Option<(u64, usize, u64)> {
        let (connection, grant) = text(item, "pk")?.split_once('#')?;
        let of = connections.iter().find(|item| text(item, "pk") == Some(connection))?;
        let integration: IntegrationId = text(of, "integration")?.parse().ok()?;
        let (connection, grant): (ConnectionId, GrantId) =
            (connection.parse().ok()?, grant.parse().ok()?);
        let owner = Owner { integration: &integration, connection: &connection, grant: &grant };
        let sealed = self.tokens.get(owner).await.ok()??;
        let opened = self.tokens.open_access(owner, &sealed).await.ok()?;
        let (grant, serial) = read_token("at", opened.secret().expose_secret())?;
        Some((sealed.version, grant, serial))
    }
}

impl Seen {
    /// Compares the items with those of the check before. Returns a violation, or `None`.
    fn compare(
        &self,
        connections: &[Item],
        there: &BTreeMap<String, (u64, usize, u64)>,
    ) -> Option<String> {
        for item in connections {
            let pk = text(item, "pk").unwrap_or_default();
            if self.gone.contains(pk) && pk.starts_with("conn_") {
                return Some(format!("I6: {pk} was deleted and came back"));
            }
            if text(item, "status") == Some("reauthorization_required") {
                return Some(format!("I4: {pk} was taken from its user"));
            }
        }
        for (pk, (version, grant, serial)) in there {
            if self.gone.contains(pk) {
                return Some(format!("I6: tokens of {pk} were replaced or deleted, and came back"));
            }
            let Some((old_version, old_grant, old_serial)) = self.tokens.get(pk) else { continue };
            if grant != old_grant {
                return Some(format!("I5: {pk} holds tokens of grant {grant}, not {old_grant}"));
            }
            if version < old_version || serial < old_serial {
                return Some(format!("I2: {pk} went from token {old_serial} back to {serial}"));
            }
        }
        None
    }

    fn remember(&mut self, keys: &BTreeSet<String>, there: BTreeMap<String, (u64, usize, u64)>) {
        let before: Vec<String> = self.tokens.keys().cloned().collect();
        for pk in before {
            if !keys.contains(&pk) {
                if let Some((connection, _)) = pk.split_once('#')
                    && !keys.contains(connection)
                {
                    self.gone.insert(connection.to_owned());
                }
                self.tokens.remove(&pk);
                self.gone.insert(pk);
            }
        }
        self.tokens.extend(there);
    }
}

fn text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}
