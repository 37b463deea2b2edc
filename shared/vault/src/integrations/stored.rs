//! Stored values, as this release reads those of a newer one.

use serde::{Deserialize, Deserializer};

/// Reads a stored value. One of a newer release reads as the default, which is the strictest; a request is
/// read by [`super::Settings::read`], which refuses it.
pub(super) fn strictest_if_unknown<'de, T, D>(from: D) -> Result<T, D::Error>
where
    T: Deserialize<'de> + Default,
    D: Deserializer<'de>,
{
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Stored<T> {
        Known(T),
        Unknown(serde::de::IgnoredAny),
    }
    Ok(match Stored::deserialize(from)? {
        Stored::Known(value) => value,
        Stored::Unknown(_) => T::default(),
    })
}
