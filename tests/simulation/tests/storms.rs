//! All connections are due at once, and Entra refuses every refresh.
#![allow(clippy::unwrap_used, missing_docs)]

use simulation::entra::Mood;
use simulation::{storm, tenants};

const CONNECTIONS: usize = 150;

#[test]
fn an_expired_secret_opens_the_breaker_within_ten_requests_and_costs_no_connection() {
    let report = storm::run(Mood::RejectsCredential, CONNECTIONS, 45).unwrap();
    assert!(report.marked, "{report:?}");
    assert!(report.requests_of_the_first_minute <= 10, "{report:?}");
    // Half-open: at most one attempt every thirty seconds.
    assert!(report.requests <= 10 + 45 * 2, "{report:?}");
    assert_eq!(report.reconnects, 0, "{report:?}");
    assert!(report.ready_again, "{report:?}");
    assert_eq!(report.recovered, CONNECTIONS, "{report:?}");
}

#[test]
fn entra_s_loop_detector_costs_no_connection() {
    let report = storm::run(Mood::Throttling, CONNECTIONS, 30).unwrap();
    assert!(!report.marked, "{report:?}");
    assert_eq!(report.reconnects, 0, "{report:?}");
    assert_eq!(report.recovered, CONNECTIONS, "{report:?}");
}

#[test]
fn tenants_that_refuse_the_app_in_every_way_stop_no_other_tenant() {
    let report = tenants::run(200).unwrap();
    assert_eq!(report.accepted, (100, 100), "{report:?}");
    assert!(report.stayed_ready, "{report:?}");
    assert_eq!(report.tenants_by_events, [(1, tenants::REFUSALS.len())].into(), "{report:?}");
    assert_eq!(report.other_events, 0, "{report:?}");
    // Tries after 2, 4, 8, 16, 32 and 60 minutes.
    let (first, later) = report.refused_requests;
    assert!(first <= 25 * 8 && later <= 25 * 6, "{report:?}");
    assert_eq!(report.reconnects, 0, "{report:?}");
    assert_eq!(report.recovered, (100, 100), "{report:?}");
}
