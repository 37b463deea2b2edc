//! A recorded event, as it is stored and exported.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use rand::CryptoRng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::event::{Actor, AuditEvent};
use crate::ids::ApiKeyId;

/// Parts of a day. DynamoDB takes 1,000 writes a second for one partition, and a transaction counts twice.
pub(super) const SHARDS: u64 = 4;

/// A recorded event. One of a newer release has a `what` that this release does not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "AuditEntry")]
pub struct Entry {
    /// Its own id.
    pub id: String,
    /// When it happened.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub time: Timestamp,
    /// The kind of event, such as `token_handed_out`.
    pub what: String,
    /// Who did it.
    pub who: Who,
    /// The things that it happened to.
    pub on: On,
    /// Where it came from.
    pub from: Origin,
    /// The fields of its kind, such as the `setting` that opened a closed area.
    #[serde(default)]
    pub detail: BTreeMap<String, String>,
}

/// Who did something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct Who {
    /// The actor's id.
    pub id: String,
    /// Its role.
    pub role: String,
}

/// The things that something happened to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct On {
    /// The integration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub integration: Option<String>,
    /// The connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<String>,
    /// The API key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// Where something came from; empty for the service itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct Origin {
    /// The address that connected to the front door.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The id of the request in the logs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

impl Entry {
    pub(super) fn new(
        actor: &Actor,
        event: &AuditEvent<'_>,
        time: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Self {
        let (what, words) = event.words();
        let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
        let detail =
            words.iter().filter_map(|(name, value)| Some((name.clone(), text(value)?))).collect();
        Self {
            id: format!("{:016x}", rng.next_u64()),
            time,
            what,
            who: Who { id: actor.id.clone(), role: actor.role.to_string() },
            on: On {
                integration: event.integration.map(ToString::to_string),
                connection: event.connection.map(ToString::to_string),
                key: event.key.map(ToString::to_string),
            },
            from: Origin {
                source: actor.source.map(|address| address.to_string()),
                request_id: actor.request_id.clone(),
            },
            detail,
        }
    }

    /// Writes the log line that is the second, independent copy.
    pub(super) fn log(&self) {
        let detail = |name: &str| self.detail.get(name).map(String::as_str);
        tracing::info!(
            audit = self.what,
            caller = self.who.id,
            caller_role = self.who.role,
            source = self.from.source.as_deref(),
            integration = self.on.integration.as_deref(),
            connection = self.on.connection.as_deref(),
            key = self.on.key.as_deref(),
            setting = detail("setting"),
            method = detail("method"),
            failure = detail("failure"),
            kind = detail("kind"),
            role = detail("role"),
            action = detail("action"),
            "audit",
        );
    }

    /// Its place in each partition: by time, then by id.
    pub(super) fn position(&self) -> String {
        position(self.time, &self.id)
    }

    /// The partitions that it belongs to, one of them that of the acting key.
    pub(super) fn partitions(&self, acting: Option<&ApiKeyId>) -> BTreeSet<String> {
        let shard = u64::from_str_radix(&self.id, 16).unwrap_or_default() % SHARDS;
        let of_keys = acting.map(ApiKeyId::as_str).into_iter().chain(self.on.key.as_deref());
        std::iter::once(of_day(&day(self.time), shard))
            .chain(self.on.connection.as_deref().map(of_connection))
            .chain(of_keys.map(of_key))
            .collect()
    }
}

pub(super) fn of_day(day: &str, shard: u64) -> String {
    format!("day#{day}#{shard}")
}

pub(super) fn of_connection(id: &str) -> String {
    format!("connection#{id}")
}

pub(super) fn of_key(id: &str) -> String {
    format!("key#{id}")
}

/// The first position of a time, or that of an entry. Texts of one length sort by time.
pub(super) fn position(time: Timestamp, id: &str) -> String {
    format!("{time:.9}#{id}")
}

/// The day in UTC.
pub(super) fn day(time: Timestamp) -> String {
    time.to_zoned(jiff::tz::TimeZone::UTC).date().to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::event::{ActorRole, What};
    use super::*;
    use crate::api_keys::Role;

    fn actor() -> Actor {
        Actor {
            id: "key:0a1b".to_owned(),
            role: ActorRole::Operator,
            key: Some("0a1b".parse().unwrap()),
            source: Some("203.0.113.7".parse().unwrap()),
            request_id: Some("JKJaXmPLvHcESHA=".to_owned()),
        }
    }

    fn created(key: &ApiKeyId) -> Entry {
        let event = AuditEvent::of_key(What::ApiKeyCreated { role: Role::Application }, key);
        let time = "2026-11-30T10:00:00.5Z".parse().unwrap();
        Entry::new(&actor(), &event, time, &mut ground::random::Random::seeded(1))
    }

    #[test]
    fn an_entry_belongs_to_its_day_and_to_the_keys_on_both_sides() {
        let entry = created(&"0a1c".parse().unwrap());
        let partitions = entry.partitions(actor().key.as_ref());
        let days: Vec<_> =
            partitions.iter().filter(|pk| pk.starts_with("day#2026-11-30#")).collect();
        assert_eq!((partitions.len(), days.len()), (3, 1), "{partitions:?}");
        assert!(partitions.contains("key#0a1b") && partitions.contains("key#0a1c"));
        // A key that acts on itself is there once.
        let of_itself = created(&"0a1b".parse().unwrap());
        assert_eq!(of_itself.partitions(actor().key.as_ref()).len(), 2);
    }

    #[test]
    fn an_entry_is_exported_with_who_and_what_and_from_where() {
        let entry = created(&"0a1c".parse().unwrap());
        let id = entry.id.clone();
        assert_eq!(
            serde_json::to_value(entry).unwrap(),
            json!({
                "id": id,
                "time": "2026-11-30T10:00:00.5Z",
                "what": "api_key_created",
                "who": {"id": "key:0a1b", "role": "operator"},
                "on": {"key": "0a1c"},
                "from": {"source": "203.0.113.7", "request_id": "JKJaXmPLvHcESHA="},
                "detail": {"role": "application"},
            })
        );
    }

    proptest! {
        #[test]
        fn positions_sort_by_time(a in 0..4_102_444_800_000_000_000_i128, b in 0..4_102_444_800_000_000_000_i128) {
            let at = |nanosecond| Timestamp::from_nanosecond(nanosecond).unwrap();
            prop_assert_eq!(position(at(a), "").cmp(&position(at(b), "")), a.cmp(&b));
        }
    }
}
