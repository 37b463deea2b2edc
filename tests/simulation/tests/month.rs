//! The schedule over weeks.
#![allow(clippy::unwrap_used, missing_docs)]

use simulation::month::{self, Month};

#[test]
fn in_thirty_days_with_two_outages_nobody_is_forgotten_or_asked_to_sign_in_again() {
    let month = Month {
        days: 30,
        every: 5,
        used: 3,
        idle: 12,
        outages: [(5 * 24, 5 * 24 + 6), (20 * 24, 20 * 24 + 6)],
    };
    let report = month::run(month).unwrap();
    assert_eq!((report.forgotten, report.reconnects), (0, 0), "{report:?}");
    assert_eq!(report.uses_without_token, 0, "{report:?}");
    assert!(report.exchanges > 1000, "{report:?}");
    // Once soon after connecting, then weekly, and some attempts during an outage.
    assert!((4.0..9.0).contains(&report.per_idle_connection), "{report:?}");
}
