//! The health of the service: the renewals that wait and that failed, expiring credentials, and the number of calls.

use askama::Template;
use http::StatusCode;
use jiff::SignedDuration;
use vault::integrations;
use vault::service::Status;
use vault::tallies::{Counter, Hour};

use super::chart::Chart;
use super::frame::{Frame, Section, shown};
use super::integrations::Row;
use super::shown::When;
use super::visit::Visit;
use crate::HttpResult;
use crate::operations::Operations;
use crate::operations::connections::Backlog;

/// Hours of the charts.
const HOURS: u8 = 24;
/// The schedule runs every minute. A connection that has been due for longer than this waits for something.
const LATE: SignedDuration = SignedDuration::from_mins(5);

#[derive(Template)]
#[template(path = "health.html")]
struct HealthPage {
    frame: Frame,
    is_paused: bool,
    backlog: Backlog,
    oldest_due: Option<When>,
    is_late: bool,
    calls: Chart,
    renewals: Chart,
    failures: [(&'static str, u64); 8],
    integrations: Vec<(Row, &'static str)>,
}

/// Describes the circuit breaker of an integration: whether its connections are renewed.
const fn breaker(status: integrations::Status) -> &'static str {
    match status {
        integrations::Status::Ready => "Closed: connections are renewed.",
        integrations::Status::Paused => "Open: paused by an operator.",
        integrations::Status::CredentialRejected => {
            "Open: Entra is asked again every few minutes, with one connection."
        }
    }
}

pub(super) async fn page(visit: &Visit<'_>) -> HttpResult {
    let Operations { service, tallies, integrations, connections, refresh_shards, .. } =
        visit.operations;
    let settings = service.settings().await?;
    let hours = tallies.last_hours(HOURS).await?;
    let integrations = integrations.list().await?;
    let backlog = connections.backlog(settings.refresh_shards.max(*refresh_shards)).await?;
    let now = visit.now();
    let row = |one| (Row::of(one, now), breaker(one.status));
    shown(
        StatusCode::OK,
        &HealthPage {
            frame: Frame::new(visit, Section::Health, "Health"),
            is_paused: settings.status == Status::Paused,
            oldest_due: When::of(backlog.oldest, now),
            is_late: backlog.oldest.is_some_and(|time| now.duration_since(time) > LATE),
            backlog,
            calls: Chart::of(
                "Calls of Azure DevOps in each hour",
                ["calls", "failed"],
                &hours,
                |hour| (hour.count(Counter::Calls), hour.count(Counter::CallsFailed)),
            ),
            renewals: Chart::of(
                "Scheduled renewals in each hour",
                ["renewals", "failed"],
                &hours,
                |hour| {
                    let failed = FAILURES.iter().map(|(_, counter)| hour.count(*counter)).sum();
                    (hour.count(Counter::Renewed) + failed, failed)
                },
            ),
            failures: FAILURES.map(|(text, counter)| (text, sum(&hours, counter))),
            integrations: integrations.iter().map(row).collect(),
        },
    )
}

/// The classes of failed renewals, with their meaning.
const FAILURES: [(&str, Counter); 8] = [
    ("Entra was not available; tried again by itself", Counter::Unavailable),
    ("Entra throttled the app; tried again later by itself", Counter::Throttled),
    ("Entra refused, which is confirmed before the user is asked", Counter::Refused),
    ("Entra rejects the client credential: verify the integration", Counter::CredentialRejected),
    ("A tenant refuses the app: see its integration", Counter::TenantRefused),
    ("Entra refuses for an unknown reason: verify the integration", Counter::Misconfigured),
    ("Users who must sign in again", Counter::ReauthorizationRequired),
    ("Our own side failed: see the log", Counter::OwnFailures),
];

fn sum(hours: &[Hour], counter: Counter) -> u64 {
    hours.iter().map(|hour| hour.count(counter)).sum()
}
