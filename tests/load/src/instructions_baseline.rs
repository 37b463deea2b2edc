//! `instructions.toml`: the counts that the proxy had when they were last accepted.

use std::collections::BTreeMap;

use toml_edit::{DocumentMut, Item, Table, value};

use crate::callgrind::Counts;
use crate::figures::count as figure;

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.toml");
/// The largest difference that is accepted, in percent.
const TOLERANCE: u64 = 3;

/// The accepted counts of everything that is counted.
#[derive(Debug)]
pub(crate) struct Baseline(DocumentMut);

impl Baseline {
    /// Reads the file.
    ///
    /// # Errors
    /// If it is missing or no TOML.
    pub(crate) fn read() -> Result<Self, String> {
        let text = std::fs::read_to_string(PATH).map_err(|e| format!("{PATH}: {e}"))?;
        text.parse().map(Self).map_err(|e| format!("{PATH}: {e}"))
    }

    /// Replaces the counts and writes the file, whose comment stays.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn replace(&mut self, counted: &BTreeMap<&str, Counts>) -> Result<(), String> {
        for (name, counts) in counted {
            let table = self.0.entry(name).or_insert(Item::Table(Table::new()));
            for (unit, count) in units(*counts) {
                table[unit] = value(i64::try_from(count).unwrap_or(i64::MAX));
            }
        }
        std::fs::write(PATH, self.0.to_string()).map_err(|e| format!("{PATH}: {e}"))
    }

    /// Compares, and returns a line for each count that is not accepted: larger, or so much smaller that the next loss
    /// would not be noticed.
    pub(crate) fn differences(&self, counted: &BTreeMap<&str, Counts>) -> Vec<String> {
        let each = counted
            .iter()
            .flat_map(|(name, counts)| units(*counts).map(|(unit, count)| (*name, unit, count)));
        let differing = each.filter_map(|(name, unit, count)| {
            let Some(accepted) = self.count(name, unit) else {
                return Some(format!("{name}: {count} {unit}, and none are accepted yet"));
            };
            let percent = (figure(Some(count)) / figure(Some(accepted)) - 1.0) * 100.0;
            (count.abs_diff(accepted) * 100 > accepted * TOLERANCE).then(|| {
                format!("{name}: {count} {unit}, {percent:+.1} % of the accepted {accepted}")
            })
        });
        differing.collect()
    }

    fn count(&self, name: &str, unit: &str) -> Option<u64> {
        self.0.get(name)?.get(unit)?.as_integer()?.try_into().ok()
    }
}

fn units(counts: Counts) -> [(&'static str, u64); 2] {
    [("instructions", counts.instructions), ("allocations", counts.allocations)]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn differences(instructions: u64, allocations: u64) -> Vec<String> {
        let baseline = "[\"2 kB\"]\ninstructions = 1000000\nallocations = 400\n";
        let baseline = Baseline(baseline.parse().unwrap());
        baseline.differences(&BTreeMap::from([("2 kB", Counts { instructions, allocations })]))
    }

    #[test]
    fn three_percent_more_or_less_are_accepted_and_no_more() {
        assert!(differences(1_030_000, 388).is_empty());
        assert_eq!(
            differences(1_031_000, 400),
            ["2 kB: 1031000 instructions, +3.1 % of the accepted 1000000"]
        );
        assert_eq!(
            differences(1_000_000, 387),
            ["2 kB: 387 allocations, -3.2 % of the accepted 400"]
        );
    }

    #[test]
    fn something_that_was_never_counted_is_a_difference() {
        let counted = BTreeMap::from([("new", Counts { instructions: 1, allocations: 1 })]);
        assert_eq!(Baseline(DocumentMut::new()).differences(&counted).len(), 2);
    }
}
