//! `infra/cost.toml`: prices, assumptions and counted figures, each with what it means.

use std::path::PathBuf;

use toml_edit::{DocumentMut, Value};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../infra/cost.toml");
/// As it was when this program was built.
const INPUTS: &str = include_str!("../../../infra/cost.toml");

/// Returns a price in dollars. Prices per request or unit are per million of them. It is no number if there is none of this
/// name.
pub(crate) fn price(name: &str) -> f64 {
    INPUTS.parse().ok().and_then(|inputs| number(&inputs, "prices", name)).unwrap_or(f64::NAN)
}

fn number(inputs: &DocumentMut, table: &str, name: &str) -> Option<f64> {
    inputs.get(table)?.get(name)?.get(0)?.as_float()
}

/// The file, for changes of its counted figures.
pub(crate) struct Counted(DocumentMut);

impl Counted {
    /// Reads the file.
    ///
    /// # Errors
    /// If it is missing or no TOML.
    pub(crate) fn read() -> Result<Self, String> {
        let text = std::fs::read_to_string(PATH).map_err(|e| format!("{PATH}: {e}"))?;
        text.parse().map(Self).map_err(|e| format!("{PATH}: {e}"))
    }

    /// Returns a counted figure.
    ///
    /// # Errors
    /// If there is none of this name.
    pub(crate) fn get(&self, name: &str) -> Result<f64, String> {
        number(&self.0, "counted", name).ok_or_else(|| format!("{PATH} has no counted {name}"))
    }

    /// Sets a figure and keeps what it means.
    pub(crate) fn set(&mut self, name: &str, figure: f64) {
        let list = self.0.get_mut("counted").and_then(|table| table.get_mut(name));
        if let Some(list) = list.and_then(|list| list.as_array_mut()) {
            list.replace(0, Value::from(figure));
        }
    }

    /// Writes the file. Returns its path.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn write(&self) -> Result<PathBuf, String> {
        std::fs::write(PATH, self.0.to_string()).map_err(|e| format!("{PATH}: {e}"))?;
        Ok(PATH.into())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_price_is_read_by_its_name() {
        assert!(price("write-unit") > price("read-unit"));
        assert!(price("nothing").is_nan());
    }

    #[test]
    fn a_counted_figure_keeps_its_meaning_and_all_comments() {
        let mut counted = Counted(INPUTS.parse().unwrap());
        let before = counted.get("renewal-writes").unwrap();
        counted.set("renewal-writes", before + 1.5);
        let written = counted.0.to_string();
        let changed: Vec<_> =
            INPUTS.lines().zip(written.lines()).filter(|(one, other)| one != other).collect();
        assert_eq!(changed.len(), 1, "{changed:?}");
        assert!(changed[0].1.ends_with("write units of a renewal\"]"), "{changed:?}");
        assert!(counted.get("nothing").is_err());
    }
}
