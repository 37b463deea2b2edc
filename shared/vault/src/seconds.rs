//! Times as seconds since 1970, so that conditions and indexes can compare them.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serializer};

#[expect(clippy::ref_option, reason = "the signature that serde calls")]
pub(crate) fn serialize<S: Serializer>(
    time: &Option<Timestamp>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => required::serialize(time, serializer),
        None => serializer.serialize_none(),
    }
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Timestamp>, D::Error> {
    Option::<i64>::deserialize(deserializer)?.map(from_second).transpose()
}

/// The same for times that are not optional.
pub(crate) mod required {
    use super::{Deserialize, Deserializer, Serializer, Timestamp, from_second};

    pub(crate) fn serialize<S: Serializer>(
        time: &Timestamp,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(time.as_second())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Timestamp, D::Error> {
        from_second(i64::deserialize(deserializer)?)
    }
}

fn from_second<E: serde::de::Error>(seconds: i64) -> Result<Timestamp, E> {
    Timestamp::from_second(seconds).map_err(E::custom)
}
