//! A few seeds; `CONTRIBUTING.md` has the command for many.
#![allow(clippy::unwrap_used, missing_docs)]

use simulation::scenario::{self, Clocks};
use simulation::wire::Sabotage;

fn all_hold(seeds: std::ops::Range<u64>, clocks: Clocks) {
    let (mut exchanges, mut crashes) = (0, 0);
    for seed in seeds {
        let report = scenario::run(seed, clocks, Sabotage::None)
            .unwrap_or_else(|violation| panic!("seed {seed}: {violation}"));
        exchanges += report.exchanges;
        crashes += report.crashes;
    }
    assert!(
        exchanges > 100 && crashes > 10,
        "a calm sea: {exchanges} exchanges, {crashes} crashes"
    );
}

/// Whether one of twenty seeds finds a violation with this beginning.
fn is_found_out(sabotage: Sabotage, clocks: Clocks, violation: &str) -> bool {
    (0..20).any(|seed| {
        scenario::run(seed, clocks, sabotage).is_err_and(|found| found.starts_with(violation))
    })
}

#[test]
fn nothing_is_lost_on_a_bad_network() {
    all_hold(0..24, Clocks::Close);
}

#[test]
fn nothing_is_lost_even_if_clocks_are_ten_minutes_apart() {
    all_hold(1000..1016, Clocks::Apart);
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let runs = [0, 1].map(|_| scenario::run(7, Clocks::Close, Sabotage::None).unwrap());
    assert_eq!(runs[0], runs[1]);
}

#[test]
fn storing_without_the_condition_is_detected() {
    assert!(is_found_out(Sabotage::BlindWrite, Clocks::Apart, "I"));
}

#[test]
fn leasing_without_the_condition_is_detected() {
    assert!(is_found_out(Sabotage::NoLease, Clocks::Close, "I3"));
}
